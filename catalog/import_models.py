"""The tables of sheets that came in: what each row said, what it would change, and what became of it.

Invariant: of the same sheet at most one import is under way; a row's changes are written in the transaction that makes
them, so a row that says applied was applied once.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from catalog.sheets import ImportKind
from config import database


class ImportState(StrEnum):
    """How far an import is: read, compared with what stands, confirmed by a person, done; or withdrawn, or given up."""

    READ = "read"
    CHECKED = "checked"
    CONFIRMED = "confirmed"
    APPLIED = "applied"
    WITHDRAWN = "withdrawn"
    FAILED = "failed"


class RowState(StrEnum):
    """What a row would do, and whether it was done."""

    READ = "read"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    APPLIED = "applied"


class Import(database.Base):
    """One sheet. `supplier` is whose goods alone it may touch, "" for everybody's."""

    __tablename__ = "imports"
    __table_args__ = (
        Index(
            "uq_imports_under_way",
            "kind",
            "digest",
            "supplier",
            unique=True,
            postgresql_where=text("state IN ('read', 'checked', 'confirmed')"),
        ),
        Index("ix_imports_supplier", "supplier", "id"),
        CheckConstraint("0 <= done AND done <= total", name="counts"),
    )

    id: Mapped[database.Id]
    number: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[ImportKind]
    digest: Mapped[str]
    supplier: Mapped[str]
    state: Mapped[ImportState]
    asked_by: Mapped[str]
    asked_at: Mapped[database.Instant]
    total: Mapped[int]
    done: Mapped[int]
    tries: Mapped[int]
    busy_until: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class ImportRow(database.Base):
    """One row of a sheet: its cells as typed, by the names of columns."""

    __tablename__ = "import_rows"
    __table_args__ = (Index("ix_import_rows_state", "import_id", "state", "line"),)

    import_id: Mapped[int] = mapped_column(ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[RowState]
    cells: Mapped[dict[str, Any]] = mapped_column(JSONB)
    changes: Mapped[list[Any]] = mapped_column(JSONB)
    faults: Mapped[list[Any]] = mapped_column(JSONB)
