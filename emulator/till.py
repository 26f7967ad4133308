"""What moves money at this WeChat: taking a payment, accepting and settling a refund, and announcing both.

The books change first; the announcement follows from them and is made again after a restart that cut in between.
"""

import functools
from datetime import timedelta

from emulator import notify, refunds, views
from emulator.desk import Desk
from emulator.faults import Rule
from emulator.records import Conflict, Notification, Order, Refund

REFUND_OUTCOMES = {"refund_abnormal": "ABNORMAL", "refund_closed": "CLOSED"}


def take(
    desk: Desk, number: str, *, openid: str, payer_total: int | None = None, is_forced: bool = False, wait: bool = False
) -> Order:
    """Take an order's money and announce it; with `wait`, return after the first sending came back.

    Raises Conflict as `Books.pay` does.
    """
    order = desk.books.pay(
        number,
        openid=openid,
        now=desk.clock.now(),
        terms=desk.contract.terms,
        payer_total=payer_total,
        is_forced=is_forced,
    )
    notification = _announce_payment(desk, order)
    if wait:
        desk.courier.attempt(notification.id)
    else:
        desk.courier.schedule(notification)
    return order


def give_back(desk: Desk, order: Order, request: dict[str, object], rule: Rule | None) -> Refund:
    """Accept a refund and have it settled after a while, to the outcome that `rule` wants. Raises Conflict."""
    seconds = desk.options.refund_seconds
    if rule is not None and rule.fault == "refund_delay":
        seconds = rule.number("seconds", 3600)
    wait, terms, now = desk.clock.wait(seconds), desk.contract.terms, desk.clock.now()
    accept = functools.partial(
        refunds.accept,
        now=now,
        wait=timedelta(seconds=wait),
        gap=timedelta(seconds=desk.clock.wait(terms.refund_gap_seconds)),
        outcome=REFUND_OUTCOMES.get(rule.fault, "SUCCESS") if rule else "SUCCESS",
        terms=terms,
    )
    refund, is_new = desk.books.refund(order.out_trade_no, request, accept)
    if is_new:
        desk.agenda.after(wait, lambda: settle(desk, refund.out_refund_no))
    return refund


def redirect(desk: Desk, number: str) -> Refund:
    """Send an abnormal refund on its way again, and have it arrive after a while. Raises Conflict `not_abnormal`."""
    wait = desk.clock.wait(desk.options.refund_seconds)
    refund = desk.books.redirect_refund(number, now=desk.clock.now(), wait=timedelta(seconds=wait))
    desk.agenda.after(wait, lambda: settle(desk, number))
    return refund


def settle(desk: Desk, number: str, outcome: str | None = None) -> None:
    """Bring a refund to its outcome, or to another by order, and announce it where the merchant asked to be told."""
    refund = desk.books.settle_refund(number, now=desk.clock.now(), outcome=outcome)
    if refund is not None and refund.notify_url:
        desk.courier.schedule(_announce_refund(desk, refund))


def resume(desk: Desk) -> None:
    """Pick up after a restart: send what is pending, settle what is due, announce what nobody was told."""
    waiting, notifications = desk.books.pending()
    for notification in notifications:
        desk.courier.schedule(notification)
    for refund in waiting:
        seconds = max(0.0, (refund.settle_at - desk.clock.now()).total_seconds())
        desk.agenda.after(seconds, lambda number=refund.out_refund_no: settle(desk, number))  # type: ignore[misc]
    told = {(each.kind, each.reference) for each in desk.books.notifications.values()}
    for order in list(desk.books.orders.values()):
        if order.is_paid and ("payment", order.out_trade_no) not in told:
            desk.courier.schedule(_announce_payment(desk, order))
    for refund in list(desk.books.refunds.values()):
        is_told = refund.status == "PROCESSING" or ("refund", refund.out_refund_no) in told
        if refund.notify_url and not is_told:
            desk.courier.schedule(_announce_refund(desk, refund))


def payer_of(desk: Desk, order: Order, person: str) -> str:
    """Return who pays: the openid that the order names, or the person's own at the order's account."""
    payer = order.request.get("payer")
    return str(payer["openid"]) if payer else desk.keys.openid(order.appid, person)


def find(desk: Desk, *, out_trade_no: str | None = None, prepay_id: str | None = None) -> Order:
    """Return the order of either number. Raises Conflict `unknown`."""
    order = desk.books.order_of_prepay(prepay_id) if prepay_id else desk.books.orders.get(out_trade_no or "")
    if order is None:
        raise Conflict("unknown")
    return order


def push(desk: Desk, order: Order, event: str, **more: int | str) -> None:
    """Announce an event of the mini-program's to its server, if it has told where that is."""
    if desk.pushes.site is None or order.paid_at is None:
        return
    now = desk.clock.now()
    told = {
        "ToUserName": f"gh_{desk.keys.identity.miniprogram_appid[2:14]}",
        "FromUserName": str(order.payer_openid),
        "CreateTime": int(now.timestamp()),
        "MsgType": "event",
        "Event": event,
        "transaction_id": str(order.transaction_id),
        "merchant_id": desk.keys.identity.mchid,
        "sub_merchant_id": "",
        "merchant_trade_no": order.out_trade_no,
        "pay_time": int(order.paid_at.timestamp()),
    }
    word = notify.new_notification(
        kind="push",
        reference=order.out_trade_no,
        url=desk.pushes.site.url,
        event_type=event,
        summary="",
        resource=told | more,
        created_at=now,
    )
    desk.courier.schedule(desk.books.announce(word))


def _announce_payment(desk: Desk, order: Order) -> Notification:
    return desk.books.announce(
        notify.new_notification(
            kind="payment",
            reference=order.out_trade_no,
            url=order.notify_url,
            event_type="TRANSACTION.SUCCESS",
            summary="支付成功",
            resource=views.payment_resource(order, desk.keys.identity.mchid),
            created_at=desk.clock.now(),
        )
    )


def _announce_refund(desk: Desk, refund: Refund) -> Notification:
    order = desk.books.orders[refund.out_trade_no]
    return desk.books.announce(
        notify.new_notification(
            kind="refund",
            reference=refund.out_refund_no,
            url=refund.notify_url,
            event_type=f"REFUND.{refund.status}",
            summary=views.REFUND_STATES[refund.status],
            resource=views.refund_resource(refund, order, desk.keys.identity.mchid),
            created_at=desk.clock.now(),
        )
    )
