"""How many scans, scanners and journeys a period had (R15).

Invariant: a scan less than 30 minutes after its visitor's last counted scan of the same code is the same scan; a
journey is a run of such scans without a 30-minute gap, so no journey can be paid twice in a rate.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from subway_campaign.attribution import SAME_SCAN

# A run of scans that began before the period reaches into it; nobody scans one poster every half hour for longer.
LOOK_BACK = timedelta(hours=24)
_GAP_US = SAME_SCAN // timedelta(microseconds=1)


@dataclass(frozen=True)
class Counted:
    """Figures by row of the report, and the scans that were kept out of them by reason."""

    by_node: dict[int, dict[str, int]]
    kept_out: dict[str, int]


# Most riders scan once, and that is one scan, one scanner and one journey. Only the touches of `regulars` are sorted
# into runs; and of a run only those (`late`) that lie 30 minutes after its start can count again, so that few have to
# be walked through one by one. A person who was erased has no id and is never a regular.
_SCANS = """
    , excluded AS (
        SELECT visitor_id, min(reason) AS reason, range_agg(tstzrange(valid_from, valid_until)) AS spans
        FROM (SELECT visitor_id, reason, valid_from, valid_until FROM excluded_identities WHERE visitor_id IS NOT NULL
              UNION ALL
              SELECT l.visitor_id, e.reason, e.valid_from, e.valid_until
              FROM excluded_identities e JOIN visitor_links l USING (person_id)) identities
        GROUP BY visitor_id
    ), judged AS MATERIALIZED (
        SELECT t.visitor_id, t.code_id, t.placement_id, t.occurred_at, t.kind = 'scan_album' AS album,
               CASE WHEN t.drop_reason IS NOT NULL THEN t.drop_reason
                    WHEN e.reason IS NOT NULL THEN e.reason
                    WHEN t.surface = 'h5' AND k.touch_id IS NULL THEN 'unconfirmed'
                    WHEN t.placement_id IS NULL THEN 'orphan_code' END AS bar
        FROM touches t
        LEFT JOIN touch_confirmations k ON k.touch_id = t.id
        LEFT JOIN excluded e ON e.visitor_id = t.visitor_id AND e.spans @> t.occurred_at
        WHERE t.occurred_at >= cast(:from AS timestamptz) - cast(:look_back AS interval) AND t.occurred_at < :until
          AND t.kind IN ('scan', 'typed', 'scan_album')
    ), regulars AS (
        SELECT visitor_id FROM judged WHERE bar IS NULL AND visitor_id IS NOT NULL
        GROUP BY visitor_id HAVING count(*) > 1
    ), single AS (
        SELECT tree.node, sum(scans) AS scans, sum(albums) AS albums FROM (
            SELECT placement_id, count(*) FILTER (WHERE NOT album) AS scans, count(*) FILTER (WHERE album) AS albums
            FROM judged WHERE bar IS NULL AND occurred_at >= :from
              AND NOT EXISTS (SELECT FROM regulars WHERE regulars.visitor_id = judged.visitor_id)
            GROUP BY placement_id) counts
        JOIN tree ON tree.id = counts.placement_id GROUP BY 1
    ), marked AS (
        SELECT judged.*, tree.node, coalesce(occurred_at - lag(occurred_at) OVER stream >= :gap, true) AS opens
        FROM judged JOIN regulars USING (visitor_id) JOIN tree ON tree.id = judged.placement_id WHERE bar IS NULL
        WINDOW stream AS (PARTITION BY visitor_id, code_id, album ORDER BY occurred_at)
    ), runs AS MATERIALIZED (
        SELECT marked.*, max(CASE WHEN opens THEN occurred_at END)
                   OVER (PARTITION BY visitor_id, code_id, album ORDER BY occurred_at) AS began_at
        FROM marked
    ), counts AS (
        SELECT node, scans, albums, scans + albums AS journeys, scans AS visitors FROM single
        UNION ALL
        SELECT node, count(*) FILTER (WHERE opens AND NOT album), count(*) FILTER (WHERE album),
               count(*) FILTER (WHERE opens), 0
        FROM runs WHERE occurred_at >= :from GROUP BY node
        UNION ALL
        SELECT node, 0, 0, 0, count(*) FROM (
            SELECT DISTINCT node, visitor_id, cast(occurred_at AT TIME ZONE 'Asia/Shanghai' AS date) FROM runs
            WHERE NOT album AND occurred_at >= :from) days
        GROUP BY node
    )
    SELECT
        (SELECT json_agg(json_build_array(node, scans, albums, journeys, visitors)) FROM counts),
        (SELECT json_object_agg(bar, scans) FROM (
            SELECT bar, count(*) AS scans FROM judged WHERE bar IS NOT NULL AND occurred_at >= :from
            GROUP BY bar) kept_out),
        (SELECT json_agg(json_build_array(visitor_id, code_id, began, at, node) ORDER BY visitor_id, code_id, at) FROM (
            SELECT visitor_id, code_id, node, cast(extract(epoch FROM began_at) * 1000000 AS bigint) AS began,
                   cast(extract(epoch FROM occurred_at) * 1000000 AS bigint) AS at
            FROM runs WHERE NOT album AND occurred_at - began_at >= :gap) late)
"""
_PAID = """
    SELECT tree.node, count(DISTINCT c.journey)
    FROM conversions c
    JOIN touches t ON t.id = c.journey AND t.occurred_at >= :from AND t.occurred_at < :until
    JOIN tree ON tree.id = t.placement_id
    WHERE c.paid_at IS NOT NULL AND c.placed_at >= :from
    GROUP BY 1
"""


def scans(session: Session, *, tree: str, period: dict[str, Any]) -> Counted:
    """Count the scans between `period`'s `from` and `until`; `tree` is the SQL that maps placements to rows."""
    # A million scans are joined and hashed here; the default 4 MB would send every step to disk.
    session.execute(text("SET LOCAL work_mem = '64MB'"))
    counts, kept_out, late = session.execute(
        text(tree + _SCANS), period | {"look_back": LOOK_BACK, "gap": SAME_SCAN}
    ).one()
    by_node: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for node, *figures in counts or ():
        for name, figure in zip(("scans", "album_scans", "journeys", "visitors"), figures, strict=True):
            by_node[node][name] += figure
    for node in again(late or (), since_us=int(period["from"].timestamp()) * 1_000_000):
        by_node[node]["scans"] += 1
    for node, paid in session.execute(text(tree + _PAID), period):
        by_node[node]["paid_journeys"] = paid
    return Counted(by_node, kept_out or {})


def again(late: Iterable[tuple[Any, Any, int, int, int]], *, since_us: int) -> list[int]:
    """Return the row of every later scan of a run that counts again, 30 minutes after the last counted one.

    `late` holds (visitor, code, start of the run, instant, row), ordered by visitor, code and instant, in microseconds.
    """
    counted: list[int] = []
    run, last_us = None, 0
    for visitor, code, began_us, occurred_us, node in late:
        if (visitor, code, began_us) != run:
            run, last_us = (visitor, code, began_us), began_us
        if occurred_us - last_us >= _GAP_US:
            last_us = occurred_us
            if occurred_us >= since_us:
                counted.append(node)
    return counted
