"""The tables of the campaign.

Invariant: touches, confirmations, decisions, weights and credits are only ever inserted; nothing here has a foreign
key to a shopper, an order or a product, and no row holds a name, a phone, an openid, a raw address or a user agent.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from config import database
from subway_campaign.landing import LandingKind
from subway_campaign.lifecycle import (
    Clock,
    Drop,
    Entry,
    Exclusion,
    Level,
    Model,
    Outcome,
    RefundState,
    Stage,
    Surface,
    TouchKind,
)


class Campaign(database.Base):
    """A drive with a beginning and an end."""

    __tablename__ = "campaigns"

    id: Mapped[database.Id]
    number: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    is_illustrative: Mapped[bool]
    created_at: Mapped[database.Instant]


class Creative(database.Base):
    """One artwork of a campaign."""

    __tablename__ = "creatives"

    id: Mapped[database.Id]
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    number: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]


class Placement(database.Base):
    """A node of the inventory tree. Its number is its path: the parent's number, a dot, and its own label."""

    __tablename__ = "placements"
    __table_args__ = (Index(None, "parent_id"),)

    id: Mapped[database.Id]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("placements.id"))
    number: Mapped[str] = mapped_column(unique=True)
    level: Mapped[Level]
    name: Mapped[str]
    meta: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))


class Code(database.Base):
    """What is printed. It never changes meaning and is never used again."""

    __tablename__ = "codes"

    id: Mapped[database.Id]
    slug: Mapped[str] = mapped_column(unique=True)
    minted_at: Mapped[database.Instant]
    retired_at: Mapped[datetime | None]


class CodeBinding(database.Base):
    """Where a code hung, from when to when (half-open), and what it led to."""

    __tablename__ = "code_bindings"
    __table_args__ = (
        ExcludeConstraint(
            ("code_id", "="),
            (text("tstzrange(valid_from, valid_until)"), "&&"),
            using="gist",
            name="ex_code_bindings_no_overlap",
        ),
        CheckConstraint("valid_until > valid_from", name="period"),
        Index(None, "code_id", "valid_from"),
        Index(None, "placement_id"),
    )

    id: Mapped[database.Id]
    code_id: Mapped[int] = mapped_column(ForeignKey("codes.id"))
    placement_id: Mapped[int] = mapped_column(ForeignKey("placements.id"))
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    creative_id: Mapped[int | None] = mapped_column(ForeignKey("creatives.id"))
    landing_kind: Mapped[LandingKind]
    landing_slug: Mapped[str]
    valid_from: Mapped[database.Instant]
    valid_until: Mapped[datetime | None]


class Touch(database.Base):
    """A scan, a share or a launch. Partitioned by month; the placement is frozen as it was at `occurred_at` (R12)."""

    __tablename__ = "touches"
    __table_args__ = (
        Index("ix_touches_visitor_id", "visitor_id", "occurred_at"),
        Index("ix_touches_occurred_at", "occurred_at", postgresql_using="brin"),
        {"postgresql_partition_by": "RANGE (occurred_at)"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    occurred_at: Mapped[database.Instant] = mapped_column(primary_key=True)
    received_at: Mapped[database.Instant]
    kind: Mapped[TouchKind]
    surface: Mapped[Surface]
    clock: Mapped[Clock]
    drop_reason: Mapped[Drop | None]
    visitor_id: Mapped[UUID | None]
    code_id: Mapped[int | None] = mapped_column(BigInteger)
    binding_id: Mapped[int | None] = mapped_column(BigInteger)
    placement_id: Mapped[int | None] = mapped_column(BigInteger)
    parent_touch: Mapped[UUID | None]
    scene: Mapped[int | None] = mapped_column(SmallInteger)
    network: Mapped[str | None]


class TouchKey(database.Base):
    """What partitions cannot keep unique: a client's touch id, and one scan's nonce (R2)."""

    __tablename__ = "touch_keys"
    __table_args__ = (UniqueConstraint("visitor_id", "code_id", "scancode_time"),)

    touch_id: Mapped[UUID] = mapped_column(primary_key=True)
    occurred_at: Mapped[database.Instant]
    visitor_id: Mapped[UUID | None]
    code_id: Mapped[int | None] = mapped_column(BigInteger)
    scancode_time: Mapped[int | None] = mapped_column(BigInteger)


class TouchConfirmation(database.Base):
    """Proof that a browser, not a fetching server, stood behind a touch (R6)."""

    __tablename__ = "touch_confirmations"

    touch_id: Mapped[UUID] = mapped_column(primary_key=True)
    confirmed_at: Mapped[database.Instant]


class OrphanScan(database.Base):
    """A scan of a code that nobody printed, or that is retired (R26). A text that cannot be a code is kept as ''."""

    __tablename__ = "orphan_scans"
    __table_args__ = (Index(None, "slug"),)

    id: Mapped[database.Id]
    slug: Mapped[str]
    occurred_at: Mapped[database.Instant]


class VisitorIdentity(database.Base):
    """Which person an outside identity belongs to; the value is an HMAC, only the shop knows the openid itself."""

    __tablename__ = "visitor_identities"
    __table_args__ = (
        Index(
            "uq_visitor_identities_active",
            "kind",
            "app",
            "value_hmac",
            unique=True,
            postgresql_where=text("unlinked_at IS NULL"),
        ),
        Index(None, "person_id"),
    )

    id: Mapped[database.Id]
    kind: Mapped[str]
    app: Mapped[str]
    value_hmac: Mapped[bytes] = mapped_column(LargeBinary)
    person_id: Mapped[UUID]
    linked_at: Mapped[database.Instant]
    unlinked_at: Mapped[datetime | None]


class VisitorLink(database.Base):
    """Whose touches a cookie's are, from `touches_from` (for its first person: all its past) to `unlinked_at`."""

    __tablename__ = "visitor_links"
    __table_args__ = (
        Index("uq_visitor_links_active", "visitor_id", unique=True, postgresql_where=text("unlinked_at IS NULL")),
        Index(None, "person_id"),
    )

    id: Mapped[database.Id]
    visitor_id: Mapped[UUID]
    person_id: Mapped[UUID]
    touches_from: Mapped[database.Instant]
    linked_at: Mapped[database.Instant]
    unlinked_at: Mapped[datetime | None]


class PersonLink(database.Base):
    """Two persons found to be one, by an identity that both showed."""

    __tablename__ = "person_links"
    __table_args__ = (Index(None, "same_as"),)

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    same_as: Mapped[UUID] = mapped_column(primary_key=True)
    via: Mapped[str]
    linked_at: Mapped[database.Instant]


class ExcludedIdentity(database.Base):
    """Staff, crew and test phones, dated: kept and shown, never counted (R16)."""

    __tablename__ = "excluded_identities"
    __table_args__ = (
        CheckConstraint("num_nonnulls(visitor_id, person_id) = 1", name="one_identity"),
        CheckConstraint("valid_until > valid_from", name="period"),
        Index(None, "visitor_id"),
        Index(None, "person_id"),
    )

    id: Mapped[database.Id]
    visitor_id: Mapped[UUID | None]
    person_id: Mapped[UUID | None]
    reason: Mapped[Exclusion]
    valid_from: Mapped[database.Instant]
    valid_until: Mapped[datetime | None]


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
