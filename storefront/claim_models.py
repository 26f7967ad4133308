"""Tables of after-sales: claims with their lines and photos, and refunds that wait for a second person.

Invariant: a claim has one deadline at a time, `due_at`, that of its state; what was asked stays beside what was agreed.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, Fen, Id
from storefront.claim_lifecycle import Cause, ClaimKind, ClaimState
from storefront.order_models import Order


class ProposalState(StrEnum):
    """Where a refund stands that needs a second person."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"


class Claim(Base):
    """One after-sales claim of a shopper. `turn` counts how often staff had to decide anew."""

    __tablename__ = "claims"
    __table_args__ = (
        UniqueConstraint("order_id", "idempotency_key"),
        CheckConstraint("freight_fen >= 0", name="not_negative"),
        Index("ix_claims_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(unique=True)
    order_id: Mapped[int] = mapped_column(ForeignKey(Order.id), index=True)
    kind: Mapped[ClaimKind]
    cause: Mapped[Cause]
    note: Mapped[str]
    is_sealed: Mapped[bool]
    state: Mapped[ClaimState]
    turn: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    idempotency_key: Mapped[str]
    fingerprint: Mapped[bytes]
    freight_fen: Mapped[Fen]
    filed_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    # When the alarm went out that staff missed `due_at`; a new state begins without one.
    escalated_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    answer: Mapped[str] = mapped_column(server_default="")
    return_address: Mapped[str] = mapped_column(server_default="")
    carrier: Mapped[str | None]
    tracking_number: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    received_at: Mapped[datetime | None]
    received_by: Mapped[str | None]
    is_restocked: Mapped[bool | None]
    ended_at: Mapped[datetime | None]


class ClaimLine(Base):
    """So many pieces of one line of the order, what they are worth, and what was agreed on."""

    __tablename__ = "claim_lines"
    __table_args__ = (CheckConstraint("quantity > 0 AND asked_fen >= 0 AND agreed_fen >= 0", name="sane"),)

    claim_id: Mapped[int] = mapped_column(ForeignKey("claims.id"), primary_key=True)
    line_no: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    quantity: Mapped[int]
    asked_fen: Mapped[Fen]
    agreed_fen: Mapped[Fen]


class ClaimPhoto(Base):
    """A photo that the shopper sent for an order, by its picture's number, and the claim that shows it."""

    __tablename__ = "claim_photos"
    __table_args__ = (Index(None, "added_at", postgresql_where=text("claim_id IS NULL")),)

    id: Mapped[Id]
    picture: Mapped[str] = mapped_column(unique=True)
    order_id: Mapped[int] = mapped_column(ForeignKey(Order.id), index=True)
    claim_id: Mapped[int | None] = mapped_column(ForeignKey("claims.id"), index=True)
    added_at: Mapped[datetime]


class RefundProposal(Base):
    """A refund above what one person may grant; `fens` and `pieces` map line numbers to fen and to pieces."""

    __tablename__ = "refund_proposals"
    __table_args__ = (
        UniqueConstraint("order_id", "idempotency_key"),
        CheckConstraint("amount_fen > 0 AND freight_fen >= 0", name="sane"),
        CheckConstraint("decided_by IS DISTINCT FROM asked_by", name="two_persons"),
        CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name="decided_when_over"),
        CheckConstraint("refund_number IS NULL OR state = 'approved'", name="refund_when_approved"),
        Index("ix_refund_proposals_waiting", "asked_at", postgresql_where=text("state = 'waiting'")),
    )

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(unique=True)
    order_id: Mapped[int] = mapped_column(ForeignKey(Order.id), index=True)
    amount_fen: Mapped[Fen]
    freight_fen: Mapped[Fen]
    fens: Mapped[dict[str, Any]]
    pieces: Mapped[dict[str, Any]]
    reason: Mapped[str]
    idempotency_key: Mapped[str]
    fingerprint: Mapped[bytes]
    asked_by: Mapped[str]
    asked_at: Mapped[datetime]
    state: Mapped[ProposalState]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    refund_number: Mapped[str | None] = mapped_column(unique=True)
