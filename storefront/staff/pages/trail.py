"""The audit trail as a page for administrators."""

from urllib.parse import urlencode

from flask import Blueprint, Response, request

from config import database
from storefront import guard
from storefront.roles import Permission
from storefront.staff import trail
from storefront.staff.pages import frame

blueprint = Blueprint("staff_pages_trail", __name__, url_prefix=frame.ROOT, template_folder="../templates")


@blueprint.get("/audit")
@guard.staff(Permission.MANAGE_STAFF)
def listing() -> Response:
    """Show who did what, newest first."""
    asked = {name: request.args.get(name, "").strip()[:80] for name in ("subject", "username")}
    asked = {name: value for name, value in asked.items() if value}
    cursor = request.args.get("cursor")
    with database.transaction() as session:
        page = trail.listing(
            session, guard.actor(), subject=asked.get("subject"), username=asked.get("username"), cursor=cursor
        )
    return frame.render(
        "staff/trail.html",
        here="trail",
        page=page,
        cursor=cursor,
        subject=asked.get("subject"),
        username=asked.get("username"),
        first_query=urlencode(asked),
        next_query=urlencode(asked | {"cursor": page["next_cursor"] or ""}),
    )
