"""How the figures of a report come together: from the rollups, and from what these do not hold.

Invariant: every figure is added once, to the row that it belongs to, in one snapshot; what a narrowed report leaves out
of its rows is added up apart, so that nothing is lost.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from subway_campaign import costs, counting, earnings, errors, narrowing, rollups, sold
from subway_campaign.lifecycle import Level, Model, Outcome, View
from subway_campaign.narrowing import Narrowing

# Sales of placements that a narrowed report leaves out, beside the outcomes of orders that are no placement's.
OUTSIDE = "outside"
_UNSPLIT = ("carts", "earned_fen", "paid_journeys")


@dataclass(frozen=True)
class Asked:
    """What a report is of."""

    from_day: date
    to_day: date
    model: Model
    models: Sequence[Model]
    view: View
    narrowed: Narrowing

    @property
    def period(self) -> dict[str, Any]:
        """The days, as statements are given them."""
        return {"from_day": self.from_day, "to_day": self.to_day}

    def within(self, days: Iterable[date]) -> list[date]:
        """Return those of `days` that are asked for, in order."""
        return [day for day in sorted(days) if self.from_day <= day < self.to_day]


@dataclass
class Figures:
    """The additive figures of one row, and what its rate is made of."""

    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, **figures: int) -> None:
        """Add to what is there."""
        for name, value in figures.items():
            self.counts[name] += value

    def pick(self, names: Iterable[str]) -> dict[str, int]:
        """Return some of them, zero where there is none."""
        return {name: self.counts[name] for name in names}


@dataclass
class Gathered:
    """A report under way: figures by row, by outcome and reason, and of no row at all.

    `nodes_of` is placement → row, `levels` row → its level where visitors are wanted at each row's own level only;
    `is_part` that only some branches' are wanted.
    """

    nodes_of: dict[int, int]
    view: View
    model: Model
    models: Sequence[Model]
    bindings: frozenset[int] | None
    is_part: bool = False
    levels: dict[int, str] | None = None
    nodes: dict[int, Figures] = field(default_factory=lambda: defaultdict(Figures))
    others: dict[tuple[str, str], Figures] = field(default_factory=lambda: defaultdict(Figures))
    totals: Figures = field(default_factory=Figures)

    def add(
        self,
        table: str,
        values: Sequence[int],
        *,
        placement_id: int | None = None,
        outcome: str = "",
        reason: str = "",
        model: str = "",
        is_inside: bool = True,
    ) -> None:
        """Add the figures of a rollup's row, or of several, to the report's row that they belong to.

        Of a report within branches, what is no placement's of theirs is nowhere.
        """
        if self.is_part and placement_id not in self.nodes_of:
            return
        figures = dict(zip(rollups.FIGURES[table], values, strict=False))
        if table == rollups.TOTALS:
            self.totals.add(**figures)
            return
        if table == rollups.CREDITS:
            figures = self._money(figures, model)
        if placement_id is None:
            self.others[outcome, reason].add(**figures)
        elif table == rollups.VISITORS:
            # Visitors are counted for the rows of the level asked for, all else for where it happened; nobody knows
            # which of them came for one campaign.
            if self.bindings is None:
                self.nodes[placement_id].add(**figures)
        elif is_inside:
            self.nodes[self.nodes_of[placement_id]].add(**figures)
        elif table in {rollups.ORDERS, rollups.CREDITS}:
            self.others[OUTSIDE, ""].add(**{name: n for name, n in figures.items() if name not in _UNSPLIT})

    def _money(self, figures: dict[str, int], model: str) -> dict[str, int]:
        gross, back = figures[f"{self.view.value}_gross_fen"], figures[f"{self.view.value}_refunded_fen"]
        said = self.models if model == sold.ALIKE else (model,)
        found = {net_of(each): gross - back for each in said}
        if self.model in said:
            found |= {"gross_fen": gross, "refunded_fen": back, "net_fen": gross - back}
        return found

    def add_rows(self, rows: rollups.Rows, tables: Iterable[str]) -> None:
        """Add rows of `tables` that were counted just now, named as the rollups name theirs."""
        for table in tables:
            for key, values in rows.get(table, {}).items():
                named = dict(zip(rollups.KEYS[table], key, strict=True))
                placement, level = named.get("placement_id"), named.get("level")
                if level is not None and self.levels is not None and self.levels.get(named["placement_id"]) != level:
                    continue
                self.add(
                    table,
                    values,
                    placement_id=placement,
                    outcome=Outcome.EXCLUDED.value if table == rollups.KEPT_OUT else named.get("outcome", ""),
                    reason=named.get("reason", ""),
                    model=named.get("model", ""),
                    is_inside=self.has(named.get("binding_id")),
                )

    def has(self, binding_id: int | None) -> bool:
        """Tell whether what happened under a binding belongs to the report's rows."""
        return self.bindings is None or binding_id in self.bindings


