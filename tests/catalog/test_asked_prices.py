"""Prices that are asked for in words."""

import pytest

from catalog import asked_prices


@pytest.mark.parametrize(
    ("plain", "bounds"),
    [
        ("50元以内的茶", (None, 5_000)),
        ("茶叶 100以内", (None, 10_000)),
        ("30块钱以下的豆腐干", (None, 3_000)),
        ("一百块以下", (None, 10_000)),
        ("两百五十元内", (None, 25_000)),
        ("一百五以内", (None, 15_000)),
        ("十五元以上", (1_500, None)),
        ("不超过60元", (None, 6_000)),
        ("200元以上", (20_000, None)),
        ("一千元起", (100_000, None)),
        ("100元以上200元以下", (10_000, 20_000)),
        ("200元以上100元以下", (None, None)),
        ("0元以下", (None, None)),
        ("5斤以内", (None, None)),
        ("50元的水果", (None, None)),
        ("以下", (None, None)),
        ("", (None, None)),
    ],
)
def test_a_price_is_what_money_may_be_asked_for(plain: str, bounds: tuple[int | None, int | None]) -> None:
    assert asked_prices.bounds(plain) == bounds
