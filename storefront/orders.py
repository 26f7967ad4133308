"""The life of an order after it was placed: settled, cancelled, shipped, received, read.

Invariant: an order changes state under its row lock, along `order_lifecycle` only, and what follows is published in
the same transaction. Money comes first: an order that cannot be fulfilled gives its money back, it never un-receives
it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from catalog import stock
from catalog.errors import OutOfStock
from config import database, facts, logs
from payments import cases, collect, refunds
from payments.errors import PaymentUnavailable
from payments.lifecycle import PaymentState
from payments.models import CaseKind
from storefront import books, errors, events
from storefront.order_lifecycle import CancelledBy, OrderState, may_follow

# WeChat closes a refund for reasons that pass, such as an account short of money, or that stay.
_TRIES_TO_GIVE_BACK = 3

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """What others need to know of an order before they act on it."""

    id: int
    number: str
    shopper_id: int
    state: OrderState
    cancelled_by: CancelledBy | None
    payable_fen: int
    pay_until: datetime
    stock_reference: str
    payment_number: str | None


_STANDING = """
    SELECT id, number, shopper_id, state, cancelled_by, payable_fen, pay_until, stock_reference, payment_number
    FROM orders WHERE number = :number
"""
_FOR_UPDATE = " FOR UPDATE"


def _standing(row: Row[Any]) -> Standing:
    cancelled_by = CancelledBy(row.cancelled_by) if row.cancelled_by else None
    return Standing(
        id=row.id,
        number=row.number,
        shopper_id=row.shopper_id,
        state=OrderState(row.state),
        cancelled_by=cancelled_by,
        payable_fen=row.payable_fen,
        pay_until=row.pay_until,
        stock_reference=row.stock_reference,
        payment_number=row.payment_number,
    )


def lock(session: Session, number: str) -> Standing:
    """Lock an order's row until the transaction ends and return how it stands. Raises `OrderNotFound`."""
    database.require_transaction(session)
    row = session.execute(text(_STANDING + _FOR_UPDATE), {"number": number}).first()
    if row is None:
        raise errors.OrderNotFound
    return _standing(row)


def find(session: Session, *, shopper_id: int, number: str) -> Standing:
    """Return how a shopper's own order stands. Raises `OrderNotFound`, also for somebody else's."""
    row = session.execute(text(_STANDING), {"number": number}).first()
    if row is None or row.shopper_id != shopper_id:
        raise errors.OrderNotFound
    return _standing(row)


def require_pending(session: Session, *, shopper_id: int, number: str) -> Standing:
    """Return a shopper's own order that waits for its money. Raises `OrderNotFound`, `OrderNotPending`."""
    order = find(session, shopper_id=shopper_id, number=number)
    if order.state is not OrderState.PENDING:
        raise errors.OrderNotPending(state=order.state.value)
    return order


def describe(session: Session, *, number: str) -> str:
    """Return what a shopper reads in WeChat's bill: the first title, and how many more."""
    titles = session.scalars(
        text(
            "SELECT l.title FROM order_lines l JOIN orders o ON o.id = l.order_id WHERE o.number = :n ORDER BY line_no"
        ),
        {"n": number},
    ).all()
    return titles[0] if len(titles) == 1 else f"{titles[0]}等{len(titles)}件"


def settle(session: Session, *, number: str, payment: str, amount_fen: int, paid_at: datetime, now: datetime) -> None:
    """Turn money that arrived into a paid order: commit its stock and publish `order.paid`.

    An order that expired is revived with a new reservation. When it cannot be fulfilled (cancelled by somebody, sold
    out meanwhile, paid already by another payment, or the sum differs) the money goes back. Repeating is harmless.
    """
    order = lock(session, number)
    if order.payment_number == payment:
        return
    reason = _why_not(order, amount_fen) or _take_stock(session, order, now)
    if reason is not None:
        log.warning("order.unfulfillable", order=number, payment=payment, reason=reason)
        refunds.request(
            session,
            reference=number,
            amount_fen=amount_fen,
            reason=reason,
            key=f"unfulfillable:{payment}",
            payment=payment,
            now=now,
        )
        return
    session.execute(
        text("""
            UPDATE orders SET state = 'paid', cancelled_by = NULL, cancelled_at = NULL, paid_at = :paid_at,
                              payment_number = :payment
            WHERE id = :id
        """),
        {"id": order.id, "paid_at": paid_at, "payment": payment},
    )
    books.honoured(session, order=number, amount_fen=amount_fen, at=paid_at)
    facts.publish(session, events.ORDER_PAID, key=number, values={"order": number, "paid_at": paid_at.isoformat()})


def _why_not(order: Standing, amount_fen: int) -> str | None:
    if order.payment_number is not None:
        return "订单已由另一笔付款支付"
    if not may_follow(order.state, OrderState.PAID, cancelled_by=order.cancelled_by):
        return "订单已取消"
    if amount_fen != order.payable_fen:
        return "付款金额与订单不符"
    return None


def _take_stock(session: Session, order: Standing, now: datetime) -> str | None:
    """Commit the order's reservation, or make a new one for a revived order; return why that is impossible."""
    reference = order.stock_reference
    if order.state is OrderState.CANCELLED:
        reference = f"{order.number}/revived"
        lines = lines_of(session, order.id)
        try:
            with session.begin_nested():
                stock.hold(session, reference=reference, lines=lines, now=now)
        except OutOfStock:
            return "付款到账时商品已售罄"
        session.execute(
            text("UPDATE orders SET stock_reference = :reference WHERE id = :id"),
            {"id": order.id, "reference": reference},
        )
    stock.commit(session, reference=reference)
    return None


