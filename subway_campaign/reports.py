"""What every placement brought: scans, journeys, orders and money, beside what nobody earned and what is not counted.

Invariant: rows, unattributed and excluded sum to the paid sales of the period (R28), also when the report is narrowed:
what lies outside is a sum of its own. A parent's additive figures are the sum of its children's and its own (I8),
visitors and rates are counted anew at every level. Days are read from the rollups, and what these do not hold yet from
the log, in one snapshot: a report is never older than the log.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from subway_campaign import intervals, narrowing
from subway_campaign.gathering import OUTSIDE, Asked, Figures, Gathered, gather, net_of
from subway_campaign.lifecycle import Level, Model, Outcome, View
from subway_campaign.narrowing import Narrowing

MONEY = ("gross_fen", "refunded_fen", "net_fen")
ADDITIVE = ("scans", "album_scans", "carts", "orders", "paid_orders", *MONEY, "cost_fen", "allocated_cost_fen")
_OF_OTHERS = ("scans", "orders", "paid_orders", *MONEY)


def placements(
    session: Session,
    *,
    from_day: date,
    to_day: date,
    model: Model = Model.LAST,
    level: Level = Level.POSITION,
    view: View = View.COHORT,
    narrowed: Narrowing = narrowing.ALL,
) -> dict[str, Any]:
    """Return the placement report of the Shanghai days from `from_day` up to, not including, `to_day`.

    Money follows `model`, counts follow the last touch. The cohort view shows a refund on its sale's day, the cash
    view on its own (R24). A rate is journeys begun in the period with a paid order to date / journeys begun in it, with
    Jeffreys' 95 % interval. `cost_fen` is what was booked for the row's placements, `allocated_cost_fen` has what was
    booked above them as well, in even shares; both sum to all costs of the period. `narrowed` leaves out what is not
    meant: sales of other campaigns are then `outside`, figures that cannot be told apart are None. Within branches the
    total is theirs, and what is no placement's is not told. Must be the first thing in its transaction, or follow
    another report. Raises `ImpossiblePeriod`, `UnknownCampaign`.
    """
    asked = Asked(from_day, to_day, model, (model,), view, narrowed)
    names, found = gather(session, asked, level)
    return _told(found, asked) | {"rows": _rows(names, found.nodes, asked)}


@dataclass(frozen=True)
class Tree:
    """The report of every node at once: `nodes` by number with `row`, `own` (what is its own alone) and `below`.

    `told` is what `placements` returns besides its rows. Nodes without figures are left out.
    """

    nodes: dict[str, dict[str, Any]]
    told: dict[str, Any]

    def below(self, number: str | None) -> list[dict[str, Any]]:
        """Return the rows one step below a node (None: the media)."""
        if number is None:
            return [node["row"] for node in self.nodes.values() if node["parent"] is None]
        return [self.nodes[child]["row"] for child in self.nodes[number]["below"]] if number in self.nodes else []

    def at(self, level: Level, under: str | None) -> list[dict[str, Any]]:
        """Return the rows of a level, those at or below `under`; what hangs above the level is not among them."""
        return [
            node["row"]
            for number, node in self.nodes.items()
            if node["row"]["level"] == level and (under is None or number == under or number.startswith(f"{under}."))
        ]


def tree(
    session: Session,
    *,
    from_day: date,
    to_day: date,
    model: Model = Model.LAST,
    view: View = View.COHORT,
    narrowed: Narrowing = narrowing.ALL,
    with_models: bool = False,
) -> Tree:
    """Return the report of all nodes of the inventory, each the sum of its children and its own (I8).

    With `with_models` a row also has `net_last_fen`, `net_first_fen` … for each model. Otherwise as `placements`.
    """
    asked = Asked(from_day, to_day, model, tuple(Model) if with_models else (model,), view, narrowed)
    names, found = gather(session, asked, None)
    told = _told(found, asked)
    whole: dict[int, Figures] = defaultdict(Figures)
    for placement in reversed(names):
        # Children come after their parents, so that here each is whole before it is added to its own parent.
        whole[placement.id].add(**found.nodes[placement.id].counts)
        if placement.parent_id is not None:
            up = {name: n for name, n in whole[placement.id].counts.items() if name != "visitors"}
            whole[placement.parent_id].add(**up)
    numbers = {placement.id: placement.number for placement in names}
    nodes: dict[str, dict[str, Any]] = {}
    for placement in names:
        if not any(whole[placement.id].counts.values()):
            continue
        parent = numbers.get(placement.parent_id)
        own = {name: n for name, n in found.nodes[placement.id].counts.items() if name != "visitors" and n}
        row = _row(placement, whole[placement.id], asked)
        nodes[placement.number] = {"row": row, "own": own, "parent": parent, "below": []}
        if parent is not None:
            nodes[parent]["below"].append(placement.number)
    return Tree(nodes, told)


def _told(found: Gathered, asked: Asked) -> dict[str, Any]:
    """Return what a report says besides its rows."""
    total = Figures()
    for figures in (*found.nodes.values(), *found.others.values()):
        total.add(**figures.pick(ADDITIVE))
    freight_fen = found.totals.counts["freight_fen"] - found.totals.counts[f"{asked.view.value}_freight_refunded_fen"]
    return {
        "unattributed": _others(found.others, Outcome.UNATTRIBUTED, ("orders", "paid_orders", *MONEY)),
        "excluded": _others(found.others, Outcome.EXCLUDED, _OF_OTHERS),
        "outside": found.others[OUTSIDE, ""].pick(("orders", "paid_orders", *MONEY)),
        "undecided": {
            "orders": found.totals.counts["undecided_orders"],
            "gross_fen": found.totals.counts["undecided_fen"],
        },
        "freight_fen": None if asked.narrowed.products is not None or found.is_part else freight_fen,
        "total": total.pick(ADDITIVE) | _untold(asked),
    }


def _rows(names: Iterable[Any], nodes: dict[int, Figures], asked: Asked) -> list[dict[str, Any]]:
    return [
        _row(placement, figures, asked)
        for placement in names
        if (figures := nodes.get(placement.id)) is not None and any(figures.counts.values())
    ]


def _row(placement: Any, figures: Figures, asked: Asked) -> dict[str, Any]:
    return {
        "placement": placement.number,
        "name": placement.name,
        "level": placement.level,
        **figures.pick(("scans", "visitors", "album_scans", "carts", "orders", "paid_orders", *MONEY)),
        "earned_fen": figures.counts["earned_fen"],
        **figures.pick(("cost_fen", "allocated_cost_fen")),
        **(figures.pick(net_of(model) for model in asked.models) if len(asked.models) > 1 else {}),
        "conversion": _conversion(figures.counts["paid_journeys"], figures.counts["journeys"]),
    } | _untold(asked, ("visitors",))


def _untold(asked: Asked, of_bindings: Sequence[str] = ()) -> dict[str, None]:
    """Return the figures that a narrowed report cannot tell apart: they are of everything, or nobody kept them so."""
    names = []
    if asked.narrowed.is_any:
        names += ["cost_fen", "allocated_cost_fen"]
    if asked.narrowed.is_any and of_bindings:
        names.append("earned_fen")
    if asked.narrowed.by_binding:
        names += of_bindings
    if asked.narrowed.products is not None:
        names.append("carts")
    return dict.fromkeys(names)


def _conversion(paid: int, journeys: int) -> dict[str, float | int | None]:
    # A phone found to be staff's after its purchase leaves the journeys, but not the sale that was decided before.
    paid = min(paid, journeys)
    ends = intervals.jeffreys(paid, journeys)
    low, high = ends or (None, None)
    return {"rate": paid / journeys if journeys else None, "low": low, "high": high, "journeys": journeys, "paid": paid}


def _others(others: dict[tuple[str, str], Figures], outcome: Outcome, names: Iterable[str]) -> list[dict[str, Any]]:
    return [
        {"reason": reason, **figures.pick(names)}
        for (kind, reason), figures in sorted(others.items(), key=lambda item: item[0][1])
        if kind == outcome and any(figures.counts.values())
    ]
