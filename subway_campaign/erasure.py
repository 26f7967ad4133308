"""Forgetting people without changing a report (R27).

Invariant: what is erased or too old can no longer be joined to anybody; decisions, weights, credits and every count
stay as they were, because touches of one stranger stay touches of one stranger, and of excluded ones excluded.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database

# Who a scan belongs to is needed for the order, its refunds and its disputes, and for nothing after that.
LINK_LIFE = timedelta(days=180)

_FREE = text("""
    WITH strangers AS MATERIALIZED (
        SELECT visitor_id, touches_from, unlinked_at, gen_random_uuid() AS stranger
        FROM visitor_links WHERE person_id = :person
    ), excluded AS (
        INSERT INTO excluded_identities (visitor_id, reason, valid_from, valid_until, recorded_at)
        SELECT s.stranger, e.reason, e.valid_from, e.valid_until, e.recorded_at
        FROM strangers s JOIN excluded_identities e ON e.person_id = :person OR e.visitor_id = s.visitor_id
    )
    UPDATE touches t SET visitor_id = s.stranger FROM strangers s
    WHERE t.visitor_id = s.visitor_id AND t.occurred_at >= s.touches_from
      AND (s.unlinked_at IS NULL OR t.occurred_at < s.unlinked_at)
    RETURNING t.id
""")
_KEEP_DECISIONS = text("""
    UPDATE conversions SET visitor_id = NULL, person_id = NULL
    WHERE id IN (
        SELECT d.conversion_id FROM attribution_weights w JOIN attribution_decisions d ON d.id = w.decision_id
        WHERE w.touch_id = ANY(cast(:touches AS uuid[])))
""")
_FORGET_PERSON = (
    """
    UPDATE conversions SET visitor_id = NULL, person_id = NULL
    WHERE person_id = :person OR (person_id IS NULL AND visitor_id IN (
        SELECT visitor_id FROM visitor_links WHERE person_id = :person))
    """,
    """
    UPDATE fraud_signals SET visitor_id = NULL
    WHERE visitor_id IN (SELECT visitor_id FROM visitor_links WHERE person_id = :person)
    """,
    """
    DELETE FROM visitor_merges m USING visitor_links l
    WHERE l.person_id = :person AND l.visitor_id IN (m.visitor_id, m.same_as)
    """,
    "DELETE FROM visitor_links WHERE person_id = :person",
    "DELETE FROM visitor_identities WHERE person_id = :person",
    "DELETE FROM person_links WHERE :person IN (person_id, same_as)",
    "DELETE FROM excluded_identities WHERE person_id = :person",
)


def erase(session: Session, *, person: UUID) -> int:
    """Forget that `person` ever scanned: identities, links and orders lose them; returns how many touches were freed.

    The touches of each of their cookies get a new random id that no cookie carries. Call it for every person that the
    shop knows to be the same human.
    """
    database.require_transaction(session)
    touches = list(session.execute(_FREE, {"person": person}).scalars())
    session.execute(
        text("UPDATE touch_keys SET visitor_id = NULL WHERE touch_id = ANY(:touches)"), {"touches": touches}
    )
    # Whoever was credited through these touches, perhaps as somebody else, keeps the decision as it is.
    session.execute(_KEEP_DECISIONS, {"touches": touches})
    for statement in _FORGET_PERSON:
        session.execute(text(statement), {"person": person})
    return len(touches)


_FORGET_OLD = (
    # An excluded person's cookies stay excluded when nobody knows any more whose they were.
    """
    INSERT INTO excluded_identities (visitor_id, reason, valid_from, valid_until, recorded_at)
    SELECT l.visitor_id, e.reason, e.valid_from, e.valid_until, e.recorded_at
    FROM visitor_links l JOIN excluded_identities e USING (person_id)
    WHERE coalesce(l.unlinked_at, l.linked_at) < :before
    """,
    "DELETE FROM visitor_links WHERE coalesce(unlinked_at, linked_at) < :before",
    "DELETE FROM visitor_identities WHERE linked_at < :before",
    "DELETE FROM person_links WHERE linked_at < :before",
    "DELETE FROM visitor_merges WHERE merged_at < :before",
    "DELETE FROM spent_handoffs WHERE spent_at < :before",
    """
    UPDATE conversions SET visitor_id = NULL, person_id = NULL
    WHERE placed_at < :before AND num_nonnulls(visitor_id, person_id) > 0
    """,
    "UPDATE touch_keys SET visitor_id = NULL WHERE occurred_at < :before AND visitor_id IS NOT NULL",
)


def forget_old(*, now: datetime) -> None:
    """Drop every link between a person and a cookie, and between an order and a visitor, that is 180 days old.

    For the daily purge; opens its own transaction.
    """
    with database.transaction() as session:
        for statement in _FORGET_OLD:
            session.execute(text(statement), {"before": now - LINK_LIFE})
