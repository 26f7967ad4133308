"""The tables that reports read instead of a million touches, and the marks of what they do not hold yet.

Invariant: every row but a mark is a function of the log alone and may be thrown away; none names a visitor, and a
mark that does lives until the next run of `rollups.roll_up`.
"""

from datetime import date
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, SmallInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from config import database
from subway_campaign import conversion_models  # noqa: F401 - the placements and bindings that foreign keys point at
from subway_campaign.lifecycle import Level, Model


class MarkKind(StrEnum):
    """What happened to the log; the database's own triggers write it down, so that no writer can forget to."""

    TOUCH = "touch"
    CONFIRMATION = "confirmation"
    SCANS = "scans"
    VISITOR = "visitor"
    LINKED = "linked"
    PERSON = "person"
    ORDERS = "orders"
    JOURNEY = "journey"


class RollupMark(database.Base):
    """A change of the log that the rollups do not hold: the touch, visitor or person `ref`, or a whole `day`."""

    __tablename__ = "rollup_marks"

    id: Mapped[database.Id]
    kind: Mapped[MarkKind]
    ref: Mapped[UUID | None]
    day: Mapped[date | None]


class ScanDay(database.Base):
    """The scans of a Shanghai day at a placement, by the binding that says for which campaign and landing."""

    __tablename__ = "scan_days"
    __table_args__ = (UniqueConstraint("day", "placement_id", "binding_id", postgresql_nulls_not_distinct=True),)

    id: Mapped[database.Id]
    day: Mapped[date]
    placement_id: Mapped[int] = mapped_column(ForeignKey("placements.id"))
    binding_id: Mapped[int | None] = mapped_column(ForeignKey("code_bindings.id"))
    scans: Mapped[int] = mapped_column(BigInteger)
    album_scans: Mapped[int] = mapped_column(BigInteger)
    journeys: Mapped[int] = mapped_column(BigInteger)


class ScanHour(database.Base):
    """The scans of an hour of a Shanghai day at a placement under a binding, and the journeys that began in it."""

    __tablename__ = "scan_hours"
    __table_args__ = (
        UniqueConstraint("day", "placement_id", "hour", "binding_id", postgresql_nulls_not_distinct=True),
        CheckConstraint("hour BETWEEN 0 AND 23", name="of_a_day"),
    )

    id: Mapped[database.Id]
    day: Mapped[date]
    placement_id: Mapped[int] = mapped_column(ForeignKey("placements.id"))
    binding_id: Mapped[int | None] = mapped_column(ForeignKey("code_bindings.id"))
    hour: Mapped[int] = mapped_column(SmallInteger)
    scans: Mapped[int] = mapped_column(BigInteger)
    journeys: Mapped[int] = mapped_column(BigInteger)


class SaleHour(database.Base):
    """What a day's sales owe to the scans of an hour at a placement, by last touch and after refunds to date."""

    __tablename__ = "sale_hours"
    __table_args__ = (
        UniqueConstraint("day", "placement_id", "hour", "binding_id", postgresql_nulls_not_distinct=True),
        CheckConstraint("hour BETWEEN 0 AND 23", name="of_a_day"),
    )

    id: Mapped[database.Id]
    day: Mapped[date]
    placement_id: Mapped[int] = mapped_column(ForeignKey("placements.id"))
    binding_id: Mapped[int | None] = mapped_column(ForeignKey("code_bindings.id"))
    hour: Mapped[int] = mapped_column(SmallInteger)
    paid_orders: Mapped[int] = mapped_column(BigInteger)
    paid_journeys: Mapped[int] = mapped_column(BigInteger)
    gross_fen: Mapped[database.Fen]
    refunded_fen: Mapped[database.Fen]


class VisitorDay(database.Base):
    """The visitors of a day below a node, for a report of `level`: they add up over days, never over the tree."""

    __tablename__ = "visitor_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    level: Mapped[Level] = mapped_column(primary_key=True)
    placement_id: Mapped[int] = mapped_column(ForeignKey("placements.id"), primary_key=True)
    visitors: Mapped[int] = mapped_column(BigInteger)


class KeptOutDay(database.Base):
    """The scans of a day that are shown and not counted, by reason."""

    __tablename__ = "kept_out_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(primary_key=True)
    scans: Mapped[int] = mapped_column(BigInteger)


class OrderDay(database.Base):
    """The carts and orders of a day at a placement, by the binding of their scan; without one by outcome and reason."""

    __tablename__ = "order_days"
    __table_args__ = (
        UniqueConstraint("day", "placement_id", "binding_id", "outcome", "reason", postgresql_nulls_not_distinct=True),
        CheckConstraint("(placement_id IS NULL) = (outcome <> '')", name="placed_or_not"),
    )

    id: Mapped[database.Id]
    day: Mapped[date]
    placement_id: Mapped[int | None] = mapped_column(ForeignKey("placements.id"))
    binding_id: Mapped[int | None] = mapped_column(ForeignKey("code_bindings.id"))
    outcome: Mapped[str]
    reason: Mapped[str]
    carts: Mapped[int] = mapped_column(BigInteger)
    orders: Mapped[int] = mapped_column(BigInteger)
    paid_orders: Mapped[int] = mapped_column(BigInteger)
    paid_journeys: Mapped[int] = mapped_column(BigInteger)
    earned_fen: Mapped[database.Fen]


