"""The halls: the list of them, each one's front, and the steps by which staff open, change and close one.

Invariant: a city's hall counts and shows its counties' goods too; a draft or a closed hall is on no list and has no
front. A hall is changed under its lock and by the version that was read, so nobody overwrites what they have not seen.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from catalog import cursors, errors, identifiers, search
from catalog import hall_lifecycle as lifecycle
from catalog.cache import LANDING_TTL_SECONDS, Cache
from catalog.hall_lifecycle import Act, State
from catalog.models import Hall, HallKind, HallPresence, ZoneKind
from config import database, pictures, storage

MAX_LIMIT = 200
EMPTY = b'{"items":[],"next_cursor":null}'
# How many characters each text of a hall may have.
LENGTHS = {
    "name": range(2, 41),
    "story": range(2001),
    "address": range(121),
    "hours": range(121),
    "contact": range(81),
    "owner": range(81),
}
SLUG_LENGTHS = range(3, 41)
# A page of the staff's stands at this address.
_RESERVED = frozenset({"new"})

_HALL = """json_build_object(
    'slug', h.slug, 'kind', h.kind, 'name', h.name, 'story', h.story,
    'region', json_build_object('code', r.code, 'name', r.name, 'level', r.level, 'full_name', r.full_name,
                                'city_code', coalesce(c.code, r.code), 'city', coalesce(c.name, r.name)),
    'counts', json_build_object(
        'products', CASE WHEN h.is_home THEN
            (SELECT count(*) FROM products p WHERE p.is_on_sale AND p.hall_id = ANY (ARRAY(
                 SELECT b.id FROM halls b WHERE b.id = h.id OR b.parent_id = h.id)))
            ELSE (SELECT count(DISTINCT p.id) FROM hall_shelves b JOIN hall_shelf_items i ON i.shelf_id = b.id
                  JOIN products p ON p.id = i.product_id WHERE b.hall_id = h.id AND p.is_on_sale) END,
        'halls', (SELECT count(*) FROM halls b WHERE b.parent_id = h.id AND b.state = 'open')),
    'is_home', h.is_home, 'presence', h.presence, 'zone_kind', h.zone_kind, 'address', h.address, 'hours', h.hours,
    'contact', h.contact, 'owner', coalesce((SELECT u.name FROM suppliers u WHERE u.id = h.supplier_id), h.owner),
    'picture', (
        SELECT json_build_object('width', x.width, 'height', x.height, 'files', (
            SELECT json_object_agg(f.key, %(files)s::text || f.value) FROM jsonb_each_text(x.files) f))
        FROM pictures x WHERE x.number = h.picture)
)"""

_REGION = """
JOIN regions r ON r.code = h.region_code LEFT JOIN regions c ON c.code = r.parent_code AND r.level = 'county'
"""

_PAGE = """
WITH page AS MATERIALIZED (
    SELECT h.id, r.code::bigint AS sort_key, h.slug, row_number() OVER (ORDER BY r.code::bigint, h.slug) AS place
    FROM halls h {region}
    WHERE h.state = 'open' {filters}
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

_DRAFT = text("""
    INSERT INTO halls (slug, kind, presence, zone_kind, state, is_home, name, region_code, supplier_id, owner, story,
                       address, hours, contact)
    VALUES (:slug, :kind, :presence, :zone_kind, 'drafted', false, :name, :region_code,
            (SELECT id FROM suppliers WHERE number = :supplier), :owner, :story, :address, :hours, :contact)
    ON CONFLICT (slug) DO NOTHING RETURNING id
""")
_ON_SALE = text("SELECT count(*) FROM products WHERE is_on_sale AND hall_id = :id")

_pages: Cache[bytes] = Cache()
_bodies: Cache[bytes] = Cache()
_openings: Cache[bool] = Cache(LANDING_TTL_SECONDS)
_homes: Cache[bool] = Cache()


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What staff say of a hall. `supplier` is the number of the one whose hall it is, `owner` the name without one."""

    name: str
    story: str = ""
    address: str = ""
    hours: str = ""
    contact: str = ""
    owner: str = ""
    supplier: str | None = None


def page(
    *,
    kind: str | None = None,
    city: str | None = None,
    q: str | None = None,
    cursor: str | None = None,
    limit: int = 20,
    presence: str | None = None,
) -> bytes:
    """Return one page of halls as JSON bytes, `{"items": [...], "next_cursor"}`, in the order of their regions.

    `city` is a city's region code or the slug of its home hall and gives all halls of that city and its counties; `q`
    is a part of the name, or the beginning of its region's pinyin or initials. Raises `FilterInvalid`, `CursorInvalid`.
    """
    key = (kind, city, q, cursor, limit, presence)
    return _pages.get(key, lambda: _read(kind, city, q, cursor, limit, presence))


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


def is_shelved(slug: str) -> bool:
    """Tell whether a hall shows what is on its shelves, instead of goods of its own; False for an unknown one."""
    try:
        return identifiers.is_slug(slug) and not _homes.get(slug, lambda: _read_home(slug))
    except errors.HallUnknown:
        return False


def draft(
    session: Session,
    *,
    slug: str,
    kind: HallKind,
    presence: HallPresence,
    zone_kind: ZoneKind | None,
    region_code: str,
    words: Words,
) -> None:
    """Begin a hall that only staff see. What it is and where never changes.

    Raises `HallInvalid(fields=[...])` and `HallTaken`.
    """
    database.require_transaction(session)
    wrong = _wrong(session, words)
    if len(slug) not in SLUG_LENGTHS or not identifiers.is_slug(slug) or slug in _RESERVED:
        wrong.append("slug")
    if (kind is HallKind.ZONE) != (zone_kind is not None):
        wrong.append("zone_kind")
    if not _is_seat(session, region_code):
        wrong.append("region_code")
    if kind is HallKind.ENTERPRISE and not words.owner.strip() and words.supplier is None:
        wrong.append("owner")
    if wrong:
        raise errors.HallInvalid(fields=sorted(wrong))
    values = {"slug": slug, "kind": kind, "presence": presence, "zone_kind": zone_kind, "region_code": region_code}
    if session.execute(_DRAFT, values | _said(words) | {"supplier": words.supplier}).first() is None:
        raise errors.HallTaken(slug=slug)


def amend(session: Session, *, slug: str, words: Words, version: int) -> None:
    """Write what is said of a hall anew. Raises `HallUnknown`, `HallMoved`, `HallInvalid(fields=[...])`."""
    held = lock(session, slug, version=version)
    wrong = _wrong(session, words)
    if held.kind is HallKind.ENTERPRISE and not words.owner.strip() and words.supplier is None:
        wrong.append("owner")
    if held.state is State.OPEN:
        wrong += _missing(held.presence, words.address, words.hours)
    if wrong:
        raise errors.HallInvalid(fields=sorted(wrong))
    held.supplier_id = _supplier_id(session, words.supplier)
    for name, value in _said(words).items():
        setattr(held, name, value)


def take(session: Session, *, slug: str, act: Act) -> State:
    """Open or close a hall; returns the state after it.

    Raises `HallUnknown`, `HallMoved` for a step that the state does not allow, `HallInvalid` for a place without
    address or hours, and `HallInUse` for a home hall whose goods are on sale.
    """
    held = lock(session, slug)
    after = lifecycle.step(held.state, act)
    if after is None:
        raise errors.HallMoved(state=held.state.value, version=held.version)
    if after is State.OPEN and (missing := _missing(held.presence, held.address, held.hours)):
        raise errors.HallInvalid(fields=missing)
    if after is State.CLOSED and (count := session.scalar(_ON_SALE, {"id": held.id})):
        raise errors.HallInUse(products=count)
    held.state = after
    held.version += 1
    return after


def hang(session: Session, *, slug: str, picture: str | None, now: datetime) -> None:
    """Show a picture (its number) in front of a hall, or none, and let go of the one before.

    Raises `HallUnknown`, `UnknownPicture`.
    """
    held = lock(session, slug)
    if picture is not None:
        pictures.claim(session, number=picture, until=None, now=now)
    if held.picture is not None and held.picture != picture:
        pictures.release(session, number=held.picture, now=now)
    held.picture = picture
    held.version += 1


def lock(session: Session, slug: str, *, version: int | None = None) -> Hall:
    """Return a hall under its row lock. With the `version` that was read, this is a change of it.

    Raises `HallUnknown`, and `HallMoved` when somebody changed it since.
    """
    database.require_transaction(session)
    found = select(Hall).where(Hall.slug == slug).with_for_update().execution_options(populate_existing=True)
    held = session.scalar(found) if identifiers.is_slug(slug) else None
    if held is None:
        raise errors.HallUnknown
    if version is not None:
        _require_version(held, version)
        held.version += 1
    return held


def _require_version(held: Hall, version: int) -> None:
    if held.version != version:
        raise errors.HallMoved(state=held.state.value, version=held.version)


def _said(words: Words) -> dict[str, str]:
    return {name: getattr(words, name).strip() for name in LENGTHS}


def _wrong(session: Session, words: Words) -> list[str]:
    wrong = [name for name, value in _said(words).items() if len(value) not in LENGTHS[name] or "\x00" in value]
    if words.supplier is not None and _supplier_id(session, words.supplier) is None:
        wrong.append("supplier")
    return wrong


def _missing(presence: HallPresence, address: str, hours: str) -> list[str]:
    """Return what a place lacks that somebody could go to."""
    needed = {"address": address, "hours": hours} if presence is HallPresence.PHYSICAL else {}
    return [name for name, value in needed.items() if not value.strip()]


def _supplier_id(session: Session, number: str | None) -> int | None:
    found: int | None = session.scalar(text("SELECT id FROM suppliers WHERE number = :number"), {"number": number})
    return found


def _is_seat(session: Session, code: str) -> bool:
    sql = text("SELECT true FROM regions WHERE code = :code AND level IN ('prefecture', 'county')")
    return identifiers.is_slug(code) and bool(session.scalar(sql, {"code": code}))


def _read_opening(slug: str) -> bool:
    return bool(database.statement("SELECT 1 FROM halls WHERE state = 'open' AND slug = %(slug)s", {"slug": slug}))


def _read_home(slug: str) -> bool:
    rows = database.statement("SELECT is_home FROM halls WHERE slug = %(slug)s", {"slug": slug})
    if not rows:
        raise errors.HallUnknown
    return bool(rows[0][0])


def _front(slug: str) -> bytes:
    rows = database.statement(
        f"SELECT {_HALL}::text FROM halls h {_REGION} WHERE h.state = 'open' AND h.slug = %(slug)s",
        {"slug": slug, "files": storage.base()},
    )
    if not rows:
        raise errors.HallUnknown
    return str(rows[0][0]).encode()


def _read(
    kind: str | None, city: str | None, q: str | None, cursor: str | None, limit: int, presence: str | None
) -> bytes:
    is_known = kind in (None, *HallKind) and presence in (None, *HallPresence)
    if not 1 <= limit <= MAX_LIMIT or not is_known:
        raise errors.FilterInvalid
    if city is not None and not identifiers.is_slug(city):
        return EMPTY
    params: dict[str, object] = {"limit": limit, "files": storage.base()}
    filters = ""
    if kind is not None:
        params["kind"] = kind
        filters += " AND h.kind = %(kind)s"
    if presence is not None:
        params["presence"] = presence
        filters += " AND h.presence = %(presence)s"
    if city is not None:
        params["city"] = city
        filters += """ AND coalesce(c.code, r.code) IN (
            SELECT m.region_code FROM halls m
            WHERE m.is_home AND m.parent_id IS NULL AND (m.region_code = %(city)s OR m.slug = %(city)s))"""
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