def net_of(model: str) -> str:
    """Return under which name a row has its net fen by `model`."""
    return f"net_{model}_fen"


# The rollups of the days asked for, but for those that are counted anew; one statement, because a report of a month is
# as long as its round trips.
_DAYS = "r.day >= :from_day AND r.day < :to_day AND r.day <> ALL(cast(:{but} AS date[]))"
_OF_SCANS, _OF_ORDERS = _DAYS.format(but="but_scans"), _DAYS.format(but="but_orders")
_WIDEST = max(len(figures) for figures in rollups.FIGURES.values())
_SCANS_READ = (rollups.SCANS, rollups.VISITORS, rollups.KEPT_OUT)
_ORDERS_READ = (rollups.ORDERS, rollups.CREDITS, rollups.TOTALS)


def _part(
    table: str,
    *,
    names: str,
    days: str,
    source: str = "",
    is_inside: str = "true",
    figures: Sequence[str] = (),
) -> str:
    """Return the sums of a rollup's figures; `names` are the four columns that say whose they are.

    Other `figures`, from another `source`, are read as if they were this rollup's.
    """
    figures = figures or rollups.FIGURES[table]
    sums = [f"sum({figure})::bigint" for figure in figures] + ["0"] * (_WIDEST - len(figures))
    return (
        f"SELECT '{table}', {names}, {is_inside}, {', '.join(sums)} FROM {source or f'{table} r'}"
        f" WHERE {days} GROUP BY 1, 2, 3, 4, 5, 6"
    )


_NOBODYS, _PLACES = "NULL::bigint, '', '', ''", "r.placement_id, '', '', ''"
_WHOSE = "r.placement_id, r.outcome, r.reason"
_OF_MODELS = "r.model = ANY(cast(:models AS text[]))"


@cache
def _stored(*, is_narrowed: bool, at_own_level: bool, of_goods: bool) -> TextClause:
    """Return the statement that reads what a report needs of the rollups, and nothing that it does not show."""
    meant = " LEFT JOIN unnest(cast(:bindings AS bigint[])) AS meant (id) ON meant.id = r.binding_id"
    under, is_inside = (meant, "r.placement_id IS NULL OR meant.id IS NOT NULL") if is_narrowed else ("", "true")
    of_scans = {"source": f"{rollups.SCANS} r{under}", "is_inside": is_inside}
    parts = [
        _part(rollups.SCANS, names=_PLACES, days=_OF_SCANS, **of_scans),
        _part(rollups.KEPT_OUT, names="NULL::bigint, 'excluded', r.reason, ''", days=_OF_SCANS),
    ]
    if at_own_level:
        own = f"{rollups.VISITORS} r JOIN placements p ON p.id = r.placement_id AND p.level = r.level"
        parts.append(_part(rollups.VISITORS, names=_PLACES, days=_OF_SCANS, source=own))
    else:
        parts.append(_part(rollups.VISITORS, names=_PLACES, days=f"{_OF_SCANS} AND r.level = :level"))
    parts += (_of_goods if of_goods else _of_orders)(under, is_inside)
    return text(" UNION ALL ".join(parts))


def _of_orders(under: str, is_inside: str) -> Iterator[str]:
    for table, names, days in (
        (rollups.ORDERS, f"{_WHOSE}, ''", _OF_ORDERS),
        (rollups.CREDITS, f"{_WHOSE}, r.model", f"{_OF_ORDERS} AND {_OF_MODELS}"),
    ):
        yield _part(table, names=names, days=days, source=f"{table} r{under}", is_inside=is_inside)
    yield _part(rollups.TOTALS, names=_NOBODYS, days=_OF_ORDERS)


