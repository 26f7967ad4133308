"""Orders over HTTP: placed once, seen by their own shopper, cancelled and received in time."""

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from catalog import liquor, products
from config import clock, database
from storefront import checkout, shipping
from storefront.actors import WeChatIdentity
from storefront.declarations import TEXT_VERSION
from tests.catalog.test_liquor import bottle, licensed
from tests.storefront.api.conftest import ADDRESS, Caller, code_of, log_in
from tests.storefront.conftest import stock_of

pytestmark = pytest.mark.usefixtures("app", "seeded")

SKU = "AH001A"
WANTED = {"lines": [{"sku": SKU, "quantity": 1}], "address": ADDRESS}
KEY = {"Idempotency-Key": "key-00000001"}


def settle(number: str) -> None:
    """Let the money for an order arrive behind the API's back."""
    with database.transaction() as session:
        session.execute(
            text("UPDATE orders SET state = 'paid', paid_at = now(), payment_number = 'P1' WHERE number = :n"),
            {"n": number},
        )


def test_an_order_holds_its_stock_and_is_shown_as_it_was_placed(shopper: Caller) -> None:
    on_hand, reserved = stock_of(SKU)
    answer = shopper.place({SKU: 2}, remark="请放门卫 👍")
    assert answer.status_code == 201
    order = answer.get_json()
    assert order["state"] == "pending"
    assert order["payment"] == {"state": "open"}
    assert order["payable_fen"] == order["goods_fen"] + order["freight_fen"]
    assert order["address"] == {**ADDRESS, "region": "安徽省 合肥市 瑶海区"}
    assert order["remark"] == "请放门卫 👍"
    assert stock_of(SKU) == (on_hand, reserved + 2)
    assert shopper.get(f"/orders/{order['number']}").get_json() == order
    assert shopper.get("/orders").get_json() == {"items": [order], "next_cursor": None}


@pytest.mark.parametrize("lines", [{SKU: 1}, {SKU: 2, "AH034A": 1, "AH016A": 3}])
def test_a_new_order_reads_byte_for_byte_as_it_does_later(shopper: Caller, lines: dict[str, int]) -> None:
    """The answer to the order is made of the values that were written; nobody may see by it that it was not read."""
    with clock.frozen(datetime(2026, 11, 21, 4, 0, 0, 120, tzinfo=UTC)):
        placed, again = (shopper.place(lines, remark="请放门卫 👍") for _ in range(2))
    assert (placed.status_code, again.status_code) == (201, 200)
    assert placed.data == again.data == shopper.get(f"/orders/{placed.get_json()['number']}").data


def test_the_same_key_and_body_place_one_order(shopper: Caller) -> None:
    first, second = shopper.place({SKU: 1}), shopper.place({SKU: 1})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.get_json() == second.get_json()
    assert stock_of(SKU)[1] == 1
    assert code_of(shopper.place({SKU: 2})) == (409, "idempotency.mismatch")
    assert code_of(shopper.place({SKU: 1}, remark="x")) == (409, "idempotency.mismatch")
    assert shopper.place({SKU: 1}, key="key-00000002").status_code == 201


def test_an_order_of_nobody_places_nothing(shopper: Caller) -> None:
    before = stock_of(SKU)
    answer = shopper.client.post("/api/v1/orders", json=WANTED, headers={**KEY, "Authorization": f"Bearer {'x' * 43}"})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (401, "session.required")
    answer = shopper.client.post("/api/v1/orders", json=WANTED | {"lines": []}, headers=KEY)
    assert answer.status_code == 401, "who brings no token is not read at all"
    assert stock_of(SKU) == before


