"""Mini-program payments whose money WeChat keeps until goods are shipped and received, and what is known of each.

Invariant: a payment of another channel is never here; news move a payment forward only, whether WeChat pushed them or
was asked, however often and in whatever order they come.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from config import database
from payments.lifecycle import Channel
from storefront.errors import ReshipUsed
from storefront.fund_models import FrozenPayment
from storefront.shipping_lifecycle import ALARM_AFTER, OVER, REPORT_WITHIN, FundState, advance

_OVERDUE_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums in fen, less what was refunded: what WeChat keeps, what of it should have been shipped, what it released."""

    frozen: int
    frozen_fen: int
    overdue: int
    overdue_fen: int
    settled: int
    settled_fen: int


def expect(
    session: Session,
    *,
    payment: str,
    order: str,
    channel: Channel,
    transaction_id: str,
    amount_fen: int,
    paid_at: datetime,
) -> None:
    """Keep a payment in view, if it was made in the mini-program: of others WeChat knows no shipping."""
    database.require_transaction(session)
    if channel is not Channel.MINIPROGRAM:
        return
    session.execute(
        insert(FrozenPayment)
        .values(
            payment_number=payment,
            order_number=order,
            transaction_id=transaction_id,
            amount_fen=amount_fen,
            paid_at=paid_at,
            state=FundState.UNSHIPPED,
            next_at=paid_at + ALARM_AFTER,
        )
        .on_conflict_do_nothing()
    )


def lock(session: Session, *, payment: str) -> FrozenPayment | None:
    """Lock the row of a payment, if it is a mini-program's, until the transaction ends."""
    database.require_transaction(session)
    return session.scalar(
        select(FrozenPayment).where(FrozenPayment.payment_number == payment).with_for_update(key_share=True)
    )


def make_due(session: Session, *, payment: str, now: datetime) -> bool:
    """Let WeChat be asked about a payment, and told what it lacks, at once; False for one that is not here."""
    database.require_transaction(session)
    return session.execute(_MAKE_DUE, {"payment": payment, "now": now}).first() is not None


def spend_correction(session: Session, *, payment: str, now: datetime) -> None:
    """Use the one correction of what WeChat was told, if it was told anything. Raises `ReshipUsed`."""
    row = lock(session, payment=payment)
    if row is None or row.reported_at is None:
        return
    if row.corrected_at is not None:
        raise ReshipUsed
    row.corrected_at = now


def note(row: FrozenPayment, state: FundState) -> None:
    """Move a locked payment forward to a state that WeChat says it has."""
    row.state = advance(row.state, state)
    if row.state in OVER:
        row.next_at = None


def take_news(session: Session, *, payment: str, news: dict[str, datetime | int | None]) -> bool:
    """Write what a settlement push says; False when there is no such payment here.

    `news` holds `shipped_at`, `settles_at`, `received_at`, `receipt_method` and `settled_at`, None where it is silent.
    """
    row = lock(session, payment=payment)
    if row is None:
        return False
    for name, value in news.items():
        if value is not None:
            setattr(row, name, value)
    if news.get("shipped_at"):
        note(row, FundState.SHIPPED)
    if news.get("received_at"):
        note(row, FundState.RECEIVED)
    if news.get("settled_at"):
        note(row, FundState.SETTLED)
    return True


def of_order(session: Session, *, number: str, now: datetime) -> dict[str, Any] | None:
    """Return where the money of an order stands, None for one that was not paid in the mini-program."""
    row = session.execute(_OF_ORDER, {"number": number, "late": now - REPORT_WITHIN}).mappings().first()
    return dict(row) if row else None


def totals(session: Session, *, now: datetime) -> Totals:
    """Return what WeChat keeps, what of it is overdue to be shipped, and what it has released, of all payments."""
    return Totals(**session.execute(_TOTALS, {"late": now - REPORT_WITHIN}).mappings().one())


def overdue(session: Session, *, now: datetime) -> list[dict[str, Any]]:
    """Return the payments that were not shipped within 48 hours, the oldest first, two hundred at most."""
    rows = session.execute(_OVERDUE, {"late": now - REPORT_WITHIN, "limit": _OVERDUE_SHOWN}).mappings()
    return [dict(row) for row in rows]


# What was refunded of an order is no longer with WeChat; money that no order could use goes back whole.
_LEFT = """
    SELECT f.*, f.amount_fen - coalesce((
        SELECT sum(r.amount_fen)::bigint FROM orders o JOIN order_refunds r ON r.order_id = o.id
        WHERE o.number = f.order_number AND o.payment_number = f.payment_number AND r.refunded_at IS NOT NULL), 0)
        AS left_fen,
        f.state = 'unshipped' AND f.paid_at < :late AS is_overdue
    FROM frozen_payments f
"""
_TOTALS = text(f"""
    SELECT count(*) FILTER (WHERE state NOT IN ('settled', 'refunded')) AS frozen,
           coalesce(sum(left_fen) FILTER (WHERE state NOT IN ('settled', 'refunded')), 0)::bigint AS frozen_fen,
           count(*) FILTER (WHERE is_overdue) AS overdue,
           coalesce(sum(left_fen) FILTER (WHERE is_overdue), 0)::bigint AS overdue_fen,
           count(*) FILTER (WHERE state = 'settled') AS settled,
           coalesce(sum(left_fen) FILTER (WHERE state = 'settled'), 0)::bigint AS settled_fen
    FROM ({_LEFT}) payments WHERE left_fen > 0
""")
_OF_ORDER = text(f"""
    SELECT p.state, p.left_fen, p.is_overdue, p.reported_at, p.corrected_at, p.shipped_at, p.settles_at, p.received_at,
           p.settled_at
    FROM ({_LEFT}) p JOIN orders o ON o.payment_number = p.payment_number
    WHERE p.order_number = :number
""")
_OVERDUE = text(f"""
    SELECT order_number, payment_number, left_fen, paid_at FROM ({_LEFT}) payments
    WHERE is_overdue AND left_fen > 0 ORDER BY paid_at LIMIT :limit
""")
_MAKE_DUE = text("UPDATE frozen_payments SET next_at = :now, tries = 0 WHERE payment_number = :payment RETURNING id")
