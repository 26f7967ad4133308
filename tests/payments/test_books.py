"""The ledger equals payments and refunds, whatever came in which order, late, doubled or not at all."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from config import database
from config.errors import AppError
from payments import books, collect, inquiries, ledger, receipts, refunds
from payments.collect import Payer
from payments.lifecycle import Channel
from payments.wechatpay.answers import RefundReport, Transaction
from tests.payments.conftest import change, rows

NOON = datetime(2026, 11, 21, 4, tzinfo=UTC)


def open_payment(reference: str, amount_fen: int = 5990) -> dict[str, Any]:
    """A payment of ours that WeChat has not heard of yet."""
    pay_until = NOON + timedelta(minutes=30)
    made = collect._take_number(reference, amount_fen, Payer(channel=Channel.NATIVE), "梨", pay_until, NOON)
    assert made is not None
    return rows("SELECT number, reference, amount_fen, mchid, appid FROM payments WHERE number = :n", n=made.number)[0]


def paid(payment: dict[str, Any], **changes: Any) -> Transaction:
    transaction = Transaction(
        number=payment["number"],
        mchid=payment["mchid"],
        appid=payment["appid"],
        transaction_id=f"4200{payment['number']}",
        trade_state="SUCCESS",
        total_fen=payment["amount_fen"],
        currency="CNY",
        succeeded_at=NOON,
    )
    return replace(transaction, **changes)


def record(transaction: Transaction) -> None:
    with database.transaction() as session:
        receipts.record(session, transaction=transaction, now=NOON)


def forget_to_post_money(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the ledger out of the statement that takes money."""
    posting = f"{books.RECEIVED}, "
    assert posting in receipts._TAKE_ALONE
    monkeypatch.setattr(receipts, "_TAKE_ALONE", receipts._TAKE_ALONE.replace(posting, ""))


def ask_back(reference: str, amount_fen: int, key: str) -> str:
    with database.transaction() as session:
        asked = refunds.request(session, reference=reference, amount_fen=amount_fen, reason="", key=key, now=NOON)
    return asked.number


def report(number: str, status: str) -> None:
    (refund,) = rows(
        "SELECT r.amount_fen, p.transaction_id, p.amount_fen AS paid FROM payment_refunds r"
        " JOIN payments p ON p.id = r.payment_id WHERE r.number = :n",
        n=number,
    )
    told = RefundReport(
        number=number,
        mchid=None,
        refund_id=f"50{number}",
        transaction_id=refund["transaction_id"],
        status=status,
        refund_fen=refund["amount_fen"],
        total_fen=refund["paid"],
        succeeded_at=NOON if status == "SUCCESS" else None,
    )
    with database.transaction() as session:
        refunds.record(session, report=told, now=NOON)


def balances() -> dict[str, int]:
    with database.transaction() as session:
        return {each.account: each.balance_fen for each in ledger.trial_balance(session)}


def differences() -> list[str]:
    with database.transaction() as session:
        return [each.name for each in books.differences(session)]


def test_a_payment_and_its_refunds_by_the_book(db: None) -> None:
    record(paid(open_payment("O1")))
    assert balances() == {"wechat_receivable": 5990, "order_clearing": -5990}
    first, second = ask_back("O1", 1000, "k1"), ask_back("O1", 2000, "k2")
    assert balances() == {"wechat_receivable": 5990, "order_clearing": -2990, "refunds": -3000}
    report(first, "SUCCESS")
    report(first, "SUCCESS")
    assert balances() == {"wechat_receivable": 4990, "order_clearing": -2990, "refunds": -2000}
    report(second, "CLOSED")
    assert balances() == {"wechat_receivable": 4990, "order_clearing": -4990, "refunds": 0}
    assert differences() == []


def test_fees_are_posted_once_for_a_day(db: None) -> None:
    for _ in range(2):
        with database.transaction() as session:
            books.charged(session, mchid="1900000001", day=date(2026, 11, 20), fees_fen=36)
            books.charged(session, mchid="1900000001", day=date(2026, 11, 21), fees_fen=0)
            books.charged(session, mchid="1900000001", day=date(2026, 11, 22), fees_fen=-6)
    assert balances() == {"fees": 30, "wechat_receivable": -30}


