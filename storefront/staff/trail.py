"""The audit trail as administrators read it.

Invariant: reads only; entries are shown newest first, and a walk by cursor misses none.
"""

from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from storefront.actors import Actor
from storefront.errors import ListCursorInvalid
from storefront.roles import Permission
from storefront.staff import sight

_LONGEST_CURSOR = 18


def listing(
    session: Session,
    actor: Actor,
    *,
    subject: str | None = None,
    username: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> dict[str, Any]:
    """Return a page of entries, each with acted_at, username (None: the command line), act, subject, details."""
    sight.require_whole(actor, Permission.MANAGE_STAFF)
    rows = session.execute(
        text("""
            SELECT t.id, t.acted_at, a.username, t.act, t.subject, t.details
            FROM staff_audit t LEFT JOIN staff_accounts a ON a.id = t.staff_id
            WHERE t.id < :below AND (cast(:subject AS text) IS NULL OR t.subject = :subject)
              AND (cast(:username AS text) IS NULL OR a.username = :username)
            ORDER BY t.id DESC LIMIT :limit
        """),
        {"below": _below(cursor), "subject": subject, "username": username, "limit": limit + 1},
    ).all()
    return {
        "items": [row._asdict() for row in rows[:limit]],
        "next_cursor": format(rows[limit - 1].id, "x") if len(rows) > limit else None,
    }


def _below(cursor: str | None) -> int:
    if cursor is None:
        return 2**63 - 1
    if not cursor.isalnum() or not cursor.isascii() or len(cursor) > _LONGEST_CURSOR:
        raise ListCursorInvalid
    try:
        return min(int(cursor, 16), 2**63 - 1)
    except ValueError:
        raise ListCursorInvalid from None
