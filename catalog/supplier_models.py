"""The tables around a supplier: its steps, its papers, and where its money goes.

Invariant: steps are only ever added to; an account number is stored sealed, with its last digits beside it.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from catalog.supplier_lifecycle import Act, Seat, State
from config.database import Base, Id


class PaperKind(StrEnum):
    """What a photographed paper of a supplier shows."""

    LICENCE = "licence"
    FOOD_PERMIT = "food_permit"
    AGREEMENT = "agreement"
    ACCOUNT = "account"
    OTHER = "other"


class ReceiverKind(StrEnum):
    """How WeChat knows who receives a share of a payment."""

    MERCHANT = "merchant"
    PERSON = "person"


class SupplierStep(Base):
    """One step: what was done, in whose seat, by whom, why and when."""

    __tablename__ = "supplier_steps"
    __table_args__ = (UniqueConstraint("supplier_id", "position"),)

    id: Mapped[Id]
    supplier_id: Mapped[int] = mapped_column(ForeignKey("suppliers.id"))
    position: Mapped[int]
    act: Mapped[Act]
    after: Mapped[State]
    seat: Mapped[Seat]
    taken_by: Mapped[str]
    reason: Mapped[str]
    taken_at: Mapped[datetime]


class SupplierPaper(Base):
    """A paper of a supplier; `picture` is the number of its photograph."""

    __tablename__ = "supplier_papers"
    __table_args__ = (UniqueConstraint("supplier_id", "picture"),)

    id: Mapped[Id]
    supplier_id: Mapped[int] = mapped_column(ForeignKey("suppliers.id"))
    kind: Mapped[PaperKind]
    picture: Mapped[str]
    added_by: Mapped[str]
    added_at: Mapped[datetime]


class SupplierPayee(Base):
    """Where a supplier's money goes: a bank account, and for a seller's commission WeChat's receiver.

    The share is named by a merchant id, or by the openid of a person.
    """

    __tablename__ = "supplier_payees"
    __table_args__ = (
        CheckConstraint("(receiver_kind IS NULL) = (receiver_sealed IS NULL)", name="receiver_whole"),
        CheckConstraint("receiver_kind IS NULL OR length(receiver_name) > 0", name="receiver_named"),
    )

    supplier_id: Mapped[int] = mapped_column(ForeignKey("suppliers.id"), primary_key=True)
    account_name: Mapped[str]
    bank: Mapped[str]
    account_sealed: Mapped[str]
    account_tail: Mapped[str]
    receiver_kind: Mapped[ReceiverKind | None]
    receiver_sealed: Mapped[str | None]
    receiver_name: Mapped[str]
    changed_by: Mapped[str]
    changed_at: Mapped[datetime]
