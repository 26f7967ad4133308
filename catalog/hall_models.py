"""The tables of what a hall shows first: its shelves, and the goods on each in their order.

Invariant: a shelf belongs to one hall and holds a product once; whether that is on sale is the product's to say.
"""

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, Id


class HallShelf(Base):
    """A named list of goods in a hall, at its place from 1 on."""

    __tablename__ = "hall_shelves"
    __table_args__ = (UniqueConstraint("hall_id", "position"),)

    id: Mapped[Id]
    hall_id: Mapped[int] = mapped_column(ForeignKey("halls.id"))
    position: Mapped[int]
    name: Mapped[str]


class HallShelfItem(Base):
    """A product on a shelf, at its place from 1 on."""

    __tablename__ = "hall_shelf_items"
    __table_args__ = (UniqueConstraint("shelf_id", "position"),)

    shelf_id: Mapped[int] = mapped_column(ForeignKey("hall_shelves.id"), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), primary_key=True, index=True)
    position: Mapped[int]
