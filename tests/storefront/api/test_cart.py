"""A cart over HTTP."""

from typing import Any

import pytest

from catalog import products
from catalog.accreditation_lifecycle import Act, Seat, State
from config import clock, database
from subway_campaign.landing import Landing, LandingKind
from tests.catalog.accrediting import brought, take
from tests.storefront.api.conftest import Caller, code_of
from tests.storefront.api.test_scans import hang

pytestmark = pytest.mark.usefixtures("app", "seeded")

SKU = "AH001A"


def test_a_cart_is_filled_changed_and_emptied(shopper: Caller) -> None:
    assert shopper.get("/cart").get_json() == {"lines": [], "pieces": 0, "goods_fen": 0}
    cart = shopper.put(f"/cart/lines/{SKU}", {"quantity": 2}).get_json()
    [line] = cart["lines"]
    assert (line["sku"], line["quantity"], line["amount_fen"], line["is_available"]) == (SKU, 2, 5980, True)
    assert (cart["pieces"], cart["goods_fen"]) == (2, 5980)
    assert shopper.put(f"/cart/lines/{SKU}", {"quantity": 3}).get_json()["pieces"] == 3
    assert shopper.delete(f"/cart/lines/{SKU}").get_json()["lines"] == []
    assert code_of(shopper.delete(f"/cart/lines/{SKU}")) == (404, "cart.line_not_found")


def test_a_guest_s_browser_has_a_cart_of_its_own(browser: Caller, shopper: Caller) -> None:
    assert browser.put(f"/cart/lines/{SKU}", {"quantity": 1}).status_code == 200
    assert browser.get("/cart").get_json()["pieces"] == 1
    assert shopper.get("/cart").get_json()["pieces"] == 0


def test_more_than_is_left_stays_marked_and_counts_nothing(shopper: Caller) -> None:
    cart = shopper.put(f"/cart/lines/{SKU}", {"quantity": 999}).get_json()
    assert [line["is_available"] for line in cart["lines"]] == [False]
    assert (cart["pieces"], cart["goods_fen"]) == (0, 0)


def test_a_wrong_quantity_changes_nothing(shopper: Caller) -> None:
    bodies: list[Any] = [
        {"quantity": 0},
        {"quantity": -1},
        {"quantity": 1000},
        {"quantity": 2**63},
        {"quantity": 1.5},
        {"quantity": "2"},
        {"quantity": True},
        {"quantity": None},
        {"quantity": 1, "price_fen": 1},
        {},
        [],
    ]
    for body in bodies:
        assert shopper.put(f"/cart/lines/{SKU}", body).status_code == 422, body
    assert shopper.get("/cart").get_json()["lines"] == []


def test_an_unknown_sku_is_refused(shopper: Caller) -> None:
    for sku, code in (
        ("NOPE", (422, "catalog.sku_unknown")),
        ("x" * 41, (404, "request.not_found")),
        ("%F0%9F%91%8D", (404, "request.not_found")),
        ("a'b", (404, "request.not_found")),
    ):
        assert code_of(shopper.put(f"/cart/lines/{sku}", {"quantity": 1})) == code, sku


def test_what_is_off_sale_is_not_put_in_and_stays_marked_when_it_was(shopper: Caller) -> None:
    shopper.put(f"/cart/lines/{SKU}", {"quantity": 1})
    with database.transaction() as session:
        products.delist(session, slug="dangshansuli")
    assert [line["is_available"] for line in shopper.get("/cart").get_json()["lines"]] == [False]
    assert code_of(shopper.put(f"/cart/lines/{SKU}", {"quantity": 1})) == (409, "catalog.not_for_sale")


def test_a_badge_that_is_lost_while_goods_are_in_carts_is_told_in_cart_and_order(shopper: Caller) -> None:
    [line] = shopper.put(f"/cart/lines/{SKU}", {"quantity": 1}).get_json()["lines"]
    assert (line["because"], line["because_text"]) == (None, None)
    number = brought(State.PUBLISHED)
    take(number, Act.REVOKE, Seat.COUNTY, reason="抽检不合格")
    [line] = shopper.get("/cart").get_json()["lines"]
    assert (line["is_available"], line["because"]) == (False, "accreditation")
    assert line["because_text"] == "产品认定已失效，暂停销售"
    refused = shopper.place({SKU: 1}).get_json()["error"]
    assert refused["message"] == "“砀山酥梨”产品认定已失效，暂停销售。"
    assert refused["details"] == {"lines": [{"sku": SKU, "because": "accreditation"}]}


def test_a_cart_shows_today_s_price(shopper: Caller) -> None:
    shopper.put(f"/cart/lines/{SKU}", {"quantity": 1})
    with database.transaction() as session:
        products.reprice(session, sku=SKU, price_fen=1, now=clock.now())
    assert shopper.get("/cart").get_json()["goods_fen"] == 1


def test_the_advert_that_led_here_has_come_as_far_as_a_cart(browser: Caller) -> None:
    poster = hang(Landing(LandingKind.PRODUCT, "dangshansuli"))
    browser.client.get(f"/s/{poster}")
    assert database.statement("SELECT count(*) FROM journey_stages") == [(0,)]
    for quantity in (1, 2):
        assert browser.put(f"/cart/lines/{SKU}", {"quantity": quantity}).status_code == 200
    assert database.statement("SELECT stage FROM journey_stages ORDER BY 1") == [("cart",), ("view",)]
