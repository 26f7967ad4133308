"""The table of targets: how much of what, where, until when.

Invariant: at most one target a subject for each region of a level, and one more for a region of its own.
"""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from catalog.models import RegionLevel
from config.database import Base, Id


class Subject(StrEnum):
    """What a target counts; sales are fen."""

    ONLINE_HALL = "online_hall"
    PHYSICAL_HALL = "physical_hall"
    ENTERPRISE_HALL = "enterprise_hall"
    ONLINE_ZONE = "online_zone"
    PHYSICAL_ZONE = "physical_zone"
    ACCREDITED_PRODUCTS = "accredited_products"
    SALES = "sales"
    BUYERS = "buyers"
    CABINETS = "cabinets"


class Target(Base):
    """One target: for every region of `level`, or for `region_code` alone. `due_on` is its last day."""

    __tablename__ = "targets"
    __table_args__ = (
        Index("uq_targets_each", "subject", "level", unique=True, postgresql_where=text("region_code IS NULL")),
        Index(
            "uq_targets_one", "subject", "region_code", unique=True, postgresql_where=text("region_code IS NOT NULL")
        ),
        CheckConstraint("amount > 0", name="amount"),
    )

    id: Mapped[Id]
    key: Mapped[str] = mapped_column(unique=True)
    programme: Mapped[str]
    subject: Mapped[Subject]
    level: Mapped[RegionLevel]
    region_code: Mapped[str | None] = mapped_column(ForeignKey("regions.code"))
    amount: Mapped[int] = mapped_column(BigInteger)
    due_on: Mapped[date | None] = mapped_column(Date)
    wording: Mapped[str]
    responsible: Mapped[str]
    source: Mapped[str]
    set_by: Mapped[str | None]
    set_at: Mapped[datetime | None]
