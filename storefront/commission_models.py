"""The table of commission: which third-party seller earned how much of an order.

Invariant: a seller earns of an order once; what it earns is fixed when it is asked of WeChat, and why it earns nothing
is written down.
"""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, Id
from storefront.commission_lifecycle import Barred, ClaimState


class CommissionClaim(Base):
    """A share of an order's goods, in basis points, for the seller who brought its shopper."""

    __tablename__ = "commission_claims"
    __table_args__ = (
        UniqueConstraint("order_number", "seller"),
        CheckConstraint("basis_points BETWEEN 1 AND 3000", name="within_the_ratio"),
        CheckConstraint("(state = 'barred') = (barred_for IS NOT NULL)", name="barred_for_a_reason"),
        CheckConstraint("state IN ('earned', 'barred') OR amount_fen IS NOT NULL", name="fixed_when_asked"),
        Index("ix_commission_claims_earned", "order_number", postgresql_where=text("state = 'earned'")),
    )

    id: Mapped[Id]
    order_number: Mapped[str] = mapped_column(String(32))
    seller: Mapped[str] = mapped_column(String(64))
    basis_points: Mapped[int]
    state: Mapped[ClaimState]
    barred_for: Mapped[Barred | None]
    amount_fen: Mapped[int | None] = mapped_column(BigInteger)
    earned_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
