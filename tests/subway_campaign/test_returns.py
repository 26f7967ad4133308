from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subway_campaign import returns
from subway_campaign.returns import DEFAULT_PRIOR, Figures, Range, Sales, Wait


def sales(*fens: int) -> Sales:
    return Sales(
        orders=len(fens), net_fen=sum(fens), squares=sum(fen * fen for fen in fens), largest_fen=max(fens, default=0)
    )


def figures(**other: Any) -> Figures:
    usual: dict[str, Any] = {
        "days": 30,
        "cost_fen": 100_000,
        "scans": 400,
        "journeys": 400,
        "paid_journeys": 20,
        "paid_orders": 20,
        "sales": sales(*[9_900] * 20),
    }
    return Figures(**(usual | other))


def test_the_designs_shrinkage_is_reproduced() -> None:
    found = returns.shrunk(0, 40)
    assert [round(100 * share, 2) for share in (found.value, found.low, found.high)] == [3.57, 1.18, 7.20]


def test_the_designs_sample_is_reproduced() -> None:
    assert returns.journeys_needed(0.03, 0.04) == returns.journeys_needed(0.04, 0.03) == 5_298
    assert returns.journeys_needed(0.03, 0.04, power=0.9) > 5_298


def test_a_return_with_its_interval() -> None:
    found = returns.judge(figures())
    assert found.roi is not None
    assert found.roi.value == pytest.approx(0.98)
    # Garwood's interval of 20 orders is 12.2165 to 30.8884.
    assert (found.roi.low, found.roi.high) == pytest.approx((12.2165 * 0.099 - 1, 30.8884 * 0.099 - 1), abs=1e-4)
    assert (found.cost_per_scan_fen, found.cost_per_order_fen) == (250, 5_000)
    assert found.caveat == "归因结果，不代表因果"


def test_too_few_orders_are_no_return_but_a_time_to_wait() -> None:
    found = returns.judge(figures(sales=sales(*[9_900] * 4), paid_orders=4))
    assert found.roi is None
    assert found.roi_wait == Wait(needed=10, have=4, days=45)
    assert returns.judge(figures(sales=sales(), paid_orders=0)).roi_wait == Wait(needed=10, have=0, days=None)
    assert returns.effective_orders(sales(1_000_000, *[100] * 50)) == 1


def test_too_few_journeys_are_no_ranking() -> None:
    found = returns.judge(figures())
    needed = returns.journeys_needed(0.05, 0.05 * 4 / 3)
    assert found.ranking_wait == Wait(needed=needed, have=400, days=-(-(needed - 400) * 30 // 400))
    assert returns.judge(figures(journeys=needed, paid_journeys=200)).ranking_wait is None


def test_without_a_cost_there_is_no_return_and_nothing_per_piece() -> None:
    found = returns.judge(figures(cost_fen=0, impressions=Range(5_000, 2_000, 9_000)))
    assert (found.roi, found.cost_per_scan_fen, found.cost_per_order_fen, found.cost_per_mille_fen) == (None,) * 4
    assert found.net_fen == 198_000


def test_a_thousand_impressions_cost_a_range() -> None:
    assert returns.per_mille_fen(100_000, Range(50_000, 20_000, 100_000)) == Range(2_000.0, 1_000.0, 5_000.0)
    assert returns.per_mille_fen(100_000, None) is None
    assert returns.per_mille_fen(100_000, Range(0, 0, 0)) is None


def test_few_siblings_say_nothing_against_the_prior() -> None:
    assert returns.fitted([(3, 40)] * 7) == DEFAULT_PRIOR
    assert returns.fitted([(2, 40)] * 9) == DEFAULT_PRIOR
    assert returns.fitted([]) == DEFAULT_PRIOR


def test_siblings_that_are_alike_bind_each_other_and_unlike_ones_do_not() -> None:
    alike, unlike = returns.fitted([(4, 100)] * 10), returns.fitted([(0, 100), (20, 100)] * 5)
    assert alike.is_fitted
    assert (alike.mean, alike.a + alike.b) == pytest.approx((0.04, 1_000))
    assert unlike.mean == pytest.approx(0.1)
    assert unlike.a + unlike.b < 15
    close = returns.shrunk(8, 100, alike).value - 0.04
    assert close < returns.shrunk(8, 100, unlike).value - 0.04


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 900)).map(lambda t: (min(t), t[1])), max_size=30))
def test_a_prior_is_always_a_prior(siblings: list[tuple[int, int]]) -> None:
    prior = returns.fitted(siblings)
    assert prior.a > 0
    assert prior.b > 0
    found = returns.shrunk(0, 10, prior)
    assert 0 <= found.low <= found.value * 1.000001
    assert found.value <= 1
