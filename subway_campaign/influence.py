"""What lines and media add to the orders, studied every night by removal effect and by Shapley's shares.

Invariant: a study is a function of the log, its days and its parameters, which stand beside it; whoever reads one sees
a whole study, the old one or the new one. Paths are counted, never kept: only ways that at least `LEAST_RIDERS` took
are told. It describes and proves no cause.
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import clock, database
from subway_campaign import attribution, counting, paths, removal, shapley
from subway_campaign.lifecycle import Level
from subway_campaign.paths import Path

LEVELS = (Level.LINE, Level.MEDIUM)
DAYS = timedelta(days=30)
# A way that fewer riders took might be told of by one who knows them.
LEAST_RIDERS = 10
MOST_WAYS = 50


# What an order's decision saw within its window is spent, whoever earned it; all else that could have earned an order
# and did not is a way that ended with nothing, cut where more than the window passed.
_WAYS = text(
    counting.TREE
    + """
    , decided AS MATERIALIZED (
        SELECT d.id, d.cutoff_at, make_interval(secs => cast(d.params ->> 'window_s' AS float8)) AS length,
               d.evidence, c.paid_at
        FROM conversions c JOIN attribution_decisions d ON d.conversion_id = c.id AND d.superseded_by IS NULL
        WHERE c.paid_at >= :since AND d.outcome = 'attributed'
    ), spent AS (
        SELECT DISTINCT seen.touch
        FROM decided, jsonb_to_recordset(decided.evidence) AS seen (touch uuid, occurred_at timestamptz)
        WHERE seen.occurred_at BETWEEN decided.cutoff_at - decided.length AND decided.cutoff_at
    ), excluded AS (
        SELECT visitor_id, range_agg(tstzrange(valid_from, valid_until)) AS spans
        FROM (SELECT visitor_id, valid_from, valid_until FROM excluded_identities WHERE visitor_id IS NOT NULL
              UNION ALL
              SELECT l.visitor_id, e.valid_from, e.valid_until
              FROM excluded_identities e JOIN visitor_links l USING (person_id)) identities
        GROUP BY visitor_id
    ), held AS (
        SELECT DISTINCT h.touch_id FROM held_touches h JOIN fraud_signals f ON f.id = h.signal_id
        WHERE f.resolution IS DISTINCT FROM 'harmless'
    ), lost AS (
        SELECT coalesce(l.person_id, t.visitor_id, t.id) AS rider, t.occurred_at, t.id, tree.node
        FROM touches t JOIN tree ON tree.id = t.placement_id
        LEFT JOIN visitor_links l ON l.visitor_id = t.visitor_id AND l.unlinked_at IS NULL
        LEFT JOIN touch_confirmations k ON k.touch_id = t.id
        LEFT JOIN excluded e ON e.visitor_id = t.visitor_id AND e.spans @> t.occurred_at
        LEFT JOIN spent ON spent.touch = t.id
        LEFT JOIN held ON held.touch_id = t.id
        WHERE t.occurred_at >= :since AND t.occurred_at < :until AND t.kind = ANY(cast(:kinds AS text[]))
          AND t.drop_reason IS NULL AND (t.surface <> 'h5' OR k.touch_id IS NOT NULL)
          AND e.visitor_id IS NULL AND spent.touch IS NULL AND held.touch_id IS NULL
    ), stepped AS (
        SELECT rider, occurred_at, id, node, lag(node) OVER way AS node_before,
               occurred_at - lag(occurred_at) OVER way > :gap AS is_apart
        FROM lost WINDOW way AS (PARTITION BY rider ORDER BY occurred_at, id)
    ), cut AS (
        SELECT rider, occurred_at, id, node, node_before, coalesce(is_apart, true) AS opens,
               count(*) FILTER (WHERE is_apart) OVER (PARTITION BY rider ORDER BY occurred_at, id) AS part
        FROM stepped
    ), lost_ways AS (
        SELECT array_agg(node ORDER BY occurred_at, id) AS nodes
        FROM cut WHERE opens OR node <> node_before GROUP BY rider, part
    ), earned AS (
        SELECT w.decision_id, w.position, tree.node,
               lag(tree.node) OVER (PARTITION BY w.decision_id ORDER BY w.position) AS node_before
        FROM decided JOIN attribution_weights w ON w.decision_id = decided.id AND w.model = 'linear'
        JOIN tree ON tree.id = w.placement_id
        WHERE decided.paid_at < :until
    ), paid_ways AS (
        SELECT array_agg(node ORDER BY position) FILTER (WHERE node IS DISTINCT FROM node_before) AS nodes,
               count(*) = 1 AS is_single
        FROM earned GROUP BY decision_id
    )
    SELECT nodes, count(*) AS paid, 0 AS lost, count(*) FILTER (WHERE is_single) AS single FROM paid_ways GROUP BY nodes
    UNION ALL
    SELECT nodes, 0, count(*), 0 FROM lost_ways GROUP BY nodes
    """
)
_NAMES = text("SELECT id, number, name FROM placements WHERE id = ANY(cast(:ids AS bigint[]))")
_KEEP = text("""
    INSERT INTO influence_studies (level, from_day, to_day, params, found, studied_at)
    VALUES (:level, :from_day, :to_day, cast(:params AS jsonb), cast(:found AS jsonb), :now)
    ON CONFLICT (level) DO UPDATE SET from_day = excluded.from_day, to_day = excluded.to_day,
        params = excluded.params, found = excluded.found, studied_at = excluded.studied_at
