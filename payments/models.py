"""The tables of payments: what was asked for, what WeChat said, what a person must look at.

Amounts are fen and never change; a row's number is stored before WeChat hears of it.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, Fen, Id, Instant
from payments.lifecycle import Channel, PaymentState, RefundState


class Outcome(StrEnum):
    """What became of a notification."""

    APPLIED = "applied"
    MISMATCHED = "mismatched"
    UNMATCHED = "unmatched"
    IGNORED = "ignored"


class CaseKind(StrEnum):
    """Why a person must look at a payment, a refund, or a difference between WeChat's bill and our books."""

    MISMATCH = "mismatch"
    REFUND_MISMATCH = "refund_mismatch"
    REFUND_ABNORMAL = "refund_abnormal"
    # WeChat will not take it, closed it without paying, or no longer knows of it.
    REFUND_REFUSED = "refund_refused"
    REFUND_CLOSED = "refund_closed"
    REFUND_VANISHED = "refund_vanished"
    # A notification names what is not ours.
    UNMATCHED = "unmatched"
    # The ledger is not what it was posted from.
    LEDGER = "ledger"
    BILL_MISSING_HERE = "bill_missing_here"
    BILL_MISSING_THERE = "bill_missing_there"
    BILL_AMOUNT = "bill_amount"
    BILL_STATE = "bill_state"
    BILL_DAY = "bill_day"
    BILL_FEE = "bill_fee"
    BILL_DOUBLED = "bill_doubled"
    # WeChat moved money for a reason of its own.
    BILL_UNEXPLAINED = "bill_unexplained"
    # A day's bill cannot be believed, so the day is not reconciled.
    BILL_BROKEN = "bill_broken"
    # WeChat keeps the money of a payment longer than it should.
    FROZEN = "frozen"
    # A payment was not divided as it was asked to be, or a part of it did not come back.
    SHARE = "share"


class Resolution(StrEnum):
    """How a case ended."""

    EXPLAINED = "explained"
    REPAIRED = "repaired"
    WRITTEN_OFF = "written_off"


class Payment(Base):
    """One attempt to take one amount for one reference; at most one per reference is open."""

    __tablename__ = "payments"

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(String(32), unique=True)
    reference: Mapped[str] = mapped_column(String(64), index=True)
    channel: Mapped[Channel]
    mchid: Mapped[str] = mapped_column(String(32))
    appid: Mapped[str] = mapped_column(String(32))
    amount_fen: Mapped[Fen]
    state: Mapped[PaymentState] = mapped_column(default=PaymentState.OPEN)
    # The body of the prepay call as it was first sent; WeChat refuses the number with anything else.
    request: Mapped[dict[str, Any]]
    # The prepay_id, h5_url or code_url of the last prepay, and how long WeChat honours it.
    token: Mapped[str | None] = mapped_column(String(1024))
    token_until: Mapped[Instant | None]
    pay_until: Mapped[Instant]
    opened_at: Mapped[Instant]
    closed_at: Mapped[Instant | None]
    # WeChat's success_time, so that our days are the days of its bill.
    succeeded_at: Mapped[Instant | None]
    transaction_id: Mapped[str | None] = mapped_column(String(64))
    # A person asked at `asked_at`; WeChat last said for certain at `answered_at` that the money had not come.
    asked_at: Mapped[Instant | None]
    answered_at: Mapped[Instant | None]
    next_check_at: Mapped[Instant | None]

    __table_args__ = (
        UniqueConstraint("mchid", "transaction_id"),
        CheckConstraint("amount_fen > 0", name="amount_is_positive"),
        CheckConstraint(
            "(state = 'succeeded') = (succeeded_at IS NOT NULL AND transaction_id IS NOT NULL)",
            name="success_is_complete",
        ),
        Index("uq_payments_one_open", "reference", unique=True, postgresql_where=text("state = 'open'")),
        Index(
            "ix_payments_shared",
            "succeeded_at",
            postgresql_where=text("state = 'succeeded' AND request ? 'settle_info'"),
        ),
        Index("ix_payments_due", "next_check_at", postgresql_where=text("next_check_at IS NOT NULL")),
    )


