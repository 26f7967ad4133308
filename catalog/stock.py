"""How many of each SKU there are, and who has spoken for them.

Invariant: `0 <= reserved <= on_hand` always; `reserved` is the sum of the held reservations, `on_hand` and `reserved`
are the sums of the ledger `stock_moves`. Every verb locks a reference's reservations first and stock rows second, both
in the order of the SKUs' ids, so any mix of verbs runs without deadlock; whoever calls does so last in the
transaction, or in a statement that is all of it, because a hot SKU's row is held until the commit. Each verb is
idempotent per reference and SKU (returns: per key and SKU): however many callers repeat it at once, the move is
written once.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import psycopg
from sqlalchemy.orm import Session

from catalog import errors, identifiers
from config import database

# A consumer's line; bulk orders of organisations are quoted by hand.
MAX_QUANTITY = 999

# The lines of a call as rows (number, quantity, place), to be named. The arrays come out of a subquery because a plan
# for arrays that the planner can see is made anew for each call, at more cost than running it. The limit changes
# nothing but what a kept plan expects, one line instead of ten: for ten it reads all SKUs there are rather than look
# ten up, up to some thousands of SKUs.
LINES = """(
    SELECT line.* FROM (SELECT %(numbers)s::text[] AS n, %(quantities)s::int[] AS q OFFSET 0) AS given,
        unnest(given.n, given.q) WITH ORDINALITY AS line LIMIT %(kinds)s)"""

# The first half of the advisory locks that queue up for a SKU; the second is the SKU's id.
SKU_QUEUE = 73

# What the database says when goods were taken that are no longer there.
NEVER_OVERSOLD = "ck_stock_levels_never_oversold"

# The unique key of `reservations` lets exactly one of two equal holds move stock. `take_stock` queues for each SKU and
# adds to its row, in the order of ids, and the CHECK refuses the whole statement when somebody else was quicker. It is
# a function because what a function asks sees the rows as they are by then: this statement began before it queued, and
# to find its row changed since would make PostgreSQL start all its parts anew, twice, while the next in the queue
# waits. The advisory locks guard nothing: a crowd that queues on them costs the database 40 % less than one that queues
# on the row itself (32 clients on one SKU: 0.57 CPU-s per 1000 holds against 0.93), and nothing when there is no crowd.
_NOTED = """noted AS (
    INSERT INTO stock_moves (sku_id, kind, on_hand_delta, reserved_delta, reservation_id)
    SELECT sku_id, 'held', 0, quantity, id FROM held
    RETURNING id
)"""
_TAKE = f"take_stock({SKU_QUEUE}, array_agg(sku_id ORDER BY sku_id), array_agg(quantity ORDER BY sku_id))"


def taking(*, after: str) -> str:
    """Return the end of a statement that holds goods for a reference that this very statement makes.

    `after` is a number of rows that the statement writes before, so that stock comes last. Whoever runs it passes
    `hold_params` of lines that `products.price` just found to be there, and runs it by `take`.
    """
    # An outer join, so that a SKU that is not there is refused by the database rather than sold without stock.
    return f"""held AS (
    INSERT INTO reservations (reference, sku_id, quantity, state, held_at)
    SELECT %(reference)s::text, s.id, w.quantity, 'held', %(now)s::timestamptz
    FROM {LINES} AS w (number, quantity) LEFT JOIN skus s ON s.number = w.number
    RETURNING id, sku_id, quantity
), {_NOTED}
SELECT {_TAKE} FROM held WHERE {after} + (SELECT count(*) FROM noted) > 0"""


# What is short at a glance, without a lock: a hopeless statement writes nothing and holds nobody up. What is taken in
# between is found out at the end.
_HOLD = f"""WITH wanted AS MATERIALIZED (
    SELECT w.number, w.quantity, s.id AS sku_id, l.on_hand - l.reserved AS free
    FROM {LINES} AS w (number, quantity)
    LEFT JOIN skus s ON s.number = w.number
    LEFT JOIN stock_levels l ON l.sku_id = s.id
    WHERE NOT EXISTS (SELECT FROM reservations r WHERE r.reference = %(reference)s AND r.sku_id = s.id)
), short AS MATERIALIZED (
    SELECT number, greatest(coalesce(free, 0), 0) AS available FROM wanted WHERE free IS NULL OR free < quantity
), held AS (
    INSERT INTO reservations (reference, sku_id, quantity, state, held_at)
    SELECT %(reference)s::text, sku_id, quantity, 'held', %(now)s::timestamptz FROM wanted
    WHERE NOT EXISTS (SELECT FROM short)
    ON CONFLICT (reference, sku_id) DO NOTHING
    RETURNING id, sku_id, quantity
), {_NOTED}, taken AS MATERIALIZED (
    SELECT {_TAKE} FROM held WHERE (SELECT count(*) FROM noted) > 0
)
SELECT short.number, short.available FROM taken LEFT JOIN short ON true ORDER BY short.number"""


class Overtaken(Exception):
    """Somebody else took the goods between the glance and the grasp: nothing was written, and a new glance tells."""


def take(session: Session | None, sql: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Run one statement with `taking` in it, in a savepoint of its caller's transaction if there is one.

    Raises `Overtaken` when it came too late; whoever sends it again learns what is left.
    """
    try:
        if session is None:
            return database.statement(sql, params)
        with session.begin_nested():
            # Only now is the savepoint made.
            session.connection()
            return database.run(session, sql, params)
    except psycopg.errors.CheckViolation as error:
        if error.diag.constraint_name != NEVER_OVERSOLD:
            raise
        raise Overtaken from error


