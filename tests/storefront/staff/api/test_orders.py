"""Orders over HTTP: seen in scope, sent whole consignments, refunded once per key, explained."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from config import database
from storefront.roles import Grant, Role, Scope
from tests.storefront.api.conftest import code_of
from tests.storefront.conftest import Buyer
from tests.storefront.staff.conftest import Clerk, Counter, audited, hire

KEY = {"Idempotency-Key": "refund-0001"}


def line_one(fen: int) -> dict[str, Any]:
    return {"lines": [{"line": 1, "amount_fen": fen}], "reason": "坏果包赔"}


def test_a_refund_happens_once_per_key(counter: Counter) -> None:
    number = counter.buy()
    finance = counter.hire(Role.FINANCE)
    first = finance.post(f"/orders/{number}/refunds", line_one(100), **KEY)
    assert (first.status_code, first.get_json()["amount_fen"]) == (201, 100)
    again = finance.post(f"/orders/{number}/refunds", line_one(100), **KEY)
    assert (again.status_code, again.get_json()) == (200, first.get_json())
    assert code_of(finance.post(f"/orders/{number}/refunds", line_one(101), **KEY)) == (409, "idempotency.mismatch")
    assert code_of(finance.post(f"/orders/{number}/refunds", line_one(100))) == (422, "request.invalid")
    counter.finish_refund(first.get_json()["refund"])
    order = finance.get(f"/orders/{number}").get_json()
    assert order["refunded_fen"] == 100
    assert order["refunds"][0]["asked_by"] == finance.actor.username
    assert audited() == [("order.refund_requested", number)]


def test_no_more_goes_back_than_was_paid(counter: Counter) -> None:
    number = counter.buy()
    finance = counter.hire(Role.FINANCE)
    left = finance.get(f"/orders/{number}").get_json()["lines"][0]["refundable_fen"]
    answer = finance.post(f"/orders/{number}/refunds", line_one(left + 1), **KEY)
    assert code_of(answer) == (409, "order.refund_exceeds_line")
    assert answer.get_json()["error"]["details"]["lines"] == [{"line": 1, "left_fen": left}]
    twice = {"lines": [{"line": 1, "amount_fen": 1}, {"line": 1, "amount_fen": 2}], "reason": "x"}
    assert code_of(finance.post(f"/orders/{number}/refunds", twice, **KEY)) == (422, "order.lines_invalid")
    assert audited() == []


def test_goods_leave_once(counter: Counter) -> None:
    number = counter.buy(lines={counter.desk.skus[0]: 1, counter.desk.skus[1]: 1})
    packer = counter.hire(Role.FULFILMENT)
    parcel = {"carrier": "中通快递", "tracking_number": "73111222333444"}
    first = packer.post(f"/orders/{number}/shipments", {**parcel, "lines": [1]}).get_json()
    assert first["state"] == "paid"
    assert sum(bool(one["shipped_at"]) for one in first["consignments"]) == 1
    again = packer.post(f"/orders/{number}/shipments", {**parcel, "lines": [1]})
    assert (again.status_code, again.get_json()) == (200, first), "whoever heard no answer asks again"
    another = packer.post(f"/orders/{number}/shipments", {**parcel, "tracking_number": "73999", "lines": [1]})
    assert code_of(another) == (422, "order.lines_invalid")
    second = packer.post(f"/orders/{number}/shipments", parcel)
    assert (second.status_code, second.get_json()["state"]) == (201, "shipped")
    assert packer.post(f"/orders/{number}/shipments", parcel).status_code == 200
    another = packer.post(f"/orders/{number}/shipments", {**parcel, "tracking_number": "73999"})
    assert code_of(another) == (409, "order.not_paid")
    assert audited() == [("order.shipped", number)] * 2


def test_an_unpaid_order_is_neither_sent_nor_refunded(counter: Counter) -> None:
    number = counter.desk.place()
    admin = counter.hire(Role.ADMIN)
    parcel = {"carrier": "中通快递", "tracking_number": "73111222333444"}
    assert code_of(admin.post(f"/orders/{number}/shipments", parcel)) == (409, "order.not_paid")
    assert code_of(admin.post(f"/orders/{number}/refunds", line_one(1), **KEY)) == (409, "order.not_paid")


def test_a_decision_is_explained(counter: Counter, codes: dict[str, str]) -> None:
    spot, slug = next((number, slug) for number, slug in codes.items() if ".T01." in number)
    counter.scan(slug)
    number = counter.buy()
    told = counter.hire(Role.ANALYST).get(f"/orders/{number}/attribution").get_json()
    assert (told["outcome"], told["recomputed_equal"]) == ("attributed", True)
    assert [touch["placement"] for touch in told["touches"]] == [spot]
    assert {row["placement"] for row in told["ledger"]} == {spot}


def test_staff_credit_by_what_is_known_now_with_a_reason(counter: Counter, codes: dict[str, str]) -> None:
    counter.scan(next(slug for number, slug in codes.items() if ".T01." in number))
    number = counter.buy()
    manager = counter.hire(Role.CAMPAIGN)
    asked = {"reason": "信号中断，扫码记录晚到"}
    told = manager.post(f"/orders/{number}/attribution", asked).get_json()
    assert (told["outcome"], told["version"], told["recomputed_equal"]) == ("attributed", 1, True)
    assert ("order.attribution_overridden", number) in audited()
    assert code_of(manager.post(f"/orders/{number}/attribution", {"reason": ""})) == (422, "request.invalid")
    assert counter.hire(Role.ANALYST).post(f"/orders/{number}/attribution", asked).status_code == 403


def test_names_and_telephones_are_for_who_ships_and_reading_them_is_written_down(
    buyer: Buyer, skus: list[str], clerk: Callable[..., Clerk]
) -> None:
    number = buyer.place({skus[0]: 1})
    packer, finance = clerk(Role.FULFILMENT), clerk(Role.FINANCE)
    assert packer.get("/orders").get_json()["items"][0]["address"]["name"] is None
    assert audited() == []
    assert packer.get(f"/orders/{number}").get_json()["address"]["phone"] == "13800001234"
    assert audited() == [("order.address_seen", number)]
    masked = finance.get(f"/orders/{number}").get_json()["address"]
    assert (masked["name"], masked["phone"], masked["detail"]) == ("王**", "138****1234", "****")
    assert len(audited()) == 1


def test_orders_are_found_by_state_and_number(buyer: Buyer, skus: list[str], clerk: Callable[..., Clerk]) -> None:
    numbers = [buyer.place({skus[0]: 1}, key=f"key-0000000{n}") for n in range(3)]
    packer = clerk(Role.FULFILMENT)
    first = packer.get("/orders?limit=2&state=pending").get_json()
    rest = packer.get(f"/orders?limit=2&cursor={first['next_cursor']}").get_json()
    assert [item["number"] for item in first["items"] + rest["items"]] == numbers[::-1]
    assert rest["next_cursor"] is None
    assert packer.get("/orders?state=paid").get_json()["items"] == []
    assert [item["number"] for item in packer.get(f"/orders?q={numbers[1]}").get_json()["items"]] == [numbers[1]]
    assert code_of(packer.get("/orders?cursor=!")) == (422, "order.cursor_invalid")
    assert code_of(packer.get("/orders?state=lost")) == (422, "request.invalid")


@pytest.fixture
def mixed(buyer: Buyer, skus: list[str]) -> tuple[str, str]:
    """An order of goods from two places, and the region code of the second line's origin."""
    number = buyer.place({skus[0]: 1, skus[1]: 1})
    [(origin,)] = database.statement(
        "SELECT p.origin_code FROM skus s JOIN products p ON p.id = s.product_id WHERE s.number = %s", (skus[1],)
    )
    return number, str(origin)


