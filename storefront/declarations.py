"""Declarations: what the law lets a shop rely on only when the shopper confirmed it for that very order.

Goods that lose their quality once opened are excluded from the seven-day return only if the buyer confirmed it at
the purchase (消费者权益保护法 art. 25), and alcohol is for adults.
Invariant: recorded in the statement that places the order, and never changed.
"""

from sqlalchemy import text
from sqlalchemy.orm import Session

from storefront.declaration_models import DeclarationKind

# Which wording of the texts was on the page; whoever changes one of them gives it the day of the change.
TEXT_VERSION = "2026-11-22"
# A part of the statement that places an order, which leaves its new row in `placed`.
RECORDING = f"""confirmed AS (
    INSERT INTO order_declarations (order_id, kind, declared_at, text_version)
    SELECT placed.id, unnest(%(declared)s::text[]), %(now)s, '{TEXT_VERSION}' FROM placed
)"""
_LISTING = text("""
    SELECT d.kind FROM order_declarations d JOIN orders o ON o.id = d.order_id WHERE o.number = :order ORDER BY d.kind
""")


def listing(session: Session, *, order: str) -> list[DeclarationKind]:
    """Return what was confirmed for an order."""
    return [DeclarationKind(kind) for kind in session.scalars(_LISTING, {"order": order})]
