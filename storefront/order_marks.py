"""What whoever works on open orders must know of their goods.

Invariant: an order is marked once for each cause and reference, and only while its goods are still here; a mark moves
no money and stays for the record.
"""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database
from storefront.order_lifecycle import MarkCause

# An order placed before the product left the shelf and committed later holds no mark when it is not seen here; it is
# seen, because checkout reads the shelf and takes the stock in one statement, and this runs after the shelf changed.
_MARK = text("""
    INSERT INTO order_marks (order_id, cause, reference, product_slug, marked_at)
    SELECT DISTINCT o.id, cast(:cause AS varchar), :reference, l.product_slug, cast(:now AS timestamptz)
    FROM orders o JOIN order_lines l ON l.order_id = o.id
    WHERE o.state IN ('pending', 'paid') AND l.product_slug = :product
    ON CONFLICT DO NOTHING RETURNING order_id
""")
_OF = text("""
    SELECT o.number, m.cause, m.reference, m.product_slug, m.marked_at
    FROM order_marks m JOIN orders o ON o.id = m.order_id WHERE o.number = ANY(:numbers) ORDER BY m.marked_at
""")


def mark_open(session: Session, *, product: str, cause: MarkCause, reference: str, now: datetime) -> int:
    """Mark the orders that wait for payment or shipping and hold `product` (a slug); returns how many are new."""
    database.require_transaction(session)
    values = {"product": product, "cause": cause, "reference": reference, "now": now}
    return len(session.execute(_MARK, values).all())


def of(session: Session, *, numbers: list[str]) -> dict[str, list[dict[str, str]]]:
    """Return the marks of these orders, by order number; an order without any is left out."""
    found: dict[str, list[dict[str, str]]] = {}
    for row in session.execute(_OF, {"numbers": numbers}):
        mark = {"cause": row.cause, "reference": row.reference, "product": row.product_slug}
        found.setdefault(row.number, []).append(mark | {"marked_at": row.marked_at.isoformat()})
    return found
