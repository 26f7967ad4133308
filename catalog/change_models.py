"""The table of changes that suppliers ask for to facts that were accredited.

Invariant: a product has at most one change under review; what was asked for and decided is never changed again.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, Id


class ChangeState(StrEnum):
    """Where a change stands."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class ProductChange(Base):
    """One change: `facts` is fact → {"before", "after"}."""

    __tablename__ = "product_changes"
    __table_args__ = (
        Index("uq_product_changes_asked", "product_id", unique=True, postgresql_where=text("state = 'asked'")),
        CheckConstraint("(state = 'asked') = (decided_at IS NULL)", name="decided_whole"),
    )

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(unique=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), index=True)
    facts: Mapped[dict[str, Any]]
    state: Mapped[ChangeState]
    asked_by: Mapped[str]
    asked_at: Mapped[datetime]
    decided_by: Mapped[str | None]
    reason: Mapped[str] = mapped_column(server_default="")
    decided_at: Mapped[datetime | None]
