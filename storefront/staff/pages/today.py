"""The first page: what today brought, and what waits."""

from flask import Blueprint, Response, redirect

from config import clock, database
from storefront import guard
from storefront.staff import overview, reports, words
from storefront.staff.pages import frame

blueprint = Blueprint("staff_pages_today", __name__, url_prefix=frame.ROOT, template_folder="../templates")


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
        is_equal=bool(seen["report"]) and reports.agrees(seen["report"]),
        **seen,
    )
