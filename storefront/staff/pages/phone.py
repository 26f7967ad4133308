"""The page with which a member of staff says: this phone is mine, do not count what it scans."""

from uuid import uuid4

from flask import Blueprint, Response, request

from config import clock, database
from config.errors import NotFound
from storefront import guard, sessions
from storefront.roles import Permission
from storefront.staff import phones
from storefront.staff.pages import frame
from subway_campaign import visits

blueprint = Blueprint("staff_pages_phone", __name__, url_prefix=frame.ROOT, template_folder="../templates")


@blueprint.get("/phone")
@guard.staff(Permission.MARK_PHONES)
def show() -> Response:
    """Show whether this phone is marked, and the phones that are."""
    with database.transaction() as session:
        phone, marked = phones.here(session, visitor=guard.visitor())
    return frame.render("staff/phone.html", here="phone", phone=phone, phones=marked)


@blueprint.post("/phone/mark")
@guard.staff(Permission.MARK_PHONES)
def mark() -> Response:
    """Mark this browser; one that has not scanned yet is given its name for it now."""
    label = " ".join(request.form.get("label", "").split())[:40]
    if not label or not label.isprintable():
        return frame.back("/phone", fault="form.label")
    visitor = guard.visitor() or uuid4()
    with database.transaction() as session:
        phones.mark(session, actor=guard.actor(), visitor=visitor, label=label, now=clock.now())
    response = frame.back("/phone", done="marked")
    response.set_cookie(
        guard.visitor_cookie_name(),
        str(visitor),
        max_age=int(visits.COOKIE_LIFE.total_seconds()),
        **sessions.cookie_attributes(),
    )
    return response


@blueprint.post("/phone/release")
@guard.staff(Permission.MARK_PHONES)
def release() -> Response:
    """Count this browser again."""
    visitor = guard.visitor()
    if visitor is None:
        return frame.back("/phone", fault="staff.phone_not_found")
    try:
        with database.transaction() as session:
            phones.release_here(session, actor=guard.actor(), visitor=visitor, now=clock.now())
    except NotFound as error:
        return frame.refused("/phone", error)
    return frame.back("/phone", done="released")
