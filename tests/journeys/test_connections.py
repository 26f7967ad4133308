"""Nobody waits for WeChat with a connection of the database in hand: a slow WeChat must not empty the pool."""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from config import clock, database
from payments import collect, refunds
from payments.lifecycle import Channel
from payments.wechatpay.transport import Transport
from storefront import orders
from storefront.order_lifecycle import CancelledBy
from storefront.wechat import wire
from tests.journeys.conftest import Desk
from tests.journeys.test_money_edges import expire, refund


@pytest.fixture
def held(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """At every call to WeChat: how many pooled connections the calling thread had in hand."""
    in_hand: Counter[int] = Counter()
    seen: list[int] = []

    def out(*_: Any) -> None:
        in_hand[threading.get_ident()] += 1

    def back(*_: Any) -> None:
        in_hand[threading.get_ident()] -= 1

    def watched(call: Any) -> Any:
        def calling(*args: Any, **kwargs: Any) -> Any:
            seen.append(in_hand[threading.get_ident()])
            return call(*args, **kwargs)

        return calling

    event.listen(database.engine(), "checkout", out)
    event.listen(database.engine(), "checkin", back)
    monkeypatch.setattr(Transport, "_send", watched(Transport._send))
    monkeypatch.setattr(wire.Client, "_ask", watched(wire.Client._ask))
    yield seen
    event.remove(database.engine(), "checkout", out)
    event.remove(database.engine(), "checkin", back)


def test_no_call_from_paying_to_refunding_holds_a_connection(desk: Desk, held: list[int]) -> None:
    paid, cancelled, expired = (desk.place(key=f"another-{n}") for n in range(3))
    for number in (paid, cancelled, expired):
        desk.open(number)
    collect.check(reference=paid, now=clock.now())
    desk.wechat.pay(desk.open(paid))
    desk.drain()
    refund(desk, paid, {1: 100})
    refunds.check_due(now=clock.now())
    with database.transaction() as session:
        orders.cancel(session, number=cancelled, by=CancelledBy.STAFF, now=clock.now())
    desk.drain()
    expire(desk, expired)
    collect.check_due(now=clock.now())
    assert {"prepay", "query", "close", "refund"} <= set(desk.wechat.calls())
    assert len(held) >= len(desk.wechat.calls()) > 8
    assert set(held) == {0}


def test_the_watch_sees_a_connection_that_is_held(desk: Desk, held: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard off: a call inside a transaction."""
    desk.place()
    monkeypatch.setattr(database, "refuse_transaction", lambda: None)
    payer = collect.Payer(channel=Channel.NATIVE)
    with database.engine().connect():
        collect.open(
            reference="O1",
            amount_fen=1,
            payer=payer,
            description="梨",
            pay_until=clock.now() + collect._TOKEN_LIVES,
            now=clock.now(),
        )
    assert 1 in held
