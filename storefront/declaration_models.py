"""The table of declarations.

Invariant: a declaration belongs to one order and says nothing of a person but that they ticked a box then.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from config import database
from storefront.order_models import Order


class DeclarationKind(StrEnum):
    """What a shopper confirms for one order, each time anew."""

    RETURNS_SEALED = "returns_sealed"
    RETURNS_PERISHABLE = "returns_perishable"
    ADULT = "adult"


class OrderDeclaration(database.Base):
    """One confirmation of one order."""

    __tablename__ = "order_declarations"

    order_id: Mapped[int] = mapped_column(ForeignKey(Order.id), primary_key=True)
    kind: Mapped[DeclarationKind] = mapped_column(primary_key=True)
    declared_at: Mapped[datetime]
    # Empty of orders from before versions were kept.
    text_version: Mapped[str] = mapped_column(server_default="")
