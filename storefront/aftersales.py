"""Refunds of orders: which lines, how much of each, and freight.

Invariant: the refunds of a line that have not failed never exceed what was paid for it, nor those of the freight its
sum; it holds because every request locks the order's row first. The money itself is the payment side's business.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import stock
from config import facts
from payments import refunds
from storefront import books, checkout, errors, events, orders
from storefront.order_lifecycle import OrderState


@dataclass(frozen=True, slots=True)
class RefundRequested:
    """The refund's number, and whether this call asked for it (False: it was a replay)."""

    number: str
    amount_fen: int
    is_new: bool


def request(
    session: Session,
    *,
    number: str,
    lines: Mapping[int, int],
    freight_fen: int = 0,
    reason: str,
    key: str,
    asked_by: str,
    now: datetime,
) -> RefundRequested:
    """Ask for money to go back: `lines` maps line numbers to fen.

    Raises `OrderNotFound`, `OrderNotPaid`, `RefundExceedsLine` with what is left of each line, and
    `IdempotencyMismatch` when the key came with another body. The payment side publishes `refund.requested`.
    """
    order = orders.lock(session, number)
    fingerprint = checkout.fingerprint_of({"lines": sorted(lines.items()), "freight": freight_fen, "reason": reason})
    before = session.execute(
        text("SELECT refund_number, amount_fen, fingerprint FROM order_refunds"
             " WHERE order_id = :id AND idempotency_key = :key"),
        {"id": order.id, "key": key},
    ).first()  # fmt: skip
    if before is not None:
        if bytes(before.fingerprint) != fingerprint:
            raise errors.IdempotencyMismatch
        return RefundRequested(before.refund_number, before.amount_fen, is_new=False)
    if order.state in {OrderState.PENDING, OrderState.CANCELLED, OrderState.REFUNDED}:
        raise errors.OrderNotPaid(state=order.state.value)
    _check_left(session, order.id, lines, freight_fen)
    amount_fen = sum(lines.values()) + freight_fen
    refund = refunds.request(
        session,
        reference=number,
        amount_fen=amount_fen,
        reason=reason,
        key=f"order:{number}:{key}",
        payment=order.payment_number,
        now=now,
    )
    _write(session, order.id, refund.number, lines, freight_fen, reason, key, fingerprint, asked_by, now)
    books.asked_back(session, refund=refund.number, amount_fen=amount_fen, at=now)
    return RefundRequested(refund.number, amount_fen, is_new=True)


_LEFT = text("""
    SELECT l.line_no, l.amount_fen - coalesce(sum(rl.amount_fen) FILTER (WHERE r.failed_at IS NULL), 0) AS left_fen
    FROM order_lines l
    LEFT JOIN order_refunds r ON r.order_id = l.order_id
    LEFT JOIN order_refund_lines rl ON rl.refund_id = r.id AND rl.line_no = l.line_no
    WHERE l.order_id = :id GROUP BY l.line_no, l.amount_fen
""")


def remaining(session: Session, order_id: int) -> tuple[dict[int, int], int]:
    """Return how many fen of each line, and of the freight, have not been asked back yet."""
    lines = {row.line_no: int(row.left_fen) for row in session.execute(_LEFT, {"id": order_id})}
    freight_fen = session.execute(
        text("""
            SELECT freight_fen - (SELECT coalesce(sum(r.freight_fen), 0)
                                  FROM order_refunds r WHERE r.order_id = o.id AND r.failed_at IS NULL)
            FROM orders o WHERE o.id = :id
        """),
        {"id": order_id},
    ).scalar_one()
    return lines, int(freight_fen)


def _check_left(session: Session, order_id: int, lines: Mapping[int, int], freight_fen: int) -> None:
    left, freight_left = remaining(session, order_id)
    wrong = {line: fen for line, fen in lines.items() if line not in left or not 0 < fen <= left[line]}
    if wrong or not 0 <= freight_fen <= freight_left or not (lines or freight_fen):
        raise errors.RefundExceedsLine(
            lines=[{"line": line, "left_fen": fen} for line, fen in sorted(left.items())], freight_left_fen=freight_left
        )