# Shared by commit and release: what is still held leaves that state, and stock and ledger follow.
_END = """
WITH mine AS MATERIALIZED (
    SELECT id FROM reservations WHERE reference = %(reference)s AND state = 'held' ORDER BY sku_id FOR UPDATE
), ended AS MATERIALIZED (
    UPDATE reservations r SET state = %(state)s::text FROM mine WHERE r.id = mine.id
    RETURNING r.id, r.sku_id, r.quantity
), level AS MATERIALIZED (
    SELECT l.sku_id, e.id, e.quantity FROM stock_levels l JOIN ended e ON e.sku_id = l.sku_id
    ORDER BY l.sku_id FOR UPDATE OF l
), moved AS (
    UPDATE stock_levels l
    SET on_hand = l.on_hand - CASE WHEN %(state)s::text = 'committed' THEN e.quantity ELSE 0 END,
        reserved = l.reserved - e.quantity
    FROM level e WHERE l.sku_id = e.sku_id
), noted AS (
    INSERT INTO stock_moves (sku_id, kind, on_hand_delta, reserved_delta, reservation_id)
    SELECT sku_id, %(state)s::text, CASE WHEN %(state)s::text = 'committed' THEN -quantity ELSE 0 END, -quantity, id
    FROM level
)
SELECT count(*) FROM ended
"""

_STATES = "SELECT DISTINCT state FROM reservations WHERE reference = %(reference)s"

_SOLD = """
SELECT r.id FROM reservations r WHERE r.reference = %(reference)s AND r.state = 'committed' ORDER BY r.sku_id FOR UPDATE
"""

# Runs after `_SOLD` took the reservations' locks, so the returns it counts are all that there are.
_RESTORE = f"""
WITH wanted AS MATERIALIZED (
    SELECT w.number, w.quantity, s.id AS sku_id, r.id AS reservation_id, coalesce(r.quantity, 0) - coalesce((
        SELECT sum(m.on_hand_delta) FROM stock_moves m WHERE m.reservation_id = r.id AND m.kind = 'restored'
    ), 0) AS returnable
    FROM {LINES} AS w (number, quantity)
    LEFT JOIN skus s ON s.number = w.number
    LEFT JOIN reservations r ON r.sku_id = s.id AND r.reference = %(reference)s AND r.state = 'committed'
    WHERE NOT EXISTS (SELECT FROM stock_moves m WHERE m.key = %(key)s::text AND m.sku_id = s.id)
), excess AS MATERIALIZED (
    SELECT number, returnable FROM wanted WHERE quantity > returnable
), level AS MATERIALIZED (
    SELECT l.sku_id, w.reservation_id, w.quantity FROM stock_levels l JOIN wanted w ON w.sku_id = l.sku_id
    WHERE NOT EXISTS (SELECT FROM excess)
    ORDER BY l.sku_id FOR UPDATE OF l
), noted AS (
    INSERT INTO stock_moves (sku_id, kind, on_hand_delta, reserved_delta, reservation_id, key)
    SELECT sku_id, 'restored', quantity, 0, reservation_id, %(key)s::text FROM level
    ON CONFLICT (key, sku_id) WHERE key IS NOT NULL DO NOTHING
    RETURNING sku_id, on_hand_delta
), moved AS (
    UPDATE stock_levels l SET on_hand = l.on_hand + n.on_hand_delta FROM noted n WHERE l.sku_id = n.sku_id
)
SELECT number, returnable FROM excess ORDER BY number
"""

_RECEIVE = f"""
WITH wanted AS MATERIALIZED (
    SELECT w.number, w.quantity, s.id AS sku_id
    FROM {LINES} AS w (number, quantity)
    LEFT JOIN skus s ON s.number = w.number
), missing AS MATERIALIZED (
    SELECT number FROM wanted WHERE sku_id IS NULL
), noted AS (
    INSERT INTO stock_moves (sku_id, kind, on_hand_delta, reserved_delta, key)
    SELECT sku_id, 'received', quantity, 0, %(key)s::text FROM wanted
    WHERE NOT EXISTS (SELECT FROM missing) ORDER BY sku_id
    ON CONFLICT (key, sku_id) WHERE key IS NOT NULL DO NOTHING
    RETURNING sku_id, on_hand_delta
), moved AS (
    INSERT INTO stock_levels AS l (sku_id, on_hand) SELECT sku_id, on_hand_delta FROM noted ORDER BY sku_id
    ON CONFLICT (sku_id) DO UPDATE SET on_hand = l.on_hand + excluded.on_hand
)
SELECT number FROM missing ORDER BY number
"""

