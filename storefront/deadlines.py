"""What the clock does to orders: it ends those whose time to pay is over, and receives what nobody said had arrived.

Invariant: each round does whatever is due, so a missed one loses nothing; an order that may still be paid is not ended.
"""

from datetime import datetime, timedelta

from sqlalchemy import text

from config import database, settings
from payments import collect
from payments.lifecycle import PaymentState
from storefront import orders
from storefront.order_lifecycle import CancelledBy, OrderState

# WeChat's clock and ours differ by less than this; whoever pays in the last second is still in time.
EXPIRY_GRACE = timedelta(seconds=90)


def expire_due(*, now: datetime) -> int:
    """End orders whose time to pay is over; returns how many.

    One that was never sent to WeChat ends without a call. For others the payment is asked, closed and asked again
    first: while WeChat does not answer, or says it was paid, the order stays for the next round or for `settle`; with a
    disputed payment it stays until a person has closed the case. One that stays keeps no other waiting; after the
    first silence a round calls no more.
    """
    ended, is_silent = 0, False
    for number, is_open in _due(now):
        if is_open and is_silent:
            continue
        if is_open:
            view = collect.close(reference=number, now=now)
            is_silent = view is not None and view.state is PaymentState.OPEN and not view.is_disputed
            if view is not None and view.state is not PaymentState.CLOSED:
                continue
        with database.transaction() as session:
            order = orders.lock(session, number)
            if order.state is OrderState.PENDING:
                view = collect.current(session, reference=number)
                if view is None or view.state is PaymentState.CLOSED:
                    orders.cancel(session, number=number, by=CancelledBy.EXPIRY, now=now)
                    ended += 1
    return ended


def _due(now: datetime) -> list[tuple[str, bool]]:
    """Return each order whose time is over, and whether its payment is still open."""
    with database.transaction() as session:
        numbers = session.scalars(
            text("SELECT number FROM orders WHERE state = 'pending' AND pay_until < :before ORDER BY pay_until"),
            {"before": now - EXPIRY_GRACE},
        ).all()
        views = collect.currents(session, references=numbers)
    due = [(number, views.get(number)) for number in numbers]
    return [
        (number, view is not None and view.state is PaymentState.OPEN)
        for number, view in due
        if view is None or not view.is_disputed
    ]


def receive_due(*, now: datetime) -> int:
    """Mark orders as received that were shipped `ORDER_RECEIVE_DAYS` ago; returns how many."""
    before = now - timedelta(days=settings.current().order_receive_days)
    with database.transaction() as session:
        rows = session.execute(
            text("""
                UPDATE orders SET state = 'received', received_at = :now
                WHERE state = 'shipped' AND shipped_at < :before RETURNING id
            """),
            {"now": now, "before": before},
        )
        return len(rows.all())
