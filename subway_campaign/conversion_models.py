"""The tables of journeys, orders, decisions and credits.

Invariant: decisions, weights and credits are only ever inserted; an order is a number here, without a foreign key to
the shop, and a product is a slug.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from config import database
from subway_campaign import models  # noqa: F401 - the placements and bindings that foreign keys point at
from subway_campaign.lifecycle import Entry, Model, Outcome, RefundState, Stage


class JourneyStage(database.Base):
    """How far a journey came. `journey` is the touch that began it, `touch_id` its latest at that moment (R25)."""

    __tablename__ = "journey_stages"
    __table_args__ = (Index(None, "reached_at"),)

    journey: Mapped[UUID] = mapped_column(primary_key=True)
    stage: Mapped[Stage] = mapped_column(primary_key=True)
    touch_id: Mapped[UUID]
    placement_id: Mapped[int] = mapped_column(ForeignKey("placements.id"))
    reached_at: Mapped[database.Instant]


class Conversion(database.Base):
    """An order as the campaign knows it; `placement_id` follows its last eligible touch, or `reason` says why not."""

    __tablename__ = "conversions"
    __table_args__ = (Index(None, "placed_at"), Index(None, "paid_at"), Index(None, "touch_id"), Index(None, "journey"))

    id: Mapped[database.Id]
    order_number: Mapped[str] = mapped_column(unique=True)
    visitor_id: Mapped[UUID | None]
    person_id: Mapped[UUID | None]
    by_staff: Mapped[bool]
    placed_at: Mapped[database.Instant]
    paid_at: Mapped[datetime | None]
    freight_fen: Mapped[database.Fen]
    outcome: Mapped[Outcome]
    reason: Mapped[str]
    journey: Mapped[UUID | None]
    touch_id: Mapped[UUID | None]
    placement_id: Mapped[int | None] = mapped_column(ForeignKey("placements.id"))


class ConversionLine(database.Base):
    """One line of an order: what it was to cost and, once paid, what was paid for it."""

    __tablename__ = "conversion_lines"

    conversion_id: Mapped[int] = mapped_column(ForeignKey("conversions.id"), primary_key=True)
    line_no: Mapped[int] = mapped_column(primary_key=True)
    product: Mapped[str]
    amount_fen: Mapped[database.Fen]
    paid_fen: Mapped[int | None] = mapped_column(BigInteger)


class ConversionRefund(database.Base):
    """Money given back on one line, or on the freight (line 0). Parked until its order is known to be paid (R14b)."""

    __tablename__ = "conversion_refunds"
    __table_args__ = (Index(None, "order_number"),)

    refund: Mapped[str] = mapped_column(primary_key=True)
    line_no: Mapped[int] = mapped_column(primary_key=True)
    order_number: Mapped[str]
    fen: Mapped[database.Fen]
    refunded_at: Mapped[database.Instant]
    state: Mapped[RefundState]


class AttributionDecision(database.Base):
    """What was decided about an order, from which evidence, by which rules. Never edited, only superseded."""

    __tablename__ = "attribution_decisions"
    __table_args__ = (
        UniqueConstraint("conversion_id", "version"),
        Index(
            "uq_attribution_decisions_live",
            "conversion_id",
            unique=True,
            postgresql_where=text("superseded_by IS NULL"),
        ),
        Index(None, "earned_placement_id", postgresql_where=text("earned_placement_id IS NOT NULL")),
    )

    id: Mapped[database.Id]
    conversion_id: Mapped[int] = mapped_column(ForeignKey("conversions.id"))
    version: Mapped[int]
    rules_version: Mapped[int]
    params: Mapped[dict[str, Any]]
    cutoff_at: Mapped[database.Instant]
    outcome: Mapped[Outcome]
    reason: Mapped[str]
    evidence: Mapped[list[Any]]
    flags: Mapped[list[Any]]
    earned_placement_id: Mapped[int | None] = mapped_column(ForeignKey("placements.id"))
    decided_at: Mapped[database.Instant]
    superseded_by: Mapped[int | None] = mapped_column(
        ForeignKey("attribution_decisions.id", deferrable=True, initially="DEFERRED")
    )


class AttributionWeight(database.Base):
    """The exact share of one touch in one decision under one model; a model's shares sum to 1."""

    __tablename__ = "attribution_weights"
    __table_args__ = (CheckConstraint("w_den > 0 AND w_num >= 0", name="fraction"),)

    decision_id: Mapped[int] = mapped_column(ForeignKey("attribution_decisions.id"), primary_key=True)
    model: Mapped[Model] = mapped_column(primary_key=True)
    touch_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger)
    binding_id: Mapped[int] = mapped_column(ForeignKey("code_bindings.id"))
    placement_id: Mapped[int] = mapped_column(ForeignKey("placements.id"))
    w_num: Mapped[int] = mapped_column(BigInteger)
    w_den: Mapped[int] = mapped_column(BigInteger)


class Credit(database.Base):
    """Signed money of one order line under one model; without a touch it is money that no placement earned."""

    __tablename__ = "credits"
    __table_args__ = (
        UniqueConstraint(
            "decision_id", "model", "line_no", "touch_id", "entry", "source", postgresql_nulls_not_distinct=True
        ),
        Index(None, "model", "occurred_at"),
        Index(None, "model", "cohort_at"),
    )

    id: Mapped[database.Id]
    decision_id: Mapped[int] = mapped_column(ForeignKey("attribution_decisions.id"))
    model: Mapped[Model]
    line_no: Mapped[int]
    touch_id: Mapped[UUID | None]
    placement_id: Mapped[int | None] = mapped_column(ForeignKey("placements.id"))
    entry: Mapped[Entry]
    source: Mapped[str]
    fen: Mapped[database.Fen]
    occurred_at: Mapped[database.Instant]
    cohort_at: Mapped[database.Instant]