# Goods that never came in have a level of nothing, so that each that is counted has a row to lock.
_BEGIN_LEVELS = f"""
INSERT INTO stock_levels (sku_id, on_hand)
SELECT s.id, 0 FROM {LINES} AS w (number, quantity) JOIN skus s ON s.number = w.number ORDER BY s.id
ON CONFLICT (sku_id) DO NOTHING
"""

# Taken in a statement before the count, whose snapshot then knows every move of the rows that it looks at.
_LOCK_LEVELS = f"""
SELECT FROM stock_levels l WHERE l.sku_id = ANY (ARRAY(
    SELECT s.id FROM {LINES} AS w (number, quantity) JOIN skus s ON s.number = w.number))
ORDER BY l.sku_id FOR UPDATE OF l
"""

# A count that would leave less than is spoken for stops them all, and so does one that somebody sold into: what was
# seen is -1 where nobody looked, and what was counted under the same key before is not judged again.
_COUNT = f"""
WITH wanted AS MATERIALIZED (
    SELECT w.number, w.quantity, v.on_hand AS seen, s.id AS sku_id
    FROM {LINES} AS w (number, quantity)
    JOIN unnest(%(numbers)s::text[], %(seen)s::int[]) AS v (number, on_hand) ON v.number = w.number
    LEFT JOIN skus s ON s.number = w.number
), level AS MATERIALIZED (
    SELECT l.sku_id, l.on_hand, l.reserved, w.quantity - l.on_hand AS delta
    FROM stock_levels l JOIN wanted w ON w.sku_id = l.sku_id
    ORDER BY l.sku_id FOR UPDATE OF l
), wrong AS MATERIALIZED (
    SELECT w.number, w.seen, l.on_hand, l.reserved, w.seen NOT IN (-1, l.on_hand) AS is_moved
    FROM wanted w LEFT JOIN level l ON l.sku_id = w.sku_id
    WHERE l.sku_id IS NULL
       OR ((w.quantity < l.reserved OR w.seen NOT IN (-1, l.on_hand)) AND NOT EXISTS (
            SELECT FROM stock_moves m WHERE m.key = %(key)s::text AND m.sku_id = l.sku_id))
), noted AS (
    INSERT INTO stock_moves (sku_id, kind, on_hand_delta, reserved_delta, key)
    SELECT sku_id, 'counted', delta, 0, %(key)s::text FROM level
    WHERE delta <> 0 AND NOT EXISTS (SELECT FROM wrong) ORDER BY sku_id
    ON CONFLICT (key, sku_id) WHERE key IS NOT NULL DO NOTHING
    RETURNING sku_id, on_hand_delta
), moved AS (
    UPDATE stock_levels l SET on_hand = l.on_hand + n.on_hand_delta FROM noted n WHERE l.sku_id = n.sku_id
)
SELECT number, seen, on_hand, reserved, is_moved FROM wrong ORDER BY number
"""


def hold(session: Session, *, reference: str, lines: Mapping[str, int], now: datetime) -> None:
    """Reserve every line (SKU number → quantity) for `reference`, all or none.

    A line that `reference` already has a reservation for, in whatever state, is left as it is: an order that is
    revived after its release must come with a new reference. Raises `OutOfStock(lines=[{"sku", "available"}])` with
    nothing changed (an unknown SKU has 0 available), `SkuUnknown` for what
    cannot be a SKU's number, and `QuantityInvalid` outside 1 to `MAX_QUANTITY`.
    """
    database.require_transaction(session)
    _require_lines(lines)
    rows = None
    while rows is None:
        with suppress(Overtaken):
            rows = take(session, _HOLD, hold_params(reference=reference, lines=lines, now=now))
    short = [{"sku": number, "available": available} for number, available in rows if number is not None]
    if short:
        raise errors.OutOfStock(lines=short)


def hold_params(*, reference: str, lines: Mapping[str, int], now: datetime) -> dict[str, object]:
    """Return what `taking` needs to hold lines (SKU number → quantity)."""
    return {
        "reference": reference,
        "now": now,
        **line_params(lines),
    }


def line_params(lines: Mapping[str, int]) -> dict[str, object]:
    """Return what `LINES` needs to be these (SKU number → quantity)."""
    return {
        "numbers": database.dump_array(lines),
        "quantities": database.dump_array(lines.values()),
        "kinds": len(lines),
    }


