"""Parts of a line always sum to what was paid for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storefront import portions


@given(st.integers(0, 10**9), st.lists(st.integers(1, 40), min_size=1, max_size=12))
def test_pieces_given_back_in_any_parts_sum_to_the_whole(total_fen: int, parts: list[int]) -> None:
    gone, given_back = 0, 0
    for wanted in parts:
        worth = portions.of_pieces(total_fen, quantity=sum(parts), gone=gone, wanted=wanted)
        assert worth >= total_fen * wanted // sum(parts) - wanted
        gone, given_back = gone + wanted, given_back + worth
    assert given_back == total_fen


@given(st.integers(0, 10**6), st.lists(st.integers(0, 10**6), min_size=1, max_size=12))
def test_shares_of_the_freight_sum_to_it(freight_fen: int, amounts_fen: list[int]) -> None:
    assert sum(portions.of_freight(freight_fen, amounts_fen)) == freight_fen


def test_the_first_piece_carries_the_odd_fen() -> None:
    assert [portions.of_pieces(100, quantity=3, gone=gone, wanted=1) for gone in range(3)] == [34, 33, 33]


@pytest.mark.parametrize(("gone", "wanted"), [(2, 2), (-1, 1), (0, -1)])
def test_there_are_no_more_pieces_than_were_bought(gone: int, wanted: int) -> None:
    with pytest.raises(ValueError, match="pieces"):
        portions.of_pieces(100, quantity=3, gone=gone, wanted=wanted)
