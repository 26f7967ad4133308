"""Notifications as the merchant meets them: sealed, signed, repeated, and going wrong in every way there is."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from emulator import signing
from tests.emulator.conftest import Shop, Till, Wechat
from tests.waits import wait_until


@pytest.fixture
def paid(pos: Till, wechat: Wechat) -> Callable[..., dict[str, Any]]:
    def pay(number: str = "TOLD-0001", **more: Any) -> dict[str, Any]:
        pos.prepay(number)
        wechat.control("POST", "/pay", out_trade_no=number, **more)
        return wechat.order(number)

    return pay


def sealed(pos: Till, delivery: tuple[dict[str, str], bytes]) -> dict[str, Any]:
    """Open a notification as a merchant does."""
    told = pos.client.callback(*delivery)
    assert told is not None
    return dict(told)


def is_well_signed(wechat: Wechat, delivery: tuple[dict[str, str], bytes]) -> bool:
    headers, body = delivery
    key = serialization.load_pem_public_key(Path(wechat.settings["WECHATPAY_PUBLIC_KEY_FILE"]).read_bytes())
    message = signing.lines(headers["Wechatpay-Timestamp"], headers["Wechatpay-Nonce"], body=body)
    return signing.is_signed(key, message, headers["Wechatpay-Signature"])


def test_a_payment_is_told_sealed_and_signed(pos: Till, wechat: Wechat, shop: Shop, paid: Any) -> None:
    order = paid()
    delivery = shop.wait_for(1)[0]
    envelope = json.loads(delivery[1])
    assert (envelope["event_type"], envelope["resource_type"]) == ("TRANSACTION.SUCCESS", "encrypt-resource")
    assert envelope["resource"]["associated_data"] == envelope["resource"]["original_type"] == "transaction"
    assert len(envelope["resource"]["nonce"]) == 12
    resource = sealed(pos, delivery)["resource"]
    assert resource["amount"]["total"] == 5990
    assert resource["transaction_id"] == order["transaction_id"]
    assert (resource["mchid"], resource["trade_state"]) == (wechat.settings["WECHATPAY_MCHID"], "SUCCESS")
    wait_until(lambda: wechat.order("TOLD-0001")["notifications"][0]["state"] == "delivered")


def test_a_coupon_shows_in_payer_total_only(pos: Till, shop: Shop, paid: Any) -> None:
    paid(payer_total=5000)
    assert sealed(pos, shop.wait_for(1)[0])["resource"]["amount"] == {
        "total": 5990,
        "payer_total": 5000,
        "currency": "CNY",
        "payer_currency": "CNY",
    }


def test_refusals_are_followed_by_fresh_sendings(pos: Till, wechat: Wechat, shop: Shop, paid: Any) -> None:
    shop.answers[:] = [500, 302, 202, 200]
    paid()
    received = shop.wait_for(4)
    assert {json.loads(body)["id"] for _, body in received} == {json.loads(received[0][1])["id"]}
    assert len({headers["Wechatpay-Nonce"] for headers, _ in received}) == 4
    assert all(is_well_signed(wechat, each) for each in received)
    wait_until(lambda: wechat.order("TOLD-0001")["notifications"][0]["state"] == "delivered")
    attempts = wechat.order("TOLD-0001")["notifications"][0]["attempts"]
    assert [each["status"] for each in attempts] == [500, 302, 202, 200]


def test_after_fifteen_sendings_it_gives_up(wechat: Wechat, shop: Shop, paid: Any) -> None:
    wechat.control("POST", "/clock", speed=10**6)
    shop.answers[:] = [500] * 20
    paid()
    wait_until(lambda: wechat.order("TOLD-0001")["notifications"][0]["state"] == "exhausted")
    assert len(shop.received) == 15


def test_lost_and_late_and_doubled(wechat: Wechat, shop: Shop, paid: Any) -> None:
    wechat.control("POST", "/faults", fault="lost", match="LOST-0001")
    wechat.control("POST", "/faults", fault="late", match="LATE-0001", options={"seconds": 10**8})
    wechat.control("POST", "/faults", fault="late", match="LATE-0002", options={"seconds": 300})
    wechat.control("POST", "/faults", fault="doubled", match="TWICE-001")
    paid("LOST-0001", wait=True)
    assert wechat.order("LOST-0001")["notifications"][0]["state"] == "lost"
    paid("LATE-0001", wait=True)
    assert shop.received == []
    paid("LATE-0002", wait=True)
    shop.wait_for(1)
    paid("TWICE-001")
    shop.wait_for(3)
    assert shop.received[1][1] != shop.received[2][1] or shop.received[1][0] != shop.received[2][0]


@pytest.mark.parametrize("fault", ["forged_signature", "wrong_key", "signtest"])
def test_badly_signed_is_followed_by_well_signed(pos: Till, wechat: Wechat, shop: Shop, paid: Any, fault: str) -> None:
    wechat.control("POST", "/faults", fault=fault)
    shop.answers[:] = [401]
    paid()
    first, second = shop.wait_for(2)
    assert not is_well_signed(wechat, first)
    assert first[0]["Wechatpay-Signature"].startswith("WECHATPAY/SIGNTEST/") is (fault == "signtest")
    assert is_well_signed(wechat, second)
    assert pos.client.callback(*first) is None


@pytest.mark.parametrize(("fault", "shift"), [("old_timestamp", -301), ("future_timestamp", 301)])
def test_well_signed_at_the_wrong_time(wechat: Wechat, shop: Shop, paid: Any, fault: str, shift: int) -> None:
    wechat.control("POST", "/faults", fault=fault)
    paid()
    delivery = shop.wait_for(1)[0]
    assert is_well_signed(wechat, delivery)
    assert abs(int(delivery[0]["Wechatpay-Timestamp"]) - time.time() - shift) < 60


@pytest.mark.parametrize(
    ("fault", "look", "value"),
    [
        ("wrong_amount", lambda told: told["amount"]["total"], 1),
        ("wrong_currency", lambda told: told["amount"]["currency"], "USD"),
        ("wrong_mchid", lambda told: told["mchid"], "1900000109"),
        ("wrong_appid", lambda told: told["appid"], "wx0000000000000000"),
        ("unknown_order", lambda told: told["out_trade_no"][:8], "unknown-"),
    ],
)
def test_well_signed_and_false(
    pos: Till, wechat: Wechat, shop: Shop, paid: Any, fault: str, look: Any, value: Any
) -> None:
    wechat.control("POST", "/faults", fault=fault)
    paid()
    delivery = shop.wait_for(1)[0]
    assert is_well_signed(wechat, delivery)
    assert look(sealed(pos, delivery)["resource"]) == value
    wechat.control("POST", "/redeliver", out_trade_no="TOLD-0001")
    assert look(sealed(pos, shop.received[-1])["resource"]) != value


def test_the_notification_may_come_before_the_prepay_answer(pos: Till, wechat: Wechat, shop: Shop) -> None:
    wechat.control("POST", "/faults", fault="notify_first")
    status, _ = pos.prepay("FIRST-001")
    assert (status, len(shop.received)) == (200, 1)
    assert sealed(pos, shop.received[0])["resource"]["payer"]["openid"] == wechat.openid("李明")


def test_a_refund_is_told_with_its_own_words(pos: Till, wechat: Wechat, shop: Shop, paid: Any) -> None:
    paid()
    pos.refund("TOLD-0001", "TOLD-0001-R1", 990, notify_url=f"{shop.url}/wechatpay/notifications/refunds")
    told = sealed(pos, shop.wait_for(2)[1])
    assert (told["event_type"], told["resource"]["refund_status"]) == ("REFUND.SUCCESS", "SUCCESS")
    assert told["resource"]["amount"] == {"total": 5990, "refund": 990, "payer_total": 5990, "payer_refund": 990}
    assert "status" not in told["resource"]


def test_redelivery_by_order(wechat: Wechat, shop: Shop, paid: Any) -> None:
    paid()
    shop.wait_for(1)
    answer = wechat.control("POST", "/redeliver", out_trade_no="TOLD-0001", times=20, parallel=True)
    assert [each["status"] for each in answer["attempts"]] == [204] * 20
    wechat.control("POST", "/redeliver", out_trade_no="TOLD-0001", event_type="FOO.BAR")
    assert json.loads(shop.received[-1][1])["event_type"] == "FOO.BAR"


def test_a_merchant_that_is_away_is_told_when_it_is_back(pos: Till, wechat: Wechat) -> None:
    status, _ = pos.prepay("AWAY-0001", notify_url="http://127.0.0.1:9/nobody/there")
    assert status == 200
    wechat.control("POST", "/pay", out_trade_no="AWAY-0001", wait=True)
    notification = wechat.order("AWAY-0001")["notifications"][0]
    assert (notification["state"], notification["attempts"][0]["error"]) == ("pending", "ConnectionError")


def test_what_is_still_to_be_sent_can_be_given_up(wechat: Wechat, shop: Shop, paid: Any) -> None:
    wechat.control("POST", "/faults", fault="late", on="payment", options={"seconds": 10_000_000})
    paid("GIVEN-UP-01")
    assert wechat.order("GIVEN-UP-01")["notifications"][0]["state"] == "pending"
    assert wechat.control("DELETE", "/notifications") == {"exhausted": 1}
    assert wechat.order("GIVEN-UP-01")["notifications"][0]["state"] == "exhausted"
    assert wechat.control("DELETE", "/notifications") == {"exhausted": 0}
    assert shop.received == []
