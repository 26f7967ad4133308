"""Which production batch the pieces of an order's line came from.

Invariant: a batch is named when its parcel leaves, only for a product that it is of, and only while it may leave.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import batches
from storefront import errors

_LINES = text("SELECT line_no, product_slug FROM order_lines WHERE order_id = :order_id")
_NAME = text("""
    INSERT INTO order_line_batches (order_id, line_no, batch, named_at)
    SELECT :order_id, n.line_no, n.batch, :now
    FROM unnest(cast(:lines AS smallint[]), cast(:batches AS text[])) AS n (line_no, batch)
    ON CONFLICT (order_id, line_no) DO NOTHING
""")
# Those that left with the batch, and those of the product that have yet to leave.
_AFFECTED = text("""
    SELECT o.number, o.state, coalesce(o.shipped_at, o.paid_at, o.placed_at) AS moved_at, true AS has_left
    FROM order_line_batches b JOIN orders o ON o.id = b.order_id WHERE b.batch = :batch
    UNION
    SELECT o.number, o.state, coalesce(o.paid_at, o.placed_at), false
    FROM orders o JOIN order_lines l ON l.order_id = o.id
    JOIN consignments c ON c.order_id = o.id AND c.consignment_no = l.consignment_no
    WHERE o.state IN ('pending', 'paid') AND c.shipped_at IS NULL AND l.product_slug = :product
    ORDER BY has_left DESC, moved_at DESC LIMIT :limit
""")


def name(session: Session, *, order_id: int, named: Mapping[int, str], sent: set[int], now: datetime) -> None:
    """Write down from which batch (code) each line that is sent came.

    Raises `LinesInvalid` for a line that is not among those `sent`, and what `batches.require_sendable` does.
    """
    if not set(named) <= sent:
        raise errors.LinesInvalid(unshipped=sorted(sent))
    products = {row.line_no: row.product_slug for row in session.execute(_LINES, {"order_id": order_id})}
    batches.require_sendable(session, batches=[(code, products[line]) for line, code in named.items()])
    session.execute(_NAME, {"order_id": order_id, "lines": list(named), "batches": list(named.values()), "now": now})


def affected(session: Session, *, batch: str, product: str, limit: int = 500) -> list[dict[str, Any]]:
    """Return the orders that a recall concerns: what left with the batch (a code) and what waits of the product."""
    rows = session.execute(_AFFECTED, {"batch": batch, "product": product, "limit": limit})
    return [dict(row) for row in rows.mappings()]
