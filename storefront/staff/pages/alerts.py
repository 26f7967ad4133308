"""Alerts on pages: what looks wrong, who looks into it, and how long it takes to notice a code that is gone."""

from flask import Blueprint, Response, request

from config import clock, database
from config.errors import Conflict
from storefront import guard
from storefront.roles import Permission
from storefront.staff import field_desk, words
from storefront.staff.pages import frame
from subway_campaign.field_models import AlertKind, AlertResolution

blueprint = Blueprint("staff_pages_alerts", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_PAGE = 50


@blueprint.get("/alerts")
@guard.staff(Permission.READ_ALERTS)
def listing() -> Response:
    """Show the open alerts, or the closed ones."""
    is_open, kind = request.args.get("state") != "closed", request.args.get("kind", "")
    page = request.args.get("page", "1")
    number = int(page) if page.isdecimal() and 1 <= len(page) <= 4 else 1
    with database.transaction() as session:
        found = field_desk.alarms(
            session,
            guard.actor(),
            is_open=is_open,
            kind=AlertKind(kind) if kind in set(AlertKind) else None,
            offset=max(0, number - 1) * _PAGE,
            limit=_PAGE + 1,
        )
    return frame.render(
        "staff/alerts.html",
        here="alerts",
        alerts=found[:_PAGE],
        is_open=is_open,
        kind=kind,
        kinds=words.ALERTS,
        page=number,
        has_next=len(found) > _PAGE,
    )


@blueprint.get("/alerts/codes")
@guard.staff(Permission.READ_ALERTS)
def watched() -> Response:
    """Show every code with what its silence says and its detection time."""
    with database.transaction() as session:
        found = field_desk.watched(session, guard.actor(), now=clock.now())
    return frame.render("staff/watched.html", here="alerts", watched=found)


@blueprint.get("/alerts/<number:number>")
@guard.staff(Permission.READ_ALERTS)
def show(number: str) -> Response:
    """Show one alert with its evidence and the forms that take and close it."""
    with database.transaction() as session:
        found = field_desk.alarm(session, guard.actor(), number=number)
    return frame.render("staff/alert.html", here="alerts", alert=found, resolutions=words.ALERT_RESOLUTIONS)


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
