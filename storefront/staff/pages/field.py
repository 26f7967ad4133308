"""The crew's small pages: say what was done, photograph the code, and the round of codes that are due."""

from dataclasses import asdict, replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from flask import Blueprint, Response, request

from config import clock, darkroom, database
from config.errors import AppError, Conflict, Invalid, NotFound, Unavailable
from storefront import guard
from storefront.errors import CodeUnreadable, OutsideArea, SeveralCodes
from storefront.roles import Permission
from storefront.staff import accounts, field_desk, words
from storefront.staff.field_desk import Said
from storefront.staff.pages import exports, frame, messages
from storefront.staff.tables import Column, Kind, Row, Sheet, Table
from subway_campaign import codes
from subway_campaign.field_models import Act, Finding

blueprint = Blueprint("staff_pages_field", __name__, url_prefix=frame.ROOT, template_folder="../templates")

# The photo and the few fields around it.
MOST_BYTES = darkroom.LARGEST_BYTES + 64 * 1024


def _alerts(due: Row) -> str:
    return "、".join(words.in_words(kind, words.ALERTS) for kind in due["alerts"])


ROUND = Table(
    "round",
    "巡检路线",
    (
        Column("code", "码", Kind.CODE),
        Column("placement", "点位编号", Kind.CODE, width=28),
        Column("placement_name", "点位", width=32),
        Column("why", "为什么", words=words.DUE, width=20),
        Column("alerts", "告警", value=_alerts, width=24),
        Column("inspected_at", "上次检查", Kind.MINUTE, width=20),
        Column("valid_from", "挂出", Kind.MINUTE, width=20),
    ),
)


def _did(scan: Row) -> str:
    done = words.in_words(scan["act"], words.ACTS_ON_SPOT)
    return f"{done}：{words.in_words(scan['finding'], words.FINDINGS)}" if scan["finding"] else done


def _photo(scan: Row) -> str:
    return f"{frame.ROOT}/field/scans/{scan['number']}"


PLANS = Table(
    "plans",
    "等着挂上的码",
    (
        Column("placement", "点位编号", Kind.CODE, only="file", width=28),
        Column("placement_name", "点位", width=32),
        Column("code", "码", Kind.CODE),
        Column("campaign", "活动", Kind.CODE, only="file"),
        Column("creative", "素材"),
        Column("planned_by", "安排人"),
        Column("planned_at", "安排时间", Kind.MINUTE, width=20),
    ),
    lead="placement_name",
)
SCANS = Table(
    "scans",
    "现场记录",
    (
        Column("number", "编号", Kind.CODE, only="file", width=22),
        Column("scanned_at", "时间", Kind.MINUTE, href=_photo, width=20),
        Column("code", "码", Kind.CODE),
        Column("act", "做了什么", value=_did, width=20),
        Column("placement", "点位编号", Kind.CODE, only="file", width=28),
        Column("placement_name", "点位", value=lambda scan: scan["placement_name"] or "没有挂在点位", width=32),
        Column("crew", "谁"),
        Column("note", "备注", only="file", width=30),
    ),
    lead="scanned_at",
)
# The same for who may read what the crew did, and not look at its photos.
SCANS_ONLY = replace(SCANS, columns=tuple(replace(column, href=None) for column in SCANS.columns))


def scans_table() -> Table:
    """Return the table of the crew's scans as its reader may follow it: to the photos only who works in the field."""
    return SCANS if accounts.allowed(guard.actor(), Permission.WORK_FIELD) else SCANS_ONLY


@blueprint.get("/field")
@guard.staff(Permission.WORK_FIELD)
def home() -> Response:
    """Show what a member of the crew can do, and did."""
    with database.transaction() as session:
        seen = field_desk.home(session, guard.actor(), now=clock.now())
    return frame.render(
        "staff/field.html",
        here="field",
        planned=Sheet.of(PLANS, [asdict(plan) for plan in seen["plans"]]),
        did=Sheet.of(SCANS, seen["scans"]),
        **seen,
    )


@exports.files(blueprint, "/field/plans")
@guard.staff(Permission.WORK_FIELD)
def download_plans(kind: str) -> Response:
    """Send what is to be put up as a file."""
    with database.transaction() as session:
        found = field_desk.planned(session, guard.actor(), most=exports.MOST_ROWS)
    return exports.send(kind, Sheet.of(PLANS, [asdict(plan) for plan in found], notes=(exports.CUT,)), now=clock.now())


@exports.files(blueprint, "/field/scans")
@guard.staff(Permission.WORK_FIELD)
def download_scans(kind: str) -> Response:
    """Send the reader's own scans as a file, all of them."""
    with database.transaction() as session:
        found = field_desk.own_scans(session, guard.actor(), most=exports.MOST_ROWS)
    notes = (("谁", guard.actor().username or ""), exports.CUT)
    return exports.send(kind, Sheet.of(SCANS, found, notes=notes), now=clock.now())


