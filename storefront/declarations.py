"""Declarations: what the law lets a shop rely on only when the shopper confirmed it for that very order.

Goods that lose their quality once opened are excluded from the seven-day return only if the buyer confirmed it at
the purchase (消费者权益保护法 art. 25), and alcohol is for adults.
Invariant: recorded in the transaction that places the order; the first word stands.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from storefront.declaration_models import DeclarationKind

_RECORD = text("""
    INSERT INTO order_declarations (order_id, kind, declared_at)
    SELECT id, unnest(cast(:kinds AS varchar[])), :now FROM orders WHERE number = :order
    ON CONFLICT DO NOTHING
""")
_LISTING = text("""
    SELECT d.kind FROM order_declarations d JOIN orders o ON o.id = d.order_id WHERE o.number = :order ORDER BY d.kind
""")


def record(session: Session, *, order: str, kinds: Iterable[DeclarationKind], now: datetime) -> None:
    """Record what the shopper confirmed for an order; confirming again changes nothing."""
    session.execute(_RECORD, {"order": order, "kinds": [kind.value for kind in kinds], "now": now})


def listing(session: Session, *, order: str) -> list[DeclarationKind]:
    """Return what was confirmed for an order."""
    return [DeclarationKind(kind) for kind in session.scalars(_LISTING, {"order": order})]
