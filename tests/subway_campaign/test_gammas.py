import pytest
from hypothesis import given
from hypothesis import strategies as st

from subway_campaign import gammas


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (10, 4.7954, 18.3904), (100, 81.3640, 121.6268)],
)
def test_equal_orders_give_garwoods_interval_of_a_count(count: int, low: float, high: float) -> None:
    assert gammas.interval(count, count, 1) == pytest.approx((low, high), abs=1e-4)
    assert gammas.interval(count * 990, count * 990**2, 990) == pytest.approx((low * 990, high * 990), abs=0.1)


def test_quantiles_are_those_of_the_tables() -> None:
    # Half of chi squared with 1, 4 and 20 degrees of freedom.
    assert gammas.quantile(0.975, 0.5) == pytest.approx(5.02389 / 2, abs=1e-5)
    assert gammas.quantile(0.025, 2.0) == pytest.approx(0.48442 / 2, abs=1e-5)
    assert gammas.quantile(0.975, 10.0) == pytest.approx(34.16961 / 2, abs=1e-5)


def test_the_shortcut_for_many_orders_is_as_good_as_the_long_way() -> None:
    for p in (0.025, 0.975):
        assert gammas.below(gammas.quantile(p, 10_001.0), 10_001.0) == pytest.approx(p, abs=1e-5)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=40))
def test_the_interval_holds_the_sum_and_a_big_order_widens_it(orders: list[int]) -> None:
    total, squares, largest = sum(orders), sum(fen * fen for fen in orders), max(orders)
    low, high = gammas.interval(total, squares, largest)
    assert 0 <= low < total < high
    assert gammas.interval(total, squares + largest * largest, largest)[1] > high
