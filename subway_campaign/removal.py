"""The Markov removal effect (Anderl et al. 2016): how many orders would be lost if a node led nowhere.

Invariant: pure and exact. The riders' paths are a first-order absorbing chain, solved in fractions and never simulated;
every path ends, so the chain always has a solution, no effect is negative, and the shares sum to the orders. It
describes the paths that were taken; it is no experiment and proves no cause.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise

from subway_campaign import paths
from subway_campaign.paths import Path

# The chain's own states; nodes are texts, so neither can be one.
_START, _PAID, _LOST = 0, 1, 2
State = str | int
Chain = Mapping[State, Mapping[State, Fraction]]


def base(found: Sequence[Path]) -> Fraction:
    """Return the probability that a rider of the chain pays; 0 when there is no rider."""
    return _absorbed(_chain(found), without=None)


def effects(found: Sequence[Path]) -> dict[str, Fraction]:
    """Return for each node which part of the paying riders is lost when whoever reaches it is lost.

    Where nobody paid, nothing can be lost: every effect is 0.
    """
    chain = _chain(found)
    whole = _absorbed(chain, without=None)
    if not whole:
        return dict.fromkeys(paths.nodes(found), Fraction(0))
    return {node: 1 - _absorbed(chain, without=node) / whole for node in paths.nodes(found)}


def shares(found: Sequence[Path]) -> dict[str, Fraction]:
    """Return the orders shared out by removal effect; they sum to the orders paid, exactly."""
    lost = effects(found)
    total = sum(lost.values())
    # Whoever pays came over some node, so the effects can only all be nothing when nobody paid.
    return {node: effect * paths.conversions(found) / total if total else Fraction(0) for node, effect in lost.items()}


def _chain(found: Sequence[Path]) -> Chain:
    """Return with which probability each state is followed by each other one."""
    steps: dict[State, Counter[State]] = defaultdict(Counter)
    for path in found:
        for end, riders in ((_PAID, path.paid), (_LOST, path.lost)):
            states: tuple[State, ...] = (_START, *path.nodes, end)
            for here, there in pairwise(states):
                steps[here][there] += riders
    chain: dict[State, dict[State, Fraction]] = {}
    for here, following in steps.items():
        left = following.total()
        # A way that nobody took is no way.
        chain[here] = {there: Fraction(times, left) for there, times in following.items() if times}
    return chain


def _absorbed(chain: Chain, *, without: str | None) -> Fraction:
    """Return the probability of paying from the start when whoever reaches `without` is lost."""
    inside = [state for state in chain if chain[state] and state != without]
    if _START not in inside:
        return Fraction(0)
    place = {state: at for at, state in enumerate(inside)}
    # One equation for each state: its probability less those of the states after it is that of paying at once.
    rows = []
    for state in inside:
        row = [Fraction(0)] * (len(inside) + 1)
        row[place[state]] += 1
        for there, probability in chain[state].items():
            if there in place:
                row[place[there]] -= probability
        row[-1] = chain[state].get(_PAID, Fraction(0))
        rows.append(row)
    return _solve(rows)[place[_START]]


def _solve(rows: list[list[Fraction]]) -> list[Fraction]:
    """Return the solution of linear equations by elimination; each row ends with its right side."""
    for at in range(len(rows)):
        pivot = next(row for row in range(at, len(rows)) if rows[row][at])
        rows[at], rows[pivot] = rows[pivot], rows[at]
        rows[at] = [value / rows[at][at] for value in rows[at]]
        for other in range(len(rows)):
            factor = rows[other][at]
            if other != at and factor:
                rows[other] = [a - factor * b for a, b in zip(rows[other], rows[at], strict=True)]
    return [row[-1] for row in rows]