""")


def study_due(*, now: datetime) -> int:
    """Study each level whose newest study does not reach up to this Shanghai day; returns how many were studied.

    Once a night, if asked every hour; a night that was missed is made up for.
    """
    today = now.astimezone(clock.SHANGHAI).date()
    rows = database.statement("SELECT level FROM influence_studies WHERE to_day >= %s", (today,))
    due = [level for level in LEVELS if (level.value,) not in rows]
    for level in due:
        study(level=level, to_day=today, now=now)
    return len(due)


def study(*, level: Level, to_day: date, now: datetime) -> None:
    """Study the thirty days up to, not including, the Shanghai day `to_day`, and put the study in place of the old one.

    Opens its own transactions: one that reads, one that writes. Killed between or within them, the old one stays.
    """
    database.refuse_transaction()
    from_day = to_day - DAYS
    with database.transaction() as session:
        ways, single, names = _ways(session, level, from_day, to_day)
    found = _found(ways, single, names)
    params = {
        "window_s": int(attribution.WINDOW.total_seconds()),
        "rules_version": attribution.RULES_VERSION,
        "most_nodes": paths.MOST_NODES,
        "least_riders": LEAST_RIDERS,
        "order": 1,
    }
    with database.transaction() as session:
        session.execute(
            _KEEP,
            {
                "level": level,
                "from_day": from_day,
                "to_day": to_day,
                "params": database.dump_json(params),
                "found": database.dump_json(found),
                "now": now,
            },
        )


def latest(session: Session, *, level: Level) -> dict[str, Any] | None:
    """Return the newest study at `level` (line or medium), or None before the first night.

    `nodes` holds for each line or medium its removal `effect` and its orders by `markov` and by `shapley`, each exact
    and rounded, and sums to `conversions`; `folded` names what was taken together as 其他; `single_placement` says how
    many of the paid journeys knew one placement only, in which case no model differs from another; `ways` are those
    that many riders took.
    """
    row = session.execute(
        text("SELECT from_day, to_day, params, studied_at, found FROM influence_studies WHERE level = :level"),
        {"level": level},
    ).first()
    if row is None:
        return None
    return {
        "level": level.value,
        "from": row.from_day.isoformat(),
        "to": row.to_day.isoformat(),
        "params": row.params,
        "studied_at": row.studied_at.isoformat(),
        **row.found,
    }


def _ways(
    session: Session, level: Level, from_day: date, to_day: date
) -> tuple[list[Path], int, dict[str, dict[str, str]]]:
    """Return the paths over placements' numbers, how many paid ones knew one placement, and what the numbers are of."""
    # Ten million scans are sorted here, at night, and nobody waits for it.
    session.execute(text("SET LOCAL work_mem = '64MB'"))
    session.execute(text("SET LOCAL statement_timeout = '20min'"))
    since, until = (datetime.combine(day, time(), tzinfo=clock.SHANGHAI) for day in (from_day, to_day))
    rows = session.execute(
        _WAYS,
        {
            "since": since,
            "until": until,
            "gap": attribution.WINDOW,
            "kinds": list(attribution.ELIGIBLE_KINDS),
            "levels": [level.value],
            "all_levels": counting.LEVELS,
        },
    ).all()
    named = session.execute(_NAMES, {"ids": list({node for row in rows for node in row.nodes})}).all()
    numbers = {row.id: row.number for row in named}
    counted = [Path(tuple(numbers[node] for node in row.nodes), row.paid, row.lost) for row in rows]
    single = sum(row.single for row in rows)
    return counted, single, {row.number: {"node": row.number, "name": row.name} for row in named}


def _found(ways: Sequence[Path], single: int, names: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Return what a study says, as JSON."""
    names = names | {paths.OTHERS: {"node": paths.OTHERS, "name": paths.OTHERS}}
    folded_ways, folded = paths.fold(ways)
    effects, markov, worth = removal.effects(folded_ways), removal.shares(folded_ways), shapley.shares(folded_ways)
    common = sorted(
        (way for way in folded_ways if way.paid + way.lost >= LEAST_RIDERS),
        key=lambda way: (-way.paid, -way.lost, way.nodes),
    )
    return {
        "conversions": paths.conversions(ways),
        "journeys": sum(way.paid + way.lost for way in ways),
        "single_placement": {"paid": single, "of": paths.conversions(ways)},
        "base": _exact(removal.base(folded_ways)),
        "nodes": [
            names[node]
            | {
                "effect": _exact(effects[node]),
                "markov": _exact(markov[node]),
                "shapley": _exact(worth[node]),
            }
            for node in sorted(effects, key=lambda node: (-markov[node], node))
        ],
        "folded": [names[node] for node in folded],
        "ways": [
            {"nodes": [names[node] for node in way.nodes], "paid": way.paid, "lost": way.lost}
            for way in common[:MOST_WAYS]
        ],
    }


def _exact(number: Fraction) -> dict[str, Any]:
    """Return a number as JSON: the fraction as text, because its digits may be many, and a rounded value."""
    return {"exact": str(number), "value": round(float(number), 6)}