def give_back_again(session: Session, *, number: str, refund: str, now: datetime) -> None:
    """Ask once more for the refund of money that could not be honoured, after WeChat closed the one before.

    After `_TRIES_TO_GIVE_BACK` it raises an alarm instead, and the case of the last refund stays open: then only a
    person can return the money.
    """
    asked = refunds.listing(session, reference=number)
    declined = next(each for each in asked if each.number == refund)
    if sum(each.payment == declined.payment for each in asked) >= _TRIES_TO_GIVE_BACK:
        logs.alarm("orders.money_not_returned", order=number, payment=declined.payment)
        return
    refunds.request(
        session,
        reference=number,
        amount_fen=declined.amount_fen,
        reason=declined.reason,
        key=f"again:{refund}",
        payment=declined.payment,
        now=now,
    )
    cases.repaired(session, kind=CaseKind.REFUND_CLOSED, number=refund, reason="已自动再次申请退款", by="系统", now=now)


def lines_of(session: Session, order_id: int) -> dict[str, int]:
    """Return SKU number → quantity of an order."""
    rows = session.execute(text("SELECT sku, quantity FROM order_lines WHERE order_id = :id"), {"id": order_id})
    return {row.sku: row.quantity for row in rows}


def cancel(session: Session, *, number: str, by: CancelledBy, now: datetime) -> bool:
    """End an unpaid order, give its stock back and publish `order.cancelled`.

    Returns False when it was cancelled already. Raises `OrderNotFound`, and `OrderNotPending` once it is paid.
    Its payment is closed at WeChat by a reaction; money that slips through goes back (or, after expiry, revives it).
    """
    order = lock(session, number)
    if order.state is OrderState.CANCELLED:
        return False
    if order.state is not OrderState.PENDING:
        raise errors.OrderNotPending(state=order.state.value)
    session.execute(
        text("UPDATE orders SET state = 'cancelled', cancelled_by = :by, cancelled_at = :now WHERE id = :id"),
        {"id": order.id, "by": by.value, "now": now},
    )
    facts.publish(session, events.ORDER_CANCELLED, key=number, values={"order": number, "by": by.value})
    stock.release(session, reference=order.stock_reference)
    return True


def cancel_own(session: Session, *, shopper_id: int, number: str, now: datetime) -> bool:
    """Cancel a shopper's own unpaid order. Raises `OrderNotFound` for anybody else's, `OrderNotPending` once paid."""
    find(session, shopper_id=shopper_id, number=number)
    return cancel(session, number=number, by=CancelledBy.SHOPPER, now=now)


def close_payment(*, number: str, now: datetime) -> None:
    """Close the payment of an order that must not be paid any more. Raises `PaymentUnavailable`: then try again.

    One that WeChat confirms with other money than was asked for is left to the person who has its case.
    """
    view = collect.close(reference=number, now=now)
    if view is not None and view.state is PaymentState.OPEN and not view.is_disputed:
        raise PaymentUnavailable


def adopt(session: Session, *, from_shopper: int, to_shopper: int) -> None:
    """Give a guest's orders to the shopper whom the guest logged in as.

    Attribution keeps the person who placed them. An idempotency key that the shopper used as well is given up, for
    its order can be read under its number.
    """
    session.execute(
        text("""
            UPDATE orders o SET shopper_id = :to_shopper, idempotency_key = CASE WHEN EXISTS (
                SELECT FROM orders t WHERE t.shopper_id = :to_shopper AND t.idempotency_key = o.idempotency_key
            ) THEN 'adopted ' || o.number ELSE o.idempotency_key END
            WHERE o.shopper_id = :from_shopper
        """),
        {"from_shopper": from_shopper, "to_shopper": to_shopper},
    )


_MARK_SHIPPED = text("""
    UPDATE orders o SET state = 'shipped', shipped_at = :now
    WHERE o.id = :id AND o.state = 'paid'
      AND EXISTS (SELECT FROM consignments c WHERE c.order_id = o.id AND c.shipped_at IS NOT NULL)
      AND NOT EXISTS (
          SELECT FROM consignments c JOIN order_lines l USING (order_id, consignment_no)
          WHERE c.order_id = o.id AND c.shipped_at IS NULL AND l.amount_fen > (
              SELECT coalesce(sum(rl.amount_fen), 0) FROM order_refund_lines rl
              JOIN order_refunds r ON r.id = rl.refund_id
              WHERE r.order_id = o.id AND rl.line_no = l.line_no AND r.refunded_at IS NOT NULL))
    RETURNING o.id
""")


def mark_shipped(session: Session, *, order_id: int, now: datetime) -> bool:
    """Mark a paid order as shipped if something of it has left and the rest has been refunded; the row is locked."""
    return session.execute(_MARK_SHIPPED, {"id": order_id, "now": now}).first() is not None


def receive(session: Session, *, number: str, now: datetime) -> bool:
    """Mark a shipped order as received; False when it was already. Raises `OrderNotShipped` before that."""
    order = lock(session, number)
    if order.state is OrderState.RECEIVED:
        return False
    if order.state is not OrderState.SHIPPED:
        raise errors.OrderNotShipped(state=order.state.value)
    session.execute(
        text("UPDATE orders SET state = 'received', received_at = :now WHERE id = :id"), {"id": order.id, "now": now}
    )
    return True
