"""What the campaign is told of orders: that one was placed, and that it was paid.

Invariant: telling again changes nothing, and a payment is never told of before its order.
"""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database
from subway_campaign import conversions

_ORDER = text("SELECT visitor, person, placed_at, freight_fen FROM orders WHERE number = :number")
_LINES = text("""
    SELECT l.line_no, l.product_slug, l.amount_fen FROM order_lines l JOIN orders o ON o.id = l.order_id
    WHERE o.number = :number ORDER BY l.line_no
""")


def tell_placed(session: Session, *, number: str) -> None:
    """Tell the campaign that an order was placed, and on which journey."""
    database.require_transaction(session)
    order = session.execute(_ORDER, {"number": number}).one()
    conversions.placed(
        session,
        order=number,
        visitor=order.visitor,
        person=order.person,
        placed_at=order.placed_at,
        freight_fen=order.freight_fen,
        lines=_lines(session, number),
    )


def tell_paid(session: Session, *, number: str, paid_at: datetime) -> None:
    """Let the campaign decide which placement earned a paid order, and credit it; the order is told of first."""
    tell_placed(session, number=number)
    lines = {line.line_no: line.amount_fen for line in _lines(session, number)}
    conversions.paid(session, order=number, paid_at=paid_at, lines=lines)


def _lines(session: Session, number: str) -> list[conversions.Line]:
    rows = session.execute(_LINES, {"number": number})
    return [conversions.Line(row.line_no, row.product_slug, row.amount_fen) for row in rows]
