"""What single products earned: orders and money of some goods only, from the ledger.

Invariant: lines are found by their product's index and credits by their decision, so that what is read grows with what
was sold of the goods, not with the log; over all goods it says what the rollups say.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.orm import Session

from subway_campaign.candidates import HORIZON
from subway_campaign.lifecycle import Model, View


@dataclass(frozen=True)
class Sold:
    """Rows without days, otherwise as the rollups have them: `orders` and `credits` by binding, and undecided ones."""

    orders: Sequence[Row[Any]]
    credits: Sequence[Row[Any]]
    undecided: tuple[int, int]


_SOLD = """
    WITH span AS (
        SELECT cast(cast(:from_day AS date) AS timestamp) AT TIME ZONE 'Asia/Shanghai' AS since,
               cast(cast(:to_day AS date) AS timestamp) AT TIME ZONE 'Asia/Shanghai' AS until
    ), sold AS MATERIALIZED (
        SELECT c.id, l.line_no, l.paid_fen, c.placed_at, c.paid_at, c.journey, c.touch_id, c.placement_id,
               CASE WHEN c.placement_id IS NULL THEN c.outcome ELSE '' END AS outcome,
               CASE WHEN c.placement_id IS NULL THEN c.reason ELSE '' END AS reason
        FROM conversion_lines l JOIN conversions c ON c.id = l.conversion_id
        WHERE l.product = ANY(cast(:products AS text[]))
    ), carriers AS (
        SELECT DISTINCT id, placed_at, paid_at, journey, touch_id, placement_id, outcome, reason FROM sold
    )
"""
# Under which binding is looked up only where a campaign or creative is asked for: it costs as much as all the rest.
_OF_TOUCH = """
    (SELECT t.binding_id FROM touches t
     WHERE t.id = s.touch_id AND t.occurred_at >= s.placed_at - :horizon AND t.occurred_at <= s.placed_at)
"""
_OF_WEIGHT = """
    (SELECT w.binding_id FROM attribution_weights w
     WHERE w.decision_id = k.decision_id AND w.model = k.model AND w.touch_id = k.touch_id)
