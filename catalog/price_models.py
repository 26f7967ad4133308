"""The tables behind comparisons of prices: deals that were really made, and prices far from the usual.

Invariant: a deal is written once under its reference and at most voided; no figure here is ever typed by a person.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, Fen, Id


class Deal(Base):
    """A price that somebody really paid for one piece of a SKU; voided once all of it went back."""

    __tablename__ = "deals"
    __table_args__ = (
        CheckConstraint("price_fen > 0", name="price"),
        Index("ix_deals_sku_id_dealt_at", "sku_id", "dealt_at", postgresql_where=text("voided_at IS NULL")),
    )

    reference: Mapped[str] = mapped_column(primary_key=True)
    sku_id: Mapped[int] = mapped_column(ForeignKey("skus.id"))
    price_fen: Mapped[Fen]
    dealt_at: Mapped[datetime]
    voided_at: Mapped[datetime | None]


class Basis(StrEnum):
    """Whose median a price was compared with."""

    COUNTY = "county"
    PROVINCE = "province"


class ReviewState(StrEnum):
    """Where the review of a price stands."""

    OPEN = "open"
    ACCEPTED = "accepted"
    ASKED = "asked"
    HELD = "held"
    SUPERSEDED = "superseded"


class ReviewAct(StrEnum):
    """What a county's clerk does about a price."""

    ACCEPT = "accept"
    ASK = "ask"
    HOLD = "hold"


class PriceReview(Base):
    """One price far from what the like costs, with the figures of that day: fen per 500 g."""

    __tablename__ = "price_reviews"
    __table_args__ = (
        UniqueConstraint("sku_id", "price_version"),
        Index("ix_price_reviews_state_opened_at", "state", "opened_at"),
    )

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(unique=True)
    sku_id: Mapped[int] = mapped_column(ForeignKey("skus.id"))
    price_version: Mapped[int]
    price_fen: Mapped[Fen]
    unit_fen: Mapped[Fen]
    median_fen: Mapped[Fen]
    peers: Mapped[int]
    basis: Mapped[Basis]
    state: Mapped[ReviewState]
    opened_at: Mapped[datetime]
    decided_by: Mapped[str | None]
    reason: Mapped[str | None]
    decided_at: Mapped[datetime | None]