def test_money_that_is_recorded_but_not_posted_is_found(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_to_post_money(monkeypatch)
    record(paid(open_payment("O1")))
    monkeypatch.setattr(books, "promised_back", lambda session, **told: None)
    ask_back("O1", 10, "k1")
    assert differences() == ["received", "owed_back"]


def test_what_was_paid_before_the_ledger_is_posted_once(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every state that a payment or refund can be in, then the same again through the verbs: nothing doubles."""
    forget_to_post_money(monkeypatch)
    for name in ("promised_back", "paid_back", "kept_after_all"):
        monkeypatch.setattr(books, name, lambda session, **told: None)
    first = paid(open_payment("O1"))
    record(first)
    open_payment("O2")
    closed = open_payment("O3")
    inquiries.mark_closed(number=closed["number"], now=NOON)
    for key, status in {"k1": "SUCCESS", "k2": "CLOSED", "k3": "ABNORMAL", "k4": "PROCESSING"}.items():
        report(ask_back("O1", 100, key), status)
    ask_back("O1", 100, "k5")
    monkeypatch.undo()
    told: list[tuple[str, int]] = []
    assert books.backfill(progress=lambda what, done: told.append((what, done))) == 1 + 5 + 1 + 1
    assert told[-1] == ("payments", 8)
    assert differences() == []
    assert books.backfill(progress=lambda what, done: told.append((what, done))) == 0
    assert balances() == {"wechat_receivable": 5890, "order_clearing": -5590, "refunds": -300}
    record(first)
    with database.transaction() as session:
        accounts = {"debit": books.RECEIVABLE, "credit": books.CLEARING}
        source = f"payment.succeeded/{first.number}"
        assert not ledger.transfer(session, **accounts, amount_fen=5990, source=source, at=NOON)
    assert balances() == {"wechat_receivable": 5890, "order_clearing": -5590, "refunds": -300}


def test_a_refusal_leaves_no_entry(db: None) -> None:
    payment = open_payment("O1")
    record(paid(payment, total_fen=1))
    with pytest.raises(AppError):
        ask_back("O1", 1, "k1")
    assert balances() == {}
    assert differences() == []


class Till(RuleBasedStateMachine):
    """Any sequence of payments, late payments, refunds and repeated news."""

    def __init__(self) -> None:
        super().__init__()
        self.payments: list[dict[str, Any]] = []
        self.refunds: list[str] = []
        self.keys = 0

    @precondition(lambda self: len(self.payments) < 3)
    @rule(amount_fen=st.integers(1, 10_000))
    def open(self, amount_fen: int) -> None:
        self.payments.append(open_payment(f"O{len(self.payments)}", amount_fen))

    @precondition(lambda self: self.payments)
    @rule(data=st.data(), is_right=st.booleans())
    def hear_of_money(self, data: st.DataObject, is_right: bool) -> None:
        transaction = paid(data.draw(st.sampled_from(self.payments)))
        record(transaction if is_right else replace(transaction, total_fen=7))

    @precondition(lambda self: self.payments)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        inquiries.mark_closed(number=data.draw(st.sampled_from(self.payments))["number"], now=NOON)

    @precondition(lambda self: self.payments and len(self.refunds) < 5)
    @rule(data=st.data(), amount_fen=st.integers(1, 6_000), is_replay=st.booleans())
    def ask_back(self, data: st.DataObject, amount_fen: int, is_replay: bool) -> None:
        self.keys += 0 if is_replay else 1
        try:
            number = ask_back(data.draw(st.sampled_from(self.payments))["reference"], amount_fen, f"k{self.keys}")
        except AppError:
            return
        self.refunds.append(number)

    @precondition(lambda self: self.refunds)
    @rule(data=st.data(), status=st.sampled_from(["PROCESSING", "SUCCESS", "CLOSED", "ABNORMAL"]))
    def hear_of_refund(self, data: st.DataObject, status: str) -> None:
        report(data.draw(st.sampled_from(self.refunds)), status)

    @invariant()
    def the_books_are_right(self) -> None:
        assert differences() == []
        assert sum(balances().values()) == 0

    def teardown(self) -> None:
        for table in ("ledger_entries", "payment_cases", "payment_refunds", "payments", "open_facts", "facts"):
            change(f"SET LOCAL session_replication_role = replica; DELETE FROM {table}")


def test_any_sequence_leaves_the_books_right(db: None) -> None:
    run_state_machine_as_test(
        Till,
        settings=settings(
            max_examples=12, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
