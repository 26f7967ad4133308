"""What goods were ordered and paid on one Shanghai day, counted from the log: the finest rows, of which all are sums.

Invariant: an order, a journey and a way count once for any set of products. Of what has several, the row of each says
which come `before` it in the alphabet, with spaces; it counts for a product of the set that has none of the set before
it. Over all products that is the first of each, the row with nothing before it. Money is each product's own and sums as
it is. An order without lines has the product ''.
"""

from collections.abc import Collection, Iterable
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from config import clock
from subway_campaign.candidates import HORIZON
from subway_campaign.lifecycle import Model

Table = dict[tuple[Any, ...], tuple[int, ...]]
# Money that every model gives to the same touch alike, which is most of it, is kept once, under this name.
ALIKE = ""
# Which rows `r` of a rollup by goods are asked for, and which of these count an order, a journey or a way.
MEANT = "r.day = ANY(cast(:days AS date[])) AND r.product = ANY(cast(:products AS text[]))"
COUNTS = "(r.before = '' OR NOT string_to_array(r.before, ' ') && cast(:products AS text[]))"

_HOUR = "cast(extract(hour FROM {at} AT TIME ZONE 'Asia/Shanghai') AS int)"
# Whose row it is, when it is no placement's: that of the outcome and its reason.
_WHOSE = """
    CASE WHEN {t}.placement_id IS NULL THEN {o}.outcome ELSE '' END AS outcome,
    CASE WHEN {t}.placement_id IS NULL THEN {o}.reason ELSE '' END AS reason
"""
# A touch lies within the horizon before the order; looked up order by order, so that only those partitions are read.
_TOUCH = """
    LATERAL (
        SELECT t.binding_id, t.occurred_at FROM touches t
        WHERE t.id = {of}.touch_id AND t.occurred_at >= c.placed_at - :horizon AND t.occurred_at <= c.placed_at OFFSET 0
    ) t ON true
"""
_BEFORE = """
    coalesce(string_agg(product, ' ') OVER (
        {of} ORDER BY product COLLATE "C" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), '') AS before
"""
_GOODS = f"""
    LEFT JOIN LATERAL (
        SELECT product, fen, {_BEFORE.format(of="")}
        FROM (SELECT product, cast(coalesce(sum(paid_fen), 0) AS bigint) AS fen FROM conversion_lines
              WHERE conversion_id = c.id GROUP BY product) own
    ) l ON true
"""
_ON_DAY = "{at} >= :since AND {at} < :until"
_PLACED, _PAID = _ON_DAY.format(at="c.placed_at"), f"coalesce({_ON_DAY.format(at='c.paid_at')}, false)"
# Only orders with some of the products are read where only these are asked for.
_MEANT = """
    AND EXISTS (SELECT FROM conversion_lines m
                WHERE m.conversion_id = c.id AND m.product = ANY(cast(:products AS text[])))
"""
_ORDERS = f"""
    WITH moved AS MATERIALIZED (
        SELECT c.*, {_PLACED} AS is_placed, {_PAID} AS is_paid,
               {_PAID} AND NOT EXISTS (SELECT FROM attribution_decisions d WHERE d.conversion_id = c.id) AS is_undecided
        FROM conversions c
        WHERE ({_PLACED} OR {_ON_DAY.format(at="c.paid_at")}) {{meant}}
    ), begun AS (
        SELECT DISTINCT c.journey, t.placement_id, t.binding_id, {_HOUR.format(at="t.occurred_at")} AS hour,
                        coalesce(l.product, '') AS product
        FROM conversions c
        JOIN touches t ON t.id = c.journey AND {_ON_DAY.format(at="t.occurred_at")}
        LEFT JOIN conversion_lines l ON l.conversion_id = c.id
        WHERE c.placed_at >= :since AND c.placed_at < cast(:until AS timestamptz) + :horizon AND c.paid_at IS NOT NULL
          AND t.placement_id IS NOT NULL {{meant}}
    )
    SELECT product, before, placement_id, binding_id, hour, outcome, reason,
           cast(sum(orders) AS bigint), cast(sum(paid_orders) AS bigint), cast(sum(paid_journeys) AS bigint),
           cast(sum(undecided_orders) AS bigint), cast(sum(undecided_fen) AS bigint)
    FROM (
        SELECT coalesce(l.product, '') AS product, coalesce(l.before, '') AS before, c.placement_id, t.binding_id,
               CASE WHEN c.placement_id IS NOT NULL
                    THEN {_HOUR.format(at="coalesce(t.occurred_at, c.paid_at, c.placed_at)")} END AS hour,
               {_WHOSE.format(t="c", o="c")},
               cast(c.is_placed AS int) AS orders, cast(c.is_paid AS int) AS paid_orders, 0 AS paid_journeys,
               cast(c.is_undecided AS int) AS undecided_orders,
               CASE WHEN c.is_undecided THEN coalesce(l.fen, 0) ELSE 0 END AS undecided_fen
        FROM moved c {_GOODS} LEFT JOIN {_TOUCH.format(of="c")}
        UNION ALL
        SELECT product, {_BEFORE.format(of="PARTITION BY journey")}, placement_id, binding_id, hour, '', '',
               0, 0, 1, 0, 0
        FROM begun
    ) parts
    {{of_goods}}
    GROUP BY product, before, placement_id, binding_id, hour, outcome, reason
"""
# Most orders saw one placement, so that all models say the same of them; what differs is one row for each model.
_CREDITS = f"""
    WITH parts AS (
        SELECT k.*, true AS is_cohort, {_ON_DAY.format(at="k.occurred_at")} AS is_cash
        FROM credits k WHERE k.model = ANY(cast(:models AS text[])) AND {_ON_DAY.format(at="k.cohort_at")}
        UNION ALL
        SELECT k.*, false, true
        FROM credits k WHERE k.model = ANY(cast(:models AS text[])) AND {_ON_DAY.format(at="k.occurred_at")}
          AND NOT ({_ON_DAY.format(at="k.cohort_at")})
    ), moved AS (
        SELECT decision_id, line_no, touch_id, placement_id, model, min(cohort_at) AS cohort_at,
               coalesce(sum(fen) FILTER (WHERE is_cohort AND entry <> 'refund'), 0) AS cohort_gross,
               coalesce(-sum(fen) FILTER (WHERE is_cohort AND entry = 'refund'), 0) AS cohort_back,
               coalesce(sum(fen) FILTER (WHERE is_cash AND entry <> 'refund'), 0) AS cash_gross,
               coalesce(-sum(fen) FILTER (WHERE is_cash AND entry = 'refund'), 0) AS cash_back
        FROM parts GROUP BY decision_id, line_no, touch_id, placement_id, model
    ), told AS MATERIALIZED (
        SELECT decision_id, line_no, touch_id, placement_id, min(cohort_at) AS cohort_at,
               cohort_gross, cohort_back, cash_gross, cash_back,
               CASE WHEN count(*) = cardinality(cast(:models AS text[])) THEN ARRAY['{ALIKE}']
                    ELSE array_agg(cast(model AS text)) END AS models
        FROM moved
        GROUP BY decision_id, line_no, touch_id, placement_id, cohort_gross, cohort_back, cash_gross, cash_back
    )
    SELECT product, model, placement_id, binding_id, hour, outcome, reason, cast(sum(cohort_gross) AS bigint),
           cast(sum(cohort_back) AS bigint), cast(sum(cash_gross) AS bigint), cast(sum(cash_back) AS bigint)
    FROM (
        SELECT k.models, coalesce(l.product, '') AS product, k.placement_id,
               (SELECT w.binding_id FROM attribution_weights w
                WHERE w.decision_id = k.decision_id AND w.model = 'linear' AND w.touch_id = k.touch_id) AS binding_id,
               CASE WHEN k.placement_id IS NOT NULL
                    THEN {_HOUR.format(at="coalesce(t.occurred_at, k.cohort_at)")} END AS hour,
               {_WHOSE.format(t="k", o="d")}, cohort_gross, cohort_back, cash_gross, cash_back
        FROM told k
        JOIN attribution_decisions d ON d.id = k.decision_id
        JOIN conversions c ON c.id = d.conversion_id
        LEFT JOIN conversion_lines l ON l.conversion_id = c.id AND l.line_no = k.line_no
        LEFT JOIN {_TOUCH.format(of="k")}
        {{of_goods}}
    ) parts CROSS JOIN unnest(models) AS model
    GROUP BY product, model, placement_id, binding_id, hour, outcome, reason
"""
# Every share of the linear model is above zero, so its weights are the whole journey, oldest touch first.
_PATHS = f"""
    WITH taken AS MATERIALIZED (
        SELECT c.id, c.journey, way.path, way.bindings
        FROM conversions c
        JOIN attribution_decisions d ON d.conversion_id = c.id AND d.superseded_by IS NULL
        CROSS JOIN LATERAL (
            SELECT string_agg(cast(w.placement_id AS text), '.' ORDER BY w.position) AS path,
                   string_agg(cast(w.binding_id AS text), '.' ORDER BY w.position) AS bindings
            FROM attribution_weights w WHERE w.decision_id = d.id AND w.model = 'linear'
        ) way
        WHERE {_ON_DAY.format(at="c.paid_at")} AND d.outcome = 'attributed' AND way.path IS NOT NULL {{meant}}
    ), walked AS (
        SELECT DISTINCT c.journey, c.path, c.bindings, coalesce(l.product, '') AS product
        FROM taken c LEFT JOIN conversion_lines l ON l.conversion_id = c.id WHERE c.journey IS NOT NULL
    )
    SELECT product, before, path, bindings,
           cast(sum(orders) AS bigint), cast(sum(journeys) AS bigint), cast(sum(fen) AS bigint)
    FROM (
        SELECT coalesce(l.product, '') AS product, coalesce(l.before, '') AS before, c.path, c.bindings,
               1 AS orders, 0 AS journeys, coalesce(l.fen, 0) AS fen
        FROM taken c {_GOODS}
        UNION ALL
        SELECT product, {_BEFORE.format(of="PARTITION BY journey, path, bindings")}, path, bindings, 0, 1, 0 FROM walked
    ) parts
    {{of_goods}}
    GROUP BY product, before, path, bindings
"""


