"""Views of the report that staff named: the filters of an address, for oneself or for all of one's role.

Invariant: a view is filters and never figures, so that whoever opens a shared one sees what they may see; only who
saved it may change or delete it, and a role is only ever one that its owner holds.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from storefront import audit, tokens
from storefront.actors import Actor
from storefront.errors import TooManyViews, ViewNotFound
from storefront.roles import PERMISSIONS, Permission, Role
from storefront.staff import sight
from storefront.staff_models import SavedView, StaffAccount

NAME_LENGTH = 30
# Of a browser's address; longer ones are no choice of a report.
QUERY_LENGTH = 600
MOST = 50


@dataclass(frozen=True, kw_only=True)
class ViewView:
    """A saved view; `role` is who else sees it, None for nobody; `is_own` lets its reader delete it."""

    number: str
    name: str
    query: str
    role: Role | None
    username: str
    is_own: bool


def roles_of(actor: Actor) -> list[Role]:
    """Return the roles that the actor may share a view with: those of their own that read reports."""
    held = dict.fromkeys(grant.role for grant in actor.grants)
    return [role for role in held if Permission.READ_REPORTS in PERMISSIONS[role]]


def listing(session: Session, actor: Actor) -> list[ViewView]:
    """Return the actor's own views, and those shared with one of their roles, by name."""
    sight.branches(actor, Permission.READ_REPORTS)
    rows = session.execute(
        select(SavedView, StaffAccount.username)
        .join(StaffAccount, StaffAccount.id == SavedView.staff_id)
        .where(or_(SavedView.staff_id == actor.staff_id, SavedView.role.in_(roles_of(actor))))
        .order_by(SavedView.staff_id != actor.staff_id, SavedView.name)
    )
    return [
        ViewView(
            number=view.number,
            name=view.name,
            query=view.query,
            role=Role(view.role) if view.role else None,
            username=username,
            is_own=view.staff_id == actor.staff_id,
        )
        for view, username in rows
    ]


def save(session: Session, actor: Actor, *, name: str, query: str, role: Role | None, now: datetime) -> str:
    """Keep `query` under `name`, in place of the actor's view of that name, and return its number.

    A `role` that is not the actor's own shares with nobody. Raises `NotPermitted`, `TooManyViews`.
    """
    sight.branches(actor, Permission.READ_REPORTS)
    kept = session.scalar(
        select(func.count()).where(SavedView.staff_id == actor.staff_id, SavedView.name != name[:NAME_LENGTH])
    )
    if (kept or 0) >= MOST:
        raise TooManyViews(most=MOST)
    shared = role if role in roles_of(actor) else None
    values = {"query": query[:QUERY_LENGTH], "role": shared, "saved_at": now}
    number: str = session.execute(
        insert(SavedView)
        .values(number=tokens.number("V"), staff_id=actor.staff_id, name=name[:NAME_LENGTH], **values)
        .on_conflict_do_update(index_elements=["staff_id", "name"], set_=values)
        .returning(SavedView.number)
    ).scalar_one()
    audit.record(session, actor, "view.saved", number, {"name": name[:NAME_LENGTH], "roles": shared}, now=now)
    return number


def remove(session: Session, actor: Actor, *, number: str, now: datetime) -> None:
    """Delete one of the actor's own views. Raises `ViewNotFound`, also for somebody else's."""
    gone = session.scalar(
        delete(SavedView)
        .where(SavedView.number == number, SavedView.staff_id == actor.staff_id)
        .returning(SavedView.name)
    )
    if gone is None:
        raise ViewNotFound
    audit.record(session, actor, "view.deleted", number, {"name": gone}, now=now)
