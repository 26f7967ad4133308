"""Tables of staff: accounts with scoped roles, the delay that wrong passwords earn, phones, the sealed audit trail.

Invariant: passwords are argon2 hashes, second-factor secrets are encrypted, the audit trail is only ever added to (a
trigger refuses the rest) and sealed entry by entry as it is committed.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, Id
from storefront.roles import Role


class StaffAccount(Base):
    """A member of staff. `totp_step` is the last 30-second step whose code was used."""

    __tablename__ = "staff_accounts"

    id: Mapped[Id]
    username: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    totp_sealed: Mapped[str | None]
    totp_step: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class StaffRole(Base):
    """A role within a scope: regions (or placements) that `area` begins, goods of `supplier`; NULL is all."""

    __tablename__ = "staff_roles"
    __table_args__ = (UniqueConstraint("staff_id", "role", "area", "supplier", postgresql_nulls_not_distinct=True),)

    id: Mapped[Id]
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff_accounts.id"))
    role: Mapped[Role]
    area: Mapped[str | None]
    supplier: Mapped[str | None]


class LoginDelay(Base):
    """Attempts to log in under one name from one network since the last success; none is heard before `open_at`."""

    __tablename__ = "login_delays"
    __table_args__ = (Index("ix_login_delays_attempted_at", "attempted_at"),)

    username: Mapped[str] = mapped_column(primary_key=True)
    network: Mapped[str] = mapped_column(primary_key=True)
    attempts: Mapped[int]
    attempted_at: Mapped[datetime]
    open_at: Mapped[datetime]


class StaffPhone(Base):
    """A visitor who is staff from `marked_at` to `released_at`; what they scan and buy is kept apart in reports."""

    __tablename__ = "staff_phones"
    __table_args__ = (
        Index("uq_staff_phones_marked", "visitor", unique=True, postgresql_where=text("released_at IS NULL")),
    )

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(unique=True)
    visitor: Mapped[UUID]
    label: Mapped[str]
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff_accounts.id"), index=True)
    marked_at: Mapped[datetime]
    released_at: Mapped[datetime | None]


class SavedView(Base):
    """A report's filters that somebody named, for themself or for all of a role: the query of its address."""

    __tablename__ = "saved_views"
    __table_args__ = (UniqueConstraint("staff_id", "name"), Index("ix_saved_views_role", "role"))

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(unique=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff_accounts.id"))
    role: Mapped[str | None]
    name: Mapped[str]
    query: Mapped[str]
    saved_at: Mapped[datetime]


class AuditEntry(Base):
    """One act of one member of staff (NULL: the command line) on one subject."""

    __tablename__ = "staff_audit"
    __table_args__ = (Index("ix_staff_audit_subject", "subject", "acted_at"),)

    id: Mapped[Id]
    acted_at: Mapped[datetime]
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff_accounts.id"), index=True)
    act: Mapped[str]
    subject: Mapped[str]
    details: Mapped[dict[str, Any]]


class AuditSeal(Base):
    """The place of one entry in the chain; `digest` is SHA-256 over the digest before it and the entry."""

    __tablename__ = "audit_seals"

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    entry_id: Mapped[int] = mapped_column(ForeignKey("staff_audit.id"), unique=True)
    digest: Mapped[bytes]
