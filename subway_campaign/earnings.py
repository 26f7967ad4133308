"""What days brought in carts, orders and money, and the hours of their scans: counted from the log of orders.

Invariant: a day's figures depend on rows dated on that day, and on how far the journeys that began on it came; so a
change of the log touches the days of the changed rows and no others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from subway_campaign import narrowing
from subway_campaign.candidates import HORIZON
from subway_campaign.lifecycle import Model


@dataclass(frozen=True)
class Earned:
    """Rows as `order_days`, `credit_days`, `total_days` and `path_days` hold them, without their ids."""

    orders: Sequence[Row[Any]]
    credits: Sequence[Row[Any]]
    totals: Sequence[Row[Any]]
    paths: Sequence[Row[Any]]


_DAYS = """
    WITH days AS (
        SELECT day, cast(day AS timestamp) AT TIME ZONE 'Asia/Shanghai' AS since,
               cast(day + 1 AS timestamp) AT TIME ZONE 'Asia/Shanghai' AS until
        FROM unnest(cast(:days AS date[])) AS day
    )
"""
# Nothing older than the horizon is ever credited, so a day's journeys end in orders from that day to the horizon's end.
# Whose row it is, when it is no placement's: that of the outcome and its reason.
_WHOSE = """
    CASE WHEN {t}.placement_id IS NULL THEN {o}.outcome ELSE '' END AS outcome,
    CASE WHEN {t}.placement_id IS NULL THEN {o}.reason ELSE '' END AS reason
"""
_CONVERSION = _WHOSE.format(t="c", o="c")
# Under which binding: that of the touch, which lies within the horizon before whatever it brought.
_BINDING = """
    LEFT JOIN touches b ON b.id = {of}.touch_id AND b.occurred_at >= {at} - :horizon AND b.occurred_at <= {at}
"""
_ORDERS = text(
    _DAYS
    + f"""
    SELECT day, placement_id, binding_id, outcome, reason, cast(sum(carts) AS bigint) AS carts,
           cast(sum(orders) AS bigint) AS orders, cast(sum(paid_orders) AS bigint) AS paid_orders,
           cast(sum(paid_journeys) AS bigint) AS paid_journeys, cast(sum(earned_fen) AS bigint) AS earned_fen
    FROM (
        SELECT day, s.placement_id, b.binding_id, '' AS outcome, '' AS reason,
               1 AS carts, 0 AS orders, 0 AS paid_orders, 0 AS paid_journeys, 0 AS earned_fen
        FROM days JOIN journey_stages s ON s.reached_at >= since AND s.reached_at < until
        {_BINDING.format(of="s", at="s.reached_at")} WHERE s.stage = 'cart'
        UNION ALL
        SELECT day, c.placement_id, b.binding_id, {_CONVERSION}, 0, 1, 0, 0, 0
        FROM days JOIN conversions c ON c.placed_at >= since AND c.placed_at < until
        {_BINDING.format(of="c", at="c.placed_at")}
        UNION ALL
        SELECT day, c.placement_id, b.binding_id, {_CONVERSION}, 0, 0, 1, 0, 0
        FROM days JOIN conversions c ON c.paid_at >= since AND c.paid_at < until
        {_BINDING.format(of="c", at="c.placed_at")}
        UNION ALL
        SELECT day, t.placement_id, t.binding_id, '', '', 0, 0, 0, count(DISTINCT c.journey), 0
        FROM days
        JOIN conversions c ON c.placed_at >= since AND c.placed_at < until + :horizon AND c.paid_at IS NOT NULL
        JOIN touches t ON t.id = c.journey AND t.occurred_at >= since AND t.occurred_at < until
        WHERE t.placement_id IS NOT NULL GROUP BY day, t.placement_id, t.binding_id
        UNION ALL
        SELECT day, d.earned_placement_id, NULL, '', '', 0, 0, 0, 0, l.paid_fen
        FROM days
        JOIN conversions c ON c.paid_at >= since AND c.paid_at < until
        JOIN attribution_decisions d ON d.conversion_id = c.id AND d.superseded_by IS NULL
        JOIN conversion_lines l ON l.conversion_id = c.id
        WHERE d.earned_placement_id IS NOT NULL
    ) parts
    GROUP BY day, placement_id, binding_id, outcome, reason