@exports.files(blueprint, "/codes/<number:code>/scans")
@guard.staff(Permission.READ_PLACEMENTS)
def download_scans_of(kind: str, code: str) -> Response:
    """Send what the crew did with one code as a file."""
    with database.transaction() as session:
        found = field_desk.scans_of(session, guard.actor(), code=code, most=exports.MOST_ROWS)
    sheet = Sheet.of(SCANS, found, notes=(("码", codes.normalize(code)), exports.CUT))
    return exports.send(kind, sheet, now=clock.now(), period=codes.normalize(code))


@blueprint.get("/field/scan")
@guard.staff(Permission.WORK_FIELD)
def ask() -> Response:
    """Show the form of one scan."""
    return _form({name: request.args.get(name, "").strip()[:120] for name in ("act", "code", "placement")})


@blueprint.post("/field/scans")
@guard.staff(Permission.WORK_FIELD)
@guard.body_up_to(MOST_BYTES)
def confirm() -> Response:
    """Do what the form says; a photo that could not be used, or without a code of ours, is asked for again."""
    given = {name: value.strip()[:120] for name, value in request.form.items() if name != "csrf_token"}
    photo = request.files.get("photo")
    upload = photo.stream.read(darkroom.LARGEST_BYTES + 1) if photo else b""
    said = _said(given)
    if said is None or not (upload or said.picture):
        return _form(given, fault=messages.FAULTS["form.scan"], status=422)
    try:
        kept = field_desk.confirm(guard.actor(), said=said, upload=upload, now=clock.now())
    except (CodeUnreadable, SeveralCodes) as error:
        # The photo is with us: only the code is still missing.
        return _form(given | {"picture": error.details["picture"]}, fault=error.text, status=422)
    except (Conflict, Invalid, NotFound, OutsideArea, Unavailable) as error:
        return _form(given, fault=_words(error), status=error.status)
    return frame.back(f"/field/scans/{kept['number']}", done=f"code_{said.act.value}")


@blueprint.get("/field/scans/<number:number>")
@guard.staff(Permission.WORK_FIELD)
def show(number: str) -> Response:
    """Show one scan with its photo."""
    with database.transaction() as session:
        found = field_desk.scan(session, guard.actor(), number=number)
    return frame.render("staff/field_scan.html", here="field", scan=found)


@blueprint.get("/field/scans/<number:number>/photo.webp")
@guard.staff(Permission.WORK_FIELD)
def photo(number: str) -> Response:
    """Send the photo of a scan."""
    response = Response(field_desk.photo(guard.actor(), number=number), mimetype="image/webp")
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response


@blueprint.get("/field/round")
@guard.staff(Permission.WORK_FIELD)
def round_() -> Response:
    """Show the codes that are due, in the order of the way."""
    under = request.args.get("under", "").strip()[:120] or None
    with database.transaction() as session:
        seen = field_desk.round_(session, guard.actor(), under=under, now=clock.now())
    return frame.render("staff/round.html", here="field", under=under, **seen)


@exports.files(blueprint, "/field/round")
@guard.staff(Permission.WORK_FIELD)
def download_round(kind: str) -> Response:
    """Send the same codes as a file."""
    under = request.args.get("under", "").strip()[:120] or None
    with database.transaction() as session:
        found = field_desk.due(session, guard.actor(), under=under, now=clock.now())
    return exports.send(kind, Sheet.of(ROUND, found, notes=(("范围", under or "全部"),)), now=clock.now())


def _form(given: dict[str, str], *, fault: str | None = None, status: int = 200) -> Response:
    act = given.get("act", "")
    act = act if act in set(Act) else Act.INSPECTED.value
    code = codes.normalize(given.get("code", ""))
    with database.transaction() as session:
        seen = field_desk.spot(session, guard.actor(), code=code or None, now=clock.now())
    return frame.render(
        "staff/field_form.html",
        here="field",
        status=status,
        act=act,
        given=given,
        # The same form sent twice has the same key, and counts once.
        key=given.get("key") or str(uuid4()),
        trouble=fault,
        again=urlencode({"act": act}),
        findings=[finding.value for finding in Finding],
        **seen,
    )


def _said(given: dict[str, str]) -> Said | None:
    try:
        key, act = UUID(given.get("key", "")), Act(given.get("act", ""))
        finding = Finding(given.get("finding") or Finding.FINE)
    except ValueError:
        return None
    code = codes.normalize(given.get("code", "").replace(" ", ""))
    return Said(
        key=key,
        act=act,
        code=code or None,
        picture=given.get("picture") or None,
        placement=given.get("placement", "").upper() or None,
        finding=finding,
        is_retired="retired" in given,
        note=given.get("note", ""),
    )


def _words(error: AppError) -> str:
    """Return what went wrong with what a person on the spot needs to know of it."""
    details: dict[str, Any] = error.details
    where = details.get("name") or details.get("placement")
    if where:
        return f"{error.text}：{where}"
    if "crew" in details:
        return f"{error.text}，{details['crew']} 已经拆下"
    return error.text
