"""Refunds of orders: which lines, how much of each, and freight.

Invariant: the refunds of a line that have not failed, and those that wait for a second person, never exceed what was
paid for it, nor those of the freight its sum; it holds because every request locks the order's row first. The money
itself is the payment side's business.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import stock
from config import facts
from payments import refunds
from storefront import books, checkout, errors, events, orders, portions
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
    pieces: Mapping[int, int] | None = None,
    now: datetime,
) -> RefundRequested:
    """Ask for money to go back: `lines` maps line numbers to fen, `pieces` those asked for by pieces to how many.

    Pieces that have not left stay here then, and return to the shelf with the money; so do those of a line of which
    nothing is left to ask for.
    Raises `OrderNotFound`, `OrderNotPaid`, `RefundExceedsLine` with what is left of each line, and
    `IdempotencyMismatch` when the key came with another body. The payment side publishes `refund.requested`.
    """
    order = orders.lock(session, number)
    fingerprint = fingerprint_of(lines, freight_fen, reason)
    before = session.execute(
        text("SELECT refund_number, amount_fen, fingerprint FROM order_refunds"
             " WHERE order_id = :id AND idempotency_key = :key"),
        {"id": order.id, "key": key},
    ).first()  # fmt: skip
    if before is not None:
        if bytes(before.fingerprint) != fingerprint:
            raise errors.IdempotencyMismatch
        return RefundRequested(before.refund_number, before.amount_fen, is_new=False)
    check(session, order, lines, freight_fen)
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
    stays = _unsent(session, order.id, lines, pieces or {})
    _write(
        session,
        order.id,
        refund.number,
        lines,
        pieces or {},
        stays,
        freight_fen,
        reason,
        key,
        fingerprint,
        asked_by,
        now,
    )
    books.asked_back(session, refund=refund.number, amount_fen=amount_fen, at=now)
    return RefundRequested(refund.number, amount_fen, is_new=True)


def fingerprint_of(lines: Mapping[int, int], freight_fen: int, reason: str) -> bytes:
    """Return what tells a replay of a request from another request under the same key."""
    return checkout.fingerprint_of({"lines": sorted(lines.items()), "freight": freight_fen, "reason": reason})


@dataclass(frozen=True, slots=True)
class Left:
    """What of one line has not been asked back: fen, and pieces that no refund by pieces took; and what it was."""

    fen: int
    gone: int
    quantity: int
    amount_fen: int
    consignment: int
    is_shipped: bool
    kept_back: int

    def worth(self, pieces: int, *, pending: int = 0) -> int:
        """Return what so many more pieces are worth after `pending` others, at most what is left.

        Raises `ValueError` for too many.
        """
        gone = self.gone + pending
        return min(portions.of_pieces(self.amount_fen, quantity=self.quantity, gone=gone, wanted=pieces), self.fen)


_LEFT = text("""
    SELECT l.line_no, l.quantity, l.amount_fen, l.consignment_no, c.shipped_at IS NOT NULL AS is_shipped,
           l.amount_fen - asked.fen - waiting.fen AS fen, asked.pieces + waiting.pieces AS gone, asked.unsent
    FROM order_lines l JOIN consignments c USING (order_id, consignment_no),
    LATERAL (
        SELECT coalesce(sum(rl.amount_fen), 0)::bigint AS fen, coalesce(sum(rl.pieces), 0)::int AS pieces,
               coalesce(sum(rl.unsent), 0)::int AS unsent
        FROM order_refunds r JOIN order_refund_lines rl ON rl.refund_id = r.id
        WHERE r.order_id = l.order_id AND rl.line_no = l.line_no AND r.failed_at IS NULL
    ) asked, LATERAL (
        SELECT coalesce(sum((p.fens ->> l.line_no::text)::bigint), 0)::bigint AS fen,
               coalesce(sum((p.pieces ->> l.line_no::text)::int), 0)::int AS pieces
        FROM refund_proposals p WHERE p.order_id = l.order_id AND p.state = 'waiting'
    ) waiting
    WHERE l.order_id = :id
""")
_FREIGHT_LEFT = text("""
    SELECT freight_fen
        - (SELECT coalesce(sum(r.freight_fen), 0) FROM order_refunds r WHERE r.order_id = o.id AND r.failed_at IS NULL)
        - (SELECT coalesce(sum(p.freight_fen), 0) FROM refund_proposals p
           WHERE p.order_id = o.id AND p.state = 'waiting')
    FROM orders o WHERE o.id = :id
