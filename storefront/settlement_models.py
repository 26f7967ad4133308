"""Tables of settlement: what was agreed with suppliers, and the statements of what they are owed.

Invariant: terms are only ever added. A thing is on one statement only: its order, kind, part and refund are unique
together; a statement's sums are those of its lines, and its approver is not who drafted it (CHECKs and a unique key).
"""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, Fen, Id
from storefront.settlement_lifecycle import LineKind, StatementState


class PurchaseTerms(Base):
    """What we pay a supplier for goods sold from an instant on; without `sku` for all without terms of their own."""

    __tablename__ = "purchase_terms"
    __table_args__ = (
        UniqueConstraint("supplier", "sku", "effective_at", postgresql_nulls_not_distinct=True),
        CheckConstraint("num_nonnulls(price_fen, share_bp) = 1", name="price_or_share"),
        CheckConstraint(
            "coalesce(price_fen, 0) >= 0 AND coalesce(share_bp, 0) BETWEEN 0 AND 10000 AND fee_bp BETWEEN 0 AND 10000",
            name="sane",
        ),
    )

    id: Mapped[Id]
    supplier: Mapped[str] = mapped_column(String(64))
    sku: Mapped[str | None] = mapped_column(String(64))
    price_fen: Mapped[int | None] = mapped_column(BigInteger)
    share_bp: Mapped[int | None]
    fee_bp: Mapped[int]
    freight_is_theirs: Mapped[bool]
    effective_at: Mapped[datetime]
    entered_by: Mapped[str]
    entered_at: Mapped[datetime]


class Statement(Base):
    """What a supplier is owed for one month: `net_fen` is owed less fees, with what was carried over."""

    __tablename__ = "supplier_statements"
    __table_args__ = (
        UniqueConstraint("supplier", "period"),
        UniqueConstraint("supplier", "invoice_number"),
        CheckConstraint("net_fen = owed_fen - fees_fen + carried_fen", name="adds_up"),
        CheckConstraint("carried_fen <= 0", name="carried_is_owed_to_us"),
        CheckConstraint("approved_by IS DISTINCT FROM drafted_by", name="two_persons"),
        CheckConstraint("(state = 'drafted') = (approved_at IS NULL)", name="approved_when_it_stands"),
        CheckConstraint("(approved_at IS NULL) = (approved_by IS NULL)", name="approved_by_somebody"),
        CheckConstraint(
            "(state IN ('invoiced', 'paid_out')) = (invoice_number IS NOT NULL)", name="invoiced_with_a_number"
        ),
        CheckConstraint("state <> 'carried' OR net_fen <= 0", name="carried_when_nothing_is_due"),
        CheckConstraint("state IN ('drafted', 'carried') OR net_fen > 0", name="due_when_it_is_paid"),
        CheckConstraint("(state = 'paid_out') = (paid_out_at IS NOT NULL)", name="paid_out_when_it_is"),
    )

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(unique=True)
    supplier: Mapped[str] = mapped_column(String(64))
    period: Mapped[str] = mapped_column(String(7))
    state: Mapped[StatementState]
    gross_fen: Mapped[Fen]
    owed_fen: Mapped[Fen]
    fees_fen: Mapped[Fen]
    carried_fen: Mapped[Fen]
    net_fen: Mapped[Fen]
    drafted_by: Mapped[str]
    drafted_at: Mapped[datetime]
    approved_by: Mapped[str | None]
    approved_at: Mapped[datetime | None]
    invoice_number: Mapped[str | None] = mapped_column(String(40))
    invoiced_by: Mapped[str | None]
    invoiced_at: Mapped[datetime | None]
    paid_out_at: Mapped[datetime | None]


class StatementLine(Base):
    """One thing on a statement. `part_no` is the order's line, for freight its consignment.

    `reference` is the refund that takes it back or failed to, of what is carried the statement that it comes from.
    """

    __tablename__ = "supplier_statement_lines"
    __table_args__ = (
        UniqueConstraint("order_number", "kind", "part_no", "reference", name="uq_supplier_statement_lines_once"),
        Index("ix_supplier_statement_lines_reference", "reference", postgresql_where=text("reference <> ''")),
    )

    id: Mapped[Id]
    statement_id: Mapped[int] = mapped_column(ForeignKey(Statement.id, ondelete="CASCADE"), index=True)
    kind: Mapped[LineKind]
    order_number: Mapped[str]
    part_no: Mapped[int] = mapped_column(SmallInteger)
    reference: Mapped[str]
    title: Mapped[str]
    quantity: Mapped[int]
    gross_fen: Mapped[Fen]
    owed_fen: Mapped[Fen]
    fee_fen: Mapped[Fen]
    occurred_at: Mapped[datetime]
