"""The edges of money: lost, late, doubled and unwanted payments, expiry, cancellation and refunds."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from sqlalchemy import text

from config import clock, database
from payments import cases, collect, notifications
from storefront import aftersales, deadlines, errors, orders
from storefront.order_lifecycle import CancelledBy
from tests.journeys.conftest import Desk
from tests.storefront.conftest import stock_of


def expire(desk: Desk, number: str) -> None:
    """Let an order's time to pay pass, for us and for WeChat's clock alike."""
    [(pay_until,)] = database.statement("SELECT pay_until FROM orders WHERE number = %s", (number,))
    deadlines.expire_due(now=pay_until + timedelta(seconds=91))


def test_a_payment_becomes_a_paid_order_with_its_stock_committed(desk: Desk) -> None:
    on_hand, _ = stock_of(desk.skus[0])
    number = desk.place()
    desk.wechat.pay(desk.open(number))
    desk.drain()
    order = desk.order(number)
    assert order["state"] == "paid"
    [(succeeded_at,)] = database.statement("SELECT succeeded_at FROM payments WHERE reference = %s", (number,))
    assert order["paid_at"] == succeeded_at, "days must match WeChat's bill"
    assert stock_of(desk.skus[0]) == (on_hand - 1, 0)


def test_a_lost_notification_is_found_by_asking(desk: Desk) -> None:
    number = desk.place()
    payment = desk.open(number)
    desk.wechat.fault("lost", times=1)
    desk.wechat.pay(payment)
    assert desk.drain() == 1, "only the campaign heard of the order"
    assert collect.check_due(now=clock.now() + timedelta(seconds=6)) == 1
    desk.drain()
    assert desk.order(number)["state"] == "paid"


def test_the_shopper_may_ask_now(desk: Desk) -> None:
    number = desk.place()
    payment = desk.open(number)
    desk.wechat.fault("lost", times=1)
    desk.wechat.pay(payment)
    view = collect.check(reference=number, now=clock.now())
    assert view is not None
    assert view.state.value == "succeeded"
    desk.drain()
    assert desk.order(number)["state"] == "paid"


def test_a_notification_that_comes_twenty_times_at_once_pays_once(desk: Desk) -> None:
    number = desk.place()
    desk.wechat.pay(desk.open(number))
    headers, body = desk.wechat.inbox.letters[-1]
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda _: notifications.receive(headers=headers, body=body, now=clock.now()), range(20)))
    desk.drain()
    assert desk.order(number)["state"] == "paid"
    assert database.statement("SELECT count(*) FROM facts WHERE name = 'payment.succeeded'") == [(1,)]
    assert database.statement("SELECT count(*) FROM facts WHERE name = 'order.paid'") == [(1,)]
    assert stock_of(desk.skus[0])[1] == 0


def test_two_workers_that_settle_at_once_commit_the_stock_once(desk: Desk) -> None:
    on_hand, _ = stock_of(desk.skus[0])
    number = desk.place()
    payment = desk.open(number)
    desk.wechat.pay(payment)
    now, amount_fen = clock.now(), desk.order(number)["payable_fen"]

    def settle(_: int) -> None:
        with database.transaction() as session:
            orders.settle(session, number=number, payment=payment, amount_fen=amount_fen, paid_at=now, now=now)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(settle, range(8)))
    assert stock_of(desk.skus[0]) == (on_hand - 1, 0)
    assert database.statement("SELECT count(*) FROM payment_refunds") == [(0,)]


def settle_against_cancel(desk: Desk, monkeypatch: pytest.MonkeyPatch, *, patience_s: float) -> dict[str, int]:
    """Let money and the shopper's cancellation meet on one order; count what came of it.

    Each waits `patience_s` for the other to have read the order too, which the row's lock makes impossible.
    """
    number = desk.place()
    payment = desk.open(number)
    desk.wechat.pay(payment)
    now, amount_fen = clock.now(), desk.order(number)["payable_fen"]
    both_have_read, read = Barrier(2, timeout=60), orders._standing

    def read_and_wait(row: Any) -> orders.Standing:
        standing = read(row)
        with contextlib.suppress(BrokenBarrierError):
            both_have_read.wait(patience_s)
        return standing

    monkeypatch.setattr(orders, "_standing", read_and_wait)

    def settle() -> None:
        with database.transaction() as session:
            orders.settle(session, number=number, payment=payment, amount_fen=amount_fen, paid_at=now, now=now)

    def cancel() -> None:
        with database.transaction() as session:
            orders.cancel(session, number=number, by=CancelledBy.SHOPPER, now=now)

    with ThreadPoolExecutor(2) as threads:
        outcomes = [threads.submit(settle), threads.submit(cancel)]
        failures = [outcome.exception() for outcome in outcomes]
    names = database.statement("SELECT name, count(*) FROM facts WHERE name <> 'order.placed' GROUP BY name")
    broken = sum(failure is not None and not isinstance(failure, errors.OrderNotPending) for failure in failures)
    return {**dict(names), "broken": broken}


def test_money_and_cancellation_break_an_order_without_its_row_lock(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "_FOR_UPDATE", "")
    seen = settle_against_cancel(desk, monkeypatch, patience_s=60)
    assert seen["broken"] or ("order.paid" in seen and "order.cancelled" in seen)


def test_money_and_cancellation_at_once_end_in_one_or_the_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = settle_against_cancel(desk, monkeypatch, patience_s=0.5)
    assert seen["broken"] == 0
    paid, given_back = "order.paid" in seen, "refund.requested" in seen
    assert paid != given_back, "either the order is paid, or it is cancelled and the money goes back"
    assert given_back == ("order.cancelled" in seen)


def test_an_order_that_was_never_sent_to_wechat_expires_without_a_call(desk: Desk) -> None:
    number = desk.place()
    expire(desk, number)
    assert desk.order(number) | {"state": "cancelled", "cancelled_by": "expiry"} == desk.order(number)
    assert desk.wechat.calls() == []
    assert stock_of(desk.skus[0])[1] == 0


def test_an_order_that_was_sent_is_asked_closed_and_asked_before_it_expires(desk: Desk) -> None:
    number = desk.place()
    payment = desk.open(number)
    expire(desk, number)
    assert desk.order(number)["cancelled_by"] == "expiry"
    assert desk.wechat.calls() == ["prepay", "query", "close", "query"]
    assert desk.wechat.book(payment)["state"] == "CLOSED"


def test_an_order_about_which_wechat_is_silent_keeps_no_other_from_expiring(desk: Desk) -> None:
    stuck, other = desk.place(), desk.place(key="another-1")
    desk.open(stuck)
    desk.open(other)
    unsent = [desk.place(key=f"unsent-{n}") for n in range(60)]
    desk.wechat.fault("error", times=None, probability=1.0, on="query")
    expire(desk, unsent[-1])
    assert {desk.order(number)["cancelled_by"] for number in unsent} == {"expiry"}
    assert {desk.order(number)["state"] for number in (stuck, other)} == {"pending"}
    assert desk.wechat.calls().count("query") == 1, "after the first silence a round calls no more"


def test_an_order_whose_payment_was_missed_is_settled_instead_of_expired(desk: Desk) -> None:
    number = desk.place()
    payment = desk.open(number)
    desk.wechat.fault("lost", times=1)
    desk.wechat.pay(payment)
    expire(desk, number)
    desk.drain()
    assert desk.order(number)["state"] == "paid"


def test_late_money_revives_an_expired_order_with_a_new_reservation(desk: Desk) -> None:
    on_hand, _ = stock_of(desk.skus[0])
    number = desk.place()
    payment = desk.open(number)
    expire(desk, number)
    desk.wechat.pay(payment, force=True)
    desk.drain()
    order = desk.order(number)
    assert (order["state"], order["cancelled_by"]) == ("paid", None)
    assert order["stock_reference"] == f"{number}/revived"
    assert stock_of(desk.skus[0]) == (on_hand - 1, 0)


def test_late_money_for_what_is_sold_out_goes_back(desk: Desk) -> None:
    number = desk.place()
    payment = desk.open(number)
    expire(desk, number)
    on_hand, _ = stock_of(desk.skus[0])
    desk.place({desk.skus[0]: on_hand}, key="the-rest-0")
    desk.wechat.pay(payment, force=True)
    desk.drain()
    assert desk.order(number)["state"] == "cancelled"
    assert database.statement("SELECT amount_fen, state FROM payment_refunds") == [
        (desk.order(number)["payable_fen"], "processing")
    ]


@pytest.mark.parametrize("by", [CancelledBy.SHOPPER, CancelledBy.STAFF])
def test_money_for_a_cancelled_order_goes_back(desk: Desk, by: CancelledBy) -> None:
    number = desk.place()
    payment = desk.open(number)
    with database.transaction() as session:
        assert orders.cancel(session, number=number, by=by, now=clock.now())
    desk.wechat.pay(payment)
    desk.drain()
    assert desk.order(number)["state"] == "cancelled"
    [refund] = desk.wechat.book(payment)["refunds"]
    assert refund["amount_fen"] == desk.order(number)["payable_fen"]


def test_a_cancelled_order_closes_its_payment_at_wechat(desk: Desk) -> None:
    number = desk.place()
    payment = desk.open(number)
    with database.transaction() as session:
        orders.cancel_own(session, shopper_id=desk.buyer.shopper_id, number=number, now=clock.now())
    desk.drain()
    assert desk.wechat.book(payment)["state"] == "CLOSED"
    assert stock_of(desk.skus[0])[1] == 0


def test_a_paid_order_cannot_be_cancelled_and_nobody_else_can_touch_it(desk: Desk) -> None:
    number = desk.place()
    desk.wechat.pay(desk.open(number))
    desk.drain()
    with database.transaction() as session, pytest.raises(errors.OrderNotPending):
        orders.cancel(session, number=number, by=CancelledBy.SHOPPER, now=clock.now())
    with database.transaction() as session, pytest.raises(errors.OrderNotFound):
        orders.cancel_own(session, shopper_id=desk.buyer.shopper_id + 1, number=number, now=clock.now())


def dispute(desk: Desk, number: str) -> str:
    """Let WeChat confirm other money than was asked for, for an open payment; returns the payment's number."""
    payment = desk.open(number)
    desk.wechat.fault("lost", on="payment")
    desk.wechat.pay(payment)
    with database.transaction() as session:
        session.execute(text("UPDATE payments SET amount_fen = amount_fen + 1 WHERE number = :n"), {"n": payment})
    return payment


