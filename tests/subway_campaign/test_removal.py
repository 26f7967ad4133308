"""The golden vectors of the removal effect, and the faults of the libraries that compute it."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subway_campaign import paths, removal
from subway_campaign.paths import Path

# AB paid twice, A lost three times, B and A paid once, BA lost once, CB paid once, C lost once.
GOLDEN = [
    Path(("A", "B"), 2, 0),
    Path(("A",), 1, 3),
    Path(("B",), 1, 0),
    Path(("B", "A"), 0, 1),
    Path(("C", "B"), 1, 0),
    Path(("C",), 0, 1),
]
ways = st.lists(st.sampled_from("ABCD"), min_size=1, max_size=5).map(tuple)
walked = st.lists(st.builds(Path, ways, st.integers(0, 4), st.integers(0, 4)), max_size=8)


def test_the_golden_vectors() -> None:
    assert removal.base(GOLDEN) == Fraction(1, 2)
    assert removal.effects(GOLDEN) == {"A": Fraction(13, 25), "B": Fraction(29, 35), "C": Fraction(29, 165)}
    shares = removal.shares(GOLDEN)
    assert {node: f"{float(share):.4f}" for node, share in shares.items()} == {
        "A": "1.7057",
        "B": "2.7178",
        "C": "0.5765",
    }
    assert sum(shares.values()) == 5


@pytest.mark.parametrize("found", [[], [Path(("A", "B"), 0, 7)], [Path(("A",), 0, 0)]])
def test_where_nobody_paid_every_effect_is_nothing_and_not_nan(found: list[Path]) -> None:
    assert removal.base(found) == 0
    assert set(removal.effects(found).values()) <= {Fraction(0)}
    assert set(removal.shares(found).values()) <= {Fraction(0)}


def test_a_node_that_everybody_passes_takes_everything_with_it() -> None:
    assert removal.effects([Path(("A",), 3, 0)]) == {"A": 1}
    assert removal.shares([Path(("A",), 3, 0)]) == {"A": 3}


@pytest.mark.parametrize(
    "found",
    [
        # In floating point the matrices of all three are singular, or as good as that.
        [Path(("A", "B") * 400, 1, 0), Path(("A",), 0, 1)],
        [Path(("A", "A", "A"), 1, 1)],
        [Path(("A", "B"), 10**15, 1), Path(("B", "A"), 1, 10**15)],
    ],
)
def test_a_chain_that_hardly_ends_has_an_exact_answer(found: list[Path]) -> None:
    effects, shares = removal.effects(found), removal.shares(found)
    assert all(0 <= effect <= 1 for effect in effects.values())
    assert sum(shares.values()) == paths.conversions(found)


@given(walked)
def test_shares_sum_to_the_orders_and_none_is_negative(found: list[Path]) -> None:
    effects = removal.effects(found)
    assert all(0 <= effect <= 1 for effect in effects.values())
    assert sum(removal.shares(found).values()) == paths.conversions(found)


@given(walked)
def test_equals_are_treated_alike(found: list[Path]) -> None:
    swapped = [Path(tuple({"A": "B", "B": "A"}.get(node, node) for node in path.nodes), path.paid, path.lost)
               for path in found]  # fmt: skip
    effects = removal.effects([*found, *swapped])
    assert effects.get("A") == effects.get("B")


@given(walked, st.integers(1, 9))
def test_who_never_leads_to_an_order_is_worth_nothing(found: list[Path], lost: int) -> None:
    found = [*found, Path(("Z",), 0, lost)]
    assert removal.effects(found)["Z"] == removal.shares(found)["Z"] == 0
