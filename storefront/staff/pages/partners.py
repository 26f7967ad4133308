"""Partners on pages: the list with the form that adds one, and one with its keys."""

from flask import Blueprint, Response, request

from config import clock, database
from config.errors import Conflict, Invalid, NotFound
from storefront import guard, partner_keys
from storefront.partner_keys import KeyScope
from storefront.partner_models import PartnerKind
from storefront.roles import Permission
from storefront.staff import partner_desk, partner_words, tables
from storefront.staff.pages import exports, frame
from storefront.staff.tables import Column, Kind
from storefront.webhook_models import DeliveryState

blueprint = Blueprint("staff_pages_partners", __name__, url_prefix=frame.ROOT, template_folder="../templates")


PARTNERS = tables.Table(
    "partners",
    "合作伙伴",
    (
        Column("number", "编号", Kind.CODE, width=18),
        Column("name", "名称", width=32),
        Column("kind", "类型", words=partner_words.PARTNER_KINDS),
        Column("seller", "销售方编号", Kind.CODE),
        Column("created_at", "登记", Kind.MINUTE, width=20),
        Column("closed_at", "停用", Kind.MINUTE, width=20),
    ),
    lead="name",
)


@blueprint.get("/partners")
@guard.staff(Permission.MANAGE_PARTNERS)
def listing() -> Response:
    """Show the partners, and the form that adds one."""
    with database.transaction() as session:
        found = partner_desk.listing(session, guard.actor())
    return frame.render("staff/partners.html", here="partners", partners=found)


@exports.files(blueprint, "/partners")
@guard.staff(Permission.MANAGE_PARTNERS)
def download(kind: str) -> Response:
    """Send the partners as a file."""
    with database.transaction() as session:
        found = partner_desk.listing(session, guard.actor())
    return exports.send(kind, tables.Sheet.of(PARTNERS, found), now=clock.now())


@blueprint.post("/partners")
@guard.staff(Permission.MANAGE_PARTNERS)
def create() -> Response:
    """Add a partner."""
    form = request.form
    if form.get("kind") not in list(PartnerKind):
        return frame.back("/partners", fault="form.partner")
    try:
        with database.transaction() as session:
            made = partner_desk.create(
                session,
                guard.actor(),
                kind=PartnerKind(form["kind"]),
                name=" ".join(form.get("name", "").split()),
                seller=form.get("seller", "").strip() or None,
                now=clock.now(),
            )
    except Invalid:
        return frame.back("/partners", fault="form.partner")
    except Conflict as error:
        return frame.refused("/partners", error)
    return frame.back(f"/partners/{made['number']}", done="partner_added")


@blueprint.get("/partners/<number:number>")
@guard.staff(Permission.MANAGE_PARTNERS)
def show(number: str) -> Response:
    """Show a partner with its keys."""
    return _page(number)


@blueprint.post("/partners/<number:number>/keys")
@guard.staff(Permission.MANAGE_PARTNERS)
def issue_key(number: str) -> Response:
    """Issue a key and show it on the page that answers the form: no address leads to it a second time."""
    form = request.form
    scopes = [scope for scope in KeyScope if scope.value in form.getlist("scope")]
    try:
        with database.transaction() as session:
            issued = partner_desk.issue_key(
                session,
                guard.actor(),
                number=number,
                label=" ".join(form.get("label", "").split()),
                scopes=scopes,
                now=clock.now(),
            )
    except Invalid:
        return frame.back(f"/partners/{number}", fault="form.partner_key")
    except (Conflict, NotFound) as error:
        return frame.refused(f"/partners/{number}", error)
    return _page(number, issued)


@blueprint.post("/partners/<number:number>/keys/<number:prefix>/revocation")
@guard.staff(Permission.MANAGE_PARTNERS)
def revoke_key(number: str, prefix: str) -> Response:
    """End a key at once."""
    try:
        with database.transaction() as session:
            partner_desk.revoke_key(session, guard.actor(), number=number, prefix=prefix, now=clock.now())
    except NotFound as error:
        return frame.refused(f"/partners/{number}", error)
    return frame.back(f"/partners/{number}", done="partner_key_revoked")


@blueprint.post("/partners/<number:number>/closure")
@guard.staff(Permission.MANAGE_PARTNERS)
def close(number: str) -> Response:
    """Shut a partner out for good."""
    try:
        with database.transaction() as session:
            partner_desk.close(session, guard.actor(), number=number, now=clock.now())
    except (Conflict, NotFound) as error:
        return frame.refused(f"/partners/{number}", error)
    return frame.back(f"/partners/{number}", done="partner_closed")


@blueprint.post("/partners/<number:number>/deliveries/<number:delivery>/replay")
@guard.staff(Permission.MANAGE_PARTNERS)
def replay(number: str, delivery: str) -> Response:
    """Send a message once more."""
    try:
        with database.transaction() as session:
            partner_desk.replay(session, guard.actor(), number=number, delivery=delivery, now=clock.now())
    except NotFound as error:
        return frame.refused(f"/partners/{number}", error)
    return frame.back(f"/partners/{number}", done="delivery_replayed")


@blueprint.post("/partners/<number:number>/endpoints/<number:endpoint>/enabling")
@guard.staff(Permission.MANAGE_PARTNERS)
def enable(number: str, endpoint: str) -> Response:
    """Send to an endpoint again."""
    try:
        with database.transaction() as session:
            partner_desk.enable(session, guard.actor(), number=number, endpoint=endpoint, now=clock.now())
    except NotFound as error:
        return frame.refused(f"/partners/{number}", error)
    return frame.back(f"/partners/{number}", done="endpoint_enabled")


def _page(number: str, issued: partner_keys.Issued | None = None) -> Response:
    with database.transaction() as session:
        partner = partner_desk.find(session, guard.actor(), number=number)
        traffic = partner_desk.traffic(session, guard.actor(), number=number)
    scopes = sorted(partner_keys.SCOPES[partner["kind"]])
    endpoints = {endpoint.number: endpoint for endpoint in traffic["endpoints"]}
    latest = [delivery for delivery in traffic["latest"] if delivery.state is not DeliveryState.DEAD]
    return frame.render(
        "staff/partner.html",
        here="partners",
        partner=partner,
        issued=issued,
        scopes=scopes,
        endpoints=endpoints,
        dead=traffic["dead"],
        latest=latest,
    )
