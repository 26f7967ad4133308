"""Suppliers on pages: who applies and who may sell, and the file of one with its papers, agreement and payee."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import supplier_lifecycle as lifecycle
from catalog import suppliers
from catalog.accreditation_lifecycle import EntityKind
from catalog.errors import SupplierProfileInvalid, SupplierSealed
from catalog.payees import Account, Receiver
from catalog.supplier_lifecycle import Act, Kind, Papers, PermitClass, Seat, State
from catalog.supplier_models import PaperKind, ReceiverKind
from config import clock, darkroom, database, pictures
from config.errors import Conflict, Forbidden, Invalid
from storefront import guard
from storefront.roles import Permission
from storefront.staff import supplier_desk, supplier_words, tables
from storefront.staff.pages import exports, frame
from storefront.staff.tables import Column

blueprint = Blueprint("staff_pages_suppliers", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_PATH = "/suppliers"
_PAGE = 50
_TABS = {
    "": ("待审核", frozenset({State.APPLIED})),
    "admitted": ("可供货", frozenset({State.ADMITTED})),
    "stopped": ("暂停与到期", frozenset({State.SUSPENDED, State.LAPSED})),
    "drafted": ("填写中", frozenset({State.DRAFTED, State.REFUSED})),
    "closed": ("已终止", frozenset({State.CLOSED})),
}


SUPPLIERS = tables.Table(
    "suppliers",
    "供应商",
    (
        Column("number", "档案编号", tables.Kind.CODE, width=16),
        Column("name", "名称", width=32),
        Column("kind", "类别", words=supplier_words.SUPPLIER_KINDS),
        Column("county", "所在县区"),
        Column("state", "状态", words=supplier_words.SUPPLIER_STATES),
        Column("permit_until", "许可有效期", tables.Kind.DAY),
        Column("on_sale", "在售商品", tables.Kind.COUNT),
        Column("products", "全部商品", tables.Kind.COUNT),
    ),
    lead="name",
)


@blueprint.get("/suppliers")
@guard.staff(Permission.READ_SUPPLIERS)
def listing() -> Response:
    """Show the suppliers in sight; one that sees only itself finds its own file."""
    tab = request.args.get("tab", "")
    tab = tab if tab in _TABS else ""
    page = request.args.get("page", "1")
    number = int(page) if page.isdecimal() and 1 <= len(page) <= 4 else 1
    actor = guard.actor()
    with database.transaction() as session:
        mine = [
            row
            for scope in {grant.scope.supplier for grant in actor.grants if grant.scope.supplier}
            for row in supplier_desk.listing(session, actor, states=State, limit=_PAGE)
            if row["number"] == scope
        ]
        rows = supplier_desk.listing(
            session, actor, states=_TABS[tab][1], offset=max(0, number - 1) * _PAGE, limit=_PAGE + 1
        )
    return frame.render(
        "staff/suppliers.html",
        here="suppliers",
        rows=mine or rows[:_PAGE],
        is_mine=bool(mine),
        tab=tab,
        tabs={key: title for key, (title, _) in _TABS.items()},
        page=number,
        has_next=len(rows) > _PAGE and not mine,
        kinds=supplier_words.SUPPLIER_KINDS,
    )


@exports.files(blueprint, _PATH)
@guard.staff(Permission.READ_SUPPLIERS)
def download(kind: str) -> Response:
    """Send the suppliers in sight of one tab as a file."""
    title, states = _TABS.get(request.args.get("tab", ""), _TABS[""])
    with database.transaction() as session:
        rows = supplier_desk.listing(session, guard.actor(), states=states, limit=exports.MOST_ROWS)
    sheet = tables.Sheet.of(SUPPLIERS, rows, notes=(("状态", title), exports.CUT))
    return exports.send(kind, sheet, now=clock.now())


@blueprint.post("/suppliers")
@guard.staff(Permission.MANAGE_SUPPLIERS)
def open_file() -> Response:
    """Begin the file of a supplier or seller."""
    kind = request.form.get("kind", "")
    if kind not in set(Kind):
        return frame.back(_PATH, fault="supplier.profile_invalid")
    try:
        with database.transaction() as session:
            number = supplier_desk.open_file(
                session, guard.actor(), name=request.form.get("name", "")[:200], kind=Kind(kind), now=clock.now()
            )
    except (Conflict, Invalid) as error:
        return frame.refused(_PATH, error)
    return frame.back(f"{_PATH}/{number}", done="saved")


@blueprint.get("/suppliers/<number:number>")
@guard.staff(Permission.READ_SUPPLIERS)
def show(number: str) -> Response:
    """Show the file of a supplier with what may be done about it."""
    return _file(number)


def _file(number: str, *, typed: Mapping[str, str] | None = None, refused: str = "") -> Response:
    """Return the page of a file; a refused form keeps what was `typed` and says why."""
    now = clock.now()
    with database.transaction() as session:
        found = supplier_desk.find(session, guard.actor(), number=number)
        counties = _counties(session)
    papers = Papers(
        licence_until=found["licence_until"],
        permit_class=found["permit_class"] and PermitClass(found["permit_class"]),
        permit_number=found["permit_number"],
        permit_until=found["permit_until"],
    )
    fields, photographs = lifecycle.lacking(found, papers, [paper["kind"] for paper in found["papers"]])
    return frame.render(
        "staff/supplier.html",
        here="suppliers",
        status=422 if refused else 200,
        it=found,
        typed=typed or found,
        refused=refused,
        lacking=fields,
        lacking_papers=photographs,
        counties=counties,
        is_editable=bool(found["seats"]) and found["state"] in lifecycle.EDITABLE,
        is_operator=Seat.OPERATOR in found["seats"],
        is_applicant=Seat.APPLICANT in found["seats"],
        expired=lifecycle.expired(papers, today=now.astimezone(clock.SHANGHAI).date()),
        needs_reason={act.value for act in lifecycle.NEEDS_REASON},
        agreement_version=suppliers.AGREEMENT_VERSION,
        words=supplier_words,
    )


@blueprint.post("/suppliers/<number:number>/profile")
@guard.staff(Permission.READ_SUPPLIERS)
def amend(number: str) -> Response:
    """Write what a supplier applies with."""
    given = request.form
    papers = _papers(given)
    if papers is None or papers.permit_class is None or given.get("entity_kind", "") not in set(EntityKind):
        return _file(number, typed=given, refused=SupplierProfileInvalid.message)
    profile = suppliers.Profile(
        name=given.get("name", "")[:200],
        entity_kind=EntityKind(given["entity_kind"]),
        county_code=given.get("county_code", "")[:6],
        credit_code=given.get("credit_code", "")[:40],
        licence_until=papers.licence_until,
        permit_class=papers.permit_class,
        permit_number=papers.permit_number,
        permit_until=papers.permit_until,
        contact_name=given.get("contact_name", ""),
        contact_phone=given.get("contact_phone", ""),
        address=given.get("address", ""),
    )
    try:
        with database.transaction() as session:
            supplier_desk.amend(session, guard.actor(), number=number, profile=profile, now=clock.now())
    except (Forbidden, SupplierSealed) as error:
        # Where nothing may be typed any more there is no form to keep it in.
        return frame.refused(f"{_PATH}/{number}", error)
    except (Conflict, Invalid) as error:
        name = supplier_words.SUPPLIER_FIELDS.get(str(error.details.get("field", "")), "")
        return _file(number, typed=given, refused=f"{error.text}{'：' if name else ''}{name}")
    return frame.back(f"{_PATH}/{number}", done="saved")


@blueprint.post("/suppliers/<number:number>/agreement")
@guard.staff(Permission.KEEP_GOODS)
def agree(number: str) -> Response:
    """Accept the agreement as it was shown."""
    version = request.form.get("version", "")[:20]
    return _try(
        number,
        "agreed",
        lambda s: supplier_desk.agree(s, guard.actor(), number=number, version=version, now=clock.now()),
    )


@blueprint.post("/suppliers/<number:number>/permits")
@guard.staff(Permission.MANAGE_SUPPLIERS)
def renew(number: str) -> Response:
    """Enter the dates of new papers."""
    papers = _papers(request.form)
    if papers is None:
        return frame.back(f"{_PATH}/{number}", fault="supplier.profile_invalid")
    return _try(
        number, "saved", lambda s: supplier_desk.renew(s, guard.actor(), number=number, papers=papers, now=clock.now())
    )


@blueprint.post("/suppliers/<number:number>/payee")
@guard.staff(Permission.READ_SUPPLIERS)
def enter_payee(number: str) -> Response:
    """Write where a supplier's money goes."""
    given = request.form
    account = Account(
        name=given.get("account_name", "")[:200], bank=given.get("bank", "")[:200], number=given.get("account", "")[:60]
    )
    kind = given.get("receiver_kind", "")
    receiver = None
    if kind in set(ReceiverKind):
        receiver = Receiver(
            kind=ReceiverKind(kind), account=given.get("receiver", "")[:80], name=given.get("receiver_name", "")[:200]
        )
    return _try(
        number,
        "saved",
        lambda s: supplier_desk.enter_payee(
            s, guard.actor(), number=number, account=account, receiver=receiver, now=clock.now()
        ),
    )


