"""Tests that switch placements on by turns: who is paired with whom, who begins when, what such a test can see.

Invariant: pure; the same units and seed always give the same schedule. Units are matched by their sales before, chance
decides within each pair who begins, and the comparison is within pairs, before against after (Vaver and Koehler 2011).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from random import Random
from statistics import fmean, stdev

from subway_campaign import intervals

FEWEST_PAIRS = 2
FEWEST_BASELINE_WEEKS = 4
# What both tails of Student's distribution leave: 5 % for a wrong alarm, and 20 % in one tail for one that is missed.
_ALARM, _MISS = 0.05, 0.4


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two units: `early` is switched on at the beginning of week `on_week` (from 0), `late` `hold` weeks after it."""

    early: str
    late: str
    on_week: int


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What being switched on brought a unit in a week, in fen, with its 95 % interval; from so many `pairs`."""

    fen: float
    low: float
    high: float
    pairs: int


def hold(weeks: int) -> int:
    """Return for how many weeks one unit of a pair is on and the other is not, in a test of `weeks`."""
    return max(weeks // 2, 1)


def draw(weekly: Mapping[str, Sequence[int]], *, weeks: int, seed: int) -> list[Pair]:
    """Return the schedule for units with their weekly sales in fen; of an odd number the smallest is left out.

    Units that sell alike are paired; who begins, and in which order the pairs do, is drawn with `seed`.
    """
    ranked = sorted(weekly, key=lambda unit: (-fmean(weekly[unit]), unit))
    # No secret: the draw must be the same whenever the seed is.
    chance = Random(seed)  # noqa: S311
    couples = [list(couple) for couple in zip(ranked[::2], ranked[1::2], strict=False)]
    for couple in couples:
        chance.shuffle(couple)
    room = weeks - hold(weeks) + 1
    turns = [i % room for i in range(len(couples))]
    chance.shuffle(turns)
    return [Pair(early=early, late=late, on_week=turn) for (early, late), turn in zip(couples, turns, strict=True)]


def detectable_fen(weekly: Mapping[str, Sequence[int]], pairs: Sequence[Pair], *, weeks: int) -> float:
    """Return the least effect a week and unit, in fen, that such a test finds with 80 % power, two-sided at 5 %."""
    variances = []
    for pair in pairs:
        apart = [a - b for a, b in zip(weekly[pair.early], weekly[pair.late], strict=True)]
        variances.append(stdev(apart) ** 2 * (1 / hold(weeks) + 1 / len(apart)))
    freedom = len(pairs) - 1
    return (student(_ALARM, freedom) + student(_MISS, freedom)) * sqrt(sum(variances)) / len(pairs)


def difference(
    before: Mapping[str, Sequence[int]], during: Mapping[str, Sequence[int]], pairs: Sequence[Pair], *, weeks: int
) -> Difference | None:
    """Return the effect within the pairs whose weeks are over; None with fewer than two.

    `during` holds each unit's sales of the weeks that are over, from week 0. Student's interval over pairs.
    """
    effects = []
    for pair in pairs:
        span = slice(pair.on_week, pair.on_week + hold(weeks))
        apart = [a - b for a, b in zip(during[pair.early][span], during[pair.late][span], strict=True)]
        if len(apart) == hold(weeks):
            effects.append(fmean(apart) - (fmean(before[pair.early]) - fmean(before[pair.late])))
    if len(effects) < FEWEST_PAIRS:
        return None
    reach = student(_ALARM, len(effects) - 1) * stdev(effects) / sqrt(len(effects))
    value = fmean(effects)
    return Difference(fen=value, low=value - reach, high=value + reach, pairs=len(effects))


def student(tails: float, freedom: int) -> float:
    """Return the quantile of Student's distribution that leaves `tails` in both tails together."""
    x = intervals.beta_quantile(tails, freedom / 2, 0.5)
    return sqrt(freedom * (1 - x) / x)
