"""The audit trail as a page for administrators."""

from urllib.parse import urlencode

from flask import Blueprint, Response, request

from config import clock, database
from config.errors import NotFound
from storefront import guard
from storefront.roles import Permission
from storefront.staff import accounts, trail
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


@blueprint.post("/audit/log-out")
@guard.staff(Permission.MANAGE_STAFF)
def log_out() -> Response:
    """End every session of the account in the form at once."""
    try:
        with database.transaction() as session:
            username = request.form.get("username", "")
            accounts.log_out_everywhere(session, username=username, now=clock.now(), by=guard.actor())
    except NotFound as error:
        return frame.refused("/audit", error)
    return frame.back("/audit", done="logged_out", username=username)