def _write(
    session: Session,
    order_id: int,
    refund_number: str,
    lines: Mapping[int, int],
    freight_fen: int,
    reason: str,
    key: str,
    fingerprint: bytes,
    asked_by: str,
    now: datetime,
) -> None:
    session.execute(
        text("""
            WITH asked AS (
                INSERT INTO order_refunds (order_id, refund_number, amount_fen, freight_fen, reason, asked_by,
                                           idempotency_key, fingerprint, asked_at)
                VALUES (:order_id, :refund, :amount_fen, :freight_fen, :reason, :asked_by, :key, :fingerprint, :now)
                RETURNING id
            )
            INSERT INTO order_refund_lines (refund_id, line_no, amount_fen)
            SELECT asked.id, l.line_no, l.fen
            FROM asked, unnest(cast(:line_nos AS smallint[]), cast(:fens AS bigint[])) AS l (line_no, fen)
        """),
        {
            "order_id": order_id,
            "refund": refund_number,
            "amount_fen": sum(lines.values()) + freight_fen,
            "freight_fen": freight_fen,
            "reason": reason,
            "asked_by": asked_by,
            "key": key,
            "fingerprint": fingerprint,
            "now": now,
            "line_nos": list(lines),
            "fens": list(lines.values()),
        },
    )


def record_refunded(session: Session, *, refund: str, number: str, refunded_at: datetime) -> None:
    """Write that a refund's money went back, and publish `order.refunded` with its lines.

    A refund that belongs to no request of ours (money that could not be honoured) changes no order. The order is
    refunded once nothing is left of it. Goods that never left the warehouse go back on the shelf with the refund that
    leaves nothing of their line.
    """
    order = orders.lock(session, number)
    row = session.execute(
        text("SELECT id, freight_fen, refunded_at FROM order_refunds WHERE refund_number = :refund"),
        {"refund": refund},
    ).first()
    if row is None or row.refunded_at is not None:
        return
    session.execute(
        text("UPDATE order_refunds SET refunded_at = :at WHERE id = :id"), {"id": row.id, "at": refunded_at}
    )
    lines = session.execute(
        text("SELECT line_no, amount_fen FROM order_refund_lines WHERE refund_id = :id"), {"id": row.id}
    ).all()
    if _is_all_back(session, order.id):
        session.execute(text("UPDATE orders SET state = 'refunded' WHERE id = :id"), {"id": order.id})
    else:
        orders.mark_shipped(session, order_id=order.id, now=refunded_at)
    facts.publish(
        session,
        events.ORDER_REFUNDED,
        key=refund,
        values={
            "order": number,
            "refund": refund,
            "lines": {str(line.line_no): line.amount_fen for line in lines},
            "freight_fen": row.freight_fen,
            "refunded_at": refunded_at.isoformat(),
        },
    )
    _return_unshipped(session, order, row.id, refund)


def _is_all_back(session: Session, order_id: int) -> bool:
    is_all_back = session.execute(
        text("""
            SELECT o.payable_fen = (SELECT coalesce(sum(r.amount_fen), 0) FROM order_refunds r
                                    WHERE r.order_id = o.id AND r.refunded_at IS NOT NULL)
            FROM orders o WHERE o.id = :id
        """),
        {"id": order_id},
    ).scalar_one()
    return bool(is_all_back)


def _return_unshipped(session: Session, order: orders.Standing, refund_id: int, refund: str) -> None:
    unshipped = session.execute(
        text("""
            SELECT l.sku, l.quantity FROM order_lines l JOIN consignments c USING (order_id, consignment_no)
            JOIN order_refund_lines mine ON mine.refund_id = :refund_id AND mine.line_no = l.line_no
            WHERE l.order_id = :id AND c.shipped_at IS NULL AND l.amount_fen = (
                SELECT sum(rl.amount_fen) FROM order_refund_lines rl JOIN order_refunds r ON r.id = rl.refund_id
                WHERE r.order_id = l.order_id AND rl.line_no = l.line_no AND r.refunded_at IS NOT NULL)
        """),
        {"id": order.id, "refund_id": refund_id},
    ).all()
    if unshipped:
        lines = {row.sku: row.quantity for row in unshipped}
        stock.restore(session, reference=order.stock_reference, lines=lines, key=refund)


def record_failed(session: Session, *, refund: str, number: str, now: datetime) -> None:
    """Write that WeChat closed a refund without paying, so that its sum can be asked for again.

    Money that could not be honoured has nobody to ask for it: `orders.give_back_again` does.
    """
    orders.lock(session, number)
    asked = session.execute(
        text("UPDATE order_refunds SET failed_at = :now WHERE refund_number = :refund RETURNING amount_fen"),
        {"now": now, "refund": refund},
    ).first()
    if asked is None:
        orders.give_back_again(session, number=number, refund=refund, now=now)
    else:
        books.stands_again(session, refund=refund, amount_fen=asked.amount_fen, at=now)
