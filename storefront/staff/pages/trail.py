"""The audit trail as a page for administrators."""

from urllib.parse import urlencode

from flask import Blueprint, Response, request

from config import clock, database
from config.errors import NotFound
from storefront import guard
from storefront.roles import Permission
from storefront.staff import accounts, tables, trail, words
from storefront.staff.pages import exports, frame
from storefront.staff.tables import Column, Kind

blueprint = Blueprint("staff_pages_trail", __name__, url_prefix=frame.ROOT, template_folder="../templates")

TRAIL = tables.Table(
    "audit",
    "操作记录",
    (
        Column("acted_at", "时间", Kind.INSTANT, width=20),
        Column("username", "谁", value=lambda entry: entry["username"] or "命令行"),
        Column("act", "做了什么", words=words.ACTS, width=18),
        Column("subject", "对象", Kind.CODE, width=28),
        Column("details", "细节", value=lambda entry: words.details(entry["details"]), width=60),
    ),
)


@blueprint.get("/audit")
@guard.staff(Permission.MANAGE_STAFF)
def listing() -> Response:
    """Show who did what, newest first."""
    asked = _asked()
    cursor = request.args.get("cursor")
    with database.transaction() as session:
        page = trail.listing(
            session, guard.actor(), subject=asked.get("subject"), username=asked.get("username"), cursor=cursor
        )
    return frame.render(
        "staff/trail.html",
        here="trail",
        page=page,
        sheet=tables.Sheet.of(TRAIL, page["items"]),
        cursor=cursor,
        subject=asked.get("subject"),
        username=asked.get("username"),
        first_query=urlencode(asked),
        next_query=urlencode(asked | {"cursor": page["next_cursor"] or ""}),
    )


@exports.files(blueprint, "/audit")
@guard.staff(Permission.MANAGE_STAFF)
def download(kind: str) -> Response:
    """Send all the entries that the list would go through, newest first."""
    asked, actor = _asked(), guard.actor()
    subject, username = asked.get("subject"), asked.get("username")
    rows = exports.walk(
        lambda session, cursor: trail.listing(
            session, actor, subject=subject, username=username, cursor=cursor, limit=exports.PAGE
        )
    )
    notes = (("对象", subject or "不限"), ("用户名", username or "不限"), exports.CUT)
    return exports.send(kind, tables.Sheet.of(TRAIL, rows, notes=notes), now=clock.now())


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


def _asked() -> dict[str, str]:
    asked = {name: request.args.get(name, "").strip()[:80] for name in ("subject", "username")}
    return {name: value for name, value in asked.items() if value}
