"""Suspicions: opened by what is watched or by whoever sees something, and closed by a person (R18).

Invariant: a touch under a suspicion that is open, or was confirmed, is neither counted nor credited, and is kept with
its reason; closing it as harmless lets it count again and has the orders that it could earn decided again (R21). A
suspicion never covers more than one day of one visitor, and no verb here tells whose it is.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import clock, database
from subway_campaign import errors, suspicion
from subway_campaign.lifecycle import Resolution

# A touch may come a day late (R20), and what it is seen beside is a minute away.
LOOK_BACK = timedelta(hours=26)
WORDS = {
    suspicion.SWEEP: "一分钟内扫了很多个码，像是逐个测试",
    suspicion.IMPOSSIBLE: "一分钟内在两条线路的车上扫码",
    suspicion.DEPOT: "在停运时间扫了车上的码",
    suspicion.SIGNATURE: "反复出示伪造的访问凭证",
}

_OPEN = """
    INSERT INTO fraud_signals (number, kind, day, visitor_id, code_id, placement_id, evidence, opened_at)
    SELECT :number, :kind, :day, cast(:visitor AS uuid), (SELECT id FROM codes WHERE slug = :code),
           (SELECT id FROM placements WHERE number = :placement), cast(:evidence AS jsonb), :now
    ON CONFLICT {where} DO UPDATE SET evidence = excluded.evidence
    RETURNING id, number
"""
_OPEN_VISITOR = text(_OPEN.format(where="(kind, visitor_id, day) WHERE closed_at IS NULL AND visitor_id IS NOT NULL"))
_OPEN_PLACE = text(
    _OPEN.format(
        where="(kind, code_id, placement_id) WHERE closed_at IS NULL AND visitor_id IS NULL"
        " AND num_nonnulls(code_id, placement_id) > 0"
    )
)
_HOLD = text("""
    INSERT INTO held_touches (signal_id, touch_id, occurred_at, held_at)
    SELECT :signal, held.*, :now FROM unnest(cast(:touches AS uuid[]), cast(:instants AS timestamptz[])) AS held
    ON CONFLICT DO NOTHING
""")
_ASK_AGAIN = text("""
    INSERT INTO review_marks (kind, ref)
    SELECT DISTINCT 'visitor', t.visitor_id
    FROM held_touches h JOIN touches t ON t.id = h.touch_id AND t.occurred_at = h.occurred_at
    WHERE h.signal_id = :signal AND t.visitor_id IS NOT NULL
