"""Tables of shoppers: who they are to us, how they are logged in, what they agreed to, what they keep.

Invariant: names, phones and addresses stand in `addresses` alone, openid and unionid in `shoppers` alone; secrets
are stored as digests; everything of a shopper hangs on `shopper_id`, so that one person can be erased.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, Id
from storefront.actors import ActorKind


class Shopper(Base):
    """One per (appid, openid); a guest has neither. `person` is all that attribution ever sees of it."""

    __tablename__ = "shoppers"
    __table_args__ = (
        UniqueConstraint("appid", "openid"),
        Index("ix_shoppers_unionid", "unionid", postgresql_where=text("unionid IS NOT NULL")),
        CheckConstraint("openid IS NULL OR appid IS NOT NULL", name="openid_of_app"),
    )

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(unique=True)
    person: Mapped[UUID] = mapped_column(unique=True)
    appid: Mapped[str | None]
    openid: Mapped[str | None]
    unionid: Mapped[str | None]
    created_at: Mapped[datetime]
    logged_in_at: Mapped[datetime]


class LoginSession(Base):
    """A session of a shopper, a guest or a member of staff, under the digest of its token."""

    __tablename__ = "sessions"
    __table_args__ = (
        CheckConstraint("(staff_id IS NOT NULL) = (kind = 'staff')", name="staff_has_account"),
        CheckConstraint("(shopper_id IS NULL) = (kind = 'staff')", name="others_have_shopper"),
        Index("ix_sessions_shopper_id", "shopper_id"),
        Index("ix_sessions_staff_id", "staff_id"),
        Index("ix_sessions_expires_at", "expires_at"),
    )

    id: Mapped[Id]
    token_digest: Mapped[bytes] = mapped_column(unique=True)
    kind: Mapped[ActorKind]
    shopper_id: Mapped[int | None] = mapped_column(ForeignKey("shoppers.id"))
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff_accounts.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class LoginState(Base):
    """A login that was sent to WeChat and has not come back: the digests of its `state` and of the browser's cookie."""

    __tablename__ = "login_states"
    __table_args__ = (Index("ix_login_states_open_until", "open_until"),)

    state_digest: Mapped[bytes] = mapped_column(primary_key=True)
    browser_digest: Mapped[bytes]
    next_path: Mapped[str]
    open_until: Mapped[datetime]
    used_at: Mapped[datetime | None]


class OrderLink(Base):
    """A link that opens one guest order; the link itself is derived from `seed`, so a copy of the table opens none."""

    __tablename__ = "order_links"
    __table_args__ = (
        Index("uq_order_links_live", "order_number", unique=True, postgresql_where=text("revoked_at IS NULL")),
    )

    link_digest: Mapped[bytes] = mapped_column(primary_key=True)
    seed: Mapped[bytes]
    order_number: Mapped[str]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Consent(Base):
    """A shopper's agreement to one version of one document, and when it was given and taken back."""

    __tablename__ = "consents"
    __table_args__ = (
        Index(
            "uq_consents_standing",
            "shopper_id",
            "document",
            "version",
            unique=True,
            postgresql_where=text("withdrawn_at IS NULL"),
        ),
    )

    id: Mapped[Id]
    shopper_id: Mapped[int] = mapped_column(ForeignKey("shoppers.id"))
    document: Mapped[str]
    version: Mapped[str]
    given_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


class Address(Base):
    """A delivery address in a shopper's book. `region` is what `region_code` was called when it was written."""

    __tablename__ = "addresses"
    __table_args__ = (
        Index("ix_addresses_shopper_id", "shopper_id"),
        Index("uq_addresses_default", "shopper_id", unique=True, postgresql_where=text("is_default")),
    )

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(unique=True)
    shopper_id: Mapped[int] = mapped_column(ForeignKey("shoppers.id"))
    name: Mapped[str]
    phone: Mapped[str]
    region_code: Mapped[str]
    region: Mapped[str]
    detail: Mapped[str]
    is_default: Mapped[bool]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class CartLine(Base):
    """A SKU that a shopper means to buy, with the next order while it is ticked.

    No price: that is asked of the catalog whenever the cart is shown.
    """

    __tablename__ = "cart_lines"
    __table_args__ = (CheckConstraint("quantity BETWEEN 1 AND 999", name="quantity"),)

    shopper_id: Mapped[int] = mapped_column(ForeignKey("shoppers.id"), primary_key=True)
    sku: Mapped[str] = mapped_column(primary_key=True)
    quantity: Mapped[int] = mapped_column(SmallInteger)
    added_at: Mapped[datetime]
    is_ticked: Mapped[bool] = mapped_column(server_default=text("true"))
