"""The wall page: today's figures in large type on a dark ground, renewed by itself, for a screen nobody touches."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, render_template

from config import clock, database
from storefront import guard
from storefront.roles import Permission
from storefront.staff import reports, sight, words
from storefront.staff import wall as figures
from storefront.staff.pages import frame

blueprint = Blueprint("staff_pages_wall", __name__, url_prefix=frame.ROOT, template_folder="../templates")


@blueprint.get("/wall")
@guard.staff(Permission.READ_REPORTS)
def show() -> Response:
    """Show the whole page."""
    return frame.render("staff/wall.html", here="wall", **_seen())


@blueprint.get("/wall/figures")
@guard.staff(Permission.READ_REPORTS)
def renew() -> Response:
    """Return the part that changes, which htmx puts in the place of the former."""
    return Response(render_template("staff/wall_figures.html", **_seen()), mimetype="text/html")


def _seen() -> dict[str, Any]:
    now = clock.now()
    sight.require_whole(guard.actor(), Permission.READ_REPORTS)
    with database.transaction() as session:
        seen = figures.now(session, guard.actor(), now=now)
    local = now.astimezone(clock.SHANGHAI)
    most = max(*seen.scans, *seen.scans_before, 1)
    return {
        "seen": seen,
        "is_equal": reports.agrees(seen.report),
        "day": f"{local:%Y 年 %m 月 %d 日} 星期{words.WEEKDAYS[local.weekday()]}",
        "clock_time": f"{local:%H:%M:%S}",
        "hour": local.hour,
        "most": most,
        "before": f"上周{words.WEEKDAYS[(local - timedelta(days=7)).weekday()]}",
    }
