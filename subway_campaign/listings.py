"""The inventory as people leaf through it: the codes that hang, where each leads, and the way down to a node.

Invariant: reads only; a list is walked by (placement, code), so a walk sees every code that stays put exactly once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from subway_campaign import codes, errors
from subway_campaign.lifecycle import Level

# Sorts behind every placement number, which has letters, digits and dots only: codes that hang nowhere come last.
NOWHERE = "~"


def by_number(column: str) -> str:
    """Return SQL that orders placements by `column` as a person counts: line 9 before line 10."""
    padded = rf"regexp_replace({column}, '([0-9]+)', '0000\1', 'g')"
    return rf"""regexp_replace({padded}, '0*([0-9]{{5,}})', '\1', 'g') COLLATE "C" """


@dataclass(frozen=True)
class CodeRow:
    """A code in use; placement, landing and dates are None while it hangs nowhere."""

    code: str
    placement: str | None
    placement_name: str | None
    level: str | None
    campaign: str | None
    landing: dict[str, str] | None
    valid_from: datetime | None
    valid_until: datetime | None

    @property
    def position(self) -> tuple[str, str]:
        """Where the row stands in the list."""
        return self.placement or NOWHERE, self.code


_CODES = text("""
    SELECT c.slug, p.number, p.name, p.level, g.number AS campaign, b.landing_kind, b.landing_slug,
           b.valid_from, b.valid_until
    FROM codes c
    LEFT JOIN code_bindings b ON b.code_id = c.id AND b.valid_from <= :now
         AND (b.valid_until IS NULL OR b.valid_until > :now)
    LEFT JOIN placements p ON p.id = b.placement_id
    LEFT JOIN campaigns g ON g.id = b.campaign_id
    LEFT JOIN creatives r ON r.id = b.creative_id
    WHERE c.retired_at IS NULL
      AND (cast(:campaign AS text) IS NULL OR g.number = :campaign)
      AND (cast(:creative AS text) IS NULL OR r.number = :creative)
      AND (cast(:under AS text) IS NULL OR p.number = :under OR starts_with(p.number, :under || '.'))
      AND (cast(:code AS text) IS NULL OR starts_with(c.slug, :code) OR strpos(p.name, :q) > 0)
      AND (coalesce(p.number, '~') COLLATE "C", c.slug COLLATE "C") > (:after_number, :after_code)
    ORDER BY coalesce(p.number, '~') COLLATE "C", c.slug COLLATE "C" LIMIT :limit
""")


def hanging(
    session: Session,
    *,
    now: datetime,
    under: str | None = None,
    campaign: str | None = None,
    creative: str | None = None,
    q: str | None = None,
    after: tuple[str, str] = ("", ""),
    limit: int = 100,
) -> list[CodeRow]:
    """Return the codes in use by placement: those at or below `under`, beginning behind the position `after`.

    `q` is the beginning of a code, however it is spelled, or a part of the placement's name; `campaign` and `creative`
    are numbers of what the code hangs for.
    """
    params = {
        "now": now,
        "under": under,
        "campaign": campaign,
        "creative": creative,
        "q": q,
        "code": codes.normalize(q) if q else None,
        "after_number": after[0],
        "after_code": after[1],
        "limit": limit,
    }
    return [
        CodeRow(
            code=row.slug,
            placement=row.number,
            placement_name=row.name,
            level=row.level,
            campaign=row.campaign,
            landing={"kind": row.landing_kind, "slug": row.landing_slug} if row.number else None,
            valid_from=row.valid_from,
            valid_until=row.valid_until,
        )
        for row in session.execute(_CODES, params)
    ]


def way(session: Session, *, number: str) -> list[dict[str, Any]]:
    """Return the nodes from the root down to `number`, each with number, name and level. Raises `UnknownPlacement`."""
    labels = number.split(".")
    numbers = [".".join(labels[: i + 1]) for i in range(len(labels))]
    rows = session.execute(
        text("SELECT number, name, level FROM placements WHERE number = ANY(:numbers) ORDER BY length(number)"),
        {"numbers": numbers},
    ).all()
    if not rows or rows[-1].number != number:
        raise errors.UnknownPlacement(placement=number)
    return [row._asdict() for row in rows]


def names(session: Session, *, numbers: Iterable[str | None]) -> dict[str, str]:
    """Return number → name of the placements that exist among `numbers`."""
    rows = session.execute(
        text("SELECT number, name FROM placements WHERE number = ANY(:numbers)"),
        {"numbers": [number for number in set(numbers) if number]},
    )
    return {row.number: row.name for row in rows}


def branches(session: Session) -> list[dict[str, Any]]:
    """Return the media, networks and lines, the branches that a list is narrowed to."""
    rows = session.execute(
        text(f"""
            SELECT number, name, level FROM placements WHERE level IN ('medium', 'network', 'line')
            ORDER BY {by_number("number")}
        """)
    )
    return [row._asdict() for row in rows]


def printable(session: Session) -> list[dict[str, Any]]:
    """Return the branches and the trains, which are what a press is given at a time."""
    rows = session.execute(
        text(f"""
            SELECT number, name, level FROM placements p
            WHERE level IN ('medium', 'network', 'line')
               OR level = 'asset' AND EXISTS (SELECT FROM placements c WHERE c.parent_id = p.id AND c.level = 'car')
            ORDER BY {by_number("number")}
        """)
    )
    return [row._asdict() for row in rows]


def trains(session: Session) -> list[dict[str, Any]]:
    """Return the vehicles whose cars are known, each with number and name."""
    rows = session.execute(
        text("""
            SELECT number, name FROM placements p
            WHERE level = 'asset' AND EXISTS (SELECT FROM placements c WHERE c.parent_id = p.id AND c.level = 'car')
            ORDER BY number COLLATE "C"
        """)
    )
    return [row._asdict() for row in rows]


def below(session: Session, *, number: str) -> list[dict[str, Any]]:
    """Return every node below `number`, each with number, name and level, in the order of their numbers."""
    rows = session.execute(
        text("""
            SELECT number, name, level FROM placements WHERE starts_with(number, :number || '.')
            ORDER BY number COLLATE "C"
        """),
        {"number": number},
    )
    return [row._asdict() for row in rows]


def at(session: Session, *, level: Level, under: str | None = None, limit: int) -> list[dict[str, Any]]:
    """Return the nodes of a level at or below `under` (None: everywhere), each with number and name, by number."""
    rows = session.execute(
        text("""
            SELECT number, name FROM placements
            WHERE level = :level AND (cast(:under AS text) IS NULL OR number = :under
                                      OR starts_with(number, :under || '.'))
            ORDER BY number COLLATE "C" LIMIT :limit
        """),
        {"level": level, "under": under, "limit": limit},
    )
    return [row._asdict() for row in rows]


def campaigns(session: Session) -> list[dict[str, Any]]:
    """Return the campaigns, newest first, each with number and name."""
    rows = session.execute(text("SELECT number, name FROM campaigns ORDER BY id DESC"))
    return [row._asdict() for row in rows]
