"""What WeChat says is read without trusting that it is complete."""

from datetime import UTC, datetime
from typing import Any

import pytest

from payments.wechatpay import answers

# As published from a live account; the payer used a coupon here.
LIVE = {
    "amount": {"currency": "CNY", "payer_currency": "CNY", "payer_total": 90, "total": 100},
    "appid": "wx2891ddef4f5de4de",
    "attach": "",
    "bank_type": "BOC_CREDIT",
    "mchid": "1320158301",
    "out_trade_no": "TC20220714153431503610455",
    "payer": {"openid": "ol6JF5UnuWP--XEfcE-Tbmlh_xM4"},
    "promotion_detail": [],
    "success_time": "2022-07-14T15:34:45+08:00",
    "trade_state": "SUCCESS",
    "trade_state_desc": "支付成功",
    "trade_type": "JSAPI",
    "transaction_id": "4200001460202207148197935963",
}


def test_a_live_answer_is_read() -> None:
    assert answers.transaction(LIVE) == answers.Transaction(
        number="TC20220714153431503610455",
        mchid="1320158301",
        appid="wx2891ddef4f5de4de",
        transaction_id="4200001460202207148197935963",
        trade_state="SUCCESS",
        total_fen=100,
        currency="CNY",
        succeeded_at=datetime(2022, 7, 14, 7, 34, 45, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("state", "is_paid", "is_closed"),
    [
        ("SUCCESS", True, False),
        ("REFUND", True, False),
        ("NOTPAY", False, False),
        ("USERPAYING", False, False),
        ("PAYERROR", False, False),
        ("CLOSED", False, True),
        ("REVOKED", False, True),
        (None, False, False),
    ],
)
def test_a_refunded_payment_was_paid(state: str | None, is_paid: bool, is_closed: bool) -> None:
    found = answers.transaction({**LIVE, "trade_state": state})
    assert (found.is_paid, found.is_closed) == (is_paid, is_closed)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": {"total": "100"}}, "total_fen"),
        ({"amount": {"total": True}}, "total_fen"),
        ({"amount": {"total": 1.0}}, "total_fen"),
        ({"amount": None}, "total_fen"),
        ({"amount": []}, "currency"),
        ({"success_time": "2022-07-14T15:34:45"}, "succeeded_at"),
        ({"success_time": "yesterday"}, "succeeded_at"),
        ({"success_time": 1657784085}, "succeeded_at"),
        ({"transaction_id": ""}, "transaction_id"),
        ({"transaction_id": "4\u0000"}, "transaction_id"),
        ({"mchid": 1320158301}, "mchid"),
        ({"out_trade_no": "x" * 129}, "number"),
    ],
)
def test_a_wrong_field_is_none(change: dict[str, Any], field: str) -> None:
    assert getattr(answers.transaction({**LIVE, **change}), field) is None


def test_a_payment_without_its_number_or_time_is_not_complete() -> None:
    assert answers.transaction(LIVE).is_complete
    assert not answers.transaction({**LIVE, "success_time": None}).is_complete
    assert not answers.transaction({**LIVE, "transaction_id": None}).is_complete
    assert not answers.transaction({**LIVE, "trade_state": "NOTPAY"}).is_complete


def test_milliseconds_are_read() -> None:
    found = answers.transaction({**LIVE, "success_time": "2015-05-20T13:29:35.120+08:00"})
    assert found.succeeded_at == datetime(2015, 5, 20, 5, 29, 35, 120000, tzinfo=UTC)


def test_a_refund_says_status_in_an_answer_and_refund_status_in_a_notification() -> None:
    assert answers.refund_report({"status": "PROCESSING"}).status == "PROCESSING"
    assert answers.refund_report({"refund_status": "SUCCESS"}).status == "SUCCESS"
    assert answers.refund_report({}).status is None