def test_a_cancelled_order_whose_payment_is_disputed_asks_wechat_no_more(desk: Desk) -> None:
    number = desk.place()
    payment = dispute(desk, number)
    with database.transaction() as session:
        assert orders.cancel(session, number=number, by=CancelledBy.SHOPPER, now=clock.now())
    desk.drain()
    assert desk.wechat.calls() == ["prepay", "query"]
    assert database.statement("SELECT kind, number FROM payment_cases") == [("mismatch", payment)]
    assert database.statement("SELECT count(*) FROM open_facts") == [(0,)], "nothing is tried for ever"


def test_a_disputed_payment_keeps_no_other_waiting_and_ends_with_its_case(desk: Desk) -> None:
    number, other = desk.place(), desk.place(key="another-1")
    dispute(desk, number)
    desk.open(other)
    for _ in range(2):
        expire(desk, other)
    assert [desk.order(each)["state"] for each in (number, other)] == ["pending", "cancelled"]
    assert desk.wechat.calls() == ["prepay", "prepay", "query", "query", "close", "query"], "it is asked about once"
    with database.transaction() as session:
        [case], _ = cases.listing(session)
        resolution = cases.Resolution.REPAIRED
        cases.close(session, slug=case.slug, resolution=resolution, reason="已退回", by="li", now=clock.now())
    expire(desk, other)
    assert desk.order(number)["cancelled_by"] == "expiry"
    assert database.statement("SELECT count(*) FROM facts WHERE name = 'payment.closed'") == [(2,)]


