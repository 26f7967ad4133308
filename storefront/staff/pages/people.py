"""Accounts on a page: who works here with which role and scope, and a form for another one."""

from collections.abc import Callable

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from config import clock, database
from config.errors import Conflict, Forbidden, Invalid, NotFound
from storefront import guard
from storefront.roles import Permission, Role
from storefront.staff import hiring, words
from storefront.staff.pages import exports, frame
from storefront.staff.tables import Column, Kind, Sheet, Table

blueprint = Blueprint("staff_pages_people", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_PATH = "/accounts"


@blueprint.get("/accounts")
@guard.staff(Permission.MANAGE_STAFF)
def listing() -> Response:
    """Show the accounts and the form for another one."""
    with database.transaction() as session:
        rows = hiring.listing(session, guard.actor())
        places = hiring.places(session, guard.actor())
    return frame.render(
        "staff/people.html",
        here="people",
        rows=rows,
        places=places,
        offered=hiring.ROLES,
        supplier=request.args.get("supplier", ""),
    )


ACCOUNTS = Table(
    "accounts",
    "账号",
    (
        Column("username", "用户名", Kind.CODE, width=24),
        Column("role", "角色", words=words.ROLES),
        Column("scope", "范围", value=lambda row: row["area"] or row["supplier"] or "全部", width=24),
        Column("created_at", "新建", Kind.MINUTE, width=20),
        Column("disabled_at", "停用", Kind.MINUTE, width=20),
    ),
)


@exports.files(blueprint, "/accounts")
@guard.staff(Permission.MANAGE_STAFF)
def download(kind: str) -> Response:
    """Send the accounts as a file, a row for each role."""
    with database.transaction() as session:
        rows = hiring.listing(session, guard.actor())
    return exports.send(kind, Sheet.of(ACCOUNTS, rows), now=clock.now())


@blueprint.post("/accounts")
@guard.staff(Permission.MANAGE_STAFF)
def add() -> Response:
    """Make an account, as the form says."""
    given = request.form
    role = given.get("role", "")
    if role not in set(Role):
        return frame.back(_PATH, fault="staff.account_invalid")
    return _try(
        lambda session: hiring.add(
            session,
            guard.actor(),
            username=given.get("username", "").strip()[:40],
            password=given.get("password", "")[:200],
            role=Role(role),
            scope=given.get("scope", "").strip()[:40],
            now=clock.now(),
        )
    )


@blueprint.post("/accounts/<username>/end")
@guard.staff(Permission.MANAGE_STAFF)
def shut(username: str) -> Response:
    """Shut an account for good."""
    return _try(lambda session: hiring.shut(session, guard.actor(), username=username[:40], now=clock.now()))


def _try(act: Callable[[Session], object]) -> Response:
    try:
        with database.transaction() as session:
            act(session)
    except (Conflict, Invalid, Forbidden, NotFound) as error:
        return frame.refused(_PATH, error)
    return frame.back(_PATH, done="saved")
