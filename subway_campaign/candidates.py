"""Every touch that could have earned an order: those of all identities resolved to its buyer (R11, R16).

Invariant: only read here, judged in `attribution`; a touch belongs to the person whose cookie it was at that moment.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from subway_campaign.attribution import Candidate
from subway_campaign.lifecycle import Exclusion, TouchKind

# Older touches are read only to say that they are too old; the scan cookie lives 90 days.
HORIZON = timedelta(days=90)
# A visitor with more touches than this in the horizon is no rider; the latest ones before the order are read first.
AT_MOST = 500


@dataclass(frozen=True)
class Buyer:
    """Who orders: the cookie's visitor, the person logged in, or both."""

    visitor: UUID | None
    person: UUID | None


# A cookie without a person of its own belongs to whoever buys with it; with one, to that person in its time only.
_PEOPLE = """
    WITH RECURSIVE people AS (
        (SELECT cast(:person AS uuid) AS person_id WHERE cast(:person AS uuid) IS NOT NULL
         UNION SELECT l.person_id FROM visitor_links l
         WHERE l.visitor_id = :visitor AND l.unlinked_at IS NULL AND cast(:person AS uuid) IS NULL)
        UNION
        SELECT CASE WHEN p.person_id = people.person_id THEN p.same_as ELSE p.person_id END
        FROM people JOIN person_links p ON people.person_id IN (p.person_id, p.same_as)
    ), spans AS (
        SELECT l.visitor_id, l.touches_from, coalesce(l.unlinked_at, 'infinity') AS touches_until
        FROM visitor_links l JOIN people USING (person_id)
        UNION ALL
        SELECT cast(:visitor AS uuid), '-infinity', 'infinity'
        WHERE cast(:visitor AS uuid) IS NOT NULL
          AND NOT EXISTS (SELECT FROM visitor_links WHERE visitor_id = :visitor AND unlinked_at IS NULL)
    )
"""
_CANDIDATES = text(
    _PEOPLE
    + """
    SELECT t.id, t.occurred_at, t.kind, c.slug, t.binding_id, t.placement_id, p.number,
           t.surface <> 'h5' OR EXISTS (SELECT FROM touch_confirmations k WHERE k.touch_id = t.id), t.drop_reason,
           (SELECT min(e.reason) FROM excluded_identities e
            WHERE (e.visitor_id = t.visitor_id OR e.person_id IN (SELECT person_id FROM people))
              AND e.valid_from <= t.occurred_at AND (e.valid_until IS NULL OR e.valid_until > t.occurred_at))
    FROM spans s
    JOIN touches t ON t.visitor_id = s.visitor_id
        AND t.occurred_at >= s.touches_from AND t.occurred_at < s.touches_until
        AND t.occurred_at BETWEEN :since AND :upto
    LEFT JOIN codes c ON c.id = t.code_id
    LEFT JOIN placements p ON p.id = t.placement_id
    ORDER BY t.occurred_at <= :cutoff DESC, t.occurred_at DESC, t.id
    LIMIT :at_most
"""
)
_EXCLUDED = text(
    _PEOPLE
    + """
    SELECT min(e.reason) FROM excluded_identities e
    WHERE (e.visitor_id = :visitor OR e.visitor_id IN (SELECT visitor_id FROM spans)
           OR e.person_id IN (SELECT person_id FROM people))
      AND e.valid_from <= :at AND (e.valid_until IS NULL OR e.valid_until > :at)
"""
)


def of(session: Session, *, buyer: Buyer, cutoff: datetime, upto: datetime) -> list[Candidate]:
    """Return the touches of `buyer` up to `upto`, those before `cutoff` first, and at most 500."""
    rows = session.execute(
        _CANDIDATES,
        {
            "person": buyer.person,
            "visitor": buyer.visitor,
            "since": cutoff - HORIZON,
            "cutoff": cutoff,
            "upto": upto,
            "at_most": AT_MOST,
        },
    )
    return [Candidate(row[0], row[1], TouchKind(row[2]), *row[3:]) for row in rows]


def exclusion(session: Session, *, buyer: Buyer, at: datetime) -> Exclusion | None:
    """Return why nothing of this buyer is counted at that moment, or None (R16)."""
    reason = session.execute(_EXCLUDED, {"person": buyer.person, "visitor": buyer.visitor, "at": at}).scalar_one()
    return None if reason is None else Exclusion(reason)
