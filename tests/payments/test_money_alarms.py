"""An alarm about money is a case as well: one for each subject, which finance takes, and closes or sees closed."""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from config import database
from payments import cases, reconcile, refunds
from payments.errors import BillBroken
from payments.models import Resolution
from tests.payments.conftest import ROOT, Buyer, Wechat, change, rows, wait_until

# How each alarm of payments becomes a case, or why it is none.
BECOMES_A_CASE = {
    "payments.case": "it is the case's own alarm",
    "payments.refund_refused": "refund_refused",
    "payments.refund_closed": "refund_closed",
    "payments.refund_vanished": "refund_vanished",
    "payments.bill_broken": "bill_broken",
    "payments.bill_foreign_address": "bill_broken, as which it ends",
    "payments.bill_differs": "bill_*, one for each difference",
    "payments.unknown_number": "unmatched",
    "payments.notification_mismatch": "mismatch or refund_mismatch, if the query confirms it; else nothing was wrong",
    "payments.ledger_differs": "ledger",
    "payments.share_mismatch": "share",
    "payments.share_closed": "share",
    "payments.share_refused": "share",
    "payments.share_not_returned": "share",
    "orders.money_not_returned": "refund_closed of the last refund, which stays open",
}
# About a machine, a key or a setting: what waits for it comes again by itself, and no money is in question.
OF_OPERATIONS = {
    "payments.clock_drift",
    "payments.apiv3_key",
    "payments.keys_unreadable",
    "payments.wechatpay_paused",
    "payments.wechatpay_rejects_us",
    # The payment waits for its seller to be admitted, the return is asked for again.
    "payments.receiver_refused",
    "payments.share_return_refused",
}


def test_every_alarm_about_money_is_a_case_or_says_why_not() -> None:
    raised = set()
    for path in [*Path(ROOT, "payments").rglob("*.py"), *Path(ROOT, "storefront").rglob("*.py")]:
        raised |= set(re.findall(r'logs\.alarm\(\s*"((?:payments|orders)\.\w+)"', path.read_text()))
    assert raised == BECOMES_A_CASE.keys() | OF_OPERATIONS


@pytest.fixture
def asked(buyer: Buyer, now: datetime) -> str:
    """A refund of all of a payment that waits to be sent."""
    buyer.paid(now=now)
    with database.transaction() as session:
        return refunds.request(session, reference="O1", amount_fen=5990, reason="", key="K1", now=now).number


@pytest.fixture
def refused(asked: str, now: datetime) -> Callable[[], None]:
    """A refund that WeChat will not take, as often as it is sent, until what is called here removes the cause."""
    (kept,) = rows("SELECT request FROM payment_refunds")
    change("UPDATE payment_refunds SET request = jsonb_set(request, '{amount,total}', '1')")
    refunds.send(number=asked, now=now)
    return lambda: change(
        "UPDATE payment_refunds SET request = cast(:was AS jsonb)", was=database.dump_json(kept["request"])
    )


def of(number: str) -> list[dict[str, Any]]:
    sql = "SELECT kind, resolution, evidence FROM payment_cases WHERE number = :number ORDER BY id"
    return rows(sql, number=number)


def kinds_of(number: str) -> list[tuple[str, str | None]]:
    return [(case["kind"], case["resolution"]) for case in of(number)]


def test_a_refused_refund_is_one_case_however_often_it_is_refused(
    asked: str, refused: Callable[[], None], now: datetime
) -> None:
    for hours in (1, 2):
        assert refunds.check_due(now=now + timedelta(hours=hours)) == 1
    [case] = of(asked)
    assert (case["kind"], case["resolution"]) == ("refund_refused", None)
    assert case["evidence"]["code"]


def test_its_case_ends_when_wechat_takes_it_after_all(asked: str, refused: Callable[[], None], now: datetime) -> None:
    refused()
    assert refunds.check_due(now=now + timedelta(hours=1)) == 1
    assert kinds_of(asked) == [("refund_refused", "repaired")]


def test_news_that_overtakes_the_refusal_leaves_no_case(asked: str, now: datetime) -> None:
    change("UPDATE payment_refunds SET state = 'processing', refund_id = '50001'")
    refunds._hand_over(asked, cases.CaseKind.REFUND_REFUSED, {"code": "NOT_ENOUGH"}, now)
    assert kinds_of(asked) == []


def test_a_closed_refund_is_a_case_that_a_person_closes(asked: str, wechat: Wechat, now: datetime) -> None:
    wechat.fault("refund_closed", on="refund")
    refunds.send(number=asked, now=now)
    wechat.order("/settle", out_refund_no=asked)
    wait_until(lambda: kinds_of(asked) == [("refund_closed", None)])
    with database.transaction() as session:
        [case], _ = cases.listing(session, is_open=True)
        cases.take(session, slug=case.slug, owner="lin", now=now)
        ended = cases.close(session, slug=case.slug, resolution=Resolution.EXPLAINED, reason="?", by="lin", now=now)
    assert (ended.owner, ended.closed_by, ended.evidence["our_amount_fen"]) == ("lin", "lin", 5990)


def test_a_refund_that_wechat_forgot_is_a_case_until_it_remembers(
    asked: str, wechat: Wechat, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    refunds.send(number=asked, now=now)
    change("UPDATE payment_refunds SET number = 'R000000000000'")
    for hours in (1, 2):
        assert refunds.check_due(now=now + timedelta(hours=hours)) == 1
    assert kinds_of("R000000000000") == [("refund_vanished", None)]
    change("UPDATE payment_refunds SET number = :number", number=asked)
    change("UPDATE payment_cases SET number = :number", number=asked)
    assert refunds.check_due(now=now + timedelta(hours=4)) == 1
    assert kinds_of(asked) == [("refund_vanished", "repaired")]


def test_a_bill_that_cannot_be_believed_is_one_case_a_day_until_it_is(
    db: None, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    day = date(2026, 11, 20)
    monkeypatch.setattr(reconcile, "_due", lambda _: [day])

    def broken(**_: Any) -> int:
        raise BillBroken(reason="the file is not the one that its hash is of")

    with monkeypatch.context() as patch:
        patch.setattr(reconcile, "one_day", broken)
        assert [reconcile.reconcile_due(now=now) for _ in range(2)] == [0, 0]
    [case] = rows("SELECT number, kind, resolution, evidence FROM payment_cases")
    assert (case["kind"], case["resolution"]) == ("bill_broken", None)
    assert case["evidence"] == {"day": "2026-11-20", "reason": "the file is not the one that its hash is of"}
    with database.transaction() as session:
        reconcile._reconcile(session, day, None, None, now)
    assert kinds_of(case["number"]) == [("bill_broken", "repaired")]
