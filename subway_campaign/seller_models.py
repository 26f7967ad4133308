"""The table of orders whose credit at a seller's links has moved.

Invariant: marks are left by a trigger of the database, in the transaction that writes the credit.
"""

from sqlalchemy.orm import Mapped

from config import database


class SellerMark(database.Base):
    """An order of which a seller is to be told anew."""

    __tablename__ = "seller_marks"

    id: Mapped[database.Id]
    order_number: Mapped[str]
