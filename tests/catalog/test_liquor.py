"""Liquor is sold with a licence only, and the shelf follows the setting."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from catalog import errors, liquor, products
from catalog.cache import Cache
from config import database
from config import settings as process_settings

pytestmark = pytest.mark.usefixtures("seeded")
NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


@contextmanager
def licensed() -> Iterator[None]:
    """A shop that may sell liquor."""
    known = process_settings.current()
    process_settings.use(replace(known, alcohol_licence_number="皖酒零字第 0001 号"))
    try:
        yield
    finally:
        process_settings.use(known)


def bottle() -> tuple[str, str]:
    """A liquor's slug and SKU."""
    [(slug, sku)] = database.statement(
        "SELECT p.slug, s.number FROM products p JOIN skus s ON s.product_id = p.id AND s.position = 1"
        " WHERE p.licence_class = 'alcohol' ORDER BY p.slug LIMIT 1"
    )
    return slug, sku


def price(sku: str) -> None:
    products.refuse_unsellable(products.price(None, {sku: 1}))


def test_the_shelf_follows_the_licence_both_ways() -> None:
    slug, sku = bottle()
    liquor.follow_licence(now=NOW)
    assert products.find(slug)["is_display_only"]
    with licensed():
        liquor.follow_licence(now=NOW)
        price(sku)
    Cache.forget_all()
    assert not products.find(slug)["is_display_only"]
    with pytest.raises(errors.NotForSale):
        price(sku)
    liquor.follow_licence(now=NOW)
    Cache.forget_all()
    assert products.find(slug)["is_display_only"]


def test_other_goods_that_are_only_shown_stay_so() -> None:
    shown = "SELECT count(*) FROM products WHERE is_display_only AND licence_class <> 'alcohol'"
    before = database.statement(shown)
    with licensed():
        liquor.follow_licence(now=NOW)
    assert database.statement(shown) == before != [(0,)]
