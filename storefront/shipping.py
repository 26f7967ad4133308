"""Goods on their way: each consignment leaves once, with a carrier and a tracking number.

Invariant: an order is shipped when all its consignments have left, but for those that are refunded; a consignment
that left is not shipped again.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import facts
from storefront import aftersales, batch_lines, carriers, errors, events, frozen_money, orders
from storefront.order_lifecycle import OrderState
from storefront.shipping_lifecycle import Parcel

# WeChat takes no longer description of a parcel.
_LONGEST_GOODS = 120


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
    batches: Mapping[int, str] | None = None,
    now: datetime,
) -> int:
    """Send the consignments that hold `lines` (all that are left, when None) and publish `order.shipped` for each.

    A consignment whose whole price has been asked back stays here. Returns how many left; 0 when all of it left under
    this very tracking number before, so that a clerk whose answer was lost may ask again.
    `batches` says from which production batch (code) a line comes. Raises `OrderNotFound`, `OrderNotPaid` unless it is
    paid and not wholly shipped, `LinesInvalid` for lines that it does not have, that have left or that stay here, and
    what `batch_lines.name` does.
    """
    order = orders.lock(session, number)
    parcels = waiting(session, number=number)
    gone = set(session.scalars(_GONE, {"id": order.id, "carrier": carrier, "tracking": tracking_number}))
    if gone and (set(lines) <= gone if lines is not None else not parcels):
        return 0
    if order.state is not OrderState.PAID:
        raise errors.OrderNotPaid(state=order.state.value)
    left = {line for lines_of in parcels.values() for line in lines_of}
    wanted = left if lines is None else set(lines)
    if not wanted or not wanted <= left:
        raise errors.LinesInvalid(unshipped=sorted(left))
    sent = [no for no, lines_of in parcels.items() if wanted & lines_of]
    if batches:
        leaving = {line for no in sent for line in parcels[no]}
        batch_lines.name(session, order_id=order.id, named=batches, sent=leaving, now=now)
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
    orders.mark_shipped(session, order_id=order.id, now=now)
    return len(sent)


def correct(
    session: Session, *, number: str, consignment: int, carrier: str, tracking_number: str, now: datetime
) -> bool:
    """Put right the carrier and tracking number of a consignment that left; False when they are as given already.

    Of a payment whose shipping WeChat was told of that is possible once, and WeChat is told within seconds. Raises
    `OrderNotFound`, `OrderNotShipped` for a consignment that did not leave, and `ReshipUsed`.
    """
    order = orders.lock(session, number)
    sent = session.execute(_SENT, {"id": order.id, "no": consignment}).first()
    if sent is None:
        raise errors.OrderNotShipped(state=order.state.value)
    if (sent.carrier, sent.tracking_number) == (carrier, tracking_number):
        return False
    if order.payment_number is not None:
        frozen_money.spend_correction(session, payment=order.payment_number, now=now)
        frozen_money.make_due(session, payment=order.payment_number, now=now)
    session.execute(
        text("""
            UPDATE consignments SET carrier = :carrier, tracking_number = :tracking
            WHERE order_id = :id AND consignment_no = :no
        """),
        {"id": order.id, "no": consignment, "carrier": carrier, "tracking": tracking_number},
    )
    return True


def parcels(session: Session, *, number: str) -> tuple[list[Parcel], bool]:
    """Return what has left of an order, one parcel per tracking number in the order of leaving, and whether it is all.

    A telephone is told, masked, only of carriers for which WeChat wants it.
    """
    rows = session.execute(_PARCELS, {"number": number}).all()
    goods: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        goods.setdefault((carriers.code(row.carrier), row.tracking_number), []).append(row.goods)
    left = [
        Parcel(
            tracking_number=tracking,
            company=company,
            goods="、".join(held)[:_LONGEST_GOODS],
            contact=carriers.masked(rows[0].phone) if carriers.wants_contact(company) else None,
        )
        for (company, tracking), held in goods.items()
    ]
    return left, bool(rows) and rows[0].state != OrderState.PAID


_GONE = text("""
    SELECT l.line_no FROM order_lines l
    JOIN consignments c ON c.order_id = l.order_id AND c.consignment_no = l.consignment_no
    WHERE c.order_id = :id AND c.carrier = :carrier AND c.tracking_number = :tracking
""")
_SENT = text("""
    SELECT carrier, tracking_number FROM consignments
    WHERE order_id = :id AND consignment_no = :no AND shipped_at IS NOT NULL
""")
_PARCELS = text("""
    SELECT o.state, o.address->>'phone' AS phone, c.carrier, c.tracking_number,
           (SELECT string_agg(l.title || '*' || l.quantity, '、' ORDER BY l.line_no) FROM order_lines l
            WHERE l.order_id = o.id AND l.consignment_no = c.consignment_no) AS goods
    FROM orders o JOIN consignments c ON c.order_id = o.id AND c.shipped_at IS NOT NULL
    WHERE o.number = :number ORDER BY c.shipped_at, c.consignment_no
""")
