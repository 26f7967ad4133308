"""Orders that are looked at again, because something was learnt after they were decided (R21).

Invariant: a review that is asked for happens, once or more often, and each ends in the credit that the log as known 72
hours after the order gives; so their order and number do not matter.

Why none is missed while others write: what may change orders leaves a mark in its own transaction, either one of the
rollups' marks, which `rollups.roll_up` hands on here, or one of its own. An order that was not committed when such a
mark was resolved is reviewed after its commit, for `conversions.paid` leaves a mark too. Marks are deleted in the
transaction that acts on them, before it reads.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database
from subway_campaign import attribution, conversions, signals
from subway_campaign.lifecycle import ReviewKind

# Later news than this about an order can neither change it nor be worth a line in the log.
REACH = attribution.WINDOW + attribution.FREEZE
AT_ONCE = 1_000

_HAND_ON = text("""
    INSERT INTO review_marks (kind, ref)
    SELECT 'visitor', t.visitor_id FROM rollup_marks m JOIN touches t ON t.id = m.ref
    WHERE m.kind IN ('touch', 'confirmation') AND t.visitor_id IS NOT NULL
    UNION
    SELECT 'visitor', ref FROM rollup_marks WHERE kind IN ('visitor', 'linked')
    UNION
    SELECT 'person', ref FROM rollup_marks WHERE kind = 'person'
""")
_HAND_ON_ALL = text("INSERT INTO review_marks (kind) VALUES ('all')")


def hand_on(session: Session, *, too_many: bool) -> None:
    """Ask for a review of whatever the rollups' marks may change; of everything when there are `too_many` to read."""
    session.execute(_HAND_ON_ALL if too_many else _HAND_ON)


def ask(session: Session, *, refs: Iterable[UUID], kind: ReviewKind) -> None:
    """Ask for a review of what visitors or persons may have changed, as part of the caller's transaction."""
    database.require_transaction(session)
    session.execute(
        text("INSERT INTO review_marks (kind, ref) SELECT :kind, unnest(cast(:refs AS uuid[]))"),
        {"kind": kind, "refs": list(refs)},
    )


_TAKE = text("""
    DELETE FROM review_marks WHERE id IN (
        SELECT id FROM review_marks WHERE kind <> 'order' ORDER BY id LIMIT :at_most FOR UPDATE SKIP LOCKED)
    RETURNING kind, ref
""")
# Everybody who may be the same human: more than who buys as one, and a needless review changes nothing.
_CONCERNED = """
    WITH RECURSIVE known AS (
        SELECT unnest(cast(:refs AS uuid[])) AS id
        UNION
        SELECT other.id FROM known CROSS JOIN LATERAL (
            SELECT person_id AS id FROM visitor_links WHERE visitor_id = known.id
            UNION ALL SELECT visitor_id FROM visitor_links WHERE person_id = known.id
            UNION ALL SELECT same_as FROM person_links WHERE person_id = known.id
            UNION ALL SELECT person_id FROM person_links WHERE same_as = known.id
            UNION ALL SELECT same_as FROM visitor_merges WHERE visitor_id = known.id
            UNION ALL SELECT visitor_id FROM visitor_merges WHERE same_as = known.id) other
    )
"""
_MARK_ORDERS = """
    INSERT INTO review_marks (kind, conversion_id)
    SELECT 'order', id FROM conversions WHERE placed_at > :since AND paid_at IS NOT NULL
"""
_MARK_ALL = text(_MARK_ORDERS)
_MARK_SOME = text(
    _CONCERNED + _MARK_ORDERS + " AND (visitor_id IN (SELECT id FROM known) OR person_id IN (SELECT id FROM known))"
)
_WAITING = text("""
    SELECT c.id, c.order_number FROM conversions c
    WHERE c.id IN (SELECT conversion_id FROM review_marks WHERE kind = 'order' ORDER BY id LIMIT :at_most)
    ORDER BY c.placed_at, c.id
""")


def review_due(*, now: datetime) -> int:
    """Look at whoever did something for what no rider does, then decide again on the orders that may have changed.

    Returns how many orders were decided otherwise. Two at once, or one that is killed, do no harm. Opens its own
    transactions, one for each order.
    """
    while _resolve(now):
        pass
    changed = 0
    while True:
        with database.transaction() as session:
            waiting = session.execute(_WAITING, {"at_most": AT_ONCE}).all()
        if not waiting:
            return changed
        for conversion, order in waiting:
            with database.transaction() as session:
                changed += _review(session, conversion, order, now)


def _resolve(now: datetime) -> bool:
    """Turn marks of visitors and persons into marks of orders; returns whether there were any."""
    with database.transaction() as session:
        marks = session.execute(_TAKE, {"at_most": AT_ONCE}).all()
        since = now - REACH
        if any(kind == ReviewKind.ALL for kind, _ in marks):
            signals.watch(session, visitors=None, now=now)
            session.execute(_MARK_ALL, {"since": since})
        elif marks:
            signals.watch(session, visitors=[ref for kind, ref in marks if kind == ReviewKind.VISITOR], now=now)
            session.execute(_MARK_SOME, {"since": since, "refs": list({ref for _, ref in marks})})
    return bool(marks)


# Whether an order is its touch's first is for the earlier ones to say (R17).
_LATER_OF_ITS_TOUCH = text("""
    INSERT INTO review_marks (kind, conversion_id)
    SELECT 'order', later.id FROM conversions later
    WHERE later.touch_id = ANY(cast(:touches AS uuid[])) AND later.paid_at IS NOT NULL AND later.placed_at > (
        SELECT placed_at FROM conversions WHERE id = :id)
""")
_LAST_TOUCH = text("SELECT touch_id FROM conversions WHERE id = :id")


def _review(session: Session, conversion: int, order: str, now: datetime) -> bool:
    """Decide on one order again, under its lock; the marks go first, so that later news asks anew."""
    conversions.lock(session, order)
    session.execute(text("DELETE FROM review_marks WHERE conversion_id = :id"), {"id": conversion})
    before = session.execute(_LAST_TOUCH, {"id": conversion}).scalar_one()
    changed = conversions.decide_again(session, order=order, now=now)
    touches = {before, session.execute(_LAST_TOUCH, {"id": conversion}).scalar_one()} - {None}
    session.execute(_LATER_OF_ITS_TOUCH, {"id": conversion, "touches": list(touches)})
    return changed
