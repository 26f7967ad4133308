"""The crew's round: which codes are to be looked at, in the order in which one walks past them.

Invariant: reads only; a code is due when an alert about it is open, when nobody has looked at it since it was put up,
or when the last look was long ago.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from subway_campaign import listings
from subway_campaign.sellers import IS_PAPER

# Once a month, as often as lines are cleaned thoroughly: our choice.
DUE_AFTER = timedelta(days=30)
# More than anybody walks past in a day.
MOST = 200

_DUE = text(f"""
    WITH hung AS (
        SELECT c.slug, c.id AS code_id, p.number, p.name, b.valid_from,
               (SELECT max(s.scanned_at) FROM crew_scans s
                WHERE s.code_id = c.id AND s.act = 'inspected' AND s.scanned_at >= b.valid_from) AS inspected_at,
               array(SELECT a.kind FROM alerts a WHERE a.subject = c.slug AND a.closed_at IS NULL ORDER BY a.kind)
                   AS alerts
        FROM codes c
        JOIN code_bindings b ON b.code_id = c.id AND b.valid_from <= :now
             AND (b.valid_until IS NULL OR b.valid_until > :now)
        JOIN placements p ON p.id = b.placement_id
        WHERE c.retired_at IS NULL AND {IS_PAPER}
          AND (cast(:under AS text) IS NULL OR p.number = :under OR starts_with(p.number, :under || '.'))
    ), due AS (
        SELECT *, CASE WHEN alerts <> '{{}}' THEN 'alert' WHEN inspected_at IS NULL THEN 'never'
                       WHEN inspected_at < :before THEN 'long_ago' END AS why
        FROM hung
    )
    SELECT slug AS code, number AS placement, name AS placement_name, why, alerts, inspected_at, valid_from
    FROM due WHERE why IS NOT NULL ORDER BY {listings.by_number("number")}, slug LIMIT :limit
""")
_COUNTS = text(f"""
    SELECT count(*) FROM codes c
    JOIN code_bindings b ON b.code_id = c.id AND b.valid_from <= :now
         AND (b.valid_until IS NULL OR b.valid_until > :now)
    JOIN placements p ON p.id = b.placement_id
    WHERE c.retired_at IS NULL AND {IS_PAPER}
      AND (cast(:under AS text) IS NULL OR p.number = :under OR starts_with(p.number, :under || '.'))
""")


def due(session: Session, *, now: datetime, under: str | None = None, limit: int = MOST) -> list[dict[str, Any]]:
    """Return the codes at or below a placement that are to be looked at, by line, train and car, and `why`."""
    rows = session.execute(_DUE, {"now": now, "before": now - DUE_AFTER, "under": under, "limit": limit})
    return [row._asdict() for row in rows]


def hanging(session: Session, *, now: datetime, under: str | None = None) -> int:
    """Return how many codes hang at or below a placement."""
    return int(session.execute(_COUNTS, {"now": now, "under": under}).scalar_one())
