"""The ways that riders took from advert to advert, as counts: how many of each way ended in a paid order.

Invariant: pure, and never one person's: a way is known by its nodes alone, and folding loses no rider.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

# What is folded away is one node more; together no more than this many are compared.
MOST_NODES = 12
OTHERS = "其他"


@dataclass(frozen=True)
class Path:
    """One way over nodes, oldest first, and how many riders who took it paid for an order or, to date, did not."""

    nodes: tuple[str, ...]
    paid: int
    lost: int

    def __post_init__(self) -> None:
        """Refuse what no rider can have done, so that no share can be negative. Raises `ValueError`."""
        if not self.nodes or self.paid < 0 or self.lost < 0:
            raise ValueError(f"no path: {self}")


def conversions(paths: Iterable[Path]) -> int:
    """Return how many riders paid."""
    return sum(path.paid for path in paths)


def nodes(paths: Iterable[Path]) -> list[str]:
    """Return every node that a path touches, in order of name."""
    return sorted({node for path in paths for node in path.nodes})


def fold(paths: Sequence[Path], *, most: int = MOST_NODES) -> tuple[list[Path], list[str]]:
    """Return the paths with all but the largest nodes taken as one (`OTHERS`), and which nodes those are.

    A node is as large as the number of riders who touched it; of equals the first by name stays. Neighbours that
    became one node are one touch, as in every journey (R10).
    """
    sizes: Counter[str] = Counter()
    for path in paths:
        for node in set(path.nodes):
            sizes[node] += path.paid + path.lost
    ranked = sorted(sizes, key=lambda node: (-sizes[node], node))
    folded = sorted(ranked[most - 1 :]) if len(ranked) > most else []
    gathered: dict[tuple[str, ...], list[int]] = {}
    for path in paths:
        way = tuple(node for node, _ in groupby(OTHERS if node in folded else node for node in path.nodes))
        counts = gathered.setdefault(way, [0, 0])
        counts[0] += path.paid
        counts[1] += path.lost
    return [Path(way, *counts) for way, counts in sorted(gathered.items())], folded
