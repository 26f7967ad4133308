"""What every placement brought: scans, journeys, orders and money, beside what nobody earned and what is not counted.

Invariant: rows, unattributed and excluded sum to the paid sales of the period (R28); a parent's additive figures are
the sum of its children's and its own (I8), visitors and rates are counted anew at every level.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import clock
from subway_campaign import counting, errors, intervals
from subway_campaign.lifecycle import Level, Model, Outcome, View

_LEVELS = [level.value for level in Level]
MONEY = ("gross_fen", "refunded_fen", "net_fen")
ADDITIVE = ("scans", "album_scans", "carts", "orders", "paid_orders", *MONEY)


@dataclass
class _Figures:
    """The additive figures of one row, and what its rate is made of."""

    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, **figures: int | None) -> None:
        for name, value in figures.items():
            self.counts[name] += int(value or 0)

    def pick(self, names: Iterable[str]) -> dict[str, int]:
        return {name: self.counts[name] for name in names}


# Each placement's row in the report: itself, or its lowest ancestor that is not below the level asked for.
TREE = """
    WITH RECURSIVE tree AS (
        SELECT id, id AS node FROM placements WHERE parent_id IS NULL
        UNION ALL
        SELECT p.id, CASE WHEN array_position(cast(:levels AS text[]), cast(p.level AS text)) <= :depth
                          THEN p.id ELSE tree.node END
        FROM placements p JOIN tree ON p.parent_id = tree.id
    )
"""
_CARTS = text(
    TREE
    + """
    SELECT tree.node, count(*) FROM journey_stages s JOIN tree ON tree.id = s.placement_id
    WHERE s.stage = 'cart' AND s.reached_at >= :from AND s.reached_at < :until GROUP BY 1
"""
)
_ORDERS = text(
    TREE
    + """
    SELECT tree.node, c.outcome, c.reason,
           count(*) FILTER (WHERE c.placed_at >= :from AND c.placed_at < :until),
           count(*) FILTER (WHERE c.paid_at >= :from AND c.paid_at < :until)
    FROM conversions c LEFT JOIN tree ON tree.id = c.placement_id
    WHERE (c.placed_at >= :from AND c.placed_at < :until) OR (c.paid_at >= :from AND c.paid_at < :until)
    GROUP BY 1, 2, 3
"""
)
_MONEY = (
    TREE
    + """
    SELECT tree.node, d.outcome, d.reason,
           coalesce(sum(k.fen) FILTER (WHERE k.entry <> 'refund'), 0),
           coalesce(-sum(k.fen) FILTER (WHERE k.entry = 'refund'), 0)
    FROM credits k
    JOIN attribution_decisions d ON d.id = k.decision_id
    LEFT JOIN tree ON tree.id = k.placement_id
    WHERE k.model = :model AND k.{day} >= :from AND k.{day} < :until
    GROUP BY 1, 2, 3
"""
)
_EARNED = text(
    TREE
    + """
    SELECT tree.node, sum(l.paid_fen)
    FROM attribution_decisions d
    JOIN conversions c ON c.id = d.conversion_id
    JOIN conversion_lines l ON l.conversion_id = c.id
    JOIN tree ON tree.id = d.earned_placement_id
    WHERE d.superseded_by IS NULL AND c.paid_at >= :from AND c.paid_at < :until
    GROUP BY 1
"""
)
_FREIGHT = """
    SELECT coalesce((SELECT sum(freight_fen) FROM conversions WHERE paid_at >= :from AND paid_at < :until), 0)
         - coalesce((SELECT sum(r.fen) FROM conversion_refunds r JOIN conversions c USING (order_number)
                     WHERE r.line_no = 0 AND r.state = 'applied' AND {day} >= :from AND {day} < :until), 0)
"""
_UNDECIDED = text("""
    SELECT count(DISTINCT c.id), coalesce(sum(l.paid_fen), 0)
    FROM conversions c LEFT JOIN conversion_lines l ON l.conversion_id = c.id
    WHERE c.paid_at >= :from AND c.paid_at < :until
      AND NOT EXISTS (SELECT FROM attribution_decisions d WHERE d.conversion_id = c.id)