""")


def suspect(
    session: Session,
    *,
    kind: str,
    now: datetime,
    evidence: Mapping[str, Any],
    touches: Mapping[UUID, datetime] | None = None,
    visitor: UUID | None = None,
    code: str | None = None,
    placement: str | None = None,
) -> str:
    """Open a suspicion of `kind`, or add to the open one of the same, and return its number.

    It is about a `visitor`'s day, or else about a `code` (slug), a `placement` (number) or both. `touches` (id →
    instant) are held back until it is closed as harmless; `evidence` says in numbers what was seen, and names nobody.
    """
    database.require_transaction(session)
    held = dict(touches or {})
    signal, number = session.execute(
        _OPEN_PLACE if visitor is None else _OPEN_VISITOR,
        {
            "number": "SG" + uuid4().hex[:12].upper(),
            "kind": kind,
            "day": min(held.values(), default=now).astimezone(clock.SHANGHAI).date(),
            "visitor": visitor,
            "code": code,
            "placement": placement,
            "evidence": database.dump_json(dict(evidence)),
            "now": now,
        },
    ).one()
    if held:
        session.execute(_HOLD, {"signal": signal, "touches": list(held), "instants": list(held.values()), "now": now})
        session.execute(_ASK_AGAIN, {"signal": signal})
    return str(number)


def close(session: Session, *, number: str, resolution: Resolution, by: str, now: datetime) -> None:
    """Close a suspicion: harmless lets its touches count and earn again, confirmed keeps them out.

    `by` is the user name of who says so. Closing it again the same way changes nothing. Orders placed more than 72
    hours ago stay as they were decided (R21). Raises `UnknownSignal` and `SignalClosed`.
    """
    database.require_transaction(session)
    signal = session.execute(
        text("""
            UPDATE fraud_signals SET closed_at = :now, closed_by = :by, resolution = :resolution
            WHERE number = :number AND closed_at IS NULL RETURNING id
        """),
        {"number": number, "resolution": resolution, "by": by, "now": now},
    ).scalar_one_or_none()
    if signal is not None:
        session.execute(_ASK_AGAIN, {"signal": signal})
        return
    before = session.execute(
        text("SELECT resolution FROM fraud_signals WHERE number = :number"), {"number": number}
    ).scalar_one_or_none()
    if before is None:
        raise errors.UnknownSignal(number=number)
    if before != resolution:
        raise errors.SignalClosed(number=number, resolution=before)


def of_visitor(session: Session, *, visitor: UUID) -> set[str | None]:
    """Return how suspicions ended that are about a visitor or hold its touches; None among them is an open one."""
    return set(session.scalars(_OF_VISITOR, {"visitor": visitor}))


_OF_VISITOR = text("""
    SELECT resolution FROM fraud_signals WHERE visitor_id = :visitor
    UNION
    SELECT s.resolution FROM touches t JOIN held_touches h ON h.touch_id = t.id AND h.occurred_at = t.occurred_at
    JOIN fraud_signals s ON s.id = h.signal_id WHERE t.visitor_id = :visitor
""")
_OPEN_LIST = text("""
    SELECT s.number, s.kind, s.day, s.opened_at, s.closed_at, s.closed_by, s.resolution, s.evidence,
           c.slug AS code, p.number AS placement, coalesce(held.touches, 0) AS touches,
           coalesce(held.placements, '{}') AS placements
    FROM fraud_signals s
    LEFT JOIN codes c ON c.id = s.code_id
    LEFT JOIN placements p ON p.id = s.placement_id
    LEFT JOIN LATERAL (
        SELECT count(*) AS touches, array_agg(DISTINCT hung.number) FILTER (WHERE hung.number IS NOT NULL) AS placements
        FROM held_touches h JOIN touches t ON t.id = h.touch_id AND t.occurred_at = h.occurred_at
        LEFT JOIN placements hung ON hung.id = t.placement_id
        WHERE h.signal_id = s.id
    ) held ON true
    WHERE s.closed_at IS NULL
    ORDER BY s.opened_at DESC, s.id DESC LIMIT :at_most
""")
AT_MOST = 500


def open_list(session: Session) -> list[dict[str, Any]]:
    """Return the open suspicions, the latest first, at most 500: what was seen, where, and how many touches it holds.

    Keys: number, kind, words, day, opened_at, closed_at, closed_by, resolution, evidence, code, placement, touches,
    placements.
    """
    rows = session.execute(_OPEN_LIST, {"at_most": AT_MOST})
    return [{**row._asdict(), "words": WORDS.get(row.kind, row.kind)} for row in rows]


# Phones of staff, crew and tests are not counted anyway, and whoever inspects a train scans all its codes.
_SIGHTINGS = """
    SELECT t.visitor_id, t.id, t.occurred_at, t.code_id, coalesce(t.placement_id, former.placement_id) AS place
    FROM touches t
    LEFT JOIN LATERAL (
        SELECT b.placement_id FROM code_bindings b
        WHERE t.placement_id IS NULL AND b.code_id = t.code_id AND b.valid_from <= t.occurred_at
        ORDER BY b.valid_from DESC LIMIT 1
    ) former ON true
    WHERE t.occurred_at > :since AND t.visitor_id {whose} AND t.code_id IS NOT NULL AND t.drop_reason IS NULL
      AND t.kind IN ('scan', 'scan_album', 'typed')
      AND NOT EXISTS (
          SELECT FROM excluded_identities e LEFT JOIN visitor_links l ON l.person_id = e.person_id
          WHERE t.visitor_id IN (e.visitor_id, l.visitor_id) AND e.valid_from <= t.occurred_at
            AND (e.valid_until IS NULL OR e.valid_until > t.occurred_at))
