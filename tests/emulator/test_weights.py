"""The simulation's own arithmetic gives the numbers of the rules' examples."""

from fractions import Fraction

import pytest

from emulator import weights

DAY = 24 * 3600


@pytest.mark.parametrize(
    ("model", "ages", "fen", "parts"),
    [
        ("last", [3, 2, 1], 9_990, [0, 0, 9_990]),
        ("first", [3, 2, 1], 9_990, [9_990, 0, 0]),
        ("linear", [3, 2, 1], 10_000, [3_334, 3_333, 3_333]),
        ("position", [3, 2, 1], 9_990, [3_996, 1_998, 3_996]),
        ("position", [2, 1], 9_990, [4_995, 4_995]),
        # A half-life of 1.75 days: a touch of 3.5 days weighs a quarter of one of this moment.
        ("decay", [3.5 * DAY, 1.75 * DAY, 0], 7_000, [1_000, 2_000, 4_000]),
    ],
)
def test_shares_are_those_of_the_rules(model: str, ages: list[float], fen: int, parts: list[int]) -> None:
    shares = weights.shares(model, ages)
    assert sum(shares) == 1
    assert weights.split(fen, shares) == parts


def test_what_is_left_is_split_as_the_whole_was() -> None:
    assert weights.split(6_660, [Fraction(2, 5), Fraction(1, 5), Fraction(2, 5)]) == [2_664, 1_332, 2_664]
