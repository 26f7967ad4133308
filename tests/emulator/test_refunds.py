"""Refunds: never too much, never too many, never too fast, always told the same; and the way out of an abnormal one."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.emulator.conftest import Shop, Till, Wechat
from tests.emulator.merchant import Merchant
from tests.waits import wait_until


@pytest.fixture
def merchant(wechat: Wechat) -> Merchant:
    return Merchant(wechat)


@pytest.fixture
def paid(pos: Till, wechat: Wechat) -> str:
    wechat.control("POST", "/terms", refund_gap_seconds=0)
    pos.prepay("PAID-0001", 5000)
    wechat.control("POST", "/pay", out_trade_no="PAID-0001")
    return "PAID-0001"


def test_two_refunds_of_a_payment_are_a_minute_apart(pos: Till, wechat: Wechat, paid: str) -> None:
    wechat.control("POST", "/terms", refund_gap_seconds=60_000)  # A minute at this desk's speed.
    assert pos.refund(paid, "PAID-0001-R1", 100, 5000)[0] == 200
    status, refused = pos.refund(paid, "PAID-0001-R2", 100, 5000)
    assert (status, refused["code"]) == (429, "FREQUENCY_LIMITED")
    assert pos.refund(paid, "PAID-0001-R1", 100, 5000)[0] == 200
    assert pos.query_refund("PAID-0001-R2")[0] == 404
    wechat.control("POST", "/clock", offset_seconds=61)
    assert pos.refund(paid, "PAID-0001-R2", 100, 5000)[0] == 200


def test_fifty_parts_and_not_one_more(pos: Till, paid: str) -> None:
    assert {pos.refund(paid, f"PAID-0001-R{part}", 10, 5000)[0] for part in range(50)} == {200}
    status, refused = pos.refund(paid, "PAID-0001-R51", 10, 5000)
    assert (status, refused["code"]) == (400, "INVALID_REQUEST")


def test_many_at_once_give_back_no_more_than_was_paid(pos: Till, wechat: Wechat, paid: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda part: pos.refund(paid, f"PAID-0001-R{part}", 1900, 5000)[0], range(8)))
    assert sorted(done) == [200, 200, *[400] * 6]
    order = wechat.order(paid)
    assert order["refunded_fen"] + order["refunding_fen"] == 3800


@pytest.mark.parametrize("change", [{"reason": "别的"}, {"fen": 101}, {"notify_url": "https://x.example.com/r"}])
def test_the_same_number_says_the_same(pos: Till, paid: str, change: dict[str, Any]) -> None:
    first = {"fen": 100, "reason": "坏果"}
    assert pos.refund(paid, "PAID-0001-R1", total=5000, **first)[0] == 200
    status, refused = pos.refund(paid, "PAID-0001-R1", total=5000, **first | change)
    assert (status, refused["code"]) == (400, "INVALID_REQUEST")


def test_a_year_later_it_is_too_late(wechat: Wechat, merchant: Merchant, paid: str) -> None:
    merchant.skew = 366 * 86400
    wechat.control("POST", "/clock", offset_seconds=merchant.skew)
    body = {
        "out_trade_no": paid,
        "out_refund_no": "PAID-0001-R1",
        "amount": {"refund": 1, "total": 5000, "currency": "CNY"},
    }
    status, refused = merchant.vouched(merchant.call("POST", "/v3/refund/domestic/refunds", body))
    assert (status, refused["code"]) == (403, "TRADE_OVERDUE")


def test_the_way_out_of_an_abnormal_refund(
    pos: Till, wechat: Wechat, shop: Shop, merchant: Merchant, paid: str
) -> None:
    wechat.control("POST", "/faults", fault="refund_delay", options={"seconds": 10**8})
    shop.wait_for(1)
    view = pos.refund(paid, "PAID-0001-R1", 5000, 5000, notify_url=f"{shop.url}/wechatpay/notifications/refunds")[1]
    wechat.control("POST", "/settle", out_refund_no="PAID-0001-R1", outcome="ABNORMAL")
    target = f"/v3/refund/domestic/refunds/{view['refund_id']}/apply-abnormal-refund"
    serial = merchant.public_key_id
    card = {
        "out_refund_no": "PAID-0001-R1",
        "type": "USER_BANK_CARD",
        "bank_type": "ICBC_DEBIT",
        "bank_account": merchant.concealed("6222020000000000000", serial),
        "real_name": merchant.concealed("李明", serial),
    }
    assert merchant.vouched(merchant.call("POST", target, card))[1]["code"] == "PARAM_ERROR"
    short = {"out_refund_no": "PAID-0001-R1", "type": "USER_BANK_CARD"}
    assert merchant.call("POST", target, short, Wechatpay_Serial=serial).status_code == 400
    assert merchant.call("POST", target[:-25] + "X" + target[-25:], card, Wechatpay_Serial=serial).status_code == 404
    status, again = merchant.vouched(merchant.call("POST", target, card, Wechatpay_Serial=serial))
    assert (status, again["status"], again["refund_id"]) == (200, "PROCESSING", view["refund_id"])
    wait_until(lambda: pos.query_refund("PAID-0001-R1")[1]["status"] == "SUCCESS")
    told = [pos.client.callback(*each)["event_type"] for each in shop.wait_for(3)[1:]]
    assert told == ["REFUND.ABNORMAL", "REFUND.SUCCESS"]
    status, refused = merchant.vouched(merchant.call("POST", target, card, Wechatpay_Serial=serial))
    assert (status, refused["code"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize("fault", ["lost", "late", "doubled", "forged_signature", "wrong_amount"])
def test_what_may_happen_to_the_word_of_a_refund(
    pos: Till, wechat: Wechat, shop: Shop, merchant: Merchant, paid: str, fault: str
) -> None:
    shop.wait_for(1)
    wechat.control("POST", "/faults", fault=fault, on="refund", options={"seconds": 100})
    shop.answers[:] = [401] if fault == "forged_signature" else []
    pos.refund(paid, "PAID-0001-R1", 100, 5000, notify_url=f"{shop.url}/wechatpay/notifications/refunds")
    if fault == "lost":
        wait_until(lambda: [each["state"] for each in wechat.order(paid)["notifications"]][1:] == ["lost"])
        assert len(shop.received) == 1
        return
    sent = shop.wait_for({"doubled": 3, "forged_signature": 3}.get(fault, 2))[1:]
    assert merchant.is_signed(*sent[0]) is (fault != "forged_signature")
    assert merchant.is_signed(*sent[-1])
    said = pos.client.callback(*sent[-1])["resource"]["amount"]["refund"]
    assert said == (1 if fault == "wrong_amount" else 100)
    assert pos.query_refund("PAID-0001-R1")[1]["amount"]["refund"] == 100
