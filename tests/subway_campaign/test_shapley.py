"""The golden vector of Shapley's shares, and that they are what their definition says."""

from fractions import Fraction
from itertools import permutations
from math import factorial

from hypothesis import given
from hypothesis import strategies as st

from subway_campaign import paths, shapley
from subway_campaign.paths import Path
from tests.subway_campaign.test_removal import GOLDEN, walked


def worth_of(found: list[Path], coalition: frozenset[str]) -> int:
    """What a set of nodes earns: the orders of riders who touched none but these."""
    return sum(path.paid for path in found if coalition.issuperset(path.nodes))


def by_definition(found: list[Path]) -> dict[str, Fraction]:
    """What each node adds to those before it, averaged over every order of nodes."""
    players = paths.nodes(found)
    added = dict.fromkeys(players, Fraction(0))
    for order in permutations(players):
        for at, node in enumerate(order):
            before = frozenset(order[:at])
            gain = worth_of(found, before | {node}) - worth_of(found, before)
            added[node] += Fraction(gain, factorial(len(players)))
    return added


def test_the_golden_vector() -> None:
    assert shapley.shares(GOLDEN) == {"A": Fraction(2), "B": Fraction(5, 2), "C": Fraction(1, 2)}


@given(walked)
def test_it_is_shapleys_value(found: list[Path]) -> None:
    assert shapley.shares(found) == by_definition(found)


@given(walked, st.integers(1, 9))
def test_shares_sum_none_is_negative_and_who_adds_nothing_gets_nothing(found: list[Path], lost: int) -> None:
    shares = shapley.shares([*found, Path(("Z",), 0, lost)])
    assert sum(shares.values()) == paths.conversions(found)
    assert min(shares.values()) >= 0
    assert shares["Z"] == 0


def test_without_an_order_there_is_nothing_to_share() -> None:
    assert shapley.shares([]) == {}
    assert shapley.shares([Path(("A",), 0, 3)]) == {"A": 0}
