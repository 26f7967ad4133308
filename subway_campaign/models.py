"""The tables of inventory, touches and visitors; those of orders and credits are in `conversion_models`.

Invariant: touches and confirmations are only ever inserted, and no row holds a name, a phone, an openid, a raw address
or a user agent.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from config import database
from subway_campaign.landing import LandingKind
from subway_campaign.lifecycle import Clock, Drop, Exclusion, Level, Surface, TouchKind


class Campaign(database.Base):
    """A drive with a beginning and an end."""

    __tablename__ = "campaigns"

    id: Mapped[database.Id]
    number: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    is_illustrative: Mapped[bool]
    created_at: Mapped[database.Instant]


class Creative(database.Base):
    """One artwork of a campaign, the number of its picture, and the time in which it may hang (half-open)."""

    __tablename__ = "creatives"
    __table_args__ = (CheckConstraint("valid_until > valid_from", name="period"),)

    id: Mapped[database.Id]
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    number: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    picture: Mapped[str | None]
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]


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


# Staff name a merge by this when they undo it.
_MERGE_NUMBER = text("'MG' || upper(substr(replace(cast(gen_random_uuid() AS text), '-', ''), 1, 12))")


class PersonLink(database.Base):
    """Two persons found to be one, by an identity that both showed."""

    __tablename__ = "person_links"
    __table_args__ = (Index(None, "same_as"),)

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    same_as: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(unique=True, server_default=_MERGE_NUMBER)
    via: Mapped[str]
    linked_at: Mapped[database.Instant]
    undone_at: Mapped[datetime | None]


class VisitorMerge(database.Base):
    """Two visitors found to be one by a hand-off from page to mini-program; touches are all that they share."""

    __tablename__ = "visitor_merges"
    __table_args__ = (
        CheckConstraint("visitor_id <> same_as", name="two_visitors"),
        Index(None, "visitor_id"),
        Index(None, "same_as"),
    )

    id: Mapped[database.Id]
    number: Mapped[str] = mapped_column(unique=True, server_default=_MERGE_NUMBER)
    visitor_id: Mapped[UUID]
    same_as: Mapped[UUID]
    via: Mapped[str]
    merged_at: Mapped[database.Instant]
    undone_at: Mapped[datetime | None]


class SpentHandoff(database.Base):
    """A hand-off token that was used; none is used twice."""

    __tablename__ = "spent_handoffs"

    handoff: Mapped[UUID] = mapped_column(primary_key=True)
    spent_at: Mapped[database.Instant]


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
    recorded_at: Mapped[database.Instant]