"""
)
# The binding of a credit is looked up row by row: a join would read the weights of all orders for those of a day.
_OF_WEIGHT = """(SELECT w.binding_id FROM attribution_weights w
            WHERE w.decision_id = k.decision_id AND w.model = k.model AND w.touch_id = k.touch_id)"""
# One half of the money: by the sale's day or by its own.
_MOVED = f"""
    SELECT {{is_cohort}} AS cohort, day, k.model, k.entry, k.fen, k.placement_id,
           {_OF_WEIGHT} AS binding_id,
           {_WHOSE.format(t="k", o="d")}
    FROM days CROSS JOIN unnest(cast(:models AS text[])) AS asked (model)
    JOIN credits k ON k.model = asked.model AND k.{{at}} >= since AND k.{{at}} < until
    JOIN attribution_decisions d ON d.id = k.decision_id
"""
_CREDITS = text(
    _DAYS
    + f"""
    SELECT model, day, placement_id, binding_id, outcome, reason,
           cast(coalesce(sum(fen) FILTER (WHERE cohort AND entry <> 'refund'), 0) AS bigint) AS cohort_gross_fen,
           cast(coalesce(-sum(fen) FILTER (WHERE cohort AND entry = 'refund'), 0) AS bigint) AS cohort_refunded_fen,
           cast(coalesce(sum(fen) FILTER (WHERE NOT cohort AND entry <> 'refund'), 0) AS bigint) AS cash_gross_fen,
           cast(coalesce(-sum(fen) FILTER (WHERE NOT cohort AND entry = 'refund'), 0) AS bigint) AS cash_refunded_fen
    FROM (
        {_MOVED.format(is_cohort="true", at="cohort_at")} UNION ALL {_MOVED.format(is_cohort="false", at="occurred_at")}
    ) parts
    GROUP BY model, day, placement_id, binding_id, outcome, reason
"""
)
_TOTALS = text(
    _DAYS
    + """
    SELECT day, cast(sum(freight_fen) AS bigint) AS freight_fen,
           cast(sum(cohort_fen) AS bigint) AS cohort_freight_refunded_fen,
           cast(sum(cash_fen) AS bigint) AS cash_freight_refunded_fen,
           cast(sum(undecided) AS bigint) AS undecided_orders, cast(sum(undecided_fen) AS bigint) AS undecided_fen
    FROM (
        SELECT day, c.freight_fen, 0 AS cohort_fen, 0 AS cash_fen, 0 AS undecided, 0 AS undecided_fen
        FROM days JOIN conversions c ON c.paid_at >= since AND c.paid_at < until
        UNION ALL
        SELECT day, 0, r.fen, 0, 0, 0
        FROM days JOIN conversions c ON c.paid_at >= since AND c.paid_at < until
        JOIN conversion_refunds r USING (order_number) WHERE r.line_no = 0 AND r.state = 'applied'
        UNION ALL
        SELECT day, 0, 0, r.fen, 0, 0
        FROM days JOIN conversion_refunds r ON r.refunded_at >= since AND r.refunded_at < until
        JOIN conversions c USING (order_number) WHERE r.line_no = 0 AND r.state = 'applied'
        UNION ALL
        SELECT day, 0, 0, 0, 1, (SELECT coalesce(sum(paid_fen), 0) FROM conversion_lines WHERE conversion_id = c.id)
        FROM days JOIN conversions c ON c.paid_at >= since AND c.paid_at < until
        WHERE NOT EXISTS (SELECT FROM attribution_decisions d WHERE d.conversion_id = c.id)
    ) parts
    GROUP BY day
