"""Paying an order over HTTP, with the emulated WeChat on the far side of the wire."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import text

from config import database
from storefront import reactions  # noqa: F401 - registers every reaction
from storefront.actors import WeChatIdentity
from tests.payments.conftest import Wechat
from tests.storefront.api.conftest import Caller, code_of, log_in

SKU = "AH001A"


@pytest.fixture
def payer(app: Flask, seeded: None, wechat: Wechat) -> Caller:
    """Somebody whom WeChat knows, with an order that waits for its money."""
    identity = WeChatIdentity(appid=wechat.settings.wechat_miniprogram_appid, openid=wechat.openid("小明"))
    return log_in(app, identity)


def order(caller: Caller) -> str:
    return str(caller.place({SKU: 1}).get_json()["number"])


def test_an_order_is_paid_inside_the_mini_program(
    payer: Caller,
    wechat: Wechat,
    drain: Callable[[], int],
) -> None:
    number = order(payer)
    answer = payer.post(f"/orders/{number}/payments", {"channel": "miniprogram"})
    assert answer.status_code == 201
    opened = answer.get_json()
    assert opened["payment"]["state"] == "open"
    assert {"timeStamp", "nonceStr", "package", "signType", "paySign"} <= opened["client"].keys()
    again = payer.post(f"/orders/{number}/payments", {"channel": "miniprogram"}).get_json()
    assert again["payment"] == opened["payment"], "one order has one open payment"
    wechat.pay(opened["payment"]["number"])
    received = payer.get(f"/orders/{number}").get_json()
    assert (received["state"], received["payment"]["state"]) == ("pending", "succeeded"), "money first"
    drain()
    assert payer.get(f"/orders/{number}").get_json()["state"] == "paid"
    answer = payer.post(f"/orders/{number}/payments", {"channel": "miniprogram"})
    assert code_of(answer) == (409, "order.not_pending")


def test_outside_wechat_a_guest_gets_an_address_to_pay_at(app: Flask, seeded: None, wechat: Wechat) -> None:
    guest = Caller(app.test_client(), {"Origin": wechat.settings.public_base_url})
    guest.headers["X-CSRF-Token"] = guest.post("/sessions/guest").get_json()["csrf_token"]
    number = order(guest)
    for channel, key in (("h5", "h5_url"), ("native", "code_url")):
        answer = guest.post(f"/orders/{number}/payments", {"channel": channel})
        assert answer.status_code == 201
        assert set(answer.get_json()["client"]) == {key}
    assert code_of(guest.post(f"/orders/{number}/payments", {"channel": "miniprogram"})) == (422, "payment.bad_payer")


def test_a_channel_that_the_payer_cannot_use_is_refused(payer: Caller) -> None:
    number = order(payer)
    answer = payer.post(f"/orders/{number}/payments", {"channel": "official"})
    assert code_of(answer) == (422, "payment.bad_payer"), "the mini-program's openid is not the official account's"
    for body in ({}, {"channel": "cash"}, {"channel": None}, {"channel": "h5", "amount_fen": 1}, []):
        assert code_of(payer.post(f"/orders/{number}/payments", body)) == (422, "request.invalid"), body
    assert database.statement("SELECT count(*) FROM payments") == [(0,)]


def test_a_lost_notification_is_made_good_by_asking(
    payer: Caller,
    wechat: Wechat,
    drain: Callable[[], int],
) -> None:
    number = order(payer)
    opened = payer.post(f"/orders/{number}/payments", {"channel": "miniprogram"}).get_json()
    wechat.fault("lost", times=1)
    wechat.pay(opened["payment"]["number"])
    answer = payer.post(f"/orders/{number}/payments/current/check")
    assert (answer.status_code, answer.get_json()["payment"]["state"]) == (200, "succeeded")
    drain()
    assert payer.get(f"/orders/{number}").get_json()["state"] == "paid"


def test_wechat_is_asked_at_most_once_in_two_seconds(payer: Caller, wechat: Wechat) -> None:
    number = order(payer)
    payer.post(f"/orders/{number}/payments", {"channel": "miniprogram"})
    for _ in range(5):
        assert payer.post(f"/orders/{number}/payments/current/check").status_code == 200
    assert wechat.calls().count("query") <= 1


def test_an_order_without_a_payment_may_be_asked_about_too(payer: Caller, wechat: Wechat) -> None:
    answer = payer.post(f"/orders/{order(payer)}/payments/current/check")
    assert (answer.status_code, answer.get_json()["payment"]) == (200, {"state": "open"})
    assert wechat.calls() == []


def test_nobody_starts_to_pay_in_the_last_two_minutes(payer: Caller, wechat: Wechat) -> None:
    number = order(payer)
    with database.transaction() as session:
        session.execute(text("UPDATE orders SET pay_until = now() + interval '1 minute'"))
    answer = payer.post(f"/orders/{number}/payments", {"channel": "miniprogram"})
    assert code_of(answer) == (409, "order.pay_window_closing")
    assert wechat.calls() == []


def test_a_wechat_that_does_not_answer_is_503_and_may_be_tried_again(seeded: None, shopper: Caller) -> None:
    number = order(shopper)
    answer = shopper.post(f"/orders/{number}/payments", {"channel": "miniprogram"})
    assert code_of(answer) == (503, "payment.unavailable")
    assert shopper.get(f"/orders/{number}").get_json()["state"] == "pending"
