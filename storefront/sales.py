"""What the shop has sold, by its own orders: the figures that stand beside the campaign's report.

Invariant: read from orders and their refunds alone, so that a report which says otherwise is seen to.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Sales:
    """The shop's own figures for paid orders of a period, in fen: goods without freight, beside the freight."""

    orders: int
    goods_fen: int
    freight_fen: int
    refunded_goods_fen: int
    refunded_freight_fen: int


def of_period(
    session: Session,
    *,
    since: datetime,
    before: datetime,
    by_refund_day: bool = False,
    products: Collection[str] | None = None,
) -> Sales:
    """Return what orders paid in [since, before) brought, and what of it went back to date.

    With `by_refund_day` (the cash view) the refunds are those that were paid out within the period instead. With
    `products` (slugs) only their lines are counted, and no freight, which is nobody's in particular.
    """
    asked = {"since": since, "before": before}
    day = "r.refunded_at" if by_refund_day else "o.paid_at"
    if products is not None:
        row = session.execute(_OF_GOODS, asked | {"products": list(products)}).one()
        back = session.execute(text(_BACK_OF_GOODS.format(day=day)), asked | {"products": list(products)}).scalar_one()
        return Sales(row[0], row[1], 0, back, 0)
    row = session.execute(_OF_ORDERS, asked).one()
    back = session.execute(text(_BACK.format(day=day)), asked).one()
    return Sales(row[0], row[1], row[2], back[0], back[1])


def of_products(session: Session) -> dict[str, int]:
    """Return slug → fen that the lines of paid orders brought to date, less what of them went back."""
    return {row.product_slug: row.net_fen for row in session.execute(_OF_PRODUCTS)}


_OF_PRODUCTS = text("""
    SELECT product_slug, sum(fen)::bigint AS net_fen FROM (
        SELECT l.product_slug, l.amount_fen AS fen
        FROM order_lines l JOIN orders o ON o.id = l.order_id WHERE o.paid_at IS NOT NULL
        UNION ALL
        SELECT l.product_slug, -b.amount_fen
        FROM order_refunds r JOIN order_refund_lines b ON b.refund_id = r.id
        JOIN orders o ON o.id = r.order_id JOIN order_lines l ON l.order_id = r.order_id AND l.line_no = b.line_no
        WHERE r.refunded_at IS NOT NULL AND o.paid_at IS NOT NULL
    ) AS moved GROUP BY product_slug
""")
_OF_ORDERS = text("""
    SELECT count(*), coalesce(sum(goods_fen), 0)::bigint, coalesce(sum(freight_fen), 0)::bigint
    FROM orders WHERE paid_at >= :since AND paid_at < :before
""")
_BACK = """
    SELECT coalesce(sum(r.amount_fen - r.freight_fen), 0)::bigint, coalesce(sum(r.freight_fen), 0)::bigint
    FROM order_refunds r JOIN orders o ON o.id = r.order_id
    WHERE r.refunded_at IS NOT NULL AND {day} >= :since AND {day} < :before
"""
_OF_GOODS = text("""
    SELECT count(DISTINCT o.id), coalesce(sum(l.amount_fen), 0)::bigint
    FROM order_lines l JOIN orders o ON o.id = l.order_id
    WHERE l.product_slug = ANY(cast(:products AS text[])) AND o.paid_at >= :since AND o.paid_at < :before
""")
_BACK_OF_GOODS = """
    SELECT coalesce(sum(b.amount_fen), 0)::bigint
    FROM order_lines l JOIN orders o ON o.id = l.order_id
    JOIN order_refunds r ON r.order_id = o.id JOIN order_refund_lines b ON b.refund_id = r.id AND b.line_no = l.line_no
    WHERE l.product_slug = ANY(cast(:products AS text[]))
      AND r.refunded_at IS NOT NULL AND {day} >= :since AND {day} < :before
"""