@blueprint.post("/suppliers/<number:number>/steps")
@guard.staff(Permission.READ_SUPPLIERS)
def take(number: str) -> Response:
    """Take the step that the form names; whose seat allows it is checked by the desk."""
    given = request.form
    act, seat = given.get("act", ""), given.get("seat", "")
    if act not in set(Act) or seat not in set(Seat):
        return frame.back(f"{_PATH}/{number}", fault="form.reason")
    return _try(
        number,
        "step_taken",
        lambda s: supplier_desk.take(
            s,
            guard.actor(),
            number=number,
            act=Act(act),
            seat=Seat(seat),
            reason=given.get("reason", ""),
            now=clock.now(),
        ),
    )


@blueprint.post("/suppliers/<number:number>/papers")
@guard.body_up_to(darkroom.LARGEST_BYTES + 65_536)
@guard.staff(Permission.READ_SUPPLIERS)
def add_paper(number: str) -> Response:
    """Add a photographed paper."""
    path, kind, file = f"{_PATH}/{number}", request.form.get("kind", ""), request.files.get("file")
    if kind not in set(PaperKind) or file is None:
        return frame.back(path, fault="form.evidence")
    try:
        supplier_desk.add_paper(guard.actor(), number=number, kind=PaperKind(kind), upload=file.read(), now=clock.now())
    except (Conflict, Invalid, Forbidden) as error:
        return frame.refused(path, error)
    return frame.back(path, done="evidence_added")


