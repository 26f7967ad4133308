"""How many scans, scanners and journeys a day had, and at which hour (R15).

Invariant: a scan less than 30 minutes after its visitor's last counted scan of the same code is the same scan; a
journey is a run of such scans without a 30-minute gap, so no journey can be paid twice in a rate. What a visitor does
to the figures of a day depends on that visitor's own touches of that day and the one before alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from subway_campaign.attribution import SAME_SCAN
from subway_campaign.lifecycle import Level

# A run of scans that began before the day reaches into it; nobody scans one poster every half hour for longer.
LOOK_BACK = timedelta(hours=24)
LEVELS = [level.value for level in Level]
_GAP_US = SAME_SCAN // timedelta(microseconds=1)


@dataclass(frozen=True)
class Waiting:
    """The touches, and the confirmations of touches, that the rollups do not hold yet."""

    touches: Sequence[UUID] = ()
    confirmations: Sequence[UUID] = ()


NOTHING = Waiting()


@dataclass
class Counted:
    """Figures to add up: scans by placement and binding, visitors by level and node, others by reason; all by day.

    `hours` has the scans and journeys of a placement and binding by hour, 0 to 23 by Beijing time.
    """

    scans: dict[tuple[date, int, int | None], list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))
    hours: dict[tuple[date, int, int, int | None], list[int]] = field(
        default_factory=lambda: defaultdict(lambda: [0, 0])
    )
    visitors: dict[tuple[date, str, int], int] = field(default_factory=lambda: defaultdict(int))
    kept_out: dict[tuple[date, str], int] = field(default_factory=lambda: defaultdict(int))


# For each level that a report may be read at: a placement's row, which is itself or its lowest ancestor that is not
# below the level.
TREE = """
    WITH RECURSIVE tree AS (
        SELECT p.id, asked.level, array_position(cast(:all_levels AS text[]), asked.level) AS depth, p.id AS node
        FROM placements p CROSS JOIN unnest(cast(:levels AS text[])) AS asked (level) WHERE p.parent_id IS NULL
        UNION ALL
        SELECT p.id, tree.level, tree.depth,
               CASE WHEN array_position(cast(:all_levels AS text[]), cast(p.level AS text)) <= tree.depth
                    THEN p.id ELSE tree.node END
        FROM placements p JOIN tree ON p.parent_id = tree.id
    )
"""
# All touches of one day and of those before it that its runs may have begun with.
_WHOLE = """
    , source AS (
        SELECT 1 AS sign, cast(:day AS date) AS day, true AS confirmable, t.*
        FROM touches t
        WHERE t.occurred_at >= cast(cast(:day AS date) AS timestamp) AT TIME ZONE 'Asia/Shanghai' - :look_back
          AND t.occurred_at < cast(cast(:day AS date) + 1 AS timestamp) AT TIME ZONE 'Asia/Shanghai'
    )
"""
_ROLLED = _WHOLE.replace("true AS confirmable", "t.id <> ALL(cast(:confirmations AS uuid[])) AS confirmable").replace(
    "WHERE", "WHERE t.id <> ALL(cast(:touches AS uuid[])) AND"
)
# What the visitors with something waiting do with all their touches, less what they do with those that do not wait.
_FRESH = """
    , affected AS (
        SELECT DISTINCT t.visitor_id, shanghai_day(t.occurred_at) + ahead AS day
        FROM (SELECT unnest(cast(:touches AS uuid[])) UNION SELECT unnest(cast(:confirmations AS uuid[]))) fresh (id)
        JOIN touches t USING (id) CROSS JOIN generate_series(0, 1) AS ahead
        WHERE t.visitor_id IS NOT NULL
          AND shanghai_day(t.occurred_at) + ahead >= :from_day AND shanghai_day(t.occurred_at) + ahead < :to_day
          AND shanghai_day(t.occurred_at) + ahead <> ALL(cast(:but_days AS date[]))
    ), source AS (
        SELECT sign, affected.day, sign > 0 OR t.id <> ALL(cast(:confirmations AS uuid[])) AS confirmable, t.*
        FROM affected
        JOIN touches t ON t.visitor_id = affected.visitor_id
            AND t.occurred_at >= cast(affected.day AS timestamp) AT TIME ZONE 'Asia/Shanghai' - :look_back
            AND t.occurred_at < cast(affected.day + 1 AS timestamp) AT TIME ZONE 'Asia/Shanghai'
        CROSS JOIN (VALUES (1), (-1)) versions (sign)
        WHERE sign > 0 OR t.id <> ALL(cast(:touches AS uuid[]))
    )
