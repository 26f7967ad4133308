"""Market prices: what was really paid in the seven days before the present price, and nothing else."""

from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest

from catalog import market_prices, products
from catalog.cache import Cache
from config import database
from tests.catalog.accrediting import NOW, PEARS

pytestmark = pytest.mark.usefixtures("seeded")
# Seeded at 29.90; reduced at this instant.
SKU, REDUCED_FEN = "AH001A", 2390
DAY = timedelta(days=1)


def dealt(*deals: tuple[int, timedelta], prefix: str = "O") -> None:
    """Deals at prices, each so long before the reduction."""
    with database.transaction() as session:
        market_prices.note(
            session,
            deals=[
                market_prices.Deal(f"{prefix}{n}/1", SKU, fen, NOW - ago) for n, (fen, ago) in enumerate(deals, start=1)
            ],
        )


def reprice(price_fen: int = REDUCED_FEN, now: datetime = NOW) -> None:
    with database.transaction() as session:
        products.reprice(session, sku=SKU, price_fen=price_fen, now=now)


def shown() -> int | None:
    """The market price as page, spec and list say it: the same, or none anywhere."""
    Cache.forget_all()
    page = products.find(PEARS)
    first: dict[str, Any] = page["skus"][0]
    for page_of in ({"q": "砀山酥梨"}, {"hall": "dangshan-xian", "limit": 100}):
        items = {item["slug"]: item for item in orjson.loads(products.page(**page_of))["items"]}  # type: ignore[arg-type]
        assert items[PEARS].get("market_price_fen") == page.get("market_price_fen") == first.get("market_price_fen")
    assert "market_price_fen" not in page or page["market_price_fen"] is not None
    return page.get("market_price_fen")


@pytest.mark.parametrize(
    ("deals", "allowed"),
    [
        ([], None),
        ([(2990, DAY)], 2990),
        ([(2990, DAY), (2690, 2 * DAY)], 2690),
        ([(2990, DAY), (2390, 2 * DAY)], None),
        ([(2990, DAY), (1990, 2 * DAY)], None),
        ([(2990, 7 * DAY)], 2990),
        ([(2990, 7 * DAY + timedelta(seconds=1))], None),
        ([(1990, 8 * DAY), (2990, DAY)], 2990),
        ([(2990, timedelta())], None),
        ([(2990, -DAY)], None),
    ],
)
def test_the_lowest_deal_of_the_seven_days_before_says_what_may_be_shown(
    deals: list[tuple[int, timedelta]], allowed: int | None
) -> None:
    dealt(*deals)
    reprice()
    assert shown() == allowed


def test_a_price_that_was_raised_first_allows_no_more_than_was_paid() -> None:
    dealt((2990, 2 * DAY))
    reprice(5990, NOW - DAY)
    assert shown() is None
    reprice(3990, NOW)
    assert shown() is None


def test_another_price_takes_it_away_whoever_sets_it() -> None:
    dealt((2990, DAY))
    reprice()
    database.statement("UPDATE skus SET price_fen = 2290, price_version = price_version + 1 WHERE number = %s", (SKU,))
    assert shown() is None


def test_deals_that_come_late_or_are_undone_are_seen_by_the_clock() -> None:
    reprice()
    dealt((2990, DAY), (2690, DAY))
    market_prices.compute_due(now=NOW + timedelta(minutes=5))
    assert shown() == 2690
    with database.transaction() as session:
        market_prices.void(session, references=["O2/1", "O9/9"], now=NOW)
    market_prices.compute_due(now=NOW + timedelta(minutes=10))
    assert shown() == 2990
    with database.transaction() as session:
        market_prices.void(session, references=["O1/1"], now=NOW)
    market_prices.compute_due(now=NOW + timedelta(minutes=15))
    assert shown() is None


def test_a_month_later_the_price_is_the_price() -> None:
    dealt((2990, DAY))
    reprice()
    market_prices.compute_due(now=NOW + 29 * DAY)
    assert shown() == 2990
    market_prices.compute_due(now=NOW + 31 * DAY)
    assert shown() is None


def test_the_same_deal_told_twice_is_one_and_an_unknown_sku_none() -> None:
    dealt((2990, DAY))
    dealt((990, DAY))
    with database.transaction() as session:
        market_prices.note(session, deals=[market_prices.Deal("O5/1", "AH999A", 100, NOW - DAY)])
    reprice()
    assert shown() == 2990


def test_what_is_only_like_the_words_shows_it_too() -> None:
    dealt((2990, DAY))
    reprice()
    Cache.forget_all()
    found = orjson.loads(products.page(q="砀山苏里"))
    assert found["search"]["matched"] != "exact"
    assert [item["market_price_fen"] for item in found["items"] if item["slug"] == PEARS] == [2990]
