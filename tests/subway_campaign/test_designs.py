from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subway_campaign import designs
from subway_campaign.designs import Pair

WEEKLY = {"A": [100, 120, 110, 90], "B": [105, 115, 95, 105], "C": [10, 20, 10, 20], "D": [12, 18, 14, 16]}


@given(units=st.integers(4, 30), weeks=st.integers(2, 12), seed=st.integers(0, 2**31))
def test_a_schedule_is_repeatable_pairs_what_is_alike_and_fits(units: int, weeks: int, seed: int) -> None:
    weekly = {f"U{i:02}": [i * 1_000 + week for week in range(8)] for i in range(units)}
    pairs = designs.draw(weekly, weeks=weeks, seed=seed)
    assert pairs == designs.draw(dict(reversed(weekly.items())), weeks=weeks, seed=seed)
    used = [unit for pair in pairs for unit in (pair.early, pair.late)]
    assert len(set(used)) == len(used) == units // 2 * 2
    assert set(weekly) - set(used) <= {"U00"}
    assert all(abs(int(pair.early[1:]) - int(pair.late[1:])) == 1 for pair in pairs)
    assert all(0 <= pair.on_week <= weeks - designs.hold(weeks) for pair in pairs)
    turns = Counter(pair.on_week for pair in pairs)
    assert max(turns.values()) - min(turns.values()) <= 1


def test_chance_decides_who_begins() -> None:
    first = {designs.draw(WEEKLY, weeks=4, seed=seed)[0].early for seed in range(20)}
    assert first == {"A", "B"}


def test_students_quantiles_are_those_of_the_tables() -> None:
    assert designs.student(0.05, 1) == pytest.approx(12.706, abs=0.002)
    assert designs.student(0.05, 10) == pytest.approx(2.2281, abs=1e-4)
    assert designs.student(0.4, 10) == pytest.approx(0.8791, abs=1e-4)


def test_the_least_effect_shrinks_with_weeks_and_is_of_the_pairs_noise() -> None:
    pairs = [Pair(early="A", late="B", on_week=0), Pair(early="C", late="D", on_week=1)]
    # Differences -5, 5, 15, -15 and -2, 2, -4, 4: variances 500/3 and 40/3, each times (1/2 + 1/4).
    noise = ((500 / 3 + 40 / 3) * 0.75) ** 0.5 / 2
    expected = (designs.student(0.05, 1) + designs.student(0.4, 1)) * noise
    assert designs.detectable_fen(WEEKLY, pairs, weeks=4) == pytest.approx(expected)
    assert designs.detectable_fen(WEEKLY, pairs, weeks=12) < expected


def test_the_difference_is_within_pairs_and_against_before() -> None:
    pairs = [Pair(early="A", late="B", on_week=0), Pair(early="C", late="D", on_week=1)]
    before = {unit: [100] * 4 for unit in "ABCD"}
    during = {"A": [150, 160, 0, 0], "B": [100, 100, 0, 0], "C": [0, 140, 150, 0], "D": [0, 100, 100, 0]}
    found = designs.difference(before, during, pairs, weeks=4)
    assert found is not None
    assert (found.fen, found.pairs) == (50.0, 2)
    # Effects of 55 and 45: standard deviation 7.07, over the root of two 5, times Student's 12.706.
    assert (found.low, found.high) == pytest.approx((50 - 63.53, 50 + 63.53), abs=0.02)
    assert designs.difference(before, {unit: weeks[:2] for unit, weeks in during.items()}, pairs, weeks=4) is None
