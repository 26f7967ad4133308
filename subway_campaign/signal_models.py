"""The tables of suspicions, of the touches that they hold back, and of what may change decided orders.

Invariant: a held touch stays held until its suspicion is closed as harmless; a review mark lives until the next run of
`reviews.review_due`.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from config import database
from subway_campaign import models  # noqa: F401 - the codes and placements that foreign keys point at
from subway_campaign.lifecycle import Resolution, ReviewKind


class FraudSignal(database.Base):
    """A suspicion about a visitor's day, a code or a placement, until somebody closes it (R18)."""

    __tablename__ = "fraud_signals"
    __table_args__ = (
        Index(
            "uq_fraud_signals_visitor",
            "kind",
            "visitor_id",
            "day",
            unique=True,
            postgresql_where=text("closed_at IS NULL AND visitor_id IS NOT NULL"),
        ),
        Index(
            "uq_fraud_signals_place",
            "kind",
            "code_id",
            "placement_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text(
                "closed_at IS NULL AND visitor_id IS NULL AND num_nonnulls(code_id, placement_id) > 0"
            ),
        ),
        Index("ix_fraud_signals_visitor_id", "visitor_id", postgresql_where=text("visitor_id IS NOT NULL")),
    )

    id: Mapped[database.Id]
    number: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    day: Mapped[date]
    visitor_id: Mapped[UUID | None]
    code_id: Mapped[int | None] = mapped_column(ForeignKey("codes.id"))
    placement_id: Mapped[int | None] = mapped_column(ForeignKey("placements.id"))
    evidence: Mapped[dict[str, Any]]
    opened_at: Mapped[database.Instant]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    resolution: Mapped[Resolution | None]


class HeldTouch(database.Base):
    """A touch that earns nothing and is not counted while its suspicion is open, or once it is confirmed."""

    __tablename__ = "held_touches"
    __table_args__ = (Index(None, "touch_id"),)

    signal_id: Mapped[int] = mapped_column(ForeignKey("fraud_signals.id"), primary_key=True)
    touch_id: Mapped[UUID] = mapped_column(primary_key=True)
    occurred_at: Mapped[database.Instant]
    held_at: Mapped[database.Instant]


class ReviewMark(database.Base):
    """Something was learnt after it may have mattered: the orders that it could change are looked at again (R21)."""

    __tablename__ = "review_marks"

    id: Mapped[database.Id]
    kind: Mapped[ReviewKind]
    ref: Mapped[UUID | None]
    conversion_id: Mapped[int | None] = mapped_column(BigInteger)
