"""Alerts on pages: what looks wrong, who looks into it, and how long it takes to notice a code that is gone."""

from dataclasses import asdict
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from config import clock, database
from config.errors import Conflict
from storefront import guard
from storefront.roles import Permission
from storefront.staff import field_desk, words
from storefront.staff.pages import exports, field, frame
from storefront.staff.tables import Column, Kind, Row, Sheet, Table
from subway_campaign.field_models import AlertKind, AlertResolution

blueprint = Blueprint("staff_pages_alerts", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_PAGE = 50


def _why(alert: Row) -> str:
    """Return in a sentence what an alert rests on."""
    told = alert["evidence"]
    if alert["kind"] == AlertKind.SILENT:
        return (
            f"静默 {told['silent_days']} 天，同组另 {told['siblings']} 个码有 {told['others']} 次扫码；"
            f"完好的码这样静默的可能是 {told['chance'] * 100:.2g}%"
        )
    if alert["kind"] == AlertKind.ORPHAN:
        return f"{told['touches']} 次扫码{'，在拆下到挂上之间' if told['in_swap'] else ''}"
    if alert["kind"] == AlertKind.INSPECTION:
        return words.in_words(told["finding"], words.FINDINGS)
    return f"{told['words']}，{told['touches']} 次扫码先不计"


def _end(alert: Row) -> str:
    if alert["closed_at"] is None:
        return alert["owner"] or "没有人"
    return words.in_words(alert["resolution"], words.ALERT_RESOLUTIONS)


ALERTS = Table(
    "alerts",
    "告警",
    (
        Column("number", "告警编号", Kind.CODE, only="file", width=20),
        Column("subject", "码", Kind.CODE, href=lambda alert: f"{frame.ROOT}/alerts/{alert['number']}"),
        Column("kind", "什么情况", words=words.ALERTS, width=18),
        Column("placement", "点位编号", Kind.CODE, only="file", width=28),
        Column("placement_name", "点位", width=32),
        Column("evidence", "依据", value=_why, width=48),
        Column("opened_at", "打开", Kind.MINUTE, width=20),
        Column("owner", "负责人或结果", value=_end, width=18),
        Column("closed_at", "办结", Kind.MINUTE, only="file", width=20),
        Column("note", "办结说明", only="file", width=32),
    ),
    lead="subject",
)


def _chance(one: Row) -> str | None:
    # As small as one in a thousand says something: three figures, wherever they begin.
    return None if one["chance"] is None else f"{one['chance'] * 100:.3g}%"


_LEVELS = {"alert": "告警", "suspect": "可疑", "fine": "正常", "unknown": "没有可比的码"}
_TAGS = {"alert": "refunded", "suspect": "paid"}
WATCHED = Table(
    "watched",
    "每个码多久能发现",
    (
        Column(
            "code",
            "码和点位",
            Kind.CODE,
            href=lambda one: f"{frame.ROOT}/codes/{one['code']}",
            note=lambda one: one["name"],
        ),
        Column("placement", "点位编号", Kind.CODE, only="file", width=28),
        Column("name", "点位", only="file", width=32),
        Column("silent_days", "静默天数", Kind.COUNT),
        Column("siblings", "同组其他码", Kind.COUNT),
        Column("others", "同期扫码", Kind.COUNT),
        Column("chance", "完好的可能", value=_chance),
        Column(
            "detection_days",
            "失效约几天能发现",
            value=lambda one: f"{one['detection_days']:.1f}" if one["detection_days"] else "发现不了",
            width=20,
        ),
        Column("level", "判断", words=_LEVELS, tag=lambda one: _TAGS.get(one["level"], "fine")),
    ),
)


@blueprint.get("/alerts")
@guard.staff(Permission.READ_ALERTS)
def listing() -> Response:
    """Show the open alerts, or the closed ones."""
    is_open, kind, under = _asked()
    page = request.args.get("page", "1")
    number = int(page) if page.isdecimal() and 1 <= len(page) <= 4 else 1
    with database.transaction() as session:
        found = field_desk.alarms(
            session,
            guard.actor(),
            is_open=is_open,
            kind=kind,
            under=under,
            offset=max(0, number - 1) * _PAGE,
            limit=_PAGE + 1,
        )
        branches = field_desk.alarm_branches(session, guard.actor())
    asked = {"kind": kind, "under": under}
    return frame.render(
        "staff/alerts.html",
        here="alerts",
        alerts=found[:_PAGE],
        sheet=Sheet.of(ALERTS, found[:_PAGE]),
        is_open=is_open,
        kind=kind,
        under=under,
        kinds=words.ALERTS,
        branches=branches,
        query=urlencode({name: value for name, value in asked.items() if value}),
        page=number,
        has_next=len(found) > _PAGE,
    )


@exports.files(blueprint, "/alerts")
@guard.staff(Permission.READ_ALERTS)
def download(kind: str) -> Response:
    """Send all open alerts, or all closed ones."""
    is_open, about, under = _asked()
    with database.transaction() as session:
        found = field_desk.alarms(
            session, guard.actor(), is_open=is_open, kind=about, under=under, limit=exports.MOST_ROWS
        )
    notes = (
        ("状态", "待处理" if is_open else "已办结"),
        ("类型", words.ALERTS[about] if about else "全部"),
        ("范围", under or "全部"),
        exports.CUT,
    )
    return exports.send(kind, Sheet.of(ALERTS, found, notes=notes), now=clock.now())


def _asked() -> tuple[bool, AlertKind | None, str | None]:
    kind = request.args.get("kind", "")
    return request.args.get("state") != "closed", AlertKind(kind) if kind in set(AlertKind) else None, _under()


def _under() -> str | None:
    return request.args.get("under", "").strip()[:120] or None


@blueprint.get("/alerts/codes")
@guard.staff(Permission.READ_ALERTS)
def watched() -> Response:
    """Show every code with what its silence says and its detection time."""
    with database.transaction() as session:
        branches = field_desk.alarm_branches(session, guard.actor())
    return frame.render("staff/watched.html", here="alerts", sheet=_watched(), branches=branches, under=_under())


@exports.files(blueprint, "/alerts/codes")
@guard.staff(Permission.READ_ALERTS)
def download_watched(kind: str) -> Response:
    """Send the same as a file."""
    return exports.send(kind, _watched(), now=clock.now())


def _watched() -> Sheet:
    with database.transaction() as session:
        found = field_desk.watched(session, guard.actor(), under=_under(), now=clock.now())
    notes = (("范围", _under() or "全部"), ("方法", "和同一车厢或车站的其他码比较"))
    return Sheet.of(WATCHED, [asdict(one) for one in found], notes=notes)


@blueprint.get("/alerts/<number:number>")
@guard.staff(Permission.READ_ALERTS)
def show(number: str) -> Response:
    """Show one alert with its evidence and the forms that take and close it."""
    with database.transaction() as session:
        found = field_desk.alarm(session, guard.actor(), number=number)
    did = Sheet.of(field.scans_table(), found["scans"])
    return frame.render("staff/alert.html", here="alerts", alert=found, did=did, resolutions=words.ALERT_RESOLUTIONS)


@blueprint.post("/alerts/<number:number>/owner")
@guard.staff(Permission.CLOSE_ALERTS)
def take(number: str) -> Response:
    """Make an alert one's own."""
    path = f"/alerts/{number}"
    try:
        with database.transaction() as session:
            field_desk.take(session, guard.actor(), number=number, now=clock.now())
    except Conflict as error:
        return frame.refused(path, error)
    return frame.back(path, done="taken")


@blueprint.post("/alerts/<number:number>/end")
@guard.staff(Permission.CLOSE_ALERTS)
def close(number: str) -> Response:
    """End an alert with a resolution."""
    path, resolution = f"/alerts/{number}", request.form.get("resolution", "")
    note = " ".join(request.form.get("note", "").split())
    if resolution not in set(AlertResolution) or not 2 <= len(note) <= 500 or not note.isprintable():
        return frame.back(path, fault="form.resolution")
    try:
        with database.transaction() as session:
            field_desk.close(
                session,
                guard.actor(),
                number=number,
                resolution=AlertResolution(resolution),
                note=note,
                now=clock.now(),
            )
    except Conflict as error:
        return frame.refused(path, error)
    return frame.back(path, done="closed")
