"""Money on its way back: from the right payment, again when WeChat declined, and never for goods that leave."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from config import clock, database
from config.errors import AppError
from payments import collect, refunds
from payments.collect import Payer
from payments.lifecycle import REFUNDS_APART, Channel
from storefront import aftersales, checkout, errors, order_views, orders, shipping
from storefront.order_lifecycle import CancelledBy
from tests.journeys.conftest import Desk
from tests.storefront.conftest import stock_of

H5 = Payer(channel=Channel.H5, client_ip="203.0.113.9")


def pay_by_h5(desk: Desk, number: str) -> str:
    """Change to the browser's channel, which closes the payment that was open, and return the new one's number."""
    return checkout.pay(shopper_id=desk.buyer.shopper_id, number=number, payer=H5, now=clock.now()).number


def paid(desk: Desk, lines: dict[str, int] | None = None) -> str:
    number = desk.place(lines)
    desk.wechat.pay(desk.open(number))
    desk.drain()
    return number


def cancel(number: str, by: CancelledBy = CancelledBy.SHOPPER) -> None:
    with database.transaction() as session:
        orders.cancel(session, number=number, by=by, now=clock.now())


def ask_back(number: str, *, key: str = "refund-01", lines: dict[int, int] | None = None) -> aftersales.RefundRequested:
    """Ask for everything, or for `lines`."""
    with database.transaction() as session:
        left, freight_fen = aftersales.remaining(session, orders.lock(session, number).id)
        return aftersales.request(
            session,
            number=number,
            lines={line: fen for line, fen in left.items() if fen} if lines is None else lines,
            freight_fen=freight_fen if lines is None else 0,
            reason="商品破损",
            key=key,
            asked_by="desk",
            now=clock.now(),
        )


def settle_at_wechat(desk: Desk) -> None:
    """Send what was asked for, let WeChat decide it, and ask WeChat what became of it."""
    desk.drain()
    # As if what was sent had been sent long ago: a payment's next refund waits its turn.
    database.statement("UPDATE payment_refunds SET sent_at = sent_at - interval '1 hour' RETURNING number")
    refunds.check_due(now=clock.now() + REFUNDS_APART)
    for (number,) in database.statement("SELECT number FROM payment_refunds WHERE state = 'processing'"):
        desk.wechat.order("/settle", out_refund_no=number)
        desk.wechat.order("/redeliver", out_refund_no=number)
    desk.drain()


def shown(desk: Desk, number: str) -> dict[str, Any]:
    with database.transaction() as session:
        return order_views.find(session, shopper_id=desk.buyer.shopper_id, number=number)


def test_a_refund_of_an_order_never_takes_the_money_of_a_second_payment(desk: Desk) -> None:
    number = desk.place()
    first = desk.open(number)
    second = pay_by_h5(desk, number)
    desk.wechat.pay(second)
    desk.drain()
    desk.wechat.pay(first, force=True)
    ask_back(number)
    settle_at_wechat(desk)
    amount_fen = desk.order(number)["payable_fen"]
    for payment in (first, second):
        assert [refund["amount_fen"] for refund in desk.wechat.book(payment)["refunds"]] == [amount_fen]
    assert desk.order(number)["state"] == "refunded"


def test_money_that_cannot_be_honoured_is_sent_back_again_when_wechat_declined(desk: Desk) -> None:
    number = desk.place()
    payment = desk.open(number)
    cancel(number)
    desk.wechat.fault("refund_closed", times=1)
    desk.wechat.pay(payment)
    with capture_logs() as lines:
        settle_at_wechat(desk)
        settle_at_wechat(desk)
    assert any(line.get("alarm") == "payments.refund_closed" for line in lines)
    states = database.statement("SELECT state, amount_fen FROM payment_refunds ORDER BY id")
    amount_fen = desk.order(number)["payable_fen"]
    assert states == [("closed", amount_fen), ("succeeded", amount_fen)]


def test_a_refund_that_wechat_declined_can_be_asked_for_again_in_full(desk: Desk) -> None:
    number = paid(desk)
    desk.wechat.fault("refund_closed", times=1)
    declined = ask_back(number)
    settle_at_wechat(desk)
    assert (shown(desk, number)["refunding_fen"], desk.order(number)["state"]) == (0, "paid")
    assert ask_back(number, lines=None, key="refund-02").number != declined.number
    settle_at_wechat(desk)
    assert desk.order(number)["state"] == "refunded"
    assert database.statement("SELECT count(*) FROM payment_refunds") == [(2,)]


def test_the_shopper_sees_the_money_of_a_cancelled_order_go_back(desk: Desk) -> None:
    number = desk.place()
    payment = desk.open(number)
    cancel(number)
    desk.wechat.pay(payment)
    desk.drain()
    amount_fen = desk.order(number)["payable_fen"]
    assert (shown(desk, number)["refunding_fen"], shown(desk, number)["refunded_fen"]) == (amount_fen, 0)
    settle_at_wechat(desk)
    assert (shown(desk, number)["refunding_fen"], shown(desk, number)["refunded_fen"]) == (0, amount_fen)


def test_a_cancelled_orders_payment_is_closed_even_if_wechat_is_silent_at_first(desk: Desk) -> None:
    number = desk.place()
    payment = desk.open(number)
    cancel(number)
    desk.wechat.fault("error", times=1, on="query")
    with pytest.raises(AppError):
        desk.drain()
    assert desk.wechat.book(payment)["state"] == "NOTPAY"
    desk.drain()
    assert desk.wechat.book(payment)["state"] == "CLOSED"


def test_goods_whose_whole_price_goes_back_do_not_leave(desk: Desk) -> None:
    before = [stock_of(sku) for sku in desk.skus[:2]]
    number = paid(desk, dict.fromkeys(desk.skus[:2], 1))
    ask_back(number)
    with database.transaction() as session, pytest.raises(errors.LinesInvalid):
        shipping.ship(session, number=number, carrier="顺丰", tracking_number="SF1", now=clock.now())
    settle_at_wechat(desk)
    assert [stock_of(sku) for sku in desk.skus[:2]] == before


def test_what_has_left_stays_off_the_shelf_when_everything_is_refunded(desk: Desk) -> None:
    before = [stock_of(sku)[0] for sku in desk.skus[:2]]
    number = paid(desk, dict.fromkeys(desk.skus[:2], 1))
    [(sku, line)] = database.statement("SELECT sku, line_no FROM order_lines WHERE consignment_no = 1")
    with database.transaction() as session:
        shipping.ship(session, number=number, carrier="顺丰", tracking_number="SF1", lines=[line], now=clock.now())
    ask_back(number)
    settle_at_wechat(desk)
    assert desk.order(number)["state"] == "refunded"
    left = [stock_of(each)[0] - on_hand for each, on_hand in zip(desk.skus[:2], before, strict=True)]
    assert left == [-1 if each == sku else 0 for each in desk.skus[:2]]


def test_freight_alone_can_go_back_once(desk: Desk) -> None:
    number = paid(desk)
    freight_fen = desk.order(number)["freight_fen"]
    assert freight_fen > 0

    def ask(key: str) -> None:
        with database.transaction() as session:
            aftersales.request(
                session, number=number, lines={}, freight_fen=freight_fen, reason="晚到", key=key, asked_by="desk",
                now=clock.now(),
            )  # fmt: skip

    ask("freight-1")
    with pytest.raises(errors.RefundExceedsLine):
        ask("freight-2")
    settle_at_wechat(desk)
    assert desk.order(number)["state"] == "paid"
    assert (shown(desk, number)["refunded_fen"], shown(desk, number)["refunding_fen"]) == (freight_fen, 0)
    assert database.statement("SELECT state FROM conversion_refunds") == [("applied",)]


def test_a_payment_opened_while_its_order_is_cancelled_is_closed_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = desk.place()
    really_open = collect.open

    def open_late(**told: Any) -> collect.Opened:
        cancel(number)
        desk.drain()
        return really_open(**told)

    monkeypatch.setattr(collect, "open", open_late)
    with pytest.raises(errors.OrderNotPending):
        desk.open(number)
    assert database.statement("SELECT state FROM payments") == [("closed",)]


def test_a_second_payment_that_is_open_when_the_first_arrives_late_is_closed(desk: Desk) -> None:
    number = desk.place()
    first = desk.open(number)
    second = pay_by_h5(desk, number)
    desk.wechat.pay(first, force=True)
    desk.drain()
    assert desk.order(number)["state"] == "paid"
    collect.check_due(now=clock.now() + timedelta(seconds=1))
    assert desk.wechat.book(second)["state"] == "CLOSED"


def test_a_line_that_is_refunded_before_it_leaves_goes_back_on_the_shelf_and_the_rest_is_sent(desk: Desk) -> None:
    # The minute between two refunds is not what this is about.
    desk.wechat.order("/terms", refund_gap_seconds=0)
    before = {sku: stock_of(sku)[0] for sku in desk.skus[:2]}
    number = paid(desk, dict.fromkeys(before, 2))
    [(sku, amount_fen, parcel)] = database.statement(
        "SELECT sku, amount_fen, consignment_no FROM order_lines WHERE line_no = 1"
    )
    ask_back(number, lines={1: 1}, key="a-little")
    settle_at_wechat(desk)
    assert stock_of(sku)[0] == before[sku] - 2
    ask_back(number, lines={1: amount_fen - 1}, key="the-rest")
    settle_at_wechat(desk)
    assert stock_of(sku)[0] == before[sku]
    with database.transaction() as session:
        assert shipping.ship(session, number=number, carrier="顺丰", tracking_number="SF1", now=clock.now())
    assert database.statement("SELECT consignment_no FROM consignments WHERE shipped_at IS NULL") == [(parcel,)]
    ask_back(number, key="everything")
    settle_at_wechat(desk)
    assert desk.order(number)["state"] == "refunded"
    assert {each: stock_of(each)[0] - on_hand for each, on_hand in before.items()} == {
        each: 0 if each == sku else -2 for each in before
    }


def ship(number: str, *lines: int) -> bool:
    """Send lines, or all that are left, and tell whether the order is shipped now."""
    with database.transaction() as session:
        shipping.ship(
            session, number=number, carrier="顺丰", tracking_number="SF1", lines=list(lines) or None, now=clock.now()
        )
        return session.execute(text("SELECT state FROM orders WHERE number = :n"), {"n": number}).scalar() == "shipped"


def test_an_order_is_shipped_when_what_has_not_left_is_refunded(desk: Desk) -> None:
    number = paid(desk, dict.fromkeys(desk.skus[:2], 1))
    assert not ship(number, 1)
    [(amount_fen,)] = database.statement("SELECT amount_fen FROM order_lines WHERE line_no = 2")
    ask_back(number, lines={2: amount_fen})
    assert desk.order(number)["state"] == "paid"
    settle_at_wechat(desk)
    assert desk.order(number)["state"] == "shipped"


def test_what_stayed_for_a_refund_that_wechat_declined_can_still_leave(desk: Desk) -> None:
    number = paid(desk, dict.fromkeys(desk.skus[:2], 1))
    [(amount_fen,)] = database.statement("SELECT amount_fen FROM order_lines WHERE line_no = 2")
    desk.wechat.fault("refund_closed", times=1)
    ask_back(number, lines={2: amount_fen})
    assert not ship(number)
    with pytest.raises(errors.LinesInvalid):
        ship(number, 2)
    settle_at_wechat(desk)
    assert ship(number)
    assert desk.order(number)["state"] == "shipped"
