"""Tables of what happens to money between paying and settlement: frozen payments, WeChat's pushes, shipping notices.

Invariant: one row per mini-program payment, per push however often it is sent, per order that may be told of; none of
them holds an openid.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, Fen, Id, Instant
from storefront.shipping_lifecycle import FundState


class PushOutcome(StrEnum):
    """What became of a push."""

    APPLIED = "applied"
    UNMATCHED = "unmatched"
    IGNORED = "ignored"


class NoticeState(StrEnum):
    """What became of a notice: it is told of once, or not at all."""

    ALLOWED = "allowed"
    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"


class FrozenPayment(Base):
    """A mini-program payment, whose money WeChat keeps until goods are shipped and received."""

    __tablename__ = "frozen_payments"
    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="amount_is_positive"),
        Index("ix_frozen_payments_order_number", "order_number"),
        Index("ix_frozen_payments_due", "next_at", postgresql_where=text("next_at IS NOT NULL")),
        Index("ix_frozen_payments_paid_at", "paid_at"),
    )

    id: Mapped[Id]
    payment_number: Mapped[str] = mapped_column(String(32), unique=True)
    order_number: Mapped[str] = mapped_column(String(64))
    transaction_id: Mapped[str] = mapped_column(String(64), unique=True)
    amount_fen: Mapped[Fen]
    paid_at: Mapped[Instant]
    state: Mapped[FundState]
    # When WeChat first had all or some of its shipping from us, as far as we know.
    reported_at: Mapped[Instant | None]
    corrected_at: Mapped[Instant | None]
    # What WeChat said of it: when everything was sent, when it means to settle, who confirmed the receipt and when.
    shipped_at: Mapped[Instant | None]
    settles_at: Mapped[Instant | None]
    received_at: Mapped[Instant | None]
    receipt_method: Mapped[int | None] = mapped_column(SmallInteger)
    settled_at: Mapped[Instant | None]
    # When WeChat is asked or told next, how often that failed in a row, and until when somebody is at it.
    next_at: Mapped[Instant | None]
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    busy_until: Mapped[Instant | None]


class WeChatPush(Base):
    """One event that WeChat pushed, kept whether or not it could be applied."""

    __tablename__ = "wechat_pushes"

    id: Mapped[Id]
    # A digest of the event word for word: it is the same each time that WeChat sends it.
    identity: Mapped[str] = mapped_column(String(64), unique=True)
    event: Mapped[str] = mapped_column(String(64))
    transaction_id: Mapped[str | None] = mapped_column(String(64))
    content: Mapped[dict[str, Any]]
    outcome: Mapped[PushOutcome]
    deliveries: Mapped[int] = mapped_column(server_default=text("1"))
    received_at: Mapped[Instant]


class OrderNotice(Base):
    """That a shopper let WeChat tell of one order's shipping, and what became of it."""

    __tablename__ = "order_notices"

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    template_id: Mapped[str] = mapped_column(String(64))
    allowed_at: Mapped[Instant]
    state: Mapped[NoticeState]
    tried_at: Mapped[Instant | None]
    tries: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    errcode: Mapped[int | None]
