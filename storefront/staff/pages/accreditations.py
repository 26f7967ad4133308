"""Accreditation on pages: each seat's queue, a new application, one with its whole way and what may be done next."""

from collections.abc import Callable
from datetime import date
from typing import Any

from flask import Blueprint, Response, request

from catalog import accreditation_lifecycle as lifecycle
from catalog import accreditation_views
from catalog.accreditation_lifecycle import Act, Seat, State
from catalog.accreditation_models import EvidenceKind, Finding, InspectionLevel
from catalog.models import IndicationKind
from config import clock, darkroom, database, pictures
from config.errors import Conflict, Forbidden, Invalid
from storefront import guard
from storefront.roles import Permission
from storefront.staff import accounts, accreditation_desk, tables, words
from storefront.staff.pages import exports, frame
from storefront.staff.tables import Column, Kind

blueprint = Blueprint("staff_pages_accreditations", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_PAGE = 20
_ENDS = frozenset(State) - lifecycle.STANDING
_UNDER_WAY = frozenset({State.DRAFTED, State.SUBMITTED, State.OPINED, State.RETURNED})
_TABS: dict[str, tuple[str, frozenset[State]]] = {
    "": ("待我办理", frozenset()),
    "under-way": ("办理中", _UNDER_WAY),
    "noticed": ("公示中", frozenset({State.NOTICED})),
    "accredited": ("已认定", frozenset({State.PUBLISHED, State.SUSPENDED})),
    "over": ("已结束", _ENDS),
}
_PATH = "/accreditations"


ACCREDITATIONS = tables.Table(
    "accreditations",
    "产品认定",
    (
        Column("number", "申请", Kind.CODE, width=18),
        Column("product_name", "商品", width=28),
        Column("supplier_name", "申请人", width=28),
        Column("township", "乡镇", value=lambda row: f"{row['county']}{row['township']}", width=24),
        Column("state", "状态", words=words.ACCREDITATIONS),
        Column("open_objections", "异议待答复", Kind.COUNT),
        Column("due_at", "期限", Kind.MINUTE, width=20),
        Column("valid_until", "有效至", Kind.DAY),
    ),
)


@blueprint.get("/accreditations")
@guard.staff(Permission.READ_ACCREDITATIONS)
def listing() -> Response:
    """Show what waits for the reader's seat, or the others."""
    actor = guard.actor()
    tab = request.args.get("tab", "")
    tab = tab if tab in _TABS else ""
    page = request.args.get("page", "1")
    number = int(page) if page.isdecimal() and 1 <= len(page) <= 4 else 1
    states = _TABS[tab][1] if tab else accreditation_desk.mine(actor)
    with database.transaction() as session:
        found = accreditation_desk.queue(
            session, actor, states=states, offset=max(0, number - 1) * _PAGE, limit=_PAGE + 1
        )
        batches = accreditation_views.batches(session)
    return frame.render(
        "staff/accreditations.html",
        here="accreditations",
        rows=found[:_PAGE],
        tab=tab,
        tabs={key: title for key, (title, _) in _TABS.items()},
        page=number,
        has_next=len(found) > _PAGE,
        batches=batches,
        now=clock.now(),
    )


@exports.files(blueprint, _PATH)
@guard.staff(Permission.READ_ACCREDITATIONS)
def download(kind: str) -> Response:
    """Send the applications of one tab as a file."""
    actor, tab = guard.actor(), request.args.get("tab", "")
    title, states = _TABS.get(tab, _TABS[""])
    with database.transaction() as session:
        found = accreditation_desk.queue(
            session, actor, states=states or accreditation_desk.mine(actor), limit=exports.MOST_ROWS
        )
    sheet = tables.Sheet.of(ACCREDITATIONS, found, notes=(("状态", title), exports.CUT))
    return exports.send(kind, sheet, now=clock.now())


@blueprint.get("/accreditations/new")
@guard.staff(Permission.APPLY)
def form() -> Response:
    """Show the form of an application: first the product, then its township."""
    with database.transaction() as session:
        products = accreditation_desk.applicable(session, guard.actor())
        chosen = next((each for each in products if each["slug"] == request.args.get("product")), None)
        townships = accreditation_views.townships(session, county=chosen["origin_code"]) if chosen else []
    return frame.render(
        "staff/accreditation_form.html", here="accreditations", products=products, chosen=chosen, townships=townships
    )


@blueprint.post("/accreditations")
@guard.staff(Permission.APPLY)
def draft() -> Response:
    """Begin an application, as the form says."""
    given = request.form
    product, township = given.get("product", ""), given.get("township", "")
    try:
        with database.transaction() as session:
            number = accreditation_desk.draft(
                session,
                guard.actor(),
                product=product[:80],
                township_code=township[:9],
                statement=given.get("statement", "").strip(),
                now=clock.now(),
            )
    except (Conflict, Invalid) as error:
        return frame.back(f"{_PATH}/new", product=product[:80], fault=error.code)
    return frame.back(f"{_PATH}/{number}", done="drafted")


@blueprint.post("/accreditations/batches")
@guard.staff(Permission.DECIDE_ACCREDITATION)
def open_batch() -> Response:
    """Open a batch of the catalogue."""
    name = request.form.get("name", "").strip()[:60]
    if not name:
        return frame.back(_PATH, fault="form.batch")
    return _try(
        _PATH,
        lambda session: accreditation_desk.open_batch(session, guard.actor(), name=name, now=clock.now()),
        done="batch_opened",
    )


@blueprint.get("/accreditations/<number:number>")
@guard.staff(Permission.READ_ACCREDITATIONS)
def show(number: str) -> Response:
    """Show one accreditation with what may be done about it."""
    actor = guard.actor()
    with database.transaction() as session:
        found = accreditation_desk.find(session, actor, number=number)
        batches = accreditation_views.batches(session)
    return frame.render(
        "staff/accreditation.html",
        here="accreditations",
        it=found,
        batches=batches,
        needs_reason={act.value for act in lifecycle.NEEDS_REASON},
        kinds=words.PAPERS,
        findings=words.INSPECTION_FINDINGS,
        indications=words.INDICATIONS,
        levels=words.INSPECTION_LEVELS,
        is_county=accounts.allowed(actor, Permission.DECIDE_ACCREDITATION) and "county" in found["seats"],
        is_applicant="applicant" in found["seats"] and found["state"] in lifecycle.EDITABLE,
        now=clock.now(),
    )


@blueprint.post("/accreditations/<number:number>/statement")
@guard.staff(Permission.APPLY)
def amend(number: str) -> Response:
    """Write the applicant's words anew."""
    statement = request.form.get("statement", "").strip()
    return _try(
        f"{_PATH}/{number}",
        lambda session: accreditation_desk.amend(
            session, guard.actor(), number=number, statement=statement, now=clock.now()
        ),
        done="saved",
    )


@blueprint.post("/accreditations/<number:number>/evidence")
@guard.body_up_to(darkroom.LARGEST_BYTES + 65_536)
@guard.staff(Permission.APPLY)
def add_evidence(number: str) -> Response:
    """Add a photographed paper."""
    path, kind, file = f"{_PATH}/{number}", request.form.get("kind", ""), request.files.get("file")
    if kind not in set(EvidenceKind) or file is None:
        return frame.back(path, fault="form.evidence")
    try:
        accreditation_desk.add_evidence(
            guard.actor(),
            number=number,
            kind=EvidenceKind(kind),
            title=words.PAPERS[kind],
            upload=file.read(),
            now=clock.now(),
        )
    except (Conflict, Invalid) as error:
        return frame.refused(path, error)
    return frame.back(path, done="evidence_added")


@blueprint.get("/accreditations/<number:number>/evidence/<number:picture>")
@guard.staff(Permission.READ_ACCREDITATIONS)
def evidence(number: str, picture: str) -> Response:
    """Show a paper to who may see its application."""
    with database.transaction() as session:
        accreditation_desk.require_paper(session, guard.actor(), number=number, picture=picture)
    size = darkroom.SIZES[2] if "small" in request.args else darkroom.SIZES[0]
    response = Response(pictures.read(number=picture, size=size, suffix="jpg"), mimetype="image/jpeg")
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response


@blueprint.post("/accreditations/<number:number>/evidence/<number:picture>/removal")
@guard.staff(Permission.APPLY)
def remove_evidence(number: str, picture: str) -> Response:
    """Take a paper out again."""
    return _try(
        f"{_PATH}/{number}",
        lambda session: accreditation_desk.remove_evidence(
            session, guard.actor(), number=number, picture=picture, now=clock.now()
        ),
        done="evidence_removed",
    )


@blueprint.post("/accreditations/<number:number>/steps")
@guard.staff(Permission.READ_ACCREDITATIONS)
def take(number: str) -> Response:
    """Take the step that the form names; whose seat allows it is checked by the desk."""
    given = request.form
    act, seat = given.get("act", ""), given.get("seat", "")
    if act not in set(Act) or seat not in set(Seat):
        return frame.back(f"{_PATH}/{number}", fault="form.reason")
    return _try(
        f"{_PATH}/{number}",
        lambda session: accreditation_desk.take(
            session,
            guard.actor(),
            number=number,
            act=Act(act),
            seat=Seat(seat),
            reason=given.get("reason", ""),
            batch=given.get("batch", ""),
            now=clock.now(),
        ),
        done="step_taken",
    )


@blueprint.post("/accreditations/<number:number>/objections/<number:objection>")
@guard.staff(Permission.DECIDE_ACCREDITATION)
def answer(number: str, objection: str) -> Response:
    """Answer an objection."""
    given = request.form
    return _try(
        f"{_PATH}/{number}",
        lambda session: accreditation_desk.answer(
            session,
            guard.actor(),
            number=number,
            objection=objection,
            answer=given.get("answer", ""),
            is_upheld=given.get("upheld") == "yes",
            now=clock.now(),
        ),
        done="objection_answered",
    )


@blueprint.post("/accreditations/<number:number>/inspections")
@guard.staff(Permission.SUPERVISE)
def inspect(number: str) -> Response:
    """Write what a spot check found."""
    given = request.form
    level, finding = given.get("level", ""), given.get("finding", "")
    day = _day(given.get("rectify_until", "")) if finding == Finding.RECTIFY else None
    if level not in set(InspectionLevel) or finding not in set(Finding):
        return frame.back(f"{_PATH}/{number}", fault="form.inspection")
    return _try(
        f"{_PATH}/{number}",
        lambda session: accreditation_desk.inspect(
            session,
            guard.actor(),
            number=number,
            level=InspectionLevel(level),
            finding=Finding(finding),
            reason=given.get("reason", ""),
            rectify_until=day,
            now=clock.now(),
        ),
        done="inspected",
    )


@blueprint.post("/accreditations/<number:number>/rectification")
@guard.staff(Permission.SUPERVISE)
def confirm_rectified(number: str) -> Response:
    """Confirm that an order to rectify was followed."""
    return _try(
        f"{_PATH}/{number}",
        lambda session: accreditation_desk.confirm_rectified(session, guard.actor(), number=number, now=clock.now()),
        done="rectified",
    )


@blueprint.post("/accreditations/<number:number>/indication")
@guard.staff(Permission.DECIDE_ACCREDITATION)
def enter_indication(number: str) -> Response:
    """Enter, correct or take away the geographical indication of its product."""
    given, path = request.form, f"{_PATH}/{number}"
    if given.get("do") == "take_back":
        return _try(
            path,
            lambda session: accreditation_desk.take_back_indication(
                session, guard.actor(), number=number, now=clock.now()
            ),
            done="saved",
        )
    kind, day = given.get("kind", ""), _day(given.get("issued_on", ""))
    if kind not in set(IndicationKind) or day is None:
        return frame.back(path, fault="accreditation.indication_invalid")
    return _try(
        path,
        lambda session: accreditation_desk.enter_indication(
            session,
            guard.actor(),
            number=number,
            kind=IndicationKind(kind),
            certificate=given.get("certificate", ""),
            issuer=given.get("issuer", ""),
            issued_on=day,
            now=clock.now(),
        ),
        done="saved",
    )


def _try(path: str, act: Callable[[Any], object], *, done: str) -> Response:
    try:
        with database.transaction() as session:
            act(session)
    except (Conflict, Invalid, Forbidden) as error:
        return frame.refused(path, error)
    return frame.back(path, done=done)


def _day(typed: str) -> date | None:
    try:
        return date.fromisoformat(typed)
    except ValueError:
        return None
