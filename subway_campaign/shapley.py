"""Shapley's shares: what each node adds to the orders, averaged over all orders in which nodes could be switched on.

Invariant: pure and exact; the shares sum to the orders paid, equals get equal shares, who adds nothing gets nothing,
and no share is negative. Nor does it prove a cause.

A set of nodes earns what was paid by riders who touched no other node. That value is a sum, over the paths, of games in
which a path's own nodes are all needed and no other is; in each of these its nodes share alike, and Shapley's value of
a sum is the sum of the values. So nothing has to be tried over 2^n sets, and nothing is estimated.
"""

from collections.abc import Sequence
from fractions import Fraction

from subway_campaign import paths
from subway_campaign.paths import Path


def shares(found: Sequence[Path]) -> dict[str, Fraction]:
    """Return how many of the orders each node is worth."""
    worth = dict.fromkeys(paths.nodes(found), Fraction(0))
    for path in found:
        touched = set(path.nodes)
        for node in touched:
            worth[node] += Fraction(path.paid, len(touched))
    return worth
