"""Tables of who benefits: co-operatives and household groups, the households in them, links from products, entries.

Invariant: a household's name and phone stand only in `sealed`, encrypted; a link never changes but for its end, and no
two of one product, group and mode overlap; entries are only ever added, and those of one line and link never sum to
less than nothing. Triggers and constraints of the database hold the last three.
"""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, Fen, Id


class GroupKind(StrEnum):
    """What stands behind a group."""

    COOPERATIVE = "cooperative"
    HOUSEHOLDS = "households"


class Mode(StrEnum):
    """How a product's sales reach the households of a group."""

    SEED = "seed"
    GUIDANCE = "guidance"
    GUARANTEED_PRICE = "guaranteed_price"
    EMPLOYMENT = "employment"
    PROCESSING = "processing"
    LAND_SHARES = "land_shares"
    OTHER = "other"


class BenefitGroup(Base):
    """A co-operative or a group of households in one county."""

    __tablename__ = "benefit_groups"
    __table_args__ = (UniqueConstraint("county_code", "name"),)

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[GroupKind]
    name: Mapped[str]
    county_code: Mapped[str] = mapped_column(String(6), ForeignKey("regions.code"))
    opened_by: Mapped[str]
    opened_at: Mapped[datetime]


class BenefitHousehold(Base):
    """A household in a group. `sealed` is its name and phone under the key `key_id`; NULL once it was forgotten."""

    __tablename__ = "benefit_households"
    __table_args__ = (
        CheckConstraint("(sealed IS NULL) = (key_id IS NULL)", name="sealed_with_a_key"),
        CheckConstraint("sealed IS NOT NULL OR left_at IS NOT NULL", name="forgotten_has_left"),
        Index("ix_benefit_households_left_at", "left_at", postgresql_where=sql("sealed IS NOT NULL")),
    )

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(unique=True)
    group_id: Mapped[int] = mapped_column(ForeignKey("benefit_groups.id"), index=True)
    sealed: Mapped[bytes | None]
    key_id: Mapped[str | None] = mapped_column(String(8))
    consented_on: Mapped[date]
    added_by: Mapped[str]
    added_at: Mapped[datetime]
    left_at: Mapped[datetime | None]


class BenefitLink(Base):
    """So many ten-thousandths (`share_bp`) of what is paid for a product benefit a group, in a mode, for a time."""

    __tablename__ = "benefit_links"
    __table_args__ = (
        CheckConstraint("share_bp BETWEEN 1 AND 10000", name="share"),
        CheckConstraint("ends_at >= starts_at", name="period"),
        ExcludeConstraint(
            ("product_slug", "="),
            ("group_id", "="),
            ("mode", "="),
            (sql("tstzrange(starts_at, ends_at)"), "&&"),
            using="gist",
            name="ex_benefit_links_no_overlap",
        ),
        Index("ix_benefit_links_group_id", "group_id"),
    )

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(unique=True)
    product_slug: Mapped[str]
    group_id: Mapped[int] = mapped_column(ForeignKey("benefit_groups.id"))
    mode: Mapped[Mode]
    share_bp: Mapped[int]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    linked_by: Mapped[str]
    linked_at: Mapped[datetime]


class BenefitEntry(Base):
    """What one sale (`refund` NULL) or one refund of an order line moved for a link, with the share of that time."""

    __tablename__ = "benefit_entries"
    __table_args__ = (
        ForeignKeyConstraint(["order_id", "line_no"], ["order_lines.order_id", "order_lines.line_no"]),
        UniqueConstraint("order_id", "line_no", "link_id", "refund", postgresql_nulls_not_distinct=True),
        CheckConstraint("refund IS NOT NULL OR fen >= 0", name="sale_not_negative"),
        Index("ix_benefit_entries_link_id", "link_id"),
        Index("ix_benefit_entries_occurred_at", "occurred_at"),
    )

    id: Mapped[Id]
    order_id: Mapped[int] = mapped_column(BigInteger)
    line_no: Mapped[int] = mapped_column(SmallInteger)
    link_id: Mapped[int] = mapped_column(ForeignKey("benefit_links.id"))
    refund: Mapped[str | None]
    share_bp: Mapped[int]
    fen: Mapped[Fen]
    occurred_at: Mapped[datetime]
