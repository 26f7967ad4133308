"""Prices: shares always sum to the whole, and nobody is a fen better off than their part."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import pricing

WEIGHTS = st.lists(st.integers(0, 10**12), min_size=1, max_size=40)


@given(st.integers(0, 10**12), WEIGHTS)
def test_shares_sum_to_the_whole_and_none_is_a_fen_off(total: int, weights: list[int]) -> None:
    shares = pricing.split(total, weights)
    assert sum(shares) == total
    whole = sum(weights)
    for share, weight in zip(shares, weights, strict=True):
        if whole:
            assert abs(share * whole - total * weight) < whole
            assert share == 0 or weight > 0
        else:
            assert share in (total // len(weights), total // len(weights) + 1)


@given(st.integers(0, 10**12), WEIGHTS)
def test_a_split_is_the_same_however_often_it_is_made(total: int, weights: list[int]) -> None:
    assert pricing.split(total, weights) == pricing.split(total, weights)


def test_the_largest_remainders_get_the_odd_fen() -> None:
    assert pricing.split(100, [1, 1, 1]) == [34, 33, 33]
    assert pricing.split(10, [3, 3, 3, 0]) == [4, 3, 3, 0]
    assert pricing.split(1, [49, 51]) == [0, 1]
    assert pricing.split(5, [0, 0]) == [3, 2]


@pytest.mark.parametrize(("total", "weights"), [(1, []), (-1, [1]), (1, [1, -1])])
def test_impossible_splits_are_refused(total: int, weights: list[int]) -> None:
    with pytest.raises(ValueError, match="split"):
        pricing.split(total, weights)


def test_half_a_fen_is_rounded_up() -> None:
    assert pricing.percent(150, Decimal("0.33")) == 0
    assert pricing.percent(150, Decimal(1)) == 2
    assert pricing.percent(2990, Decimal("12.5")) == 374
    assert pricing.percent(600_000_000_000, Decimal(100)) == 600_000_000_000


@pytest.mark.parametrize("rate", ["-0.01", "100.01"])
def test_only_percentages_are_taken(rate: str) -> None:
    with pytest.raises(ValueError, match="percentage"):
        pricing.percent(100, Decimal(rate))