class CreditDay(database.Base):
    """The money of a day under one model: by the day of the sale (cohort) and by its own (cash), R24."""

    __tablename__ = "credit_days"
    __table_args__ = (
        UniqueConstraint(
            "model", "day", "placement_id", "binding_id", "outcome", "reason", postgresql_nulls_not_distinct=True
        ),
        CheckConstraint("(placement_id IS NULL) = (outcome <> '')", name="placed_or_not"),
    )

    id: Mapped[database.Id]
    model: Mapped[Model]
    day: Mapped[date]
    placement_id: Mapped[int | None] = mapped_column(ForeignKey("placements.id"))
    binding_id: Mapped[int | None] = mapped_column(ForeignKey("code_bindings.id"))
    outcome: Mapped[str]
    reason: Mapped[str]
    cohort_gross_fen: Mapped[database.Fen]
    cohort_refunded_fen: Mapped[database.Fen]
    cash_gross_fen: Mapped[database.Fen]
    cash_refunded_fen: Mapped[database.Fen]


class TotalDay(database.Base):
    """What a day has no placement for: freight, and paid orders that nobody decided yet."""

    __tablename__ = "total_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    freight_fen: Mapped[database.Fen]
    cohort_freight_refunded_fen: Mapped[database.Fen]
    cash_freight_refunded_fen: Mapped[database.Fen]
    undecided_orders: Mapped[int] = mapped_column(BigInteger)
    undecided_fen: Mapped[database.Fen]


class PathDay(database.Base):
    """How many paid orders of a day came by one way: `path` is the ids of its placements, oldest first, with dots.

    `bindings` are those of its scans in the same order: a placement has one at a time, so they hardly add rows.
    """

    __tablename__ = "path_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    bindings: Mapped[str] = mapped_column(primary_key=True)
    orders: Mapped[int] = mapped_column(BigInteger)
    journeys: Mapped[int] = mapped_column(BigInteger)
    paid_fen: Mapped[database.Fen]


class GoodsOrderDay(database.Base):
    """The orders of a day with one product, by the binding and hour of their scan, as `sold` counts them.

    `before` are the products of the same order that count it first, with spaces. Without a placement there is no hour.
    Placements and bindings are not checked: there are as many rows as sold lines, and each comes from a checked one.
    The index has all that reports read, so that they leave the table alone.
    """

    __tablename__ = "goods_order_days"
    __table_args__ = (
        UniqueConstraint(
            "day",
            "product",
            "before",
            "placement_id",
            "binding_id",
            "hour",
            "outcome",
            "reason",
            name="uq_goods_order_days",
            postgresql_nulls_not_distinct=True,
            postgresql_include=["orders", "paid_orders", "paid_journeys", "undecided_orders", "undecided_fen"],
        ),
    )

    id: Mapped[database.Id]
    day: Mapped[date]
    product: Mapped[str]
    before: Mapped[str]
    placement_id: Mapped[int | None] = mapped_column(BigInteger)
    binding_id: Mapped[int | None] = mapped_column(BigInteger)
    hour: Mapped[int | None] = mapped_column(SmallInteger)
    outcome: Mapped[str]
    reason: Mapped[str]
    orders: Mapped[int] = mapped_column(BigInteger)
    paid_orders: Mapped[int] = mapped_column(BigInteger)
    paid_journeys: Mapped[int] = mapped_column(BigInteger)
    undecided_orders: Mapped[int] = mapped_column(BigInteger)
    undecided_fen: Mapped[database.Fen]


class GoodsCreditDay(database.Base):
    """The money of a day's sales of one product, as `CreditDay`; `model` is '' where all models say the same."""

    __tablename__ = "goods_credit_days"
    __table_args__ = (
        UniqueConstraint(
            "day",
            "product",
            "model",
            "placement_id",
            "binding_id",
            "hour",
            "outcome",
            "reason",
            name="uq_goods_credit_days",
            postgresql_nulls_not_distinct=True,
            postgresql_include=[
                "cohort_gross_fen",
                "cohort_refunded_fen",
                "cash_gross_fen",
                "cash_refunded_fen",
            ],
        ),
    )

    id: Mapped[database.Id]
    day: Mapped[date]
    product: Mapped[str]
    model: Mapped[str]
    placement_id: Mapped[int | None] = mapped_column(BigInteger)
    binding_id: Mapped[int | None] = mapped_column(BigInteger)
    hour: Mapped[int | None] = mapped_column(SmallInteger)
    outcome: Mapped[str]
    reason: Mapped[str]
    cohort_gross_fen: Mapped[database.Fen]
    cohort_refunded_fen: Mapped[database.Fen]
    cash_gross_fen: Mapped[database.Fen]
    cash_refunded_fen: Mapped[database.Fen]


class GoodsPathDay(database.Base):
    """How many paid orders with one product came by one way, as `PathDay`, and what was paid for the product."""

    __tablename__ = "goods_path_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    product: Mapped[str] = mapped_column(primary_key=True)
    before: Mapped[str] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    bindings: Mapped[str] = mapped_column(primary_key=True)
    orders: Mapped[int] = mapped_column(BigInteger)
    journeys: Mapped[int] = mapped_column(BigInteger)
    paid_fen: Mapped[database.Fen]
