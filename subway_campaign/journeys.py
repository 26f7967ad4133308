"""How far each journey came: view, cart, order, paid (R25).

Invariant: a stage implies the ones before it, so that the funnel never widens; a journey reaches a stage once.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database
from subway_campaign import attribution, candidates, visits
from subway_campaign.lifecycle import Stage

_REACHED = text("""
    INSERT INTO journey_stages (journey, stage, touch_id, placement_id, reached_at)
    SELECT :journey, unnest(cast(:stages AS text[])), :touch, :placement, :now ON CONFLICT DO NOTHING
""")


def reach(
    session: Session, *, visitor: UUID | None, stage: Stage, now: datetime, person: UUID | None = None
) -> UUID | None:
    """Write that the visitor's journey reached `stage`, and return its latest eligible touch, or None without one."""
    database.require_transaction(session)
    if visitor is not None:
        visits.vouch(session, visitor=visitor, now=now)
    identities = candidates.resolve(session, buyer=candidates.Buyer(visitor, person), known=now)
    touches = candidates.of(session, identities=identities, cutoff=now, upto=now, known=now)
    last = attribution.decide(touches, placed_at=now, excluded=identities.exclusion(now)).last
    if last is None:
        return None
    stamp(session, stage=stage, start=attribution.journey_start(touches, last).touch, last=last, now=now)
    return last.touch


def stamp(session: Session, *, stage: Stage, start: UUID, last: attribution.Candidate, now: datetime) -> None:
    """Write that the journey which began with touch `start` reached `stage` and all before it, at touch `last`."""
    stages = list(Stage)
    session.execute(
        _REACHED,
        {
            "journey": start,
            "stages": stages[: stages.index(stage) + 1],
            "touch": last.touch,
            "placement": last.placement_id,
            "now": now,
        },
    )


def unstamp(session: Session, *, journey: UUID) -> None:
    """Take back the stages to which orders alone brought a journey, once no order belongs to it any more (R21).

    Those that it reached at another instant than an order's, such as a cart that somebody filled, stay (R25).
    """
    session.execute(
        text("""
            DELETE FROM journey_stages s WHERE journey = :journey
              AND NOT EXISTS (SELECT FROM conversions WHERE journey = :journey)
              AND (EXISTS (SELECT FROM conversions WHERE placed_at = s.reached_at)
                   OR EXISTS (SELECT FROM conversions WHERE paid_at = s.reached_at))
        """),
        {"journey": journey},
    )
