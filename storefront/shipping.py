"""Goods on their way: each consignment leaves once, with a carrier and a tracking number.

Invariant: an order is shipped when all its consignments have left, but for those that are refunded; a consignment
that left is not shipped again.
"""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import facts
from storefront import aftersales, errors, events, orders
from storefront.order_lifecycle import OrderState


def waiting(session: Session, *, number: str) -> dict[int, set[int]]:
    """Return the lines of each consignment that can leave: it has not left, and not all of its price is asked back."""
    rows = session.execute(
        text("""
            SELECT o.id, c.consignment_no, array_agg(l.line_no) AS lines
            FROM orders o JOIN consignments c ON c.order_id = o.id
            JOIN order_lines l ON l.order_id = o.id AND l.consignment_no = c.consignment_no
            WHERE o.number = :number AND c.shipped_at IS NULL GROUP BY o.id, c.consignment_no
        """),
        {"number": number},
    ).all()
    if not rows:
        return {}
    left, _ = aftersales.remaining(session, rows[0].id)
    return {row.consignment_no: set(row.lines) for row in rows if any(left[line] > 0 for line in row.lines)}


def ship(
    session: Session,
    *,
    number: str,
    carrier: str,
    tracking_number: str,
    lines: list[int] | None = None,
    now: datetime,
) -> bool:
    """Send the consignments that hold `lines` (all that are left, when None) and publish `order.shipped` for each.

    A consignment whose whole price has been asked back stays here. Returns whether the order is shipped now.
    Raises `OrderNotFound`, `OrderNotPaid` unless it is paid and not wholly shipped, and `LinesInvalid` for lines that
    it does not have, that have left or that stay here.
    """
    order = orders.lock(session, number)
    if order.state is not OrderState.PAID:
        raise errors.OrderNotPaid(state=order.state.value)
    parcels = waiting(session, number=number)
    left = {line for lines_of in parcels.values() for line in lines_of}
    wanted = left if lines is None else set(lines)
    if not wanted or not wanted <= left:
        raise errors.LinesInvalid(unshipped=sorted(left))
    sent = [no for no, lines_of in parcels.items() if wanted & lines_of]
    session.execute(
        text("""
            UPDATE consignments SET carrier = :carrier, tracking_number = :tracking, shipped_at = :now
            WHERE order_id = :id AND consignment_no = ANY(:sent)
        """),
        {"id": order.id, "carrier": carrier, "tracking": tracking_number, "now": now, "sent": sent},
    )
    for no in sent:
        facts.publish(
            session, events.ORDER_SHIPPED, key=f"{number}/{no}", values={"order": number, "consignment_no": no}
        )
    return orders.mark_shipped(session, order_id=order.id, now=now)
