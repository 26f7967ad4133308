"""The tables of accreditation: applications, every step with its person and reason, evidence, objections, inspections.

Invariant: steps are only ever added to; a product has at most one standing accreditation; a published one has its
number, batch and dates.
"""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from catalog.accreditation_lifecycle import Act, Seat, State, Term
from config.database import Base, Id

_STANDING = "state IN ('drafted', 'submitted', 'opined', 'returned', 'noticed', 'published', 'suspended')"


class EvidenceKind(StrEnum):
    """What a file of an application shows."""

    LICENCE = "licence"
    FOOD_PERMIT = "food_permit"
    TEST_REPORT = "test_report"
    ORIGIN = "origin"
    BENEFIT = "benefit"
    PHOTO = "photo"
    OTHER = "other"


class Finding(StrEnum):
    """What an inspection found."""

    PASSED = "passed"
    RECTIFY = "rectify"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


class InspectionLevel(StrEnum):
    """Who supervises (国家、省、市三级监管)."""

    CITY = "city"
    PROVINCE = "province"
    NATION = "nation"


class Township(Base):
    """A township of Anhui: whose opinion an application needs."""

    __tablename__ = "townships"

    code: Mapped[str] = mapped_column(String(9), primary_key=True)
    name: Mapped[str]
    county_code: Mapped[str] = mapped_column(ForeignKey("regions.code"), index=True)


class AccreditationTerm(Base):
    """How many days a step may take, and where that number comes from."""

    __tablename__ = "accreditation_terms"
    __table_args__ = (CheckConstraint("days > 0", name="positive"),)

    key: Mapped[Term] = mapped_column(primary_key=True)
    days: Mapped[int]
    source: Mapped[str]


class AccreditationBatch(Base):
    """One publication of the catalogue of accredited products."""

    __tablename__ = "accreditation_batches"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    opened_on: Mapped[date] = mapped_column(Date)


class Accreditation(Base):
    """One application for one product, and what became of it. `due_at` is the deadline of whoever has to act."""

    __tablename__ = "accreditations"
    __table_args__ = (
        Index("uq_accreditations_standing", "product_id", unique=True, postgresql_where=text(_STANDING)),
        Index("ix_accreditations_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_accreditations_township_code", "township_code"),
        CheckConstraint(
            "state NOT IN ('published', 'suspended') OR num_nonnulls(certificate_number, batch_id, issued_on,"
            " valid_until, recheck_until) = 5",
            name="published_whole",
        ),
    )

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(unique=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), index=True)
    supplier_id: Mapped[int] = mapped_column(ForeignKey("suppliers.id"), index=True)
    township_code: Mapped[str] = mapped_column(ForeignKey("townships.code"))
    statement: Mapped[str]
    state: Mapped[State]
    drafted_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    # When the alarm went out that `due_at` was missed; a new state begins without one.
    escalated_at: Mapped[datetime | None]
    noticed_at: Mapped[datetime | None]
    # `due_at` while it was on notice, kept for whoever asks later how long it hung.
    noticed_until: Mapped[datetime | None]
    certificate_number: Mapped[str | None] = mapped_column(unique=True)
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("accreditation_batches.id"), index=True)
    issued_on: Mapped[date | None] = mapped_column(Date)
    valid_until: Mapped[date | None] = mapped_column(Date)
    recheck_until: Mapped[date | None] = mapped_column(Date)
    rectify_until: Mapped[date | None] = mapped_column(Date)


class AccreditationStep(Base):
    """One step: what was done, in whose seat, by whom, why and when."""

    __tablename__ = "accreditation_steps"
    __table_args__ = (UniqueConstraint("accreditation_id", "position"),)

    id: Mapped[Id]
    accreditation_id: Mapped[int] = mapped_column(ForeignKey("accreditations.id"))
    position: Mapped[int]
    act: Mapped[Act]
    after: Mapped[State]
    seat: Mapped[Seat]
    taken_by: Mapped[str]
    reason: Mapped[str]
    taken_at: Mapped[datetime]


class AccreditationEvidence(Base):
    """A paper of an application; `picture` is the number of its photograph."""

    __tablename__ = "accreditation_evidence"
    __table_args__ = (UniqueConstraint("accreditation_id", "picture"),)

    id: Mapped[Id]
    accreditation_id: Mapped[int] = mapped_column(ForeignKey("accreditations.id"))
    kind: Mapped[EvidenceKind]
    title: Mapped[str]
    picture: Mapped[str]
    added_by: Mapped[str]
    added_at: Mapped[datetime]


class Objection(Base):
    """What somebody says against a product on public notice, and what the county answered."""

    __tablename__ = "accreditation_objections"
    __table_args__ = (
        CheckConstraint("(answered_at IS NULL) = (is_upheld IS NULL)", name="answered_whole"),
        Index("ix_accreditation_objections_open", "due_at", postgresql_where=text("answered_at IS NULL")),
    )

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(unique=True)
    accreditation_id: Mapped[int] = mapped_column(ForeignKey("accreditations.id"), index=True)
    content: Mapped[str]
    contact: Mapped[str]
    filed_at: Mapped[datetime]
    due_at: Mapped[datetime]
    answer: Mapped[str] = mapped_column(server_default="")
    is_upheld: Mapped[bool | None]
    answered_by: Mapped[str | None]
    answered_at: Mapped[datetime | None]


class Inspection(Base):
    """One look of a supervisor at an accredited product."""

    __tablename__ = "accreditation_inspections"

    id: Mapped[Id]
    accreditation_id: Mapped[int] = mapped_column(ForeignKey("accreditations.id"), index=True)
    level: Mapped[InspectionLevel]
    finding: Mapped[Finding]
    reason: Mapped[str]
    rectify_until: Mapped[date | None] = mapped_column(Date)
    rectified_at: Mapped[datetime | None]
    inspected_by: Mapped[str]
    inspected_at: Mapped[datetime]
