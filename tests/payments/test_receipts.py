"""What a paid transaction means, and what keeps it from being a payment's money."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from payments import receipts
from payments.receipts import Taken, Verdict
from payments.wechatpay.answers import Transaction

PAID = Transaction(
    number="P123456",
    mchid="1900000001",
    appid="wx1",
    transaction_id="42",
    trade_state="SUCCESS",
    total_fen=100,
    currency="CNY",
    succeeded_at=datetime(2020, 11, 20, 8, tzinfo=UTC),
)
NOW = datetime(2020, 11, 20, 9, tzinfo=UTC)
OPEN = Taken(1, "O1", "native", "1900000001", "wx1", 100, None, is_recorded=False)


def test_a_verdict_for_each_outcome() -> None:
    assert receipts.judge(None, PAID) is Verdict.UNMATCHED
    assert receipts.judge(replace(OPEN, is_recorded=True), PAID) is Verdict.RECORDED
    assert receipts.judge(replace(OPEN, transaction_id="42"), PAID) is Verdict.KNOWN
    assert receipts.judge(replace(OPEN, transaction_id="43"), PAID) is Verdict.MISMATCHED
    assert receipts.judge(OPEN, PAID) is Verdict.MISMATCHED
    assert receipts.judge(OPEN, replace(PAID, transaction_id=None)) is Verdict.MISMATCHED


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"mchid": "1"}, "mchid"),
        ({"appid": None}, "appid"),
        ({"total_fen": 1}, "amount"),
        ({"currency": None}, "currency"),
        ({"trade_state": "NOTPAY"}, "completeness"),
        ({"succeeded_at": None}, "completeness"),
    ],
)
def test_each_difference_has_a_name(change: dict[str, Any], name: str) -> None:
    assert receipts.differences(OPEN, replace(PAID, **change)) == [name]
    assert receipts.parameters(replace(PAID, currency=None), now=NOW)["is_complete"] is False


def test_what_fits_differs_in_nothing() -> None:
    assert receipts.differences(OPEN, PAID) == []
    assert receipts.parameters(PAID, now=NOW)["is_complete"] is True
    assert receipts.differences(replace(OPEN, transaction_id="43"), PAID) == ["transaction_id"]
