"""What the shop has sold, by its own orders: the figures that stand beside the campaign's report.

Invariant: read from orders and their refunds alone, so that a report which says otherwise is seen to.
"""

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


def of_period(session: Session, *, since: datetime, before: datetime, by_refund_day: bool = False) -> Sales:
    """Return what orders paid in [since, before) brought, and what of it went back to date.

    With `by_refund_day` (the cash view) the refunds are those that were paid out within the period instead.
    """
    row = session.execute(
        text("""
            SELECT count(*), coalesce(sum(goods_fen), 0)::bigint, coalesce(sum(freight_fen), 0)::bigint
            FROM orders WHERE paid_at >= :since AND paid_at < :before
        """),
        {"since": since, "before": before},
    ).one()
    day = "r.refunded_at" if by_refund_day else "o.paid_at"
    back = session.execute(
        text(f"""
            SELECT coalesce(sum(r.amount_fen - r.freight_fen), 0)::bigint, coalesce(sum(r.freight_fen), 0)::bigint
            FROM order_refunds r JOIN orders o ON o.id = r.order_id
            WHERE r.refunded_at IS NOT NULL AND {day} >= :since AND {day} < :before
        """),
        {"since": since, "before": before},
    ).one()
    return Sales(row[0], row[1], row[2], back[0], back[1])