""")


def placements(
    session: Session,
    *,
    from_day: date,
    to_day: date,
    model: Model = Model.LAST,
    level: Level = Level.POSITION,
    view: View = View.COHORT,
) -> dict[str, Any]:
    """Return the placement report of the Shanghai days from `from_day` up to, not including, `to_day`.

    Money follows `model`, counts follow the last touch. The cohort view shows a refund on its sale's day, the cash
    view on its own (R24). A rate is journeys begun in the period with a paid order to date / journeys begun in it, with
    Jeffreys' 95 % interval. `cost_fen` is null until costs are kept. Raises `ImpossiblePeriod`.
    """
    if to_day <= from_day:
        raise errors.ImpossiblePeriod
    period = {
        "from": _midnight(from_day),
        "until": _midnight(to_day),
        "levels": _LEVELS,
        "depth": _LEVELS.index(level) + 1,
    }
    nodes: dict[int, _Figures] = defaultdict(_Figures)
    others: dict[tuple[str, str], _Figures] = defaultdict(_Figures)
    _add_scans(session, period, nodes, others)
    for node, carts in session.execute(_CARTS, period):
        nodes[node].add(carts=carts)
    for node, outcome, reason, orders, paid in session.execute(_ORDERS, period):
        _row(nodes, others, node, outcome, reason).add(orders=orders, paid_orders=paid)
    day = "cohort_at" if view is View.COHORT else "occurred_at"
    for node, outcome, reason, gross, back in session.execute(text(_MONEY.format(day=day)), period | {"model": model}):
        _row(nodes, others, node, outcome, reason).add(gross_fen=gross, refunded_fen=back, net_fen=gross - back)
    for node, earned in session.execute(_EARNED, period):
        nodes[node].add(earned_fen=earned)
    freight_day = "c.paid_at" if view is View.COHORT else "r.refunded_at"
    undecided_orders, undecided_fen = session.execute(_UNDECIDED, period).one()
    total = _Figures()
    for figures in (*nodes.values(), *others.values()):
        total.add(**figures.pick(ADDITIVE))
    return {
        "rows": _rows(session, nodes),
        "unattributed": _others(others, Outcome.UNATTRIBUTED, ("orders", "paid_orders", *MONEY)),
        "excluded": _others(others, Outcome.EXCLUDED, ("scans", "orders", "paid_orders", *MONEY)),
        "undecided": {"orders": undecided_orders, "gross_fen": int(undecided_fen)},
        "freight_fen": int(session.execute(text(_FREIGHT.format(day=freight_day)), period).scalar_one()),
        "total": total.pick(ADDITIVE),
    }


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=clock.SHANGHAI)


def _row(
    nodes: dict[int, _Figures], others: dict[tuple[str, str], _Figures], node: int | None, outcome: str, reason: str
) -> _Figures:
    return others[outcome, reason] if node is None else nodes[node]


def _add_scans(
    session: Session,
    period: dict[str, Any],
    nodes: dict[int, _Figures],
    others: dict[tuple[str, str], _Figures],
) -> None:
    counted = counting.scans(session, tree=TREE, period=period)
    for node, figures in counted.by_node.items():
        nodes[node].add(**figures)
    for reason, scans in counted.kept_out.items():
        others[Outcome.EXCLUDED, reason].add(scans=scans)


def _rows(session: Session, nodes: dict[int, _Figures]) -> list[dict[str, Any]]:
    names = session.execute(
        text("""
            SELECT id, number, name, level FROM placements WHERE id = ANY(:ids) ORDER BY number COLLATE "C"
        """),
        {"ids": list(nodes)},
    )
    return [
        {
            "placement": number,
            "name": name,
            "level": level,
            **nodes[node].pick(("scans", "visitors", "album_scans", "carts", "orders", "paid_orders", *MONEY)),
            "earned_fen": nodes[node].counts["earned_fen"],
            "cost_fen": None,
            "conversion": _conversion(nodes[node].counts["paid_journeys"], nodes[node].counts["journeys"]),
        }
        for node, number, name, level in names
    ]


def _conversion(paid: int, journeys: int) -> dict[str, float | int | None]:
    # A phone found to be staff's after its purchase leaves the journeys, but not the sale that was decided before.
    paid = min(paid, journeys)
    ends = intervals.jeffreys(paid, journeys)
    low, high = ends or (None, None)
    return {"rate": paid / journeys if journeys else None, "low": low, "high": high, "journeys": journeys, "paid": paid}


def _others(others: dict[tuple[str, str], _Figures], outcome: Outcome, names: Iterable[str]) -> list[dict[str, Any]]:
    return [
        {"reason": reason, **figures.pick(names)}
        for (kind, reason), figures in sorted(others.items(), key=lambda item: item[0][1])
        if kind == outcome
    ]
