"""The tables of what goes to press: packs as they were asked for, and the finished archives.

Invariant: a pack never changes what it is about; an archive is there when the pack is ready, and not before.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from config import database


class PackState(StrEnum):
    """How far a pack for the press is; a failed one is tried again when somebody asks for it again."""

    WAITING = "waiting"
    READY = "ready"
    FAILED = "failed"


class PrintPack(database.Base):
    """Pieces to be printed together. Its number is a fingerprint of them, so that one wish is one pack."""

    __tablename__ = "print_packs"
    __table_args__ = (CheckConstraint("done <= pieces AND refused <= done", name="counts"),)

    id: Mapped[database.Id]
    number: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    state: Mapped[PackState]
    items: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    pieces: Mapped[int]
    done: Mapped[int]
    refused: Mapped[int]
    tries: Mapped[int]
    asked_at: Mapped[database.Instant]
    busy_until: Mapped[datetime | None]
    ready_at: Mapped[datetime | None]
    failures: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)


class PrintArchive(database.Base):
    """The ZIP of a pack."""

    __tablename__ = "print_archives"

    pack_id: Mapped[int] = mapped_column(ForeignKey("print_packs.id"), primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    sha256: Mapped[str]