def test_no_new_payment_starts_in_the_last_two_minutes(desk: Desk) -> None:
    number = desk.place()
    with pytest.raises(errors.PayWindowClosing):
        desk.open(number, now=clock.now() + timedelta(minutes=28, seconds=1))


def refund(desk: Desk, number: str, lines: dict[int, int], freight_fen: int = 0, key: str = "refund-01") -> str:
    with database.transaction() as session:
        asked = aftersales.request(
            session,
            number=number,
            lines=lines,
            freight_fen=freight_fen,
            reason="商品破损",
            key=key,
            asked_by="desk",
            now=clock.now(),
        )
    desk.drain()
    desk.wechat.order("/settle", out_refund_no=asked.number)
    desk.wechat.order("/redeliver", out_refund_no=asked.number)
    desk.drain()
    return asked.number


def test_a_full_refund_ends_the_order_and_returns_the_goods_that_never_left(desk: Desk) -> None:
    before = stock_of(desk.skus[0])
    number = desk.place()
    desk.wechat.pay(desk.open(number))
    desk.drain()
    order = desk.order(number)
    refund(desk, number, {1: order["goods_fen"]}, order["freight_fen"])
    assert desk.order(number)["state"] == "refunded"
    assert stock_of(desk.skus[0]) == before


def test_partial_refunds_keep_the_state_and_never_exceed_the_line(desk: Desk) -> None:
    number = desk.place({desk.skus[0]: 2})
    desk.wechat.pay(desk.open(number))
    desk.drain()
    goods = desk.order(number)["goods_fen"]
    refund(desk, number, {1: 100})
    assert desk.order(number)["state"] == "paid"
    with pytest.raises(errors.RefundExceedsLine) as caught:
        refund(desk, number, {1: goods}, key="refund-02")
    assert caught.value.details["lines"] == [{"line": 1, "left_fen": goods - 100}]


def test_a_refund_that_is_asked_twice_with_one_key_is_paid_once(desk: Desk) -> None:
    number = desk.place()
    payment = desk.open(number)
    desk.wechat.pay(payment)
    desk.drain()
    assert refund(desk, number, {1: 100}) == refund(desk, number, {1: 100})
    assert [book["amount_fen"] for book in desk.wechat.book(payment)["refunds"]] == [100]


def test_an_unpaid_order_has_nothing_to_refund(desk: Desk) -> None:
    number = desk.place()
    with pytest.raises(errors.OrderNotPaid):
        refund(desk, number, {1: 100})
