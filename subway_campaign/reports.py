"""What every placement brought: scans, journeys, orders and money, beside what nobody earned and what is not counted.

Invariant: rows, unattributed and excluded sum to the paid sales of the period (R28); a parent's additive figures are
the sum of its children's and its own (I8), visitors and rates are counted anew at every level. Days are read from the
rollups, and what these do not hold yet from the log, in one snapshot: a report is never older than the log.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from subway_campaign import costs, counting, earnings, errors, intervals, rollups
from subway_campaign.lifecycle import Level, Model, Outcome, View

MONEY = ("gross_fen", "refunded_fen", "net_fen")
ADDITIVE = ("scans", "album_scans", "carts", "orders", "paid_orders", *MONEY, "cost_fen", "allocated_cost_fen")
_OF_OTHERS = ("scans", "orders", "paid_orders", *MONEY)


@dataclass
class _Figures:
    """The additive figures of one row, and what its rate is made of."""

    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, **figures: int) -> None:
        for name, value in figures.items():
            self.counts[name] += value

    def pick(self, names: Iterable[str]) -> dict[str, int]:
        return {name: self.counts[name] for name in names}


@dataclass
class _Gathered:
    """A report under way: figures by row, by outcome and reason, and of no row at all."""

    nodes_of: dict[int, int]
    view: View
    nodes: dict[int, _Figures] = field(default_factory=lambda: defaultdict(_Figures))
    others: dict[tuple[str, str], _Figures] = field(default_factory=lambda: defaultdict(_Figures))
    totals: _Figures = field(default_factory=_Figures)

    def add(self, table: str, placement_id: int | None, outcome: str, reason: str, values: Sequence[int]) -> None:
        """Add the figures of a rollup's row, or of several, to the report's row that they belong to."""
        figures = dict(zip(rollups.FIGURES[table], values, strict=False))
        if table == rollups.TOTALS:
            self.totals.add(**figures)
            return
        if table == rollups.CREDITS:
            gross, back = figures[f"{self.view.value}_gross_fen"], figures[f"{self.view.value}_refunded_fen"]
            figures = {"gross_fen": gross, "refunded_fen": back, "net_fen": gross - back}
        if placement_id is None:
            self.others[outcome, reason].add(**figures)
        else:
            # Visitors are counted for the rows of the level asked for, all else for where it happened.
            self.nodes[placement_id if table == rollups.VISITORS else self.nodes_of[placement_id]].add(**figures)

    def add_rows(self, rows: rollups.Rows) -> None:
        """Add rows that were counted just now, named as the rollups name theirs."""
        for table, found in rows.items():
            # The same scans again, by hour.
            if table == rollups.SCAN_HOURS:
                continue
            for key, values in found.items():
                named = dict(zip(rollups.KEYS[table], key, strict=True))
                outcome = Outcome.EXCLUDED.value if table == rollups.KEPT_OUT else named.get("outcome", "")
                self.add(table, named.get("placement_id"), outcome, named.get("reason", ""), values)


# The rollups of the days asked for, but for those that are counted anew; one statement, because a report of a month is
# as long as its round trips.
_DAYS = "day >= :from_day AND day < :to_day AND day <> ALL(cast(:{but} AS date[]))"
_OF_SCANS, _OF_ORDERS = _DAYS.format(but="but_scans"), _DAYS.format(but="but_orders")


def _part(table: str, *, names: str, days: str) -> str:
    """Return the sums of a rollup's figures; `names` are the three columns that say whose they are."""
    figures = rollups.FIGURES[table]
    sums = [f"sum({figure})::bigint" for figure in figures] + ["0"] * (_WIDEST - len(figures))
    return f"SELECT '{table}', {names}, {', '.join(sums)} FROM {table} WHERE {days} GROUP BY 1, 2, 3, 4"