"""
# Most riders scan once, and that is one scan, one scanner and one journey. Only the touches of `regulars` are sorted
# into runs; and of a run only those (`late`) that lie 30 minutes after its start can count again, so that few have to
# be walked through one by one. A person who was erased has no id and is never a regular.
_FIGURES = """
    , excluded AS (
        SELECT visitor_id, min(reason) AS reason, range_agg(tstzrange(valid_from, valid_until)) AS spans
        FROM (SELECT visitor_id, reason, valid_from, valid_until FROM excluded_identities WHERE visitor_id IS NOT NULL
              UNION ALL
              SELECT l.visitor_id, e.reason, e.valid_from, e.valid_until
              FROM excluded_identities e JOIN visitor_links l USING (person_id)) identities
        GROUP BY visitor_id
    ), held AS (
        SELECT DISTINCT h.touch_id FROM held_touches h JOIN fraud_signals f ON f.id = h.signal_id
        WHERE f.resolution IS DISTINCT FROM 'harmless'
    ), judged AS MATERIALIZED (
        SELECT s.sign, s.day, s.visitor_id, s.code_id, s.placement_id, s.binding_id, s.occurred_at,
               cast(extract(hour FROM s.occurred_at AT TIME ZONE 'Asia/Shanghai') AS int) AS hour,
               s.kind = 'scan_album' AS album,
               s.occurred_at >= cast(s.day AS timestamp) AT TIME ZONE 'Asia/Shanghai' AS today,
               CASE WHEN s.drop_reason IS NOT NULL THEN s.drop_reason
                    WHEN e.reason IS NOT NULL THEN e.reason
                    WHEN s.surface = 'h5' AND (k.touch_id IS NULL OR NOT s.confirmable) THEN 'unconfirmed'
                    WHEN s.placement_id IS NULL THEN 'orphan_code'
                    WHEN h.touch_id IS NOT NULL THEN 'fraud_hold' END AS bar
        FROM source s
        LEFT JOIN touch_confirmations k ON k.touch_id = s.id
        LEFT JOIN excluded e ON e.visitor_id = s.visitor_id AND e.spans @> s.occurred_at
        LEFT JOIN held h ON h.touch_id = s.id
        WHERE s.kind IN ('scan', 'typed', 'scan_album')
    ), regulars AS MATERIALIZED (
        SELECT sign, day, visitor_id FROM judged WHERE bar IS NULL AND visitor_id IS NOT NULL
        GROUP BY sign, day, visitor_id HAVING count(*) > 1
    ), single AS (
        SELECT sign, day, hour, placement_id, binding_id, count(*) FILTER (WHERE NOT album) AS scans,
               count(*) FILTER (WHERE album) AS albums
        FROM judged WHERE bar IS NULL AND today
          AND NOT EXISTS (SELECT FROM regulars r WHERE r.visitor_id = judged.visitor_id AND r.sign = judged.sign
                          AND r.day = judged.day)
        GROUP BY sign, day, hour, placement_id, binding_id
    ), marked AS (
        SELECT judged.*, coalesce(occurred_at - lag(occurred_at) OVER stream >= :gap, true) AS opens
        FROM judged JOIN regulars USING (sign, day, visitor_id) WHERE bar IS NULL
        WINDOW stream AS (PARTITION BY sign, day, visitor_id, code_id, album ORDER BY occurred_at)
    ), runs AS MATERIALIZED (
        SELECT marked.*, max(CASE WHEN opens THEN occurred_at END)
                   OVER (PARTITION BY sign, day, visitor_id, code_id, album ORDER BY occurred_at) AS began_at
        FROM marked
    ), counts AS (
        SELECT day, hour, placement_id, binding_id, sum(sign * scans) AS scans, sum(sign * albums) AS albums,
               sum(sign * journeys) AS journeys
        FROM (SELECT sign, day, hour, placement_id, binding_id, scans, albums, scans + albums AS journeys FROM single
              UNION ALL
              SELECT sign, day, hour, placement_id, binding_id, count(*) FILTER (WHERE opens AND NOT album),
                     count(*) FILTER (WHERE album), count(*) FILTER (WHERE opens)
              FROM runs WHERE today GROUP BY sign, day, hour, placement_id, binding_id) parts
        GROUP BY day, hour, placement_id, binding_id
    ), visitors AS (
        SELECT day, level, node, sum(sign * visitors) AS visitors
        FROM (SELECT sign, day, level, node, scans AS visitors FROM single JOIN tree ON tree.id = single.placement_id
              UNION ALL
              SELECT sign, day, level, node, count(*) FROM (
                  SELECT DISTINCT sign, day, level, node, visitor_id
                  FROM runs JOIN tree ON tree.id = runs.placement_id WHERE today AND NOT album) scanners
              GROUP BY sign, day, level, node) parts
        GROUP BY day, level, node
    )
    SELECT
        (SELECT json_agg(json_build_array(day, hour, placement_id, binding_id, scans, albums, journeys))
         FROM counts),
        (SELECT json_agg(json_build_array(day, level, node, visitors)) FROM visitors WHERE visitors <> 0),
        (SELECT json_agg(json_build_array(day, bar, scans)) FROM (
            SELECT day, bar, sum(sign) AS scans FROM judged WHERE bar IS NOT NULL AND today
            GROUP BY day, bar HAVING sum(sign) <> 0) kept_out),
        (SELECT json_agg(json_build_array(sign, day, visitor_id, code_id, began, at, today, hour, placement_id,
                                          binding_id) ORDER BY sign, day, visitor_id, code_id, at) FROM (
            SELECT sign, day, visitor_id, code_id, today, hour, placement_id, binding_id,
                   cast(extract(epoch FROM began_at) * 1000000 AS bigint) AS began,
                   cast(extract(epoch FROM occurred_at) * 1000000 AS bigint) AS at
            FROM runs WHERE NOT album AND occurred_at - began_at >= :gap) late)
