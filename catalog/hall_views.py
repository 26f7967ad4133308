"""Halls as staff read them: drafts and closed ones too, within an area; and the goods that could stand on a shelf.

Invariant: reads only; an area is the beginning of a region's code, and an empty one is everywhere.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import errors, identifiers

MOST_GOODS = 300

_HALL = """
    SELECT h.slug, h.kind, h.presence, h.zone_kind, h.state, h.is_home, h.name, h.region_code, r.full_name AS region,
           r.name AS place, u.number AS supplier, coalesce(u.name, h.owner) AS owner, h.owner AS owner_text, h.story,
           h.address, h.hours, h.contact, h.picture, h.version,
           (SELECT count(*) FROM hall_shelves b WHERE b.hall_id = h.id) AS shelves
    FROM halls h JOIN regions r ON r.code = h.region_code LEFT JOIN suppliers u ON u.id = h.supplier_id
"""
_FIND = text(f"{_HALL} WHERE h.slug = :slug")
_LISTING = text(f"""
    {_HALL}
    WHERE EXISTS (SELECT FROM unnest(cast(:areas AS text[])) AS a WHERE starts_with(h.region_code, a))
      AND (cast(:kind AS text) IS NULL OR h.kind = :kind)
      AND (cast(:presence AS text) IS NULL OR h.presence = :presence)
      AND (cast(:zone_kind AS text) IS NULL OR h.zone_kind = :zone_kind)
      AND (cast(:state AS text) IS NULL OR h.state = :state)
      AND (cast(:region AS text) IS NULL OR h.region_code = :region)
      AND (cast(:city AS text) IS NULL OR starts_with(h.region_code, left(:city, 4)))
      AND (h.region_code COLLATE "C", h.slug) > (:after_region, :after_slug)
    ORDER BY h.region_code COLLATE "C", h.slug LIMIT :limit
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """By what a list of halls is narrowed: `region` is exactly that one, `city` also all within it."""

    kind: str | None = None
    presence: str | None = None
    zone_kind: str | None = None
    state: str | None = None
    region: str | None = None
    city: str | None = None


def find(session: Session, *, slug: str) -> dict[str, Any]:
    """Return one hall, whatever its state. Raises `HallUnknown`."""
    row = session.execute(_FIND, {"slug": slug}).mappings().first() if identifiers.is_slug(slug) else None
    if row is None:
        raise errors.HallUnknown
    return dict(row)


def listing(
    session: Session, *, areas: Iterable[str], filters: Filters, after: tuple[str, str] = ("", ""), limit: int = 50
) -> list[dict[str, Any]]:
    """Return halls within any of `areas`, in the order of regions and slugs, behind the position `after`."""
    params = asdict(filters) | {"areas": list(areas), "limit": limit}
    rows = session.execute(_LISTING, params | {"after_region": after[0], "after_slug": after[1]})
    return [dict(row) for row in rows.mappings()]


def goods(session: Session, *, area: str) -> list[dict[str, str]]:
    """Return `slug` and `name` of what is on sale from an area, in the order of the shelf, 300 at most."""
    rows = session.execute(
        text("""
            SELECT slug, name FROM products WHERE is_on_sale AND starts_with(origin_code, :area)
            ORDER BY position, slug LIMIT :most
        """),
        {"area": area, "most": MOST_GOODS},
    )
    return [dict(row) for row in rows.mappings()]


def named(session: Session, *, names: Sequence[str]) -> dict[str, str]:
    """Return name → slug of products that are called exactly so; one that several have is missing."""
    rows = session.execute(
        text("SELECT name, min(slug) AS slug FROM products WHERE name = ANY(:names) GROUP BY name HAVING count(*) = 1"),
        {"names": list(names)},
    )
    return {row.name: row.slug for row in rows}


def places(session: Session, *, areas: Iterable[str]) -> list[dict[str, str]]:
    """Return `code` and `name` of the cities and counties within any of `areas`, in the order of their codes."""
    rows = session.execute(
        text("""
            SELECT code, CASE WHEN level = 'county' THEN '　' ELSE '' END || name AS name FROM regions
            WHERE level IN ('prefecture', 'county')
              AND EXISTS (SELECT FROM unnest(cast(:areas AS text[])) AS a WHERE starts_with(code, a))
            ORDER BY code
        """),
        {"areas": list(areas)},
    )
    return [dict(row) for row in rows.mappings()]
