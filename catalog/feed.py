"""The feed: every product on the shelf as others read it by machine, and what changed since they last did.

Invariant: a change gets its place in the sequence at one point only, `publish`, one transaction at a time, which
holds the turn until it has committed: whoever has read up to a place has read everything before it, however slowly
the changes themselves were committed. An entry keeps the latest state of its product; a product that leaves the shelf
stays as a tombstone, so nothing is ever missing from what changed.

Marks say what to look at, and the comparison with the entry decides. `sweep` marks everything once an hour: what no
row's change tells, such as a certificate that ran out by its date, and the number of pieces left.
"""

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import errors, identifiers, shelf
from config import database

# So many products are compared in one transaction: a tenth of a second of work.
AT_ONCE = 500
# So many such transactions in one tick; the next tick goes on.
PAGES_A_TICK = 20
MAX_CURSOR = 256
# The advisory lock of the one who publishes.
_TURN = 75
_BIGGEST = 2**62


@dataclass(frozen=True)
class Change:
    """A product as it is on the shelf (`body`), or None once it has left it, and since when it reads so."""

    slug: str
    sequence: int
    changed_at: datetime
    body: dict[str, Any] | None


@dataclass(frozen=True)
class Page:
    """Some of the feed: where a full pull goes on (None at its end), and from where to ask for changes.

    `has_more` says that more changes wait already.
    """

    items: list[Change]
    next_cursor: str | None
    since: str
    has_more: bool


def publish_due(*, now: datetime) -> int:
    """Publish what has changed, some thousand products at most; returns how many entries were written."""
    written = 0
    for _ in range(PAGES_A_TICK):
        if not database.statement("SELECT 1 FROM feed_marks LIMIT 1"):
            break
        with database.transaction() as session:
            taken = publish(session, now=now)
        if taken is None:
            break
        written += taken
    return written


def publish(session: Session, *, now: datetime) -> int | None:
    """Compare the oldest marked products with their entries, and give those that differ the next places.

    Returns how many differed, None when somebody else is at it.
    """
    database.require_transaction(session)
    if not _is_our_turn(session):
        return None
    slugs = sorted(set(session.execute(_TAKE, {"limit": AT_ONCE}).scalars()))
    return _write(session, dict.fromkeys(slugs, None) | shelf.on_sale(session, slugs), now) if slugs else 0


def sweep(*, now: datetime) -> None:
    """Mark every product and every entry, so that each is compared anew. Runs hourly."""
    with database.transaction() as session:
        session.execute(_MARK_ALL)


def full(*, cursor: str | None, limit: int) -> Page:
    """Return a page of everything on the shelf, by slug, each product once.

    Raises `CursorInvalid`. Products that change while somebody pages are among the changes from the last page's
    `since` on, which is the place that had been reached when the first page was read: nothing is lost between.
    """
    after, as_of = ("", None) if cursor is None else _read_full(cursor)
    rows = database.statement(_FULL, {"after": after, "limit": limit + 1})
    head = rows[0][0]
    found = [_change(row) for row in rows if row[1] is not None]
    reached = head if as_of is None else as_of
    has_more = len(found) > limit
    following = _dump(["full", found[limit - 1].slug, reached]) if has_more else None
    return Page(found[:limit], following, _dump(["since", reached]), has_more)


def changes(session: Session | None = None, *, since: str | None, limit: int) -> Page:
    """Return what changed after `since`, in the order in which it was published, tombstones included.

    None begins with everything. Raises `CursorInvalid`, also for a place that this feed has not reached: it was told
    by a database that is no more, and only a full pull is right then.
    """
    place = 0 if since is None else _read_since(since)
    rows = database.run(session, _CHANGES, {"after": place, "limit": limit + 1})
    if place > rows[0][0]:
        raise errors.CursorInvalid
    found = [_change(row) for row in rows if row[1] is not None]
    reached = found[:limit][-1].sequence if found else place
    return Page(found[:limit], None, _dump(["since", reached]), len(found) > limit)


def here(session: Session | None = None) -> str:
    """Return the cursor of this moment: what is published from now on changed after it."""
    [(head,)] = database.run(session, "SELECT coalesce(max(sequence), 0) FROM feed_entries")
    return _dump(["since", head])


def _is_our_turn(session: Session) -> bool:
    """Take the turn, which ends with the transaction; False while somebody else has it."""
    return bool(session.execute(text("SELECT pg_try_advisory_xact_lock(:turn)"), {"turn": _TURN}).scalar_one())


def _write(session: Session, bodies: dict[str, str | None], now: datetime) -> int:
    written = session.execute(_WRITE, {"slugs": list(bodies), "bodies": list(bodies.values()), "now": now})
    return len(written.all())


def _change(row: tuple[Any, ...]) -> Change:
    _, slug, sequence, changed_at, body = row
    return Change(slug, sequence, changed_at, body)


def _dump(parts: list[str | int]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def _parts(cursor: str) -> list[Any]:
    try:
        return list(orjson.loads(base64.urlsafe_b64decode(cursor[:MAX_CURSOR] + "=" * (-len(cursor) % 4))))
    except (ValueError, TypeError) as fault:
        raise errors.CursorInvalid from fault


def _read_full(cursor: str) -> tuple[str, int]:
    match _parts(cursor):
        case ["full", str(slug), int(place)] if _is_place(place) and identifiers.is_slug(slug):
            return slug, place
    raise errors.CursorInvalid


def _read_since(cursor: str) -> int:
    match _parts(cursor):
        case ["since", int(place)] if _is_place(place):
            return place
    raise errors.CursorInvalid


def _is_place(value: int) -> bool:
    return not isinstance(value, bool) and 0 <= value <= _BIGGEST


# Marks that another transaction is taking just now are left to it.
_TAKE = text("""
    DELETE FROM feed_marks WHERE id IN (
        SELECT id FROM feed_marks ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING slug
""")
# What was never on the shelf needs no tombstone.
_WRITE = text("""
    INSERT INTO feed_entries (slug, sequence, body, changed_at)
    SELECT n.slug, nextval('feed_sequence'), n.body, :now
    FROM unnest(cast(:slugs AS text[]), cast(cast(:bodies AS text[]) AS jsonb[])) AS n (slug, body)
    LEFT JOIN feed_entries e ON e.slug = n.slug
    WHERE e.body IS DISTINCT FROM n.body
    ON CONFLICT (slug) DO UPDATE
        SET sequence = excluded.sequence, body = excluded.body, changed_at = excluded.changed_at
    RETURNING slug
""")
_MARK_ALL = text("""
    INSERT INTO feed_marks (slug)
    SELECT slug FROM products UNION SELECT slug FROM feed_entries WHERE body IS NOT NULL
""")
# The place that has been reached and the rows are of one snapshot.
_FULL = """
SELECT h.head, e.slug, e.sequence, e.changed_at, e.body
FROM (SELECT coalesce(max(sequence), 0) AS head FROM feed_entries) h LEFT JOIN LATERAL (
    SELECT slug, sequence, changed_at, body FROM feed_entries
    WHERE slug > %(after)s AND body IS NOT NULL ORDER BY slug LIMIT %(limit)s
) e ON true
ORDER BY e.slug
"""
_CHANGES = """
SELECT h.head, e.slug, e.sequence, e.changed_at, e.body
FROM (SELECT coalesce(max(sequence), 0) AS head FROM feed_entries) h LEFT JOIN LATERAL (
    SELECT slug, sequence, changed_at, body FROM feed_entries
    WHERE sequence > %(after)s ORDER BY sequence LIMIT %(limit)s
) e ON true
ORDER BY e.sequence
"""
