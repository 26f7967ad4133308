"""Payments and refunds move only forward, and WeChat is asked at the planned instants."""

from datetime import UTC, datetime, timedelta

import pytest

from payments import lifecycle
from payments.lifecycle import PAYMENT_MOVES, REFUND_MOVES, PaymentState, RefundState

OPENED = datetime(2020, 11, 20, 8, 0, tzinfo=UTC)
PAY_UNTIL = OPENED + timedelta(minutes=30)


def test_every_state_has_its_moves() -> None:
    assert set(PAYMENT_MOVES) == set(PaymentState)
    assert set(REFUND_MOVES) == set(RefundState)


def test_nothing_un_receives_money() -> None:
    assert not PAYMENT_MOVES[PaymentState.SUCCEEDED]
    assert not REFUND_MOVES[RefundState.SUCCEEDED]
    assert not REFUND_MOVES[RefundState.TRANSFERRED]


def test_a_closed_payment_may_still_succeed_but_never_reopens() -> None:
    assert PAYMENT_MOVES[PaymentState.CLOSED] == {PaymentState.SUCCEEDED}
    assert set(lifecycle.payment_origins(PaymentState.SUCCEEDED)) == {PaymentState.OPEN, PaymentState.CLOSED}
    assert lifecycle.payment_origins(PaymentState.OPEN) == []


def test_nothing_returns_to_requested() -> None:
    assert all(RefundState.REQUESTED not in targets for targets in REFUND_MOVES.values())


@pytest.mark.parametrize("state", RefundState)
def test_only_a_closed_or_refused_refund_gives_its_amount_free(state: RefundState) -> None:
    is_over = state in {RefundState.CLOSED, RefundState.REFUSED}
    assert (state in lifecycle.REFUND_HOLDS_MONEY) is not is_over


def test_an_open_payment_is_asked_about_at_each_planned_instant() -> None:
    asked, now = [], OPENED
    while now < PAY_UNTIL + timedelta(minutes=4):
        now = lifecycle.next_payment_check(opened_at=OPENED, pay_until=PAY_UNTIL, now=now)
        asked.append((now - OPENED).total_seconds())
    assert asked == [5, 30, 60, 180, 300, 600, 1800, 1890, 1950, 2010, 2070]


def test_a_short_time_to_pay_cuts_the_plan() -> None:
    pay_until = OPENED + timedelta(minutes=2)
    after_a_minute = OPENED + timedelta(minutes=1)
    after = lifecycle.next_payment_check(opened_at=OPENED, pay_until=pay_until, now=after_a_minute)
    assert after == OPENED + timedelta(minutes=3)
    assert lifecycle.next_payment_check(opened_at=OPENED, pay_until=pay_until, now=after) == pay_until + timedelta(
        seconds=90
    )


@pytest.mark.parametrize(
    ("age", "wait"),
    [
        (timedelta(0), timedelta(seconds=30)),
        (timedelta(minutes=5), timedelta(minutes=5)),
        (timedelta(days=3), timedelta(hours=1)),
    ],
)
def test_a_refund_is_asked_about_ever_more_rarely(age: timedelta, wait: timedelta) -> None:
    now = OPENED + age
    assert lifecycle.next_refund_check(requested_at=OPENED, now=now) == now + wait
