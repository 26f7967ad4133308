"""The table of payouts: what leaves our bank account for somebody whom we owe it.

Invariant: one payout stands for a reference at a time, nobody releases what they asked for, and a reference of the bank
is that of one payout; the database holds all three.
"""

from sqlalchemy import CheckConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, Fen, Id, Instant
from payments.lifecycle import PayoutState


class Payout(Base):
    """One transfer. `payee`, `reference` and `account` (of the ledger) are the caller's words, none the bank's."""

    __tablename__ = "payouts"
    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="amount_is_positive"),
        CheckConstraint("released_by IS DISTINCT FROM requested_by", name="two_persons"),
        CheckConstraint(
            "state NOT IN ('released', 'sent', 'bounced') OR released_at IS NOT NULL", name="released_before_it_is_sent"
        ),
        CheckConstraint(
            "(state IN ('sent', 'bounced')) = (sent_at IS NOT NULL AND bank_reference IS NOT NULL)",
            name="sent_is_complete",
        ),
        CheckConstraint("(state = 'bounced') = (bounced_at IS NOT NULL)", name="bounced_when_it_is"),
        Index(
            "uq_payouts_one_stands",
            "reference",
            unique=True,
            postgresql_where=text("state IN ('requested', 'released', 'sent')"),
        ),
    )

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(String(32), unique=True)
    payee: Mapped[str] = mapped_column(String(64))
    account: Mapped[str] = mapped_column(String(48))
    reference: Mapped[str] = mapped_column(String(64))
    amount_fen: Mapped[Fen]
    state: Mapped[PayoutState]
    requested_by: Mapped[str] = mapped_column(String(64))
    requested_at: Mapped[Instant]
    released_by: Mapped[str | None] = mapped_column(String(64))
    released_at: Mapped[Instant | None]
    sent_by: Mapped[str | None] = mapped_column(String(64))
    sent_at: Mapped[Instant | None]
    bank_reference: Mapped[str | None] = mapped_column(String(64), unique=True)
    ended_by: Mapped[str | None] = mapped_column(String(64))
    bounced_at: Mapped[Instant | None]
    reason: Mapped[str | None] = mapped_column(String(200))