def test_a_scope_shows_its_own_goods_only(app: Flask, mixed: tuple[str, str], skus: list[str]) -> None:
    number, origin = mixed
    packer = hire(app, Grant(role=Role.FULFILMENT, scope=Scope(area=origin)))
    order = packer.get(f"/orders/{number}").get_json()
    assert order["is_partial"]
    assert [line["sku"] for line in order["lines"]] == [skus[1]]
    assert len(order["consignments"]) == 1
    assert packer.get("/orders").get_json()["items"][0]["is_partial"]
    stranger = hire(app, Grant(role=Role.FULFILMENT, scope=Scope(area="999999")), username="stranger")
    assert code_of(stranger.get(f"/orders/{number}")) == (404, "order.not_found")
    assert stranger.get("/orders").get_json()["items"] == []


def test_a_scope_sends_and_refunds_its_own_goods_only(counter: Counter) -> None:
    number = counter.buy(lines={counter.desk.skus[0]: 1, counter.desk.skus[1]: 1})
    [(origin,)] = database.statement(
        "SELECT p.origin_code FROM skus s JOIN products p ON p.id = s.product_id WHERE s.number = %s",
        (counter.desk.skus[1],),
    )
    scope = Scope(area=str(origin))
    clerk = hire(counter.app, *(Grant(role=role, scope=scope) for role in (Role.FULFILMENT, Role.FINANCE)))
    [mine] = [line["line"] for line in clerk.get(f"/orders/{number}").get_json()["lines"]]
    other = 3 - mine
    parcel = {"carrier": "中通快递", "tracking_number": "73111222333444"}
    refused = clerk.post(f"/orders/{number}/shipments", {**parcel, "lines": [other]})
    assert code_of(refused) == (403, "staff.not_permitted")
    body = {"lines": [{"line": other, "amount_fen": 1}], "reason": "x"}
    assert code_of(clerk.post(f"/orders/{number}/refunds", body, **KEY)) == (403, "staff.not_permitted")
    body = {"lines": [{"line": mine, "amount_fen": 1}], "freight_fen": 1, "reason": "x"}
    assert code_of(clerk.post(f"/orders/{number}/refunds", body, **KEY)) == (403, "staff.not_permitted")
    assert clerk.post(f"/orders/{number}/shipments", parcel).get_json()["state"] == "paid"
    body = {"lines": [{"line": mine, "amount_fen": 1}], "reason": "x"}
    assert clerk.post(f"/orders/{number}/refunds", body, **KEY).status_code == 201
