import pytest
from hypothesis import given
from hypothesis import strategies as st

from subway_campaign import intervals


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(0, 40, 0.0, 6.05), (2, 40, 1.05, 15.09), (20, 400, 3.18, 7.47), (200, 4000, 4.36, 5.71)],
)
def test_published_intervals(successes: int, trials: int, low: float, high: float) -> None:
    ends = intervals.jeffreys(successes, trials)
    assert ends is not None
    assert [round(end * 100, 2) for end in ends] == [low, high]


@given(st.integers(0, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_rate_lies_inside(pair: tuple[int, int]) -> None:
    successes, trials = pair
    ends = intervals.jeffreys(successes, trials)
    if trials == 0:
        assert ends is None
    else:
        assert ends is not None
        assert 0 <= ends[0] <= successes / trials <= ends[1] <= 1
