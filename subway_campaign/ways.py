"""The ways by which paid orders came, from placement to placement, told as counts and never as one person's.

Invariant: a way that fewer than `LEAST` journeys took is folded into 其他, and so is the next one while 其他 itself has
fewer, so that no subtraction from the sum tells of anybody; folding loses no order and no fen. Ways are read from the
rollup, which knows their places, codes and goods.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from sqlalchemy import text
from sqlalchemy.orm import Session

from subway_campaign import counting, earnings, errors, narrowing, rollups, sold
from subway_campaign.lifecycle import Level
from subway_campaign.narrowing import Narrowing

LEAST = 5
# A step at a placement outside of the branches that somebody asked for: no placement has this number.
ELSEWHERE = "~"
Counts = tuple[int, int, int]


@dataclass(frozen=True)
class Way:
    """One way, oldest placement first, with how many orders and journeys took it and what they paid, in fen.

    Without nodes it is 其他: all that are too few to be told.
    """

    nodes: tuple[str, ...]
    orders: int
    journeys: int
    paid_fen: int


@dataclass(frozen=True)
class Ways:
    """The ways of a period, most orders first, with 其他 last; the names of their nodes; and how many had one place.

    `single_orders` of `orders` and `single_fen` of `paid_fen` came by one placement alone: on those no two models
    differ, whatever they are.
    """

    ways: Sequence[Way]
    names: Mapping[str, str]
    folded: int
    orders: int
    paid_fen: int
    single_orders: int
    single_fen: int


_UNDER = """
    (cast(:bindings AS bigint[]) IS NULL
     OR cast(string_to_array(bindings, '.') AS bigint[]) && cast(:bindings AS bigint[]))
"""
_STORED = text(f"""
    SELECT path, cast(sum(orders) AS bigint), cast(sum(journeys) AS bigint), cast(sum(paid_fen) AS bigint)
    FROM path_days
    WHERE day >= :from_day AND day < :to_day AND day <> ALL(cast(:but AS date[])) AND {_UNDER} GROUP BY path
""")
_STORED_OF_GOODS = text(f"""
    SELECT path, cast(coalesce(sum(orders) FILTER (WHERE counts), 0) AS bigint),
           cast(coalesce(sum(journeys) FILTER (WHERE counts), 0) AS bigint), cast(sum(paid_fen) AS bigint)
    FROM (SELECT path, {sold.COUNTS} AS counts, sum(orders) AS orders, sum(journeys) AS journeys,
                 sum(paid_fen) AS paid_fen
          FROM goods_path_days r WHERE {sold.MEANT} AND {_UNDER} GROUP BY 1, 2) parts
    GROUP BY path
""")
_NODES = text(counting.TREE + "SELECT tree.id, n.number, n.name FROM tree JOIN placements n ON n.id = tree.node")


def of_period(
    session: Session,
    *,
    from_day: date,
    to_day: date,
    level: Level = Level.LINE,
    narrowed: Narrowing = narrowing.ALL,
) -> Ways:
    """Return the ways of the orders paid in the Shanghai days from `from_day` up to, not including, `to_day`.

    Nodes are those of `level`, or what hangs above it; neighbours at one node are one step. Within branches only the
    ways that touch one count, a step elsewhere is `ELSEWHERE`, and what hangs in a branch is never told by a node above
    it. Of a campaign or creative only the ways with a scan of its codes count, whole; of goods only the orders with
    some of them, and the money of these. Must be the first thing in its transaction, or follow a report. Raises
    `ImpossiblePeriod`, `UnknownCampaign`.
    """
    if to_day <= from_day:
        raise errors.ImpossiblePeriod
    rollups.one_snapshot(session)
    counted = _counted(session, from_day, to_day, narrowed)
    level = narrowing.level(session, narrowed, level)
    nodes = session.execute(_NODES, {"levels": [level.value], "all_levels": counting.LEVELS}).all()
    numbers = {str(row.id): row.number if narrowed.reaches(row.number) else ELSEWHERE for row in nodes}
    if narrowed.within is not None:
        counted = [(path, counts) for path, counts in counted if any(_inside(numbers, path))]
    single = [counts for path, counts in counted if len(set(path.split("."))) == 1]
    taken: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    for path, counts in counted:
        way = tuple(node for node, _ in groupby(numbers[placement] for placement in path.split(".")))
        taken[way][:] = [had + more for had, more in zip(taken[way], counts, strict=True)]
    ways, folded = fold({way: (counts[0], counts[1], counts[2]) for way, counts in taken.items()})
    named = {node for way in ways for node in way.nodes}
    return Ways(
        ways=ways,
        names={row.number: row.name for row in nodes if row.number in named}
        | ({ELSEWHERE: "其他点位"} if ELSEWHERE in named else {}),
        folded=folded,
        orders=sum(counts[0] for _, counts in counted),
        paid_fen=sum(counts[2] for _, counts in counted),
        single_orders=sum(counts[0] for counts in single),
        single_fen=sum(counts[2] for counts in single),
    )


def _counted(session: Session, from_day: date, to_day: date, narrowed: Narrowing) -> list[tuple[str, Counts]]:
    """Return the paths of placements with their counts; a path may come more than once."""
    hung = narrowing.bindings(session, narrowed)
    asked: dict[str, object] = {
        "from_day": from_day,
        "to_day": to_day,
        "bindings": None if hung is None else sorted(hung),
    }
    known = rollups.unrolled(session)
    asked |= {"but": list(known.order_days)}
    if narrowed.products is not None:
        asked |= sold.asked(narrowed.products, from_day=from_day, to_day=to_day, but=known.order_days)
    stored = session.execute(_STORED if narrowed.products is None else _STORED_OF_GOODS, asked)
    counted = [(row[0], (row[1], row[2], row[3])) for row in stored]
    fresh = [day for day in sorted(known.order_days) if from_day <= day < to_day]
    for (_day, path, bindings), counts in earnings.paths(session, days=fresh, products=narrowed.products).items():
        if hung is None or _is_under(hung, bindings):
            counted.append((path, (counts[0], counts[1], counts[2])))
    return counted


def _is_under(hung: frozenset[int], bindings: str) -> bool:
    return not hung.isdisjoint(int(binding) for binding in bindings.split("."))


def _inside(numbers: Mapping[str, str], path: str) -> Iterable[bool]:
    return (numbers[placement] != ELSEWHERE for placement in path.split("."))


def fold(taken: Mapping[tuple[str, ...], Counts], *, least: int = LEAST) -> tuple[list[Way], int]:
    """Return the ways that may be told, most orders first, with 其他 last if there is any; and how many it holds."""
    ways = sorted((Way(nodes, *counts) for nodes, counts in taken.items()), key=lambda way: (-way.orders, way.nodes))
    told = [way for way in ways if way.journeys >= least]
    others = [way for way in ways if way.journeys < least]
    while told and others and sum(way.journeys for way in others) < least:
        others.append(told.pop())
    return [*told, *_together(others)], len(others)


def _together(others: Iterable[Way]) -> list[Way]:
    held = list(others)
    if not held:
        return []
    return [Way((), *(sum(getattr(way, name) for way in held) for name in ("orders", "journeys", "paid_fen")))]
