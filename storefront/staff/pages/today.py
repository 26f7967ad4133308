"""The first page: what today brought, and what waits."""

from flask import Blueprint, Response, jsonify, redirect

from config import clock, database
from storefront import guard
from storefront.roles import Permission
from storefront.staff import charts, overview, reports, words
from storefront.staff.pages import exports, frame, period
from storefront.staff.tables import Column, Kind, Sheet, Table

blueprint = Blueprint("staff_pages_today", __name__, url_prefix=frame.ROOT, template_folder="../templates")


_STEPS = {
    "scans": "扫码",
    "visits": "访问",
    "carts": "加购",
    "orders": "下单",
    "paid_orders": "付款",
    "refunded": "有退款",
}


@blueprint.get("")
@guard.staff()
def bare() -> Response:
    """Lead to the page under its one address."""
    return redirect(f"{frame.ROOT}/", 308)  # type: ignore[return-value]


@blueprint.get("/")
@guard.staff()
def show() -> Response:
    """Show today's figures and the orders to ship, as far as the reader may see them."""
    now = clock.now()
    with database.transaction() as session:
        seen = overview.today(session, guard.actor(), now=now)
    local = now.astimezone(clock.SHANGHAI)
    return frame.render(
        "staff/today.html",
        here="today",
        day=f"{local.month}月{local.day}日 周{words.WEEKDAYS[local.weekday()]}",
        iso_day=local.date().isoformat(),
        clock_time=f"{local:%H:%M}",
        steps=_STEPS,
        before=f"上周{words.WEEKDAYS[local.weekday()]}",
        is_equal=bool(seen["report"]) and reports.agrees(seen["report"]),
        **seen,
    )


HOURS = Table(
    "hours",
    "每小时扫码",
    (
        Column("hour", "钟点", Kind.CODE),
        Column("now", "今天", Kind.COUNT, sums=True),
        Column("before", "上周同一天", Kind.COUNT, sums=True),
    ),
)


@exports.files(blueprint, "/today")
@guard.staff(Permission.READ_REPORTS)
def download(kind: str) -> Response:
    """Send the same hours as a file."""
    day = period.today()
    with database.transaction() as session:
        now, before = (overview.scans_by_hour(session, guard.actor(), day=each) for each in (day, day - overview.WEEK))
    rows = [{"hour": f"{hour:02}", "now": now[hour], "before": before[hour]} for hour in range(24)]
    notes = (("今天", day.isoformat()), ("上周同一天", (day - overview.WEEK).isoformat()))
    return exports.send(
        kind, Sheet.of(HOURS, rows, sum_title="合计", notes=notes), now=clock.now(), period=day.isoformat()
    )


@blueprint.get("/today.json")
@guard.staff(Permission.READ_REPORTS)
def picture() -> Response:
    """Return what ECharts draws: the scans of today's hours beside those of the same weekday of last week."""
    day = period.today()
    with database.transaction() as session:
        now, before = (overview.scans_by_hour(session, guard.actor(), day=each) for each in (day, day - overview.WEEK))
    names = ("今天", f"上周{words.WEEKDAYS[day.weekday()]}")
    return jsonify(charts.by_hour(bars=now, line=before, names=names, units=("次",)))