"""
_OF_VISITORS = text(_SIGHTINGS.format(whose="= ANY(cast(:visitors AS uuid[]))"))
_OF_ALL = text(_SIGHTINGS.format(whose="IS NOT NULL"))
# Where a code hangs in a vehicle, and at which hours nobody should be there: `closed` of the nearest node that says so.
_PLACES = text("""
    WITH RECURSIVE up AS (
        SELECT id AS place, id, parent_id, level, number, meta FROM placements WHERE id = ANY(cast(:places AS bigint[]))
        UNION ALL
        SELECT up.place, p.id, p.parent_id, p.level, p.number, p.meta
        FROM up JOIN placements p ON p.id = up.parent_id
    )
    SELECT place, max(number) FILTER (WHERE level = 'line') AS line,
           CASE WHEN bool_or(level = 'car') THEN max(number) FILTER (WHERE level = 'asset') END AS vehicle,
           (array_agg(meta->>'closed' ORDER BY length(number) DESC) FILTER (
               WHERE meta->>'closed' ~ '^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$'))[1] AS closed
    FROM up GROUP BY place
""")
_HELD_BEFORE = text("""
    SELECT h.touch_id FROM held_touches h JOIN fraud_signals s ON s.id = h.signal_id
    WHERE s.kind = :kind AND h.touch_id = ANY(cast(:touches AS uuid[]))
""")


def watch(session: Session, *, visitors: Sequence[UUID] | None, now: datetime) -> int:
    """Look at what `visitors` (None: all) scanned in the last 26 hours, and return how many suspicions that aroused.

    A touch is held once for each kind, so that what a person found harmless stays so.
    """
    rows = session.execute(
        _OF_ALL if visitors is None else _OF_VISITORS,
        {"since": now - LOOK_BACK} | ({} if visitors is None else {"visitors": list(visitors)}),
    ).all()
    places = {
        row.place: row for row in session.execute(_PLACES, {"places": list({row.place for row in rows} - {None})})
    }
    seen: dict[UUID, list[suspicion.Sighting]] = defaultdict(list)
    for row in rows:
        place = places.get(row.place)
        where = (place.line, place.vehicle, place.closed) if place else (None, None, None)
        seen[row.visitor_id].append(suspicion.Sighting(row.id, row.occurred_at, row.code_id, *where))
    return sum(_note(session, visitor, sightings, now) for visitor, sightings in seen.items())


def _note(session: Session, visitor: UUID, sightings: Sequence[suspicion.Sighting], now: datetime) -> int:
    noted = 0
    for kind, suspected in suspicion.of(sightings).items():
        known = session.execute(_HELD_BEFORE, {"kind": kind, "touches": list(suspected)})
        fresh = suspected - set(known.scalars())
        days: dict[Any, list[suspicion.Sighting]] = defaultdict(list)
        for sighting in sightings:
            if sighting.touch in fresh:
                days[sighting.occurred_at.astimezone(clock.SHANGHAI).date()].append(sighting)
        for held in days.values():
            suspect(
                session,
                kind=kind,
                visitor=visitor,
                touches={each.touch: each.occurred_at for each in held},
                evidence=_evidence(held),
                now=now,
            )
        noted += len(days)
    return noted


def _evidence(held: Sequence[suspicion.Sighting]) -> dict[str, Any]:
    first, last = min(each.occurred_at for each in held), max(each.occurred_at for each in held)
    return {
        "scans": len(held),
        "codes": len({each.code for each in held}),
        "seconds": int((last - first).total_seconds()),
        "first_at": first.isoformat(),
        "lines": sorted({each.line for each in held if each.line is not None}),
    }
