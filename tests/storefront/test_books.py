"""The ledger over a whole order: clearing is empty once everything is decided, and the hourly check finds the rest."""

from collections.abc import Callable
from typing import Any

import pytest

from config import database, facts, logs
from payments import books as payment_books
from storefront import aftersales, books, orders, reactions
from tests.payments.test_books import balances, forget_to_post_money, open_payment, paid, record, report
from tests.storefront.conftest import NOW, Buyer


def bought(buyer: Buyer, sku: str, *, key: str = "key-00000001") -> tuple[str, int]:
    """An order whose money was recorded and not yet settled: its number and sum."""
    number = buyer.place({sku: 1}, key=key)
    [(payable_fen,)] = database.statement("SELECT payable_fen FROM orders WHERE number = %s", (number,))
    record(paid(open_payment(number, payable_fen)))
    return number, payable_fen


def ask_back(number: str, amount_fen: int, key: str) -> str:
    with database.transaction() as session:
        asked = aftersales.request(
            session, number=number, lines={1: amount_fen}, reason="坏果", key=key, asked_by="staff", now=NOW
        )
    return asked.number


def test_money_passes_through_clearing(buyer: Buyer, skus: list[str], drain: Callable[[], int]) -> None:
    assert reactions.settle_order.__name__ in {each.name for each in facts.reactions_to("payment.succeeded")}
    number, fen = bought(buyer, skus[0])
    assert balances() == {"wechat_receivable": fen, "order_clearing": -fen}
    drain_money(drain)
    assert balances() == {"wechat_receivable": fen, "order_clearing": 0, "payables": -fen}
    refund = ask_back(number, 100, "k-1")
    assert balances()["refunds"] == -100
    report(refund, "SUCCESS")
    drain_money(drain)
    assert balances() == {"wechat_receivable": fen - 100, "order_clearing": 0, "payables": 100 - fen, "refunds": 0}
    failed = ask_back(number, 50, "k-2")
    report(failed, "CLOSED")
    drain_money(drain)
    assert balances() == {"wechat_receivable": fen - 100, "order_clearing": 0, "payables": 100 - fen, "refunds": 0}
    assert books.check(now=NOW) == []


def drain_money(drain: Callable[[], int]) -> None:
    """Run the reactions that stay at home; nobody answers the calls to WeChat, and they are not needed here."""
    kept = {name: list(known) for name, known in facts._reactions.items()}
    for name, known in kept.items():
        facts._reactions[name] = [each for each in known if not each.outside]
    drain()
    facts._reactions.update(kept)


def test_money_that_nobody_wants_goes_back_from_clearing(
    buyer: Buyer, skus: list[str], drain: Callable[[], int]
) -> None:
    number, fen = bought(buyer, skus[0])
    with database.transaction() as session:
        orders.cancel(session, number=number, by=orders.CancelledBy.SHOPPER, now=NOW)
    drain_money(drain)
    assert balances() == {"wechat_receivable": fen, "order_clearing": 0, "refunds": -fen}
    assert books.check(now=NOW) == []


def test_an_order_that_is_settled_twice_is_posted_once(buyer: Buyer, skus: list[str], db: None) -> None:
    number, fen = bought(buyer, skus[0])
    [(payment,)] = database.statement("SELECT number FROM payments")
    for _ in range(2):
        with database.transaction() as session:
            orders.settle(session, number=number, payment=payment, amount_fen=fen, paid_at=NOW, now=NOW)
    assert balances() == {"wechat_receivable": fen, "order_clearing": 0, "payables": -fen}


def test_the_check_raises_an_alarm_for_each_difference(
    buyer: Buyer, skus: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alarms: list[tuple[str, Any]] = []
    monkeypatch.setattr(logs, "alarm", lambda kind, **told: alarms.append((kind, told)))
    monkeypatch.setattr(books, "honoured", lambda session, **told: None)
    number, fen = bought(buyer, skus[0])
    [(payment,)] = database.statement("SELECT number FROM payments")
    with database.transaction() as session:
        orders.settle(session, number=number, payment=payment, amount_fen=fen, paid_at=NOW, now=NOW)
    assert books.check(now=NOW) == [payment_books.Difference("payable", fen, 0)]
    assert alarms == [
        ("payments.case", {"case": "ledger", "number": "2026-11-21"}),
        ("payments.ledger_differs", {"sum": "payable", "expected": fen, "posted": 0}),
    ]
    [(evidence,)] = database.statement("SELECT evidence FROM payment_cases")
    assert evidence == {"differences": [{"name": "payable", "expected_fen": fen, "posted_fen": 0}]}


def test_what_was_there_before_the_ledger_is_posted_once(
    buyer: Buyer, skus: list[str], drain: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, names in {
        payment_books: ("promised_back", "paid_back", "kept_after_all"),
        books: ("honoured", "asked_back", "stands_again"),
    }.items():
        for name in names:
            monkeypatch.setattr(module, name, lambda session, **told: None)
    forget_to_post_money(monkeypatch)
    number, fen = bought(buyer, skus[0])
    drain_money(drain)
    report(ask_back(number, 100, "k-1"), "SUCCESS")
    report(ask_back(number, 50, "k-2"), "CLOSED")
    drain_money(drain)
    monkeypatch.undo()
    assert balances() == {}
    told: list[tuple[str, int]] = []
    assert books.backfill(progress=lambda what, done: told.append((what, done))) == (1 + 2 + 1 + 1) + (1 + 2 + 1)
    assert told[-1] == ("orders", 4)
    assert books.check(now=NOW) == []
    assert books.backfill(progress=lambda what, done: told.append((what, done))) == 0
    assert balances()["payables"] == 100 - fen
