"""The tables of those who work at the placements: what is to hang, what was scanned there, what looks wrong.

Invariant: a confirming scan is only ever inserted; a code has at most one open plan, and a subject at most one open
alert of a kind.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from config import database
from subway_campaign import models  # noqa: F401 - the codes and placements that foreign keys point at
from subway_campaign.landing import LandingKind


class Act(StrEnum):
    """What a member of the crew says with a confirming scan."""

    TAKEN_DOWN = "taken_down"
    PUT_UP = "put_up"
    INSPECTED = "inspected"


class Finding(StrEnum):
    """How an inspected code was found."""

    FINE = "fine"
    DAMAGED = "damaged"
    COVERED = "covered"
    MISSING = "missing"


class AlertKind(StrEnum):
    """What looks wrong about a subject."""

    SILENT = "silent"
    ORPHAN = "orphan"
    INSPECTION = "inspection"
    SIGNAL = "signal"


class AlertResolution(StrEnum):
    """How an alert ended."""

    FIXED = "fixed"
    HARMLESS = "harmless"
    CONFIRMED = "confirmed"


class CreativeProduct(database.Base):
    """One of the products that an artwork shows; a sale of another is a halo (R22)."""

    __tablename__ = "creative_products"

    creative_id: Mapped[int] = mapped_column(ForeignKey("creatives.id"), primary_key=True)
    product: Mapped[str] = mapped_column(primary_key=True)


class HangingPlan(database.Base):
    """What the office wants to hang where; it begins to hang when the crew says so (R12b)."""

    __tablename__ = "hanging_plans"
    __table_args__ = (
        Index(
            "uq_hanging_plans_open",
            "code_id",
            unique=True,
            postgresql_where=text("done_at IS NULL AND withdrawn_at IS NULL"),
        ),
        Index(None, "placement_id"),
    )

    id: Mapped[database.Id]
    code_id: Mapped[int] = mapped_column(ForeignKey("codes.id"))
    placement_id: Mapped[int] = mapped_column(ForeignKey("placements.id"))
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    creative_id: Mapped[int | None] = mapped_column(ForeignKey("creatives.id"))
    landing_kind: Mapped[LandingKind]
    landing_slug: Mapped[str]
    planned_by: Mapped[str]
    planned_at: Mapped[database.Instant]
    done_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]


class CrewScan(database.Base):
    """A code scanned on the spot, with a photo, by `crew` (a user name); `key` is the form's, so it counts once."""

    __tablename__ = "crew_scans"
    __table_args__ = (
        UniqueConstraint("key"),
        Index(None, "code_id", "scanned_at"),
        CheckConstraint("(act = 'inspected') = (finding IS NOT NULL)", name="only_inspections_find"),
        CheckConstraint("(act = 'put_up') <= (binding_id IS NOT NULL)", name="put_up_is_bound"),
    )

    id: Mapped[database.Id]
    number: Mapped[str] = mapped_column(unique=True)
    key: Mapped[UUID]
    act: Mapped[Act]
    code_id: Mapped[int] = mapped_column(ForeignKey("codes.id"))
    placement_id: Mapped[int | None] = mapped_column(ForeignKey("placements.id"))
    binding_id: Mapped[int | None] = mapped_column(ForeignKey("code_bindings.id"))
    finding: Mapped[Finding | None]
    retired: Mapped[bool]
    picture: Mapped[str]
    note: Mapped[str]
    crew: Mapped[str]
    scanned_at: Mapped[database.Instant]


class Alert(database.Base):
    """Something that a person must look at; `evidence` says in numbers why."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index("uq_alerts_open", "kind", "subject", unique=True, postgresql_where=text("closed_at IS NULL")),
        Index(None, "subject"),
        CheckConstraint("(closed_at IS NULL) = (resolution IS NULL)", name="closed"),
    )

    id: Mapped[database.Id]
    number: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[AlertKind]
    subject: Mapped[str]
    placement_id: Mapped[int | None] = mapped_column(BigInteger)
    evidence: Mapped[dict[str, Any]]
    opened_at: Mapped[database.Instant]
    owner: Mapped[str | None]
    owned_at: Mapped[datetime | None]
    resolution: Mapped[AlertResolution | None]
    note: Mapped[str]
    closed_by: Mapped[str | None]
    closed_at: Mapped[datetime | None]
