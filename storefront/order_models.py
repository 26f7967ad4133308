"""Tables of orders: what was bought, by whom, at which price, shipped how and refunded how much.

Invariant: lines are snapshots, so no later change of the catalog alters an order; payable = goods + freight, and the
refunds of a line never exceed what was paid for it (checked in `aftersales` under the order's row lock).
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, Fen, Id
from storefront.order_lifecycle import CancelledBy, MarkCause, OrderState


class Order(Base):
    """One order. `address` is the only place of an order that names a person."""

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("shopper_id", "idempotency_key"),
        CheckConstraint("payable_fen = goods_fen + freight_fen", name="payable_adds_up"),
        CheckConstraint("goods_fen >= 0 AND freight_fen >= 0", name="not_negative"),
        CheckConstraint("(state = 'cancelled') = (cancelled_by IS NOT NULL)", name="cancelled_by_somebody"),
        CheckConstraint("(paid_at IS NULL) = (state IN ('pending', 'cancelled'))", name="paid_at_when_paid"),
        Index("ix_orders_pay_until", "pay_until", postgresql_where=text("state = 'pending'")),
        Index("ix_orders_shipped_at", "shipped_at", postgresql_where=text("state = 'shipped'")),
        Index("ix_orders_shopper_id_id", "shopper_id", "id"),
        Index("ix_orders_paid_at", "paid_at", postgresql_where=text("paid_at IS NOT NULL")),
    )

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(unique=True)
    shopper_id: Mapped[int] = mapped_column(ForeignKey("shoppers.id"))
    person: Mapped[UUID]
    visitor: Mapped[UUID | None]
    state: Mapped[OrderState]
    cancelled_by: Mapped[CancelledBy | None]
    goods_fen: Mapped[Fen]
    freight_fen: Mapped[Fen]
    payable_fen: Mapped[Fen]
    address: Mapped[dict[str, Any]]
    remark: Mapped[str] = mapped_column(server_default="")
    stock_reference: Mapped[str]
    idempotency_key: Mapped[str]
    fingerprint: Mapped[bytes]
    placed_at: Mapped[datetime]
    pay_until: Mapped[datetime]
    paid_at: Mapped[datetime | None]
    shipped_at: Mapped[datetime | None]
    received_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    payment_number: Mapped[str | None]


class OrderLine(Base):
    """One SKU of an order as it was sold. `line_no` counts from 1."""

    __tablename__ = "order_lines"
    __table_args__ = (
        CheckConstraint("quantity > 0 AND price_fen >= 0", name="sane"),
        CheckConstraint("amount_fen = price_fen * quantity", name="amount_adds_up"),
        Index("ix_order_lines_product_slug", "product_slug"),
    )

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    line_no: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    consignment_no: Mapped[int] = mapped_column(SmallInteger)
    sku: Mapped[str]
    product_slug: Mapped[str]
    title: Mapped[str]
    spec: Mapped[str]
    image: Mapped[str]
    return_class: Mapped[str]
    price_fen: Mapped[Fen]
    quantity: Mapped[int]
    amount_fen: Mapped[Fen]


class Consignment(Base):
    """What of an order ships together from one place, with its share of the freight."""

    __tablename__ = "consignments"

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    consignment_no: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    ship_from: Mapped[str]
    freight_fen: Mapped[Fen]
    carrier: Mapped[str | None]
    tracking_number: Mapped[str | None]
    shipped_at: Mapped[datetime | None]


class OrderRefund(Base):
    """Money to give back for an order; `refund_number` is the payment side's own record of it."""

    __tablename__ = "order_refunds"
    __table_args__ = (
        UniqueConstraint("order_id", "idempotency_key"),
        CheckConstraint("amount_fen > 0 AND freight_fen >= 0", name="sane"),
    )

    id: Mapped[Id]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    refund_number: Mapped[str] = mapped_column(unique=True)
    amount_fen: Mapped[Fen]
    freight_fen: Mapped[Fen]
    reason: Mapped[str]
    asked_by: Mapped[str]
    idempotency_key: Mapped[str]
    fingerprint: Mapped[bytes]
    asked_at: Mapped[datetime]
    refunded_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]


class OrderRefundLine(Base):
    """How much of a refund belongs to one line of the order, and which of its pieces."""

    __tablename__ = "order_refund_lines"
    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="positive"),
        CheckConstraint("pieces >= 0 AND unsent >= 0", name="pieces_not_negative"),
    )

    refund_id: Mapped[int] = mapped_column(ForeignKey("order_refunds.id"), primary_key=True)
    line_no: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    amount_fen: Mapped[Fen]
    # How many pieces it was asked for, when it was by pieces; and how many never leave because of it.
    pieces: Mapped[int] = mapped_column(server_default=text("0"))
    unsent: Mapped[int] = mapped_column(server_default=text("0"))


class OrderLineBatch(Base):
    """The production batch that a line left with; `batch` is the code under which anybody may trace it."""

    __tablename__ = "order_line_batches"
    __table_args__ = (Index("ix_order_line_batches_batch", "batch"),)

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    line_no: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    batch: Mapped[str]
    named_at: Mapped[datetime]


class OrderMark(Base):
    """Something that whoever works on an order must know: `cause` about `reference`, such as a badge that was lost."""

    __tablename__ = "order_marks"

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    cause: Mapped[MarkCause] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(primary_key=True)
    product_slug: Mapped[str]
    marked_at: Mapped[datetime]
