"""Every touch that could have earned an order: those of all identities resolved to its buyer (R11, R16).

Invariant: only read here, judged in `attribution`; a touch belongs to the person whose cookie it was at that moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
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


@dataclass(frozen=True)
class _Span:
    """A cookie, and the time in which its touches are the buyer's."""

    visitor: UUID
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True)
class _Excluded:
    """A time in which a visitor, or (without one) everything of the buyer, is not counted."""

    visitor: UUID | None
    reason: Exclusion
    since: datetime
    until: datetime | None

    def covers(self, visitor: UUID | None, at: datetime) -> bool:
        return self.visitor in {None, visitor} and self.since <= at and (self.until is None or at < self.until)


@dataclass(frozen=True)
class Identities:
    """Everybody that a buyer was found to be."""

    spans: list[_Span]
    exclusions: list[_Excluded]

    def exclusion(self, at: datetime) -> Exclusion | None:
        """Return why nothing of this buyer is counted at that moment, or None (R16)."""
        return next((e.reason for e in self.exclusions if e.covers(e.visitor, at)), None)


# A cookie without a person of its own belongs to whoever buys with it; with one, to that person in its time only. A
# cookie that a hand-off joined brings what it did in the time of whom it belonged to at the hand-off. `known` is the
# instant up to which everything that was learnt counts.
_LIVE = "{t}.{since} <= :known AND ({t}.{until} IS NULL OR {t}.{until} > :known)"
_LINKED = _LIVE.format(t="l", since="linked_at", until="unlinked_at")
_RESOLVE = text(f"""
    WITH RECURSIVE people AS (
        (SELECT cast(:person AS uuid) AS person_id WHERE cast(:person AS uuid) IS NOT NULL
         UNION SELECT l.person_id FROM visitor_links l
         WHERE l.visitor_id = :visitor AND {_LINKED} AND cast(:person AS uuid) IS NULL)
        UNION
        SELECT CASE WHEN p.person_id = people.person_id THEN p.same_as ELSE p.person_id END
        FROM people JOIN person_links p ON people.person_id IN (p.person_id, p.same_as)
        WHERE {_LIVE.format(t="p", since="linked_at", until="undone_at")}
    ), spans AS (
        (SELECT l.visitor_id, l.touches_from AS since, l.unlinked_at AS until
         FROM visitor_links l JOIN people USING (person_id) WHERE l.linked_at <= :known
         UNION ALL
         SELECT cast(:visitor AS uuid), NULL, NULL
         WHERE cast(:visitor AS uuid) IS NOT NULL
           AND NOT EXISTS (SELECT FROM visitor_links l WHERE l.visitor_id = :visitor AND {_LINKED}))
        UNION
        SELECT other.visitor_id, l.touches_from, l.unlinked_at
        FROM spans s
        JOIN visitor_merges m ON s.visitor_id IN (m.visitor_id, m.same_as)
            AND (s.since IS NULL OR m.merged_at >= s.since) AND (s.until IS NULL OR m.merged_at < s.until)
            AND {_LIVE.format(t="m", since="merged_at", until="undone_at")}
        CROSS JOIN LATERAL (SELECT CASE WHEN s.visitor_id = m.visitor_id THEN m.same_as ELSE m.visitor_id END) AS other
            (visitor_id)
        LEFT JOIN visitor_links l ON l.visitor_id = other.visitor_id AND l.linked_at <= m.merged_at
            AND (l.unlinked_at IS NULL OR l.unlinked_at > m.merged_at)
    )
    SELECT visitor_id, since, until, NULL FROM spans
    UNION ALL
    SELECT visitor_id, valid_from, valid_until, reason FROM excluded_identities e
    WHERE e.recorded_at <= :known AND (
        e.visitor_id = :visitor OR e.visitor_id IN (SELECT visitor_id FROM spans)
        OR e.person_id IN (SELECT person_id FROM people))
""")


def resolve(session: Session, *, buyer: Buyer, known: datetime) -> Identities:
    """Return every cookie that is the buyer's, and when what they do is not counted, as `known` then (R11, R16)."""
    spans, exclusions = [], []
    rows = session.execute(_RESOLVE, {"person": buyer.person, "visitor": buyer.visitor, "known": known})
    for visitor, since, until, reason in rows:
        if reason is None:
            spans.append(_Span(visitor, since, until))
        else:
            exclusions.append(_Excluded(visitor, Exclusion(reason), since, until))
    return Identities(spans, sorted(exclusions, key=lambda e: (e.reason, e.since)))


# The visitors come as an array, so that each is looked up by index whatever the planner thinks of their number.
_TOUCHES = text("""
    SELECT t.id, t.occurred_at, t.kind, c.slug, t.binding_id, t.placement_id, p.number,
           t.surface <> 'h5' OR EXISTS (
               SELECT FROM touch_confirmations k WHERE k.touch_id = t.id AND k.confirmed_at <= :known),
           t.drop_reason, t.visitor_id,
           EXISTS (SELECT FROM held_touches h JOIN fraud_signals s ON s.id = h.signal_id
                   WHERE h.touch_id = t.id AND h.held_at <= :known
                     AND (s.resolution IS DISTINCT FROM 'harmless' OR s.closed_at > :known)),
           EXISTS (SELECT FROM conversions x
                   WHERE x.touch_id = t.id AND x.paid_at IS NOT NULL AND x.placed_at < :cutoff)
    FROM unnest(cast(:visitors AS uuid[]), cast(:since AS timestamptz[]), cast(:until AS timestamptz[]))
        AS span (visitor_id, since, until)
    CROSS JOIN LATERAL (
        SELECT * FROM touches
        WHERE touches.visitor_id = span.visitor_id AND occurred_at BETWEEN :horizon AND :upto AND received_at <= :known
          AND (span.since IS NULL OR occurred_at >= span.since) AND (span.until IS NULL OR occurred_at < span.until)
        ORDER BY occurred_at <= :cutoff DESC, occurred_at DESC LIMIT :at_most
    ) t
    LEFT JOIN codes c ON c.id = t.code_id
    LEFT JOIN placements p ON p.id = t.placement_id
    ORDER BY t.occurred_at <= :cutoff DESC, t.occurred_at DESC, t.id LIMIT :at_most
""")


def of(
    session: Session, *, identities: Identities, cutoff: datetime, upto: datetime, known: datetime
) -> list[Candidate]:
    """Return the buyer's touches up to `upto` as they were `known` then, those before `cutoff` first, at most 500."""
    if not identities.spans:
        return []
    rows = session.execute(
        _TOUCHES,
        {
            "visitors": [span.visitor for span in identities.spans],
            "since": [span.since for span in identities.spans],
            "until": [span.until for span in identities.spans],
            "horizon": cutoff - HORIZON,
            "cutoff": cutoff,
            "upto": upto,
            "known": known,
            "at_most": AT_MOST,
        },
    )
    return [_candidate(identities, row) for row in rows]


def _candidate(identities: Identities, row: Sequence[Any]) -> Candidate:
    touch, at, kind, code, binding_id, placement_id, placement, confirmed, dropped, visitor, held, used = row
    excluded = next((e.reason for e in identities.exclusions if e.covers(visitor, at)), None)
    return Candidate(
        touch,
        at,
        TouchKind(kind),
        code,
        binding_id,
        placement_id,
        placement,
        confirmed,
        dropped,
        excluded,
        held,
        used,
    )
