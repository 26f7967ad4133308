"""The inventory tree: medium > network > line > asset > car > position.

Invariant: a placement's number is its parent's number, a dot, and its own label, and never changes; levels only
narrow on the way down, so that every report can roll up.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from config import database
from subway_campaign import errors
from subway_campaign.lifecycle import Level

LABEL = re.compile(r"[0-9A-Z]{1,12}")
_LEVELS = list(Level)


@dataclass(frozen=True)
class PlacementView:
    """One node as staff see it, with the codes that hang there now."""

    number: str
    parent: str | None
    level: Level
    name: str
    meta: dict[str, Any]
    codes: list[str]


def create(
    session: Session, *, parent: str | None, level: Level, label: str, name: str, meta: dict[str, Any] | None = None
) -> str:
    """Add a node under `parent` (a number, or None for a medium) and return its number.

    `label` is 1 to 12 of A-Z and 0-9. Raises `UnknownPlacement`, and `PlacementTaken` for a number that exists, a
    wrong label, or a level that does not lie below the parent's.
    """
    database.require_transaction(session)
    above = None
    if parent is not None:
        above = session.execute(
            text("SELECT id, level FROM placements WHERE number = :number"), {"number": parent}
        ).first()
        if above is None:
            raise errors.UnknownPlacement(placement=parent)
    fits = level is Level.MEDIUM if above is None else _LEVELS.index(level) > _LEVELS.index(Level(above.level))
    if not fits or not LABEL.fullmatch(label):
        raise errors.PlacementTaken(parent=parent, level=level.value, label=label)
    number = f"{parent}.{label}" if parent else label
    try:
        with session.begin_nested():
            session.execute(
                text("""
                    INSERT INTO placements (parent_id, number, level, name, meta)
                    VALUES (:parent, :number, :level, :name, cast(:meta AS jsonb))
                """),
                {
                    "parent": above and above.id,
                    "number": number,
                    "level": level,
                    "name": name,
                    "meta": database.dump_json(meta or {}),
                },
            )
    except IntegrityError as taken:
        raise errors.PlacementTaken(placement=number) from taken
    return number


def rename(session: Session, *, number: str, name: str) -> None:
    """Give a node another name; its number stays. Raises `UnknownPlacement`."""
    database.require_transaction(session)
    renamed = session.execute(
        text("UPDATE placements SET name = :name WHERE number = :number RETURNING id"), {"name": name, "number": number}
    )
    if renamed.first() is None:
        raise errors.UnknownPlacement(placement=number)


def listing(
    session: Session, *, now: datetime, under: str | None = None, after: str | None = None, limit: int = 100
) -> list[PlacementView]:
    """Return nodes in the order of their numbers: those at or below `under`, beginning after the number `after`."""
    rows = session.execute(
        text("""
            SELECT p.number, up.number, p.level, p.name, p.meta,
                   array(SELECT c.slug FROM code_bindings b JOIN codes c ON c.id = b.code_id
                         WHERE b.placement_id = p.id AND b.valid_from <= :now
                           AND (b.valid_until IS NULL OR b.valid_until > :now) AND c.retired_at IS NULL
                         ORDER BY c.slug)
            FROM placements p LEFT JOIN placements up ON up.id = p.parent_id
            WHERE (cast(:under AS text) IS NULL OR p.number = :under OR starts_with(p.number, :under || '.'))
              AND (cast(:after AS text) IS NULL OR p.number COLLATE "C" > :after)
            ORDER BY p.number COLLATE "C" LIMIT :limit
        """),
        {"now": now, "under": under, "after": after, "limit": limit},
    )
    return [PlacementView(row[0], row[1], Level(row[2]), *row[3:]) for row in rows]