""")


def standing(session: Session, order_id: int) -> dict[int, Left]:
    """Return what is left of each line."""
    return {
        row.line_no: Left(
            fen=row.fen,
            gone=row.gone,
            quantity=row.quantity,
            amount_fen=row.amount_fen,
            consignment=row.consignment_no,
            is_shipped=row.is_shipped,
            kept_back=row.unsent,
        )
        for row in session.execute(_LEFT, {"id": order_id})
    }


def priced(
    session: Session, *, number: str, key: str, lines: Mapping[int, int | None], pieces: Mapping[int, int]
) -> dict[int, int]:
    """Return what to ask back of each line in fen, where None stands for what its `pieces` are worth.

    A `key` that was used finds the worth that it had then, so that a replay is one. Raises `RefundExceedsLine` for
    more pieces than are left.
    """
    order = orders.lock(session, number)
    before = _asked_before(session, order.id, key)
    left = standing(session, order.id)
    found = {}
    for line, fen in lines.items():
        if fen is not None or line in before:
            found[line] = before[line] if fen is None else fen
            continue
        if line not in left or left[line].gone + pieces[line] > left[line].quantity:
            raise errors.RefundExceedsLine(lines=[{"line": no, "left_fen": each.fen} for no, each in left.items()])
        found[line] = left[line].worth(pieces[line])
    return found


def _asked_before(session: Session, order_id: int, key: str) -> dict[int, int]:
    rows = session.execute(
        text("""
            SELECT rl.line_no, rl.amount_fen FROM order_refunds r JOIN order_refund_lines rl ON rl.refund_id = r.id
            WHERE r.order_id = :id AND r.idempotency_key = :key
            UNION ALL
            SELECT f.key::int, f.value::bigint FROM refund_proposals p, jsonb_each_text(p.fens) f
            WHERE p.order_id = :id AND p.idempotency_key = :key AND p.state <> 'approved'
        """),
        {"id": order_id, "key": key},
    )
    return {row[0]: row[1] for row in rows}


def remaining(session: Session, order_id: int) -> tuple[dict[int, int], int]:
    """Return how many fen of each line, and of the freight, have not been asked back yet."""
    lines = {line: left.fen for line, left in standing(session, order_id).items()}
    return lines, int(session.execute(_FREIGHT_LEFT, {"id": order_id}).scalar_one())


def check(session: Session, order: orders.Standing, lines: Mapping[int, int], freight_fen: int) -> None:
    """Raise `OrderNotPaid` or `RefundExceedsLine` unless so much can be asked of this locked order."""
    if order.state in {OrderState.PENDING, OrderState.CANCELLED, OrderState.REFUNDED}:
        raise errors.OrderNotPaid(state=order.state.value)
    left, freight_left = remaining(session, order.id)
    wrong = {line: fen for line, fen in lines.items() if line not in left or not 0 < fen <= left[line]}
    if wrong or not 0 <= freight_fen <= freight_left or not (lines or freight_fen):
        raise errors.RefundExceedsLine(
            lines=[{"line": line, "left_fen": fen} for line, fen in sorted(left.items())], freight_left_fen=freight_left
        )


def _unsent(session: Session, order_id: int, lines: Mapping[int, int], pieces: Mapping[int, int]) -> dict[int, int]:
    """Return how many pieces of each line never leave once this much of it goes back."""
    stays = {}
    for line, left in standing(session, order_id).items():
        if line in lines and not left.is_shipped:
            here = left.quantity - left.kept_back
            stays[line] = here if lines[line] == left.fen else min(pieces.get(line, 0), here)
    return stays


def _write(
    session: Session,
    order_id: int,
    refund_number: str,
    lines: Mapping[int, int],
    pieces: Mapping[int, int],
    stays: Mapping[int, int],
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
            INSERT INTO order_refund_lines (refund_id, line_no, amount_fen, pieces, unsent)
            SELECT asked.id, l.*
            FROM asked, unnest(cast(:line_nos AS smallint[]), cast(:fens AS bigint[]), cast(:pieces AS int[]),
                               cast(:unsent AS int[])) AS l
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
            "pieces": [pieces.get(line, 0) for line in lines],
            "unsent": [stays.get(line, 0) for line in lines],
        },
    )


def record_refunded(session: Session, *, refund: str, number: str, refunded_at: datetime) -> None:
    """Write that a refund's money went back, and publish `order.refunded` with its lines.

    A refund that belongs to no request of ours (money that could not be honoured) changes no order. The order is
    refunded once nothing is left of it. Pieces that stayed in the warehouse because of it go back on the shelf.
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
    _return_unsent(session, order, row.id, refund)


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


def _return_unsent(session: Session, order: orders.Standing, refund_id: int, refund: str) -> None:
    unsent = session.execute(
        text("""
            SELECT l.sku, mine.unsent FROM order_lines l
            JOIN order_refund_lines mine ON mine.refund_id = :refund_id AND mine.line_no = l.line_no
            WHERE l.order_id = :id AND mine.unsent > 0
        """),
        {"id": order.id, "refund_id": refund_id},
    ).all()
    if unsent:
        lines = {row.sku: row.unsent for row in unsent}
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