def orders(session: Session, *, day: date, products: Collection[str] | None = None) -> Table:
    """Count a day's orders as rows of `goods_order_days`; with `products` those of these alone."""
    return _counted(session, _ORDERS, day, products, keys=7)


def money(
    session: Session, *, day: date, products: Collection[str] | None = None, models: Iterable[Model] = Model
) -> Table:
    """Count a day's money as rows of `goods_credit_days`; with `products` that of these alone.

    Of fewer `models` what these say alike is told as if there were no others.
    """
    return _counted(session, _CREDITS, day, products, keys=7, models=[model.value for model in models])


def ways(session: Session, *, day: date, products: Collection[str] | None = None) -> Table:
    """Count the ways of a day's paid orders as rows of `goods_path_days`; with `products` those to these alone."""
    return _counted(session, _PATHS, day, products, keys=4)


def asked(products: Collection[str], *, from_day: date, to_day: date, but: Collection[date]) -> dict[str, Any]:
    """Return what `MEANT` and `COUNTS` are given: each day one by one, so that it is one look at an index."""
    days = (from_day + timedelta(days=ahead) for ahead in range((to_day - from_day).days))
    return {"products": list(products), "days": [day for day in days if day not in but]}


def _counted(
    session: Session, statement: str, day: date, products: Collection[str] | None, *, keys: int, **more: Any
) -> Table:
    # A day's orders are sorted and hashed here; the default 4 MB would send steps to disk.
    session.execute(text("SET LOCAL work_mem = '64MB'"))
    since = datetime.combine(day, time(), tzinfo=clock.SHANGHAI)
    asked = {"since": since, "until": since + timedelta(days=1), "horizon": HORIZON} | more
    if products is not None:
        asked["products"] = list(products)
    found = session.execute(_statement(statement, of_some=products is not None), asked)
    return {(day, *row[:keys]): tuple(row[keys:]) for row in found}


@cache
def _statement(statement: str, *, of_some: bool) -> TextClause:
    of_goods = "WHERE product = ANY(cast(:products AS text[]))" if of_some else ""
    return text(statement.format(meant=_MEANT if of_some else "", of_goods=of_goods))