def commit(session: Session, *, reference: str) -> None:
    """Take the goods that `reference` holds off the shelf for good; repeated, it does nothing.

    Raises `ReservationReleased` when they were given back before, `ReservationUnknown` when there never were any.
    """
    database.require_transaction(session)
    if not _end(session, reference, "committed"):
        states = _states(session, reference)
        if not states:
            raise errors.ReservationUnknown
        if "released" in states:
            raise errors.ReservationReleased


def release(session: Session, *, reference: str) -> None:
    """Give back what `reference` holds; repeated, or when it never held anything, it does nothing.

    Raises `ReservationCommitted` when the goods are gone: then only `restore` brings them back.
    """
    database.require_transaction(session)
    if not _end(session, reference, "released") and "committed" in _states(session, reference):
        raise errors.ReservationCommitted


def restore(session: Session, *, reference: str, lines: Mapping[str, int], key: str) -> None:
    """Put returned goods (SKU number → quantity) of a committed reservation back on the shelf, once per `key`.

    `key` names the return, such as a refund's number. Raises `ReturnTooLarge(lines=[{"sku", "returnable"}])` with
    nothing changed when all returns together would exceed what was taken, and `QuantityInvalid` outside 1 to
    `MAX_QUANTITY`.
    """
    database.require_transaction(session)
    _require_lines(lines)
    database.driver_connection(session).execute(_SOLD, {"reference": reference})
    rows = _execute(session, _RESTORE, lines, reference=reference, key=key)
    if rows:
        raise errors.ReturnTooLarge(lines=[{"sku": number, "returnable": int(left)} for number, left in rows])


def receive(session: Session, *, lines: Mapping[str, int], key: str) -> None:
    """Add goods that came in (SKU number → quantity) to the stock, once per `key` and SKU.

    `key` names the delivery. Raises `SkuUnknown(skus=[...])` with nothing changed, and `ValueError` for a quantity
    below 1.
    """
    database.require_transaction(session)
    if any(quantity < 1 for quantity in lines.values()):
        raise ValueError("a delivery holds at least one of each SKU")
    rows = _execute(session, _RECEIVE, lines, key=key)
    if rows:
        raise errors.SkuUnknown(skus=[number for [number] in rows])


def count(session: Session, *, lines: Mapping[str, int], key: str, seen: Mapping[str, int] | None = None) -> None:
    """Set what is on hand (SKU number → quantity, what orders have spoken for included), once per `key` and SKU.

    `key` names the stocktaking; `seen` is what whoever counted had before their eyes as on hand, SKU number → quantity.
    With nothing changed, raises `SkuUnknown(skus=[...])`, `StockMoved(lines=[{"sku", "seen", "on_hand"}])` when a sale,
    a return or a delivery came in between, `CountTooLow(lines=[{"sku", "reserved"}])`, and `ValueError` for a quantity
    below 0.
    """
    database.require_transaction(session)
    if any(quantity < 0 for quantity in lines.values()):
        raise ValueError("there is never less than nothing")
    _execute(session, _BEGIN_LEVELS, lines)
    _execute(session, _LOCK_LEVELS, lines)
    rows = _execute(
        session, _COUNT, lines, key=key, seen=database.dump_array((seen or {}).get(sku, -1) for sku in lines)
    )
    if unknown := [number for number, _, on_hand, _, _ in rows if on_hand is None]:
        raise errors.SkuUnknown(skus=unknown)
    if moved := [{"sku": sku, "seen": was, "on_hand": now} for sku, was, now, _, is_moved in rows if is_moved]:
        raise errors.StockMoved(lines=moved)
    if rows:
        raise errors.CountTooLow(lines=[{"sku": number, "reserved": reserved} for number, _, _, reserved, _ in rows])


def _end(session: Session, reference: str, state: str) -> int:
    cursor = database.driver_connection(session).execute(_END, {"reference": reference, "state": state})
    (count,) = cursor.fetchone() or (0,)
    return int(count)


def _states(session: Session, reference: str) -> set[str]:
    cursor = database.driver_connection(session).execute(_STATES, {"reference": reference})
    return {state for (state,) in cursor.fetchall()}


def _require_lines(lines: Mapping[str, int]) -> None:
    wrong = [number for number, quantity in lines.items() if not 1 <= quantity <= MAX_QUANTITY]
    if wrong or not lines:
        raise errors.QuantityInvalid(skus=wrong)
    if not all(identifiers.is_sku(number) for number in lines):
        raise errors.SkuUnknown


def _execute(session: Session, sql: str, lines: Mapping[str, int], **params: object) -> list[tuple[Any, ...]]:
    cursor = database.driver_connection(session).execute(sql, params | line_params(lines))
    return cursor.fetchall() if cursor.description else []
