from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from storefront.h5 import progress
from storefront.h5.following_models import Progress
from storefront.order_lifecycle import OrderState

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


def described(
    state: str, payment_state: str, *, left_s: int = 1500, by: str = "", refunding_fen: int = 0, refunded_fen: int = 0
) -> Progress:
    return progress.describe(
        state=state,
        payment_state=payment_state,
        cancelled_by=by,
        refunding_fen=refunding_fen,
        refunded_fen=refunded_fen,
        pay_until=NOW + timedelta(seconds=left_s),
        now=NOW,
    )


def test_every_state_of_order_and_payment_has_words() -> None:
    for state, payment_state in product(OrderState, ("open", "confirming", "succeeded", "closed")):
        assert described(state.value, payment_state).headline


def test_once_money_is_recorded_no_page_says_that_it_is_awaited() -> None:
    for state in ("pending", "cancelled"):
        shown = described(state, "succeeded")
        assert shown.headline == "已收款，处理中"
        assert not shown.can_pay
        assert not shown.can_cancel
        assert shown.follows


def test_an_unpaid_order_can_be_paid_checked_and_cancelled() -> None:
    shown = described("pending", "open")
    assert (shown.headline, shown.can_pay, shown.can_check, shown.can_cancel) == ("待支付", True, True, True)
    assert shown.counts_down


def test_while_wechat_is_asked_nobody_is_told_to_pay_again() -> None:
    shown = described("pending", "confirming")
    assert shown.headline == "正在确认"
    assert not shown.can_pay


@pytest.mark.parametrize("left_s", [120, 60, 1])
def test_no_payment_is_offered_in_the_last_two_minutes(left_s: int) -> None:
    assert not described("pending", "open", left_s=left_s).can_pay


def test_an_order_past_its_time_offers_neither_payment_nor_cancellation() -> None:
    shown = described("pending", "open", left_s=-1)
    assert (shown.can_pay, shown.can_cancel, shown.can_check) == (False, False, True)


@pytest.mark.parametrize(
    ("by", "words"), [("shopper", "您已取消"), ("staff", "商家已取消"), ("expiry", "超过支付时间")]
)
def test_a_cancelled_order_says_who_ended_it(by: str, words: str) -> None:
    assert words in described("cancelled", "closed", by=by).detail


def test_money_on_its_way_back_is_said_to_be() -> None:
    assert described("cancelled", "succeeded", by="shopper", refunding_fen=3790).headline == "退款中"


def test_the_money_of_a_cancelled_order_is_followed_until_it_is_back() -> None:
    headlines = [
        described("cancelled", "succeeded").headline,
        described("cancelled", "succeeded", refunding_fen=100).headline,
        described("cancelled", "succeeded", refunded_fen=100).headline,
    ]
    assert headlines == ["已收款，处理中", "退款中", "已退款"]
