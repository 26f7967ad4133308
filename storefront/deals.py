"""Deals: what the orders of the shop tell the catalog about prices that were really paid.

Invariant: a line is one deal, under the order's number and its own; it counts from its payment until all of its money
went back.
"""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import market_prices

_PAID = text("""
    SELECT o.number || '/' || l.line_no AS reference, l.sku, l.price_fen, o.paid_at
    FROM order_lines l JOIN orders o ON o.id = l.order_id
    WHERE o.number = :order AND o.paid_at IS NOT NULL AND l.price_fen > 0 ORDER BY l.line_no
""")
_UNDONE = text("""
    SELECT o.number || '/' || l.line_no
    FROM order_lines l JOIN orders o ON o.id = l.order_id
    JOIN order_refund_lines b ON b.line_no = l.line_no
    JOIN order_refunds r ON r.id = b.refund_id AND r.order_id = o.id AND r.refunded_at IS NOT NULL
    WHERE o.number = :order
    GROUP BY o.number, l.line_no, l.amount_fen HAVING sum(b.amount_fen) >= l.amount_fen
""")


def note(session: Session, *, order: str) -> None:
    """Tell the catalog at which prices a paid order was dealt."""
    rows = session.execute(_PAID, {"order": order})
    market_prices.note(session, deals=[market_prices.Deal(*row) for row in rows])


def undo(session: Session, *, order: str, now: datetime) -> None:
    """Tell the catalog which lines of an order were wholly given back: nobody dealt at their price."""
    market_prices.void(session, references=session.scalars(_UNDONE, {"order": order}).all(), now=now)
