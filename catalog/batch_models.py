"""The tables of production batches: what was made where and when, and what the laboratory said.

Invariant: a batch keeps the certificate under which it was entered; a recall is never taken back.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Date, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, Id


class Verdict(StrEnum):
    """What a test report says of a batch."""

    PASSED = "passed"
    FAILED = "failed"


class ProductionBatch(Base):
    """Goods of one product that were made or harvested together. `lot` is what the producer calls it."""

    __tablename__ = "production_batches"
    __table_args__ = (
        UniqueConstraint("product_id", "lot"),
        CheckConstraint(
            "num_nonnulls(lab, report_number, reported_on, verdict) IN (0, 4)",
            name="report_whole",
        ),
        CheckConstraint("num_nonnulls(recalled_at, recall_reason, recalled_by) IN (0, 3)", name="recall_whole"),
    )

    id: Mapped[Id]
    code: Mapped[str] = mapped_column(String, unique=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    lot: Mapped[str]
    made_on: Mapped[date] = mapped_column(Date)
    origin: Mapped[str]
    lab: Mapped[str | None]
    report_number: Mapped[str | None]
    reported_on: Mapped[date | None] = mapped_column(Date)
    verdict: Mapped[Verdict | None]
    certificate: Mapped[dict[str, Any] | None]
    entered_by: Mapped[str]
    entered_at: Mapped[datetime]
    recalled_at: Mapped[datetime | None]
    recall_reason: Mapped[str | None]
    recalled_by: Mapped[str | None]


class BatchPage(Base):
    """One page of a test report, as a picture that anybody may see."""

    __tablename__ = "batch_pages"

    batch_id: Mapped[int] = mapped_column(ForeignKey("production_batches.id"), primary_key=True)
    picture: Mapped[str] = mapped_column(primary_key=True)
    added_at: Mapped[datetime]
