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

    A consignment whose whole price has been asked back stays here. Returns whether all others are on their way now.
    Raises `OrderNotFound`, `OrderNotPaid` unless it is paid and not wholly shipped, and `LinesInvalid` for lines that
    it does not have, that have left or that stay here.
    """
    order = orders.lock(session, number)
    if order.state is not OrderState.PAID:
        raise errors.OrderNotPaid(state=order.state.value)
    rows = session.execute(
        text("""
            SELECT c.consignment_no, array_agg(l.line_no) AS lines
            FROM consignments c JOIN order_lines l USING (order_id, consignment_no)
            WHERE c.order_id = :id AND c.shipped_at IS NULL GROUP BY c.consignment_no
        """),
        {"id": order.id},
    ).all()
    unrefunded = {line for line, fen in aftersales.remaining(session, order.id)[0].items() if fen > 0}
    rows = [row for row in rows if unrefunded & set(row.lines)]
    left = {line for row in rows for line in row.lines}
    wanted = left if lines is None else set(lines)
    if not wanted or not wanted <= left:
        raise errors.LinesInvalid(unshipped=sorted(left))
    sent = [row.consignment_no for row in rows if wanted & set(row.lines)]
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
    if len(sent) < len(rows):
        return False
    session.execute(
        text("UPDATE orders SET state = 'shipped', shipped_at = :now WHERE id = :id"), {"id": order.id, "now": now}
    )
    return True
