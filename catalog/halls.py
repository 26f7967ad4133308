"""The halls: the list of them and each one's front.

Invariant: a city's hall counts and shows its counties' goods too; a closed hall is on no list and has no front.
"""

from typing import Any

import orjson
from sqlalchemy.orm import Session

from catalog import cursors, errors, identifiers, search
from catalog.cache import LANDING_TTL_SECONDS, Cache
from catalog.models import HallKind
from config import database

MAX_LIMIT = 200
EMPTY = b'{"items":[],"next_cursor":null}'

_HALL = """json_build_object(
    'slug', h.slug, 'kind', h.kind, 'name', h.name, 'story', h.story,
    'region', json_build_object('code', r.code, 'name', r.name, 'level', r.level, 'full_name', r.full_name,
                                'city_code', coalesce(c.code, r.code), 'city', coalesce(c.name, r.name)),
    'counts', json_build_object(
        'products', (SELECT count(*) FROM products p WHERE p.is_on_sale AND p.hall_id = ANY (ARRAY(
                         SELECT b.id FROM halls b WHERE b.id = h.id OR b.parent_id = h.id))),
        'halls', (SELECT count(*) FROM halls b WHERE b.parent_id = h.id AND b.is_open))
)"""

_REGION = """
JOIN regions r ON r.code = h.region_code LEFT JOIN regions c ON c.code = r.parent_code AND r.level = 'county'
"""

_PAGE = """
WITH page AS MATERIALIZED (
    SELECT h.id, r.code::bigint AS sort_key, h.slug, row_number() OVER (ORDER BY r.code::bigint, h.slug) AS place
    FROM halls h {region}
    WHERE h.is_open {filters}
    ORDER BY 2, 3 LIMIT %(limit)s + 1
), item AS (
    SELECT g.place, g.sort_key, g.slug, {hall} AS body
    FROM page g JOIN halls h ON h.id = g.id {region}
)
SELECT coalesce(json_agg(body ORDER BY place) FILTER (WHERE place <= %(limit)s), '[]')::text,
       max(sort_key) FILTER (WHERE place = %(limit)s), max(slug) FILTER (WHERE place = %(limit)s),
       count(*) > %(limit)s
FROM item
"""

_pages: Cache[bytes] = Cache()
_bodies: Cache[bytes] = Cache()
_openings: Cache[bool] = Cache(LANDING_TTL_SECONDS)


def page(
    *,
    kind: str | None = None,
    city: str | None = None,
    q: str | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> bytes:
    """Return one page of halls as JSON bytes, `{"items": [...], "next_cursor"}`, in the order of their regions.

    `city` is a city's region code or the slug of its hall and gives that hall and its counties'; `q` is a part of the
    name, or the beginning of its pinyin or initials. Raises `FilterInvalid`, `CursorInvalid`.
    """
    return _pages.get((kind, city, q, cursor, limit), lambda: _read(kind, city, q, cursor, limit))


def body(slug: str) -> bytes:
    """Return the front of one hall as JSON bytes. Raises `HallUnknown`."""
    if not identifiers.is_slug(slug):
        raise errors.HallUnknown
    return _bodies.get(slug, lambda: _front(slug))


def find(slug: str) -> dict[str, Any]:
    """Return the front of one hall as a dictionary of its own, the same that `body` says. Raises `HallUnknown`."""
    found: dict[str, Any] = orjson.loads(body(slug))
    return found


def exists(session: Session, *, slug: str) -> bool:
    """Tell whether there is such a hall, open or not."""
    sql = "SELECT FROM halls WHERE slug = %(slug)s"
    return database.driver_connection(session).execute(sql, {"slug": slug}).rowcount > 0


def is_open(slug: str) -> bool:
    """Tell whether a hall has a front, as of two seconds ago at most; a scan asks this before it leads there."""
    return identifiers.is_slug(slug) and _openings.get(slug, lambda: _read_opening(slug))


def _read_opening(slug: str) -> bool:
    return bool(database.statement("SELECT 1 FROM halls WHERE is_open AND slug = %(slug)s", {"slug": slug}))


def _front(slug: str) -> bytes:
    rows = database.statement(
        f"SELECT {_HALL}::text FROM halls h {_REGION} WHERE h.is_open AND h.slug = %(slug)s", {"slug": slug}
    )
    if not rows:
        raise errors.HallUnknown
    return str(rows[0][0]).encode()


def _read(kind: str | None, city: str | None, q: str | None, cursor: str | None, limit: int) -> bytes:
    if not 1 <= limit <= MAX_LIMIT or (kind is not None and kind not in set(HallKind)):
        raise errors.FilterInvalid
    if city is not None and not identifiers.is_slug(city):
        return EMPTY
    params: dict[str, object] = {"limit": limit}
    filters = ""
    if kind is not None:
        params["kind"] = kind
        filters += " AND h.kind = %(kind)s"
    if city is not None:
        params["city"] = city
        filters += """ AND coalesce(h.parent_id, h.id) IN (
            SELECT m.id FROM halls m WHERE m.parent_id IS NULL AND (m.region_code = %(city)s OR m.slug = %(city)s))"""
    if q is not None and q.strip():
        params["q"] = search.normalise(q[: search.MAX_QUERY_LENGTH]).replace(" ", "")
        filters += """ AND %(q)s <> '' AND (
            strpos(h.name, %(q)s) > 0 OR starts_with(r.pinyin, %(q)s) OR starts_with(r.initials, %(q)s))"""
    if cursor is not None:
        params["after_key"], params["after_slug"] = cursors.read(cursor, sort="region")
        filters += " AND (r.code::bigint, h.slug) > (%(after_key)s, %(after_slug)s)"
    sql = _PAGE.format(hall=_HALL, region=_REGION, filters=filters)
    [(items, last_key, last_slug, has_more)] = database.statement(sql, params)
    following = cursors.write(sort="region", key=last_key, slug=last_slug) if has_more else None
    return b'{"items":%b,"next_cursor":%b}' % (str(items).encode(), orjson.dumps(following))