def _of_goods(under: str, is_inside: str) -> Iterator[str]:
    """Yield the same of some goods, from the rollups by goods."""
    yield _part(
        rollups.ORDERS,
        names=f"{_WHOSE}, ''",
        days=f"{sold.MEANT} AND {sold.COUNTS}",
        source=f"{rollups.GOODS_ORDERS} r{under}",
        is_inside=is_inside,
        figures=("0", "r.orders", "r.paid_orders", "r.paid_journeys"),
    )
    yield _part(
        rollups.CREDITS,
        names=f"{_WHOSE}, r.model",
        days=f"{sold.MEANT} AND {_OF_MODELS}",
        source=f"{rollups.GOODS_CREDITS} r{under}",
        is_inside=is_inside,
    )
    # No order is undecided for long, so that this finds no days to read.
    yield _part(
        rollups.TOTALS,
        names=_NOBODYS,
        days=sold.MEANT,
        source=f"{rollups.TOTALS} u JOIN {rollups.GOODS_ORDERS} r ON r.day = u.day AND u.undecided_orders > 0",
        figures=("0", "0", "0", f"CASE WHEN {sold.COUNTS} THEN r.undecided_orders ELSE 0 END", "r.undecided_fen"),
    )


_PLACEMENTS = text(
    counting.TREE
    + """
    SELECT p.id, tree.node, p.number, p.name, p.level FROM tree JOIN placements p USING (id)
    ORDER BY p.number COLLATE "C"
    """
)
_TREE = text("""
    SELECT id, id AS node, parent_id, number, name, level FROM placements ORDER BY number COLLATE "C"
""")


def gather(session: Session, asked: Asked, level: Level | None) -> tuple[Sequence[Any], Gathered]:
    """Return the placements, and all figures by their rows at `level` (None: each placement is its own row)."""
    if asked.to_day <= asked.from_day:
        raise errors.ImpossiblePeriod
    rollups.one_snapshot(session)
    known = rollups.unrolled(session)
    bindings = narrowing.bindings(session, asked.narrowed)
    if level is None:
        names = session.execute(_TREE).all()
    else:
        level = narrowing.level(session, asked.narrowed, level)
        names = session.execute(_PLACEMENTS, {"levels": [level.value], "all_levels": counting.LEVELS}).all()
    names = [placement for placement in names if asked.narrowed.reaches(placement.number)]
    found = Gathered(
        {placement.id: placement.node for placement in names},
        asked.view,
        asked.model,
        asked.models,
        bindings,
        asked.narrowed.within is not None,
        None if level else {placement.id: placement.level for placement in names},
    )
    statement = _stored(
        is_narrowed=bindings is not None, at_own_level=level is None, of_goods=asked.narrowed.products is not None
    )
    given: dict[str, Any] = {"but_scans": list(known.scan_days), "but_orders": list(known.order_days)}
    given |= {"level": level, "models": [*asked.models, sold.ALIKE], "bindings": list(bindings or ())}
    if asked.narrowed.products is not None:
        given |= sold.asked(asked.narrowed.products, but=known.order_days, **asked.period)
    for table, placement, outcome, reason, model, is_inside, *values in session.execute(
        statement, asked.period | given
    ):
        found.add(
            table,
            values,
            placement_id=placement,
            outcome=outcome,
            reason=reason,
            model=model,
            is_inside=is_inside,
        )
    _add_unrolled(session, found, known, asked, counting.LEVELS if level is None else [level.value])
    if not asked.narrowed.is_any:
        _add_costs(found, names, costs.of_period(session, since=asked.from_day, until=asked.to_day))
    return names, found


def _add_unrolled(
    session: Session, found: Gathered, known: rollups.Unrolled, asked: Asked, levels: Sequence[str]
) -> None:
    """Add what the rollups do not hold: waiting touches visitor by visitor, and marked days as a whole."""
    fresh = counting.fresh(session, waiting=known.waiting, but_days=known.scan_days, levels=levels, **asked.period)
    found.add_rows(rollups.scan_rows(fresh), _SCANS_READ)
    for day in asked.within(known.scan_days):
        found.add_rows(rollups.scan_rows(counting.whole(session, day=day, levels=levels)), _SCANS_READ)
    days, products = asked.within(known.order_days), asked.narrowed.products
    earned = earnings.of(session, days=days, models=asked.models, products=products)
    found.add_rows(rollups.order_rows(earned), _ORDERS_READ)


def _add_costs(found: Gathered, names: Iterable[Any], spent: costs.PeriodCosts) -> None:
    for placement in names:
        booked, allocated = (fens.get(placement.number, 0) for fens in (spent.booked, spent.allocated))
        if booked or allocated:
            found.nodes[placement.node].add(cost_fen=booked, allocated_cost_fen=allocated)
