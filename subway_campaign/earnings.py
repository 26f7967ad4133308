"""What days brought in carts, orders and money, and the hours of their scans: sums of what goods were `sold`.

Invariant: a day's figures depend on rows dated on that day, and on how far the journeys that began on it came; so a
change of the log touches the days of the changed rows and no others.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from operator import add
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from subway_campaign import narrowing, sold
from subway_campaign.candidates import HORIZON
from subway_campaign.lifecycle import Model
from subway_campaign.sold import Table


@dataclass(frozen=True)
class Earned:
    """Rows of `order_days`, `credit_days` and `total_days`, by what tells them apart."""

    orders: Table
    credits: Table
    totals: Table


@dataclass(frozen=True)
class Whole:
    """All that the rollups keep of a day's orders: by goods, and the sums over all of them."""

    goods_orders: Table
    goods_credits: Table
    goods_paths: Table
    earned: Earned
    hours: Table
    paths: Table


_DAYS = """
    WITH days AS (
        SELECT day, cast(day AS timestamp) AT TIME ZONE 'Asia/Shanghai' AS since,
               cast(day + 1 AS timestamp) AT TIME ZONE 'Asia/Shanghai' AS until
        FROM unnest(cast(:days AS date[])) AS day
    )
"""
# What orders have beside their goods: carts, by the binding of the touch, and what placements earned by contract.
_BESIDE = text(
    _DAYS
    + """
    SELECT day, placement_id, binding_id, '', '', cast(sum(carts) AS bigint), 0, 0, 0, cast(sum(earned_fen) AS bigint)
    FROM (
        SELECT day, s.placement_id, b.binding_id, 1 AS carts, 0 AS earned_fen
        FROM days JOIN journey_stages s ON s.reached_at >= since AND s.reached_at < until
        LEFT JOIN LATERAL (
            SELECT t.binding_id FROM touches t
            WHERE t.id = s.touch_id AND t.occurred_at >= s.reached_at - :horizon AND t.occurred_at <= s.reached_at
            OFFSET 0
        ) b ON true
        WHERE s.stage = 'cart'
        UNION ALL
        SELECT day, d.earned_placement_id, NULL, 0, l.paid_fen
        FROM days
        JOIN conversions c ON c.paid_at >= since AND c.paid_at < until
        JOIN attribution_decisions d ON d.conversion_id = c.id AND d.superseded_by IS NULL
        JOIN conversion_lines l ON l.conversion_id = c.id
        WHERE d.earned_placement_id IS NOT NULL
    ) parts
    GROUP BY day, placement_id, binding_id
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


def of(
    session: Session, *, days: Iterable[date], models: Iterable[Model], products: Collection[str] | None = None
) -> Earned:
    """Count the orders of Shanghai `days` anew, and their money under `models`; days without any have no row.

    Of `products` orders count once, have no carts, and their totals say what is undecided alone.
    """
    days, models = list(days), list(models)
    found = Earned({}, {}, {}) if products is not None or not days else _beside(session, days)
    for day in days:
        orders = sold.orders(session, day=day, products=products)
        _add(found.orders, _by_placement(orders, products))
        money = sold.money(session, day=day, products=products, models=models)
        _add(found.credits, _by_model(money, models))
        if products is not None:
            _add(found.totals, _undecided(orders, products))
    return found


def whole(session: Session, *, day: date) -> Whole:
    """Count a Shanghai day anew, by goods and over all of them."""
    orders, money, ways = (count(session, day=day) for count in (sold.orders, sold.money, sold.ways))
    earned = _beside(session, [day])
    _add(earned.orders, _by_placement(orders))
    _add(earned.credits, _by_model(money, Model))
    return Whole(orders, money, ways, earned, _add({}, _by_hour(orders, money)), _add({}, _by_path(ways)))


def hours(session: Session, *, days: Iterable[date], products: Collection[str] | None = None) -> Table:
    """Count what the scans of each hour earned in the sales of Shanghai `days`, as rows of `sale_hours`."""
    found: Table = {}
    for day in days:
        orders = sold.orders(session, day=day, products=products)
        money = sold.money(session, day=day, products=products, models=[Model.LAST])
        _add(found, _by_hour(orders, money, products))
    return found


def paths(session: Session, *, days: Iterable[date], products: Collection[str] | None = None) -> Table:
    """Count the ways of the orders of Shanghai `days`, as rows of `path_days`."""
    found: Table = {}
    for day in days:
        _add(found, _by_path(sold.ways(session, day=day, products=products), products))
    return found


Sums = Iterator[tuple[tuple[Any, ...], Sequence[int]]]


def _counts(before: str, products: Collection[str] | None) -> bool:
    """Tell whether a row is the first of its order's that is asked for, as `sold.COUNTS` does."""
    return not before or (products is not None and not any(product in products for product in before.split(" ")))


def _by_placement(orders: Table, products: Collection[str] | None = None) -> Sums:
    for (day, _product, before, placement, binding, _hour, outcome, reason), figures in orders.items():
        if _counts(before, products):
            placed, paid, journeys, *_undecided = figures
            yield (day, placement, binding, outcome, reason), (0, placed, paid, journeys, 0)


def _undecided(orders: Table, products: Collection[str]) -> Sums:
    for (day, _product, before, *_), (*_counted, undecided, fen) in orders.items():
        yield (day,), (0, 0, 0, undecided if _counts(before, products) else 0, fen)


def _by_model(money: Table, models: Iterable[Model]) -> Sums:
    every = [model.value for model in models]
    for (day, _product, model, placement, binding, _hour, outcome, reason), fens in money.items():
        for said in every if model == sold.ALIKE else [model] if model in every else ():
            yield (said, day, placement, binding, outcome, reason), fens


def _by_hour(orders: Table, money: Table, products: Collection[str] | None = None) -> Sums:
    """Yield which hour earned what: that of the scan, on the day of the sale, so that hours add up to the cohort view.

    By last touch (R24). Money without a touch that still says its hour counts for the hour of the sale.
    """
    for (day, _product, before, placement, binding, hour, *_), (_placed, paid, journeys, *_undecided) in orders.items():
        if placement is not None and _counts(before, products):
            yield (day, hour, placement, binding), (paid, journeys, 0, 0)
    for (day, _product, model, placement, binding, hour, *_), (gross, back, *_cash) in money.items():
        if placement is not None and model in {sold.ALIKE, Model.LAST}:
            yield (day, hour, placement, binding), (0, 0, gross, back)


def _by_path(ways: Table, products: Collection[str] | None = None) -> Sums:
    for (day, _product, before, path, bindings), (orders, journeys, fen) in ways.items():
        counted = (orders, journeys) if _counts(before, products) else (0, 0)
        yield (day, path, bindings), (*counted, fen)


def _add(found: Table, sums: Sums) -> Table:
    """Add figures to the rows that they belong to, and return these."""
    for key, figures in sums:
        had = found.get(key)
        found[key] = tuple(figures) if had is None else tuple(map(add, had, figures))
    return found


def _beside(session: Session, days: Sequence[date]) -> Earned:
    """Return what days have besides goods: carts, what placements earned by contract, and their totals."""
    beside = session.execute(_BESIDE, {"days": days, "horizon": HORIZON})
    totals = session.execute(_TOTALS, {"days": days})
    return Earned({tuple(row[:5]): tuple(row[5:]) for row in beside}, {}, {(row[0],): tuple(row[1:]) for row in totals})


def given_back(session: Session, *, day: date, within: Iterable[str] | None = None) -> int:
    """Return how many orders that a placement earned and that were paid on `day` had money of a line given back.

    Of placements `within` some branches (None: everywhere).
    """
    asked = {"days": [day], "within": None if within is None else list(within)}
    return int(session.execute(_GIVEN_BACK, asked).scalar_one())
