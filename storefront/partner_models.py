"""Tables of partners of the fourth-party service: who they are, their API keys, the links of sellers.

Invariant: a key is stored as a digest beside the few letters by which people recognise it; a third-party seller is
named by its number in our books, and nobody else has one; a seller has one code for one landing.
"""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import String

from config.database import Base, Id
from subway_campaign.landing import LandingKind


class PartnerKind(StrEnum):
    """What a partner takes part as."""

    BUYER = "buyer"
    SELLER = "seller"
    PRODUCER = "producer"


class Partner(Base):
    """An organisation that reads the feed; a seller also recommends goods and sees what that brought."""

    __tablename__ = "partners"
    __table_args__ = (CheckConstraint("(kind = 'seller') = (seller IS NOT NULL)", name="seller"),)

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[PartnerKind]
    name: Mapped[str]
    seller: Mapped[str | None] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class PartnerKey(Base):
    """An API key. `used_on` is the last Shanghai day on which it opened something: when exactly is nobody's concern."""

    __tablename__ = "partner_keys"
    __table_args__ = (Index(None, "partner_id"),)

    id: Mapped[Id]
    partner_id: Mapped[int] = mapped_column(ForeignKey("partners.id"))
    prefix: Mapped[str] = mapped_column(unique=True)
    key_digest: Mapped[bytes] = mapped_column(unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String), server_default=text("'{}'"))
    label: Mapped[str]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    used_on: Mapped[date | None] = mapped_column(Date)


class PartnerCode(Base):
    """The code by which a seller recommends one product or hall, and the placement that its sales stand at."""

    __tablename__ = "partner_codes"

    partner_id: Mapped[int] = mapped_column(ForeignKey("partners.id"), primary_key=True)
    landing_kind: Mapped[LandingKind] = mapped_column(primary_key=True)
    landing_slug: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    placement: Mapped[str] = mapped_column(unique=True)
    made_at: Mapped[datetime]
