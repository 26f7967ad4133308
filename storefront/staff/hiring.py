"""Accounts for those outside the shop who work on it: made and shut by an administrator, each within its scope.

Invariant: a role that moves money or grants rights is given on the command line only, where its second factor is
shown; every role given here has a scope that fits it.
"""

import re
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import supplier_views
from storefront import roles
from storefront.actors import Actor
from storefront.errors import AccountInvalid, NotPermitted
from storefront.roles import Grant, Permission, Role, Scope
from storefront.staff import accounts, sight
from subway_campaign import listings

# What the scope of a role looks like: a township's code, a county's, a city's or the province's; a supplier's number;
# for the crew, and for those who look after a part of the campaign, the branch of placements that is theirs.
AREAS = {
    Role.TOWNSHIP: re.compile(r"34\d{7}", re.ASCII),
    Role.COUNTY: re.compile(r"34\d{4}", re.ASCII),
    Role.SUPERVISOR: re.compile(r"34(\d{2})?", re.ASCII),
    Role.CREW: roles.BRANCH,
    Role.ANALYST: roles.BRANCH,
    Role.CAMPAIGN: roles.BRANCH,
}
ROLES = (Role.SUPPLIER, *AREAS)

_LISTING = text("""
    SELECT a.username, a.created_at, a.disabled_at, r.role, r.area, r.supplier
    FROM staff_accounts a JOIN staff_roles r ON r.staff_id = a.id
    ORDER BY a.disabled_at IS NOT NULL, a.id DESC, r.id LIMIT 500
""")


_PLACES = text("""
    SELECT number, name FROM suppliers WHERE state <> 'closed'
    UNION ALL SELECT CASE level WHEN 'province' THEN left(code, 2) WHEN 'prefecture' THEN left(code, 4) ELSE code END,
                     full_name FROM regions
    UNION ALL SELECT t.code, c.full_name || t.name FROM townships t JOIN regions c ON c.code = t.county_code
    ORDER BY 1
""")


def listing(session: Session, actor: Actor) -> list[dict[str, Any]]:
    """Return the accounts with their roles and scopes, a row for each role, the latest first."""
    sight.require_whole(actor, Permission.MANAGE_STAFF)
    return [dict(row) for row in session.execute(_LISTING).mappings()]


def places(session: Session, actor: Actor) -> dict[str, str]:
    """Return what a scope may be, code → name: the regions and townships there are, and the suppliers."""
    sight.require_whole(actor, Permission.MANAGE_STAFF)
    rows: list[tuple[str, str]] = session.execute(_PLACES).all()  # type: ignore[assignment]
    return dict(rows)


def add(session: Session, actor: Actor, *, username: str, password: str, role: Role, scope: str, now: datetime) -> None:
    """Make an account that holds `role` in `scope`: the code of an area, a supplier's number, or a placement's.

    Raises `NotPermitted`, `SupplierUnknown`, `UnknownPlacement`, `UsernameTaken`, and `AccountInvalid` for a role or
    scope that does not fit, or a name or password that is none.
    """
    sight.require_whole(actor, Permission.MANAGE_STAFF)
    if role not in ROLES:
        raise AccountInvalid(field="role")
    if role is Role.SUPPLIER:
        supplier_views.find(session, number=scope)
        granted = Scope(supplier=scope)
    elif AREAS[role].fullmatch(scope):
        if AREAS[role] is roles.BRANCH:
            listings.way(session, number=scope)
        granted = Scope(area=scope)
    else:
        raise AccountInvalid(field="scope")
    grants = (Grant(role=role, scope=granted),)
    accounts.add(session, username=username, password=password, grants=grants, now=now, by=actor)


def shut(session: Session, actor: Actor, *, username: str, now: datetime) -> None:
    """Shut another's account for good; its sessions end. Raises `NotPermitted` and `AccountNotFound`."""
    sight.require_whole(actor, Permission.MANAGE_STAFF)
    if actor.username == username:
        raise NotPermitted(permission=Permission.MANAGE_STAFF)
    accounts.disable(session, username=username, now=now, by=actor)