_WIDEST = max(len(figures) for figures in rollups.FIGURES.values())
_STORED = text(
    " UNION ALL ".join(
        (
            _part(rollups.SCANS, names="placement_id, '', ''", days=_OF_SCANS),
            _part(rollups.VISITORS, names="placement_id, '', ''", days=f"{_OF_SCANS} AND level = :level"),
            _part(rollups.KEPT_OUT, names="NULL::bigint, 'excluded', reason", days=_OF_SCANS),
            _part(rollups.ORDERS, names="placement_id, outcome, reason", days=_OF_ORDERS),
            _part(rollups.CREDITS, names="placement_id, outcome, reason", days=f"{_OF_ORDERS} AND model = :model"),
            _part(rollups.TOTALS, names="NULL::bigint, '', ''", days=_OF_ORDERS),
        )
    )
)
_PLACEMENTS = text(
    counting.TREE
    + """
    SELECT p.id, tree.node, p.number, p.name, p.level FROM tree JOIN placements p USING (id)
    ORDER BY p.number COLLATE "C"
    """
)


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
    Jeffreys' 95 % interval. `cost_fen` is what was booked for the row's placements, `allocated_cost_fen` has what was
    booked above them as well, in even shares; both sum to all costs of the period. Must be the first thing in its
    transaction, or follow another report. Raises `ImpossiblePeriod`.
    """
    if to_day <= from_day:
        raise errors.ImpossiblePeriod
    rollups.one_snapshot(session)
    known = rollups.unrolled(session)
    names = session.execute(_PLACEMENTS, {"levels": [level.value], "all_levels": counting.LEVELS}).all()
    found = _Gathered({placement.id: placement.node for placement in names}, view)
    period: dict[str, Any] = {"from_day": from_day, "to_day": to_day}
    but = {"but_scans": list(known.scan_days), "but_orders": list(known.order_days)}
    stored = session.execute(_STORED, period | but | {"level": level.value, "model": model.value})
    for table, placement, outcome, reason, *values in stored:
        found.add(table, placement, outcome, reason, values)
    _add_waiting(session, found, known, period, level)
    _add_marked(session, found, known, period, level, model)
    _add_costs(found, names, costs.of_period(session, since=from_day, until=to_day))
    total = _Figures()
    for figures in (*found.nodes.values(), *found.others.values()):
        total.add(**figures.pick(ADDITIVE))
    return {
        "rows": _rows(names, found.nodes),
        "unattributed": _others(found.others, Outcome.UNATTRIBUTED, ("orders", "paid_orders", *MONEY)),
        "excluded": _others(found.others, Outcome.EXCLUDED, _OF_OTHERS),
        "undecided": {
            "orders": found.totals.counts["undecided_orders"],
            "gross_fen": found.totals.counts["undecided_fen"],
        },
        "freight_fen": found.totals.counts["freight_fen"] - found.totals.counts[f"{view.value}_freight_refunded_fen"],
        "total": total.pick(ADDITIVE),
    }


def _add_waiting(
    session: Session, found: _Gathered, known: rollups.Unrolled, period: dict[str, Any], level: Level
) -> None:
    """Add what the touches bring that are not rolled up, visitor by visitor."""
    fresh = counting.fresh(session, waiting=known.waiting, but_days=known.scan_days, levels=[level.value], **period)
    found.add_rows(rollups.scan_rows(fresh))


def _add_marked(
    session: Session, found: _Gathered, known: rollups.Unrolled, period: dict[str, Any], level: Level, model: Model
) -> None:
    """Add the days that were left out because they must be counted anew."""

    def asked(days: Iterable[date]) -> list[date]:
        return [day for day in sorted(days) if period["from_day"] <= day < period["to_day"]]

    for day in asked(known.scan_days):
        found.add_rows(rollups.scan_rows(counting.whole(session, day=day, levels=[level.value])))
    found.add_rows(rollups.order_rows(earnings.of(session, days=asked(known.order_days), models=[model])))


def _add_costs(found: _Gathered, names: Iterable[Any], spent: costs.PeriodCosts) -> None:
    for placement in names:
        booked, allocated = (fens.get(placement.number, 0) for fens in (spent.booked, spent.allocated))
        if booked or allocated:
            found.nodes[placement.node].add(cost_fen=booked, allocated_cost_fen=allocated)


def _rows(names: Iterable[Any], nodes: dict[int, _Figures]) -> list[dict[str, Any]]:
    return [
        {
            "placement": placement.number,
            "name": placement.name,
            "level": placement.level,
            **figures.pick(("scans", "visitors", "album_scans", "carts", "orders", "paid_orders", *MONEY)),
            "earned_fen": figures.counts["earned_fen"],
            **figures.pick(("cost_fen", "allocated_cost_fen")),
            "conversion": _conversion(figures.counts["paid_journeys"], figures.counts["journeys"]),
        }
        for placement in names
        if (figures := nodes.get(placement.id)) is not None and any(figures.counts.values())
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
        if kind == outcome and any(figures.counts.values())
    ]