"""


@cache
def _orders(*, with_bindings: bool) -> TextClause:
    binding, of_journey = (_OF_TOUCH, "t.binding_id") if with_bindings else ("NULL::bigint", "NULL::bigint")
    return text(
        _SOLD
        + f"""
    SELECT placement_id, binding_id, outcome, reason, cast(sum(orders) AS bigint) AS orders,
           cast(sum(paid_orders) AS bigint) AS paid_orders, cast(sum(paid_journeys) AS bigint) AS paid_journeys
    FROM (
        SELECT s.placement_id, {binding} AS binding_id, s.outcome, s.reason,
               cast(s.placed_at >= since AND s.placed_at < until AS int) AS orders,
               cast(coalesce(s.paid_at >= since AND s.paid_at < until, false) AS int) AS paid_orders,
               0 AS paid_journeys
        FROM span CROSS JOIN carriers s
        WHERE s.placed_at >= since AND s.placed_at < until OR s.paid_at >= since AND s.paid_at < until
        UNION ALL
        SELECT t.placement_id, {of_journey}, '', '', 0, 0, count(DISTINCT s.journey)
        FROM span CROSS JOIN carriers s
        JOIN touches t ON t.id = s.journey AND t.occurred_at >= since AND t.occurred_at < until
        WHERE s.placed_at >= since AND s.placed_at < until + :horizon AND s.paid_at IS NOT NULL
          AND t.placement_id IS NOT NULL
        GROUP BY 1, 2
    ) parts
    GROUP BY placement_id, binding_id, outcome, reason
    """
    )


@cache
def _credits(view: View, *, with_bindings: bool) -> TextClause:
    at = "cohort_at" if view is View.COHORT else "occurred_at"
    bound = "s.paid_at >= since AND s.paid_at < until" if view is View.COHORT else "s.paid_at < until"
    return text(
        _SOLD
        + f"""
    SELECT k.model, k.placement_id, {_OF_WEIGHT if with_bindings else "NULL::bigint"} AS binding_id,
           CASE WHEN k.placement_id IS NULL THEN d.outcome ELSE '' END AS outcome,
           CASE WHEN k.placement_id IS NULL THEN d.reason ELSE '' END AS reason,
           cast(coalesce(sum(k.fen) FILTER (WHERE k.entry <> 'refund'), 0) AS bigint) AS gross_fen,
           cast(coalesce(-sum(k.fen) FILTER (WHERE k.entry = 'refund'), 0) AS bigint) AS refunded_fen
    FROM span CROSS JOIN sold s
    JOIN attribution_decisions d ON d.conversion_id = s.id
    JOIN credits k ON k.decision_id = d.id AND k.model = ANY(cast(:models AS text[])) AND k.line_no = s.line_no
        AND k.{at} >= since AND k.{at} < until
    WHERE {bound}
    GROUP BY 1, 2, 3, 4, 5
    """
    )


_UNDECIDED = text(
    _SOLD
    + """
    SELECT count(DISTINCT s.id), cast(coalesce(sum(s.paid_fen), 0) AS bigint)
    FROM span CROSS JOIN sold s
    WHERE s.paid_at >= since AND s.paid_at < until
      AND NOT EXISTS (SELECT FROM attribution_decisions d WHERE d.conversion_id = s.id)
    """
)


# As `earnings` counts hours: that of the scan, by last touch and the cohort view; the hour of the sale without a scan.
_HOUR = "cast(extract(hour FROM {at} AT TIME ZONE 'Asia/Shanghai') AS int)"
_SCANNED = "t.occurred_at >= s.placed_at - :horizon AND t.occurred_at <= s.placed_at"


@cache
def _hours(*, with_bindings: bool) -> TextClause:
    of_touch, of_credit = ("t.binding_id", _OF_WEIGHT) if with_bindings else ("NULL::bigint", "NULL::bigint")
    return text(
        _SOLD
        + f"""
    SELECT placement_id, hour, binding_id, cast(sum(paid_orders) AS bigint), cast(sum(paid_journeys) AS bigint),
           cast(sum(gross_fen) AS bigint), cast(sum(refunded_fen) AS bigint)
    FROM (
        SELECT s.placement_id, {_HOUR.format(at="coalesce(t.occurred_at, s.paid_at)")} AS hour,
               {of_touch} AS binding_id, 1 AS paid_orders, 0 AS paid_journeys, 0 AS gross_fen, 0 AS refunded_fen
        FROM span CROSS JOIN carriers s LEFT JOIN touches t ON t.id = s.touch_id AND {_SCANNED}
        WHERE s.paid_at >= since AND s.paid_at < until AND s.placement_id IS NOT NULL
        UNION ALL
        SELECT t.placement_id, {_HOUR.format(at="t.occurred_at")}, {of_touch}, 0, count(DISTINCT s.journey), 0, 0
        FROM span CROSS JOIN carriers s
        JOIN touches t ON t.id = s.journey AND t.occurred_at >= since AND t.occurred_at < until
        WHERE s.placed_at >= since AND s.placed_at < until + :horizon AND s.paid_at IS NOT NULL
          AND t.placement_id IS NOT NULL
        GROUP BY 1, 2, 3
        UNION ALL
        SELECT k.placement_id, {_HOUR.format(at="coalesce(t.occurred_at, k.cohort_at)")}, {of_credit}, 0, 0,
               CASE WHEN k.entry <> 'refund' THEN k.fen ELSE 0 END, CASE WHEN k.entry = 'refund' THEN -k.fen ELSE 0 END
        FROM span CROSS JOIN sold s
        JOIN attribution_decisions d ON d.conversion_id = s.id
        JOIN credits k ON k.decision_id = d.id AND k.model = :model AND k.line_no = s.line_no
            AND k.cohort_at >= since AND k.cohort_at < until
        LEFT JOIN touches t ON t.id = k.touch_id AND {_SCANNED}
        WHERE s.paid_at >= since AND s.paid_at < until AND k.placement_id IS NOT NULL
    ) parts
    GROUP BY placement_id, hour, binding_id
    """
    )


def hours(
    session: Session, *, products: Sequence[str], from_day: date, to_day: date, with_bindings: bool = True
) -> Sequence[Row[Any]]:
    """Return what the scans of each hour at a placement earned in sales of `products`, as `sale_hours` without days.

    Without `with_bindings` no row says its binding.
    """
    asked = {"products": list(products), "from_day": from_day, "to_day": to_day}
    statement = _hours(with_bindings=with_bindings)
    return session.execute(statement, asked | {"horizon": HORIZON, "model": Model.LAST.value}).all()


def of(
    session: Session,
    *,
    products: Sequence[str],
    from_day: date,
    to_day: date,
    models: Iterable[Model],
    view: View,
    with_bindings: bool = True,
) -> Sold:
    """Return what `products` (slugs) earned in the Shanghai days from `from_day` up to, not including, `to_day`.

    An order counts once however many of the products it has. Without `with_bindings` no row says its binding.
    """
    asked = {"products": list(products), "from_day": from_day, "to_day": to_day}
    by_model = asked | {"models": [model.value for model in models]}
    counted, fen = session.execute(_UNDECIDED, asked).one()
    return Sold(
        session.execute(_orders(with_bindings=with_bindings), asked | {"horizon": HORIZON}).all(),
        session.execute(_credits(view, with_bindings=with_bindings), by_model).all(),
        (counted, fen),
    )
