"""The tables of divided payments: what was asked of WeChat, what each receiver got, what came back.

Invariant: a number is stored before WeChat hears of it; a payment is divided once; what comes back of a part has a
number of its own each time, once for each key of the caller.
"""

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, Fen, Id, Instant
from payments.lifecycle import PartState, ShareState
from payments.models import Payment


class Share(Base):
    """One request to divide a payment, or, without parts, to release it."""

    __tablename__ = "payment_shares"
    __table_args__ = (
        Index(
            "uq_payment_shares_one_stands",
            "payment_id",
            unique=True,
            postgresql_where=text("state <> 'refused'"),
        ),
        Index("ix_payment_shares_due", "next_check_at", postgresql_where=text("next_check_at IS NOT NULL")),
        CheckConstraint("(state IN ('finished', 'refused')) = (ended_at IS NOT NULL)", name="ended_when_it_is"),
    )

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(String(32), unique=True)
    payment_id: Mapped[int] = mapped_column(ForeignKey(Payment.id))
    reference: Mapped[str] = mapped_column(String(64), index=True)
    # The account of the ledger that owes the parts.
    account: Mapped[str] = mapped_column(String(48))
    state: Mapped[ShareState]
    # The body as it was first sent.
    request: Mapped[dict[str, Any]]
    requested_at: Mapped[Instant]
    next_check_at: Mapped[Instant | None]
    ended_at: Mapped[Instant | None]


class SharedPart(Base):
    """What one receiver is to get of a payment; `payee` is the caller's name of it."""

    __tablename__ = "payment_share_parts"
    __table_args__ = (
        UniqueConstraint("share_id", "payee"),
        UniqueConstraint("share_id", "kind", "account"),
        CheckConstraint("amount_fen > 0", name="amount_is_positive"),
        CheckConstraint("(state = 'pending') = (ended_at IS NULL)", name="ended_when_it_is"),
    )

    id: Mapped[Id]
    share_id: Mapped[int] = mapped_column(ForeignKey(Share.id))
    payee: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(20))
    account: Mapped[str] = mapped_column(String(64))
    amount_fen: Mapped[Fen]
    state: Mapped[PartState]
    fail_reason: Mapped[str | None] = mapped_column(String(64))
    ended_at: Mapped[Instant | None]


class ShareReturn(Base):
    """What is taken back of a part."""

    __tablename__ = "payment_share_returns"
    __table_args__ = (
        UniqueConstraint("part_id", "key"),
        Index("ix_payment_share_returns_due", "next_check_at", postgresql_where=text("next_check_at IS NOT NULL")),
        CheckConstraint("amount_fen > 0", name="amount_is_positive"),
        CheckConstraint("(state = 'pending') = (ended_at IS NULL)", name="ended_when_it_is"),
    )

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(String(32), unique=True)
    part_id: Mapped[int] = mapped_column(ForeignKey(SharedPart.id))
    key: Mapped[str] = mapped_column(String(64))
    amount_fen: Mapped[Fen]
    state: Mapped[PartState]
    request: Mapped[dict[str, Any]]
    requested_at: Mapped[Instant]
    next_check_at: Mapped[Instant | None]
    fail_reason: Mapped[str | None] = mapped_column(String(64))
    ended_at: Mapped[Instant | None]