def test_what_an_order_costs_is_asked_again_when_somebody_took_its_goods_meanwhile(
    shopper: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prices that came with the session are of the moment before; a second try must not believe them again."""
    write, tries = checkout._write, []

    def overtaken(*given: Any) -> bool:
        tries.append(given)
        if len(tries) > 1:
            return write(*given)
        with database.transaction() as session:
            products.reprice(session, sku=SKU, price_fen=12_345, now=clock.now())
        return False

    monkeypatch.setattr(checkout, "_write", overtaken)
    answer = shopper.place({SKU: 2})
    assert (answer.status_code, answer.get_json()["goods_fen"]) == (201, 24_690)
    assert len(tries) == 2


def test_a_key_is_its_shopper_s_own(shopper: Caller, stranger: Caller) -> None:
    assert shopper.place({SKU: 1}).status_code == 201
    assert stranger.place({SKU: 2}).status_code == 201


def test_an_order_without_a_proper_key_is_refused(shopper: Caller) -> None:
    for key in (None, "", "short", "x" * 65, "with space 1", "emoji-👍-123".encode().decode("latin-1")):
        headers = {} if key is None else {"Idempotency-Key": key}
        assert code_of(shopper.post("/orders", WANTED, headers=headers)) == (422, "request.invalid"), key
    assert stock_of(SKU)[1] == 0


def test_an_address_of_the_book_is_copied_into_the_order(shopper: Caller, stranger: Caller) -> None:
    number = shopper.post("/addresses", ADDRESS).get_json()["number"]
    order = shopper.place({SKU: 1}, address_number=number).get_json()
    shopper.delete(f"/addresses/{number}")
    assert shopper.get(f"/orders/{order['number']}").get_json()["address"]["name"] == ADDRESS["name"]
    theirs = stranger.post("/addresses", ADDRESS).get_json()["number"]
    answer = shopper.place({SKU: 1}, key="key-00000002", address_number=theirs)
    assert code_of(answer) == (404, "address.not_found")


def test_a_refused_body_stores_nothing(shopper: Caller) -> None:
    line = {"sku": SKU, "quantity": 1}
    wrong: list[tuple[Any, str]] = [
        ({}, "request.invalid"),
        ([], "request.invalid"),
        ({"lines": [line]}, "request.invalid"),
        ({**WANTED, "address_number": "A1"}, "request.invalid"),
        ({**WANTED, "payable_fen": 1}, "request.invalid"),
        ({**WANTED, "visitor": "x"}, "request.invalid"),
        ({**WANTED, "lines": []}, "request.invalid"),
        ({**WANTED, "lines": [{**line, "quantity": 0}]}, "request.invalid"),
        ({**WANTED, "lines": [{**line, "quantity": -1}]}, "request.invalid"),
        ({**WANTED, "lines": [{**line, "quantity": 10**12}]}, "request.invalid"),
        ({**WANTED, "lines": [{**line, "price_fen": 1}]}, "request.invalid"),
        ({**WANTED, "lines": [{**line, "sku": "NOPE"}]}, "catalog.sku_unknown"),
        ({**WANTED, "remark": "x" * 201}, "request.invalid"),
        ({**WANTED, "remark": "a\x00"}, "request.invalid"),
        ({**WANTED, "address": {**ADDRESS, "region_code": "340100"}}, "address.invalid"),
        ({**WANTED, "address": {**ADDRESS, "phone": "1"}}, "address.invalid"),
        ({**WANTED, "address": None}, "request.invalid"),
    ]
    for body, code in wrong:
        assert code_of(shopper.post("/orders", body, headers=KEY)) == (422, code), body
    malformed = shopper.post("/orders", headers=KEY, data="{", content_type="application/json")
    assert code_of(malformed) == (400, "request.malformed")
    form = shopper.post("/orders", headers=KEY, data={"lines": "x"})
    assert code_of(form) == (415, "request.unsupported_media_type")
    huge = shopper.post("/orders", headers=KEY, data=b"x" * (5 * 2**20), content_type="application/json")
    assert code_of(huge) == (413, "request.too_large")
    assert shopper.get("/orders").get_json()["items"] == []
    assert stock_of(SKU)[1] == 0
    assert shopper.place({SKU: 1}).status_code == 201, "the key was not used up"


def test_what_is_sold_out_says_what_is_left(shopper: Caller) -> None:
    answer = shopper.place({SKU: 201})
    assert code_of(answer) == (409, "catalog.out_of_stock")
    assert answer.get_json()["error"]["details"]["lines"] == [{"sku": SKU, "available": 200}]
    assert stock_of(SKU)[1] == 0
    with database.transaction() as session:
        products.delist(session, slug="dangshansuli")
    assert code_of(shopper.place({SKU: 1})) == (409, "catalog.not_for_sale")


def test_a_region_that_nobody_delivers_to_is_refused(shopper: Caller) -> None:
    answer = shopper.place({SKU: 1}, address={**ADDRESS, "region_code": "650102"})
    assert code_of(answer) == (409, "catalog.not_deliverable")


def test_somebody_else_s_order_does_not_exist(shopper: Caller, stranger: Caller) -> None:
    number = shopper.place({SKU: 1}).get_json()["number"]
    for method, path, body in (
        ("GET", "", None),
        ("POST", "/payments", {"channel": "miniprogram"}),
        ("POST", "/payments/current/check", None),
        ("POST", "/cancellation", None),
        ("POST", "/receipt", None),
    ):
        answer = stranger.call(method, f"/orders/{number}{path}", json=body)
        assert code_of(answer) == (404, "order.not_found"), path
    assert stranger.get("/orders").get_json()["items"] == []
    for unknown in ("0", "9" * 40, "x"):
        assert code_of(shopper.get(f"/orders/{unknown}")) == (404, "order.not_found")
    for nothing in ("x" * 41, "%00", "a'b", "%F0%9F%91%8D"):
        assert shopper.get(f"/orders/{nothing}").status_code == 404


def test_a_pending_order_is_cancelled_once_and_its_stock_comes_back(shopper: Caller) -> None:
    number = shopper.place({SKU: 1}).get_json()["number"]
    for _ in range(2):
        answer = shopper.post(f"/orders/{number}/cancellation")
        assert answer.status_code == 200
        assert (answer.get_json()["state"], answer.get_json()["cancelled_by"]) == ("cancelled", "shopper")
    assert stock_of(SKU)[1] == 0
    answer = shopper.post(f"/orders/{number}/payments", {"channel": "miniprogram"})
    assert code_of(answer) == (409, "order.not_pending")


def test_a_paid_order_is_not_cancelled_but_shipped_and_received(shopper: Caller) -> None:
    number = shopper.place({SKU: 1}).get_json()["number"]
    settle(number)
    assert code_of(shopper.post(f"/orders/{number}/cancellation")) == (409, "order.not_pending")
    assert code_of(shopper.post(f"/orders/{number}/receipt")) == (409, "order.not_shipped")
    with database.transaction() as session:
        shipping.ship(session, number=number, carrier="顺丰", tracking_number="SF1", now=clock.now())
    shipped = shopper.get(f"/orders/{number}").get_json()
    assert shipped["state"] == "shipped"
    assert shipped["consignments"][0]["tracking_number"] == "SF1"
    for _ in range(2):
        assert shopper.post(f"/orders/{number}/receipt").get_json()["state"] == "received"


def test_orders_are_listed_newest_first_by_state_and_cursor(shopper: Caller) -> None:
    numbers = [shopper.place({SKU: 1}, key=f"key-0000000{n}").get_json()["number"] for n in range(3)]
    shopper.post(f"/orders/{numbers[0]}/cancellation")
    first = shopper.get("/orders?limit=2").get_json()
    rest = shopper.get(f"/orders?limit=2&cursor={first['next_cursor']}").get_json()
    listed = [order["number"] for order in first["items"] + rest["items"]]
    assert (listed, rest["next_cursor"]) == (numbers[::-1], None)
    cancelled = shopper.get("/orders?state=cancelled").get_json()["items"]
    assert [order["number"] for order in cancelled] == numbers[:1]
    for query, code in (
        ("state=lost", "request.invalid"),
        ("limit=0", "request.invalid"),
        ("cursor=!!", "order.cursor_invalid"),
        ("cursor=" + "7" * 60, None),
        ("shopper=1", "request.invalid"),
    ):
        answer = shopper.get(f"/orders?{query}")
        assert code_of(answer) == ((422, code) if code else (200, "")), query


def test_a_guest_orders_by_cookie_and_the_scan_is_known_on_the_server(browser: Caller) -> None:
    known = "3f2b8c1e-5d4a-4b6f-9a7e-1c2d3e4f5a6b"
    browser.client.set_cookie("hall_visitor", known)
    number = browser.place({SKU: 1}).get_json()["number"]
    [(visitor,)] = database.statement("SELECT visitor::text FROM orders WHERE number = %s", (number,))
    assert visitor == known
    del browser.headers["X-CSRF-Token"]
    assert code_of(browser.place({SKU: 1}, key="key-00000002")) == (403, "session.csrf_rejected")


def test_two_accounts_of_one_person_keep_their_orders_apart(app: Flask, shopper: Caller) -> None:
    other = log_in(app, WeChatIdentity(appid="wx00000000000000b2", openid="oShopper00000000000000000001"))
    number = shopper.place({SKU: 1}).get_json()["number"]
    assert code_of(other.get(f"/orders/{number}")) == (404, "order.not_found")


def declarations() -> list[tuple[str, str, bool]]:
    return [
        (kind, version, is_now)
        for kind, version, is_now in database.statement(
            "SELECT d.kind, d.text_version, d.declared_at = o.placed_at"
            " FROM order_declarations d JOIN orders o ON o.id = d.order_id"
        )
    ]


def test_liquor_is_ordered_by_who_declares_to_be_of_age_for_that_order(shopper: Caller) -> None:
    _, sku = bottle()
    lines = [{"sku": sku, "quantity": 1}]
    assert code_of(shopper.place({sku: 1}, adult_declared=True)) == (409, "catalog.not_for_sale")
    with licensed():
        liquor.follow_licence(now=datetime(2026, 11, 21, tzinfo=UTC))
        quoted = shopper.post("/quotes", {"lines": lines, "region_code": "340102"}).get_json()
        assert quoted["adult_declaration_required"]
        for answer in (shopper.place({sku: 1}), shopper.place({SKU: 1, sku: 1}, adult_declared=False)):
            assert code_of(answer) == (422, "order.adult_declaration_missing")
            assert answer.get_json()["error"]["details"] == {"skus": [sku]}
        assert declarations() == []
        both = shopper.place({sku: 1}, adult_declared=True, declarations=["adult"])
        assert both.status_code == 201
        assert shopper.place({sku: 1}, "key-00000002", declarations=["adult"]).status_code == 201
    assert declarations() == [("adult", TEXT_VERSION, True)] * 2


def test_other_goods_need_no_declaration_of_age(shopper: Caller) -> None:
    quoted = shopper.post("/quotes", {"lines": WANTED["lines"], "region_code": "340102"}).get_json()
    assert not quoted["adult_declaration_required"]


def test_how_goods_are_returned_is_shown_and_confirmed_or_the_right_stays(shopper: Caller) -> None:
    quoted = shopper.post("/quotes", {"lines": WANTED["lines"], "region_code": "340102"}).get_json()
    [shown] = quoted["returns"]
    assert (shown["return_class"], shown["declaration"]) == ("excluded_perishable", "returns_perishable")
    assert "鲜活易腐" in shown["text"]
    refused = shopper.place({SKU: 1}, returns_confirmed=False)
    assert code_of(refused) == (422, "order.returns_declaration_missing")
    assert refused.get_json()["error"]["details"] == {"declarations": ["returns_perishable"]}
    assert shopper.place({SKU: 1}).status_code == 201
    assert declarations() == []
    assert shopper.place({SKU: 1}, "key-00000002", returns_confirmed=True).status_code == 201
    assert declarations() == [("returns_perishable", TEXT_VERSION, True)]