"""
_COUNT_WHOLE, _COUNT_ROLLED = (text(TREE + source + _FIGURES) for source in (_WHOLE, _ROLLED))
# Of the few visitors with something waiting all are sorted into runs: the planner, who cannot know how few they are,
# would compare each of their touches with each of the regulars.
_COUNT_FRESH = text(
    (TREE + _FRESH + _FIGURES)
    .replace(
        "FROM judged JOIN regulars USING (sign, day, visitor_id) WHERE bar IS NULL", "FROM judged WHERE bar IS NULL"
    )
    .replace("FROM judged WHERE bar IS NULL AND today\n", "FROM judged WHERE false\n")
)


def whole(session: Session, *, day: date, levels: Sequence[str], without: Waiting = NOTHING) -> Counted:
    """Count a Shanghai day anew from its touches, visitors at `levels`; as if what is in `without` had not happened."""
    asked = {"day": day, "touches": list(without.touches), "confirmations": list(without.confirmations)}
    return _counted(session, _COUNT_WHOLE if without is NOTHING else _COUNT_ROLLED, asked, levels)


def fresh(
    session: Session, *, waiting: Waiting, from_day: date, to_day: date, but_days: Iterable[date], levels: Sequence[str]
) -> Counted:
    """Return by how much the days from `from_day` to `to_day`, but not `but_days`, change by what is `waiting`."""
    if not waiting.touches and not waiting.confirmations:
        return Counted()
    asked = {"touches": list(waiting.touches), "confirmations": list(waiting.confirmations)}
    period = {"from_day": from_day, "to_day": to_day, "but_days": list(but_days)}
    return _counted(session, _COUNT_FRESH, asked | period, levels)


def _counted(session: Session, statement: Any, asked: dict[str, Any], levels: Sequence[str]) -> Counted:
    # A day's scans are joined and hashed here; the default 4 MB would send every step to disk.
    session.execute(text("SET LOCAL work_mem = '64MB'"))
    fixed = {"look_back": LOOK_BACK, "gap": SAME_SCAN, "levels": list(levels), "all_levels": LEVELS}
    counts, visitors, kept_out, late = session.execute(statement, asked | fixed).one()
    found = Counted()
    for day, hour, placement, binding, *figures in counts or ():
        _add(found, date.fromisoformat(day), hour, placement, binding, figures)
    for day, level, node, figure in visitors or ():
        found.visitors[date.fromisoformat(day), level, node] = figure
    for day, reason, figure in kept_out or ():
        found.kept_out[date.fromisoformat(day), reason] = figure
    for sign, day, hour, placement, binding in again(late or ()):
        _add(found, date.fromisoformat(day), hour, placement, binding, (sign, 0, 0))
    return found


def _add(found: Counted, day: date, hour: int, placement: int, binding: int | None, figures: Sequence[int]) -> None:
    """Add scans, album scans and journeys to the day they belong to, and to its hour."""
    if not any(figures):
        return
    scans, _albums, journeys = figures
    for total, more in (
        (found.scans[day, placement, binding], figures),
        (found.hours[day, hour, placement, binding], (scans, journeys)),
    ):
        total[:] = [known + added for known, added in zip(total, more, strict=True)]


def again(late: Iterable[Sequence[Any]]) -> list[tuple[int, str, int, int, int | None]]:
    """Return sign, day, hour, placement and binding of every later scan of a run that counts again, 30 minutes on.

    `late` holds (sign, day, visitor, code, start of the run, instant, whether it is of the day itself, hour,
    placement, binding), ordered by the first four and the instant, in microseconds.
    """
    counted: list[tuple[int, str, int, int, int | None]] = []
    run, last_us = None, 0
    for sign, day, visitor, code, began_us, occurred_us, today, *where in late:
        if (sign, day, visitor, code, began_us) != run:
            run, last_us = (sign, day, visitor, code, began_us), began_us
        if occurred_us - last_us >= _GAP_US:
            last_us = occurred_us
            if today:
                counted.append((sign, day, *where))
    return counted