@blueprint.get("/suppliers/<number:number>/papers/<number:picture>")
@guard.staff(Permission.READ_SUPPLIERS)
def paper(number: str, picture: str) -> Response:
    """Show a paper to who works on its file."""
    with database.transaction() as session:
        supplier_desk.require_paper(session, guard.actor(), number=number, picture=picture)
    size = darkroom.SIZES[2] if "small" in request.args else darkroom.SIZES[0]
    response = Response(pictures.read(number=picture, size=size, suffix="jpg"), mimetype="image/jpeg")
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response


def _try(number: str, done: str, act: Callable[[Session], object]) -> Response:
    path = f"{_PATH}/{number}"
    try:
        with database.transaction() as session:
            act(session)
    except (Conflict, Invalid, Forbidden) as error:
        return frame.refused(path, error)
    return frame.back(path, done=done)


def _papers(given: Mapping[str, str]) -> Papers | None:
    """Return the papers that a form names; None when a date is none or the class is unknown."""
    permit_class = given.get("permit_class", "")
    try:
        ends = [
            date.fromisoformat(typed) if typed else None for typed in map(given.get, ("licence_until", "permit_until"))
        ]
    except ValueError:
        return None
    if permit_class not in set(PermitClass):
        return None
    return Papers(
        licence_until=ends[0],
        permit_class=PermitClass(permit_class),
        permit_number=given.get("permit_number", "")[:200],
        permit_until=ends[1],
    )


def _counties(session: Session) -> list[Any]:
    """Return the counties as (code, full name), in the order of their codes."""
    return list(session.execute(text("SELECT code, full_name FROM regions WHERE level = 'county' ORDER BY code")))