"""
)


# Which hour earned it is the hour of the scan, the day is that of the sale: so hours add up to the cohort view of the
# day (R24). Money without a touch that still says its hour counts for the hour of the sale.
_HOUR = "cast(extract(hour FROM {at} AT TIME ZONE 'Asia/Shanghai') AS int)"
_OF_TOUCH = "t.occurred_at >= c.placed_at - :horizon AND t.occurred_at <= c.placed_at"
_HOURS = text(
    _DAYS
    + f"""
    SELECT day, hour, placement_id, binding_id, cast(sum(paid_orders) AS bigint), cast(sum(paid_journeys) AS bigint),
           cast(sum(gross_fen) AS bigint), cast(sum(refunded_fen) AS bigint)
    FROM (
        SELECT day, {_HOUR.format(at="coalesce(t.occurred_at, c.paid_at)")} AS hour, c.placement_id, t.binding_id,
               1 AS paid_orders, 0 AS paid_journeys, 0 AS gross_fen, 0 AS refunded_fen
        FROM days JOIN conversions c ON c.paid_at >= since AND c.paid_at < until
        LEFT JOIN touches t ON t.id = c.touch_id AND {_OF_TOUCH}
        WHERE c.placement_id IS NOT NULL
        UNION ALL
        SELECT day, {_HOUR.format(at="t.occurred_at")}, t.placement_id, t.binding_id, 0, count(DISTINCT c.journey), 0, 0
        FROM days
        JOIN conversions c ON c.placed_at >= since AND c.placed_at < until + :horizon AND c.paid_at IS NOT NULL
        JOIN touches t ON t.id = c.journey AND t.occurred_at >= since AND t.occurred_at < until
        WHERE t.placement_id IS NOT NULL GROUP BY 1, 2, 3, 4
        UNION ALL
        SELECT day, {_HOUR.format(at="coalesce(t.occurred_at, k.cohort_at)")}, k.placement_id, {_OF_WEIGHT}, 0, 0,
               CASE WHEN k.entry <> 'refund' THEN k.fen ELSE 0 END, CASE WHEN k.entry = 'refund' THEN -k.fen ELSE 0 END
        FROM days
        JOIN credits k ON k.model = :model AND k.cohort_at >= since AND k.cohort_at < until
        JOIN attribution_decisions d ON d.id = k.decision_id
        JOIN conversions c ON c.id = d.conversion_id
        LEFT JOIN touches t ON t.id = k.touch_id AND {_OF_TOUCH}
        WHERE k.placement_id IS NOT NULL
    ) parts
    GROUP BY day, hour, placement_id, binding_id
    """
)
# Every share of the linear model is above zero, so its weights are the whole journey, oldest touch first.
_PATHS = text(
    _DAYS
    + """
    SELECT day, path, bindings, count(*) AS orders, count(DISTINCT journey) AS journeys,
           cast(sum(fen) AS bigint) AS paid_fen
    FROM (
        SELECT day, c.journey,
               coalesce((SELECT sum(paid_fen) FROM conversion_lines l WHERE l.conversion_id = c.id), 0) AS fen, way.*
        FROM days JOIN conversions c ON c.paid_at >= since AND c.paid_at < until
        JOIN attribution_decisions d ON d.conversion_id = c.id AND d.superseded_by IS NULL
        CROSS JOIN LATERAL (
            SELECT string_agg(cast(w.placement_id AS text), '.' ORDER BY w.position) AS path,
                   string_agg(cast(w.binding_id AS text), '.' ORDER BY w.position) AS bindings
            FROM attribution_weights w WHERE w.decision_id = d.id AND w.model = 'linear'
        ) way
        WHERE d.outcome = 'attributed'
    ) parts
    WHERE path IS NOT NULL GROUP BY day, path, bindings
"""
)
_GIVEN_BACK = text(
    _DAYS
    + """
    SELECT count(*) FROM days JOIN conversions c ON c.paid_at >= since AND c.paid_at < until
    JOIN placements p ON p.id = c.placement_id
    WHERE """
    + narrowing.lies_within()
    + """ AND EXISTS (
        SELECT FROM conversion_refunds r
        WHERE r.order_number = c.order_number AND r.line_no > 0 AND r.state = 'applied')
    """
)


def hours(session: Session, *, days: Iterable[date]) -> Sequence[Row[Any]]:
    """Count what the scans of each hour earned in the sales of Shanghai `days`, as rows of `sale_hours`."""
    asked = {"days": list(days), "horizon": HORIZON, "model": Model.LAST.value}
    return session.execute(_HOURS, asked).all() if asked["days"] else ()


def paths(session: Session, *, days: Iterable[date]) -> Sequence[Row[Any]]:
    """Count the ways of the orders of Shanghai `days`, as rows of `path_days`."""
    asked = {"days": list(days)}
    return session.execute(_PATHS, asked).all() if asked["days"] else ()


def of(session: Session, *, days: Iterable[date], models: Iterable[Model]) -> Earned:
    """Count the orders of Shanghai `days` anew, and their money under `models`; days without any have no row."""
    days = list(days)
    asked = {"days": days, "horizon": HORIZON}
    if not days:
        return Earned((), (), (), ())
    return Earned(
        session.execute(_ORDERS, asked).all(),
        session.execute(_CREDITS, asked | {"models": [model.value for model in models]}).all(),
        session.execute(_TOTALS, asked).all(),
        paths(session, days=days),
    )


def given_back(session: Session, *, day: date, within: Iterable[str] | None = None) -> int:
    """Return how many orders that a placement earned and that were paid on `day` had money of a line given back.

    Of placements `within` some branches (None: everywhere).
    """
    asked = {"days": [day], "within": None if within is None else list(within)}
    return int(session.execute(_GIVEN_BACK, asked).scalar_one())