class Refund(Base):
    """One amount on its way back to whoever paid; the caller's key makes it happen once."""

    __tablename__ = "payment_refunds"

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(String(32), unique=True)
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    reference: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(128))
    amount_fen: Mapped[Fen]
    reason: Mapped[str] = mapped_column(String(80))
    state: Mapped[RefundState] = mapped_column(default=RefundState.REQUESTED)
    # The body of the refund call, sent again as it is until WeChat has answered.
    request: Mapped[dict[str, Any]]
    refund_id: Mapped[str | None] = mapped_column(String(64))
    requested_at: Mapped[Instant]
    # When it last went to WeChat; the payment's next refund goes a while after it.
    sent_at: Mapped[Instant | None]
    # When WeChat was asked, and said that it does not know the refund; it counts from the last `sent_at` on only.
    refused_at: Mapped[Instant | None]
    # How a person paid it out after WeChat could not: by whom, and under which number at the bank.
    transfer: Mapped[dict[str, Any] | None]
    transferred_at: Mapped[Instant | None]
    succeeded_at: Mapped[Instant | None]
    next_check_at: Mapped[Instant | None]

    __table_args__ = (
        UniqueConstraint("reference", "key"),
        CheckConstraint("amount_fen > 0", name="amount_is_positive"),
        CheckConstraint("(state = 'succeeded') = (succeeded_at IS NOT NULL)", name="success_is_complete"),
        CheckConstraint(
            "(state = 'transferred') = (transferred_at IS NOT NULL AND transfer IS NOT NULL)",
            name="transfer_is_complete",
        ),
        Index("ix_payment_refunds_due", "next_check_at", postgresql_where=text("next_check_at IS NOT NULL")),
    )


class InboxRow(Base):
    """One notification that WeChat signed, kept whether or not it could be applied."""

    __tablename__ = "payment_notifications"

    id: Mapped[Id]
    notification_id: Mapped[str] = mapped_column(String(64), unique=True)
    event_type: Mapped[str] = mapped_column(String(64))
    # The out_trade_no or out_refund_no that it speaks of, if any.
    number: Mapped[str | None] = mapped_column(String(128))
    # What it claims. Of known events only what is compared, so that no payer is named here.
    content: Mapped[dict[str, Any]]
    outcome: Mapped[Outcome]
    deliveries: Mapped[int] = mapped_column(server_default=text("1"))
    received_at: Mapped[Instant]
    applied_at: Mapped[Instant | None]


class Case(Base):
    """Something that only a person can decide: evidence, never acted upon by itself."""

    __tablename__ = "payment_cases"

    id: Mapped[Id]
    slug: Mapped[str] = mapped_column(
        String(32),
        unique=True,
        server_default=text("'K' || upper(substr(replace(gen_random_uuid()::text, '-', ''), 1, 25))"),
    )
    kind: Mapped[CaseKind]
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payments.id"))
    # The number of the payment, refund, notification or day in question; one case of a kind for each.
    number: Mapped[str] = mapped_column(String(128))
    evidence: Mapped[dict[str, Any]]
    # What WeChat has more than our books.
    difference_fen: Mapped[Fen | None]
    opened_at: Mapped[Instant]
    # User names of staff, which payments knows nothing about.
    owner: Mapped[str | None] = mapped_column(String(64))
    owned_at: Mapped[Instant | None]
    resolution: Mapped[Resolution | None]
    reason: Mapped[str | None] = mapped_column(String(500))
    closed_at: Mapped[Instant | None]
    closed_by: Mapped[str | None] = mapped_column(String(64))
    # Who asked, and why, for a difference to be written off that takes two.
    write_off_asked_by: Mapped[str | None] = mapped_column(String(64))
    write_off_asked_at: Mapped[Instant | None]
    write_off_reason: Mapped[str | None] = mapped_column(String(500))

    __table_args__ = (
        UniqueConstraint("number", "kind"),
        Index(None, "payment_id"),
        Index("ix_payment_cases_open", "id", postgresql_where=text("closed_at IS NULL")),
        CheckConstraint(
            "(closed_at IS NULL) = (resolution IS NULL) AND (closed_at IS NULL) = (reason IS NULL)"
            " AND (closed_at IS NULL) = (closed_by IS NULL)",
            name="end_is_complete",
        ),
        CheckConstraint(
            "(write_off_asked_by IS NULL) = (write_off_asked_at IS NULL)"
            " AND (write_off_asked_by IS NULL) = (write_off_reason IS NULL)",
            name="write_off_is_complete",
        ),
        CheckConstraint(
            "resolution <> 'written_off' OR write_off_asked_by <> closed_by", name="another_person_writes_off"
        ),
    )
