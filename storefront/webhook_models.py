"""Tables of webhooks: where partners want to be told, what they are to be told, and what sellers know of their orders.

Invariant: a secret is sealed, and the one before it only for as long as both count; a delivery's body never changes;
none holds anything personal.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, Fen, Id


class Topic(StrEnum):
    """What an endpoint may ask to be told of."""

    PRODUCTS = "products"
    ORDERS = "orders"


class DeliveryState(StrEnum):
    """A delivery waits until somebody said yes to it, or is given up after three days."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


class WebhookEndpoint(Base):
    """An address of a partner. `place` is how far in the feed it was told; `busy_until` whoever sends to it now."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (Index(None, "partner_id"),)

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(unique=True)
    partner_id: Mapped[int] = mapped_column(ForeignKey("partners.id"))
    url: Mapped[str]
    topics: Mapped[list[str]] = mapped_column(ARRAY(String))
    secret_sealed: Mapped[str]
    previous_sealed: Mapped[str | None]
    previous_until: Mapped[datetime | None]
    place: Mapped[str]
    created_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    failing_since: Mapped[datetime | None]
    resting_until: Mapped[datetime]
    busy_until: Mapped[datetime]


class WebhookDelivery(Base):
    """One thing to tell one endpoint; `number` is the message's id, the same at every attempt."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("ix_webhook_deliveries_waiting", "endpoint_id", "due_at", postgresql_where=text("state = 'waiting'")),
        Index(None, "endpoint_id", "id"),
        Index(None, "ended_at"),
    )

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(unique=True)
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("webhook_endpoints.id"))
    event: Mapped[str]
    body: Mapped[str]
    state: Mapped[DeliveryState]
    queued_at: Mapped[datetime]
    since: Mapped[datetime]
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    answer: Mapped[int | None]
    fault: Mapped[str | None]
    ended_at: Mapped[datetime | None]


class PartnerCredit(Base):
    """What a seller's links earned of one order, as the seller's endpoints were last told."""

    __tablename__ = "partner_credits"

    partner_id: Mapped[int] = mapped_column(ForeignKey("partners.id"), primary_key=True)
    order_number: Mapped[str] = mapped_column(primary_key=True)
    gross_fen: Mapped[Fen]
    refunded_fen: Mapped[Fen]
    version: Mapped[int]
