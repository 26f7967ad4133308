"""Sheets that come in: read, compared with what stands, shown to a person, and only then done, row by row.

Invariant: until somebody confirms nothing but the import's own rows is written. What a chunk of rows changes is
committed together with the word that it did, so whoever is killed half-way is followed by somebody who goes on at the
next row, with the same outcome; each row is compared anew, under its locks, in the transaction that changes it.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import import_errors, import_prices, import_products, import_stock, import_suppliers, sheets
from catalog.import_models import ImportState, RowState
from catalog.sheets import ImportKind, Meant, Row, Verdict
from config import database, jobs, logs, spreadsheets

# Whoever works on an import says so with every chunk; this long without a word and somebody else goes on.
LEASE = timedelta(seconds=30)
TRIES = 3
# Small enough that whoever buys one of these goods meanwhile waits for an eye's blink.
CHUNK = 250
# Long enough to ask what happened to a row; what it changed stays in the histories of prices and stock.
LIFE = timedelta(days=90)
TASK = "imports.work"
# What compares, does and lists the rows of a kind: three functions of the same names in each module.
_OF: Mapping[ImportKind, Any] = {
    ImportKind.PRICES: import_prices,
    ImportKind.STOCK: import_stock,
    ImportKind.PRODUCTS: import_products,
    ImportKind.SUPPLIERS: import_suppliers,
}

_VIEW = """i.number, i.kind, i.state, i.supplier, i.asked_by, i.asked_at, i.total, i.done, i.ended_at"""
_BEGIN = text("""
    INSERT INTO imports (number, kind, digest, supplier, state, asked_by, asked_at, total, done, tries)
    VALUES (:number, :kind, :digest, :supplier, 'read', :by, :now, :total, 0, 0)
    ON CONFLICT (kind, digest, supplier) WHERE state IN ('read', 'checked', 'confirmed') DO NOTHING
    RETURNING id
""")
_UNDER_WAY = text("""
    SELECT number FROM imports WHERE kind = :kind AND digest = :digest AND supplier = :supplier
      AND state IN ('read', 'checked', 'confirmed')
""")
_KEEP_ROWS = text("""
    INSERT INTO import_rows (import_id, line, state, cells, changes, faults)
    SELECT :id, r.line, CASE WHEN r.faults = '[]' THEN 'read' ELSE 'refused' END, r.cells, '[]', r.faults
    FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r (line int, cells jsonb, faults jsonb)
""")
_WRITE_ROWS = text("""
    UPDATE import_rows w SET state = r.state, changes = r.changes, faults = r.faults
    FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r (line int, state text, changes jsonb, faults jsonb)
    WHERE w.import_id = :id AND w.line = r.line
""")
_CLAIM = text("""
    UPDATE imports SET busy_until = :until, tries = tries + 1,
        state = CASE WHEN tries >= :tries THEN 'failed' ELSE state END,
        ended_at = CASE WHEN tries >= :tries THEN cast(:now AS timestamptz) END
    WHERE number = :number AND state IN ('read', 'confirmed') AND (busy_until IS NULL OR busy_until <= :now)
    RETURNING state
""")
_NEXT = text("""
    SELECT line, cells FROM import_rows WHERE import_id = :id AND state = :state ORDER BY line LIMIT :limit
""")
_TOLD = text("UPDATE imports SET done = done + :done, busy_until = :until, tries = 0 WHERE id = :id")
_ENDED = text("""
    UPDATE imports SET state = :state, done = total, busy_until = NULL, tries = 0,
        ended_at = :ended_at
    WHERE id = :id
""")
_CONFIRM = text("""
    UPDATE imports SET state = 'confirmed', busy_until = NULL, tries = 0,
        done = total - (SELECT count(*) FROM import_rows r WHERE r.import_id = imports.id AND r.state = 'changed')
    WHERE id = :id
""")


@dataclass(frozen=True)
class Given:
    """A sheet that was read: its fingerprint, and its rows as they were typed."""

    kind: ImportKind
    digest: str
    rows: Sequence[Row]


def read(upload: bytes, *, kind: ImportKind) -> Given:
    """Return what stands in an uploaded Excel file; opens no transaction and keeps nothing.

    Raises `ImportRefused(reason=)` and `ImportColumnsWrong`.
    """
    database.refuse_transaction()
    try:
        heading, *lines = spreadsheets.read(upload)
    except spreadsheets.Refused as refused:
        raise import_errors.ImportRefused(spreadsheets.REASONS[refused.reason], reason=refused.reason) from refused
    columns = sheets.headed(kind, heading.cells)
    rows = sheets.rows(columns, [(line.number, line.cells) for line in lines])
    if not rows:
        raise import_errors.ImportRefused(spreadsheets.REASONS["no_rows"], reason="no_rows")
    return Given(kind, hashlib.sha256(upload).hexdigest(), rows)


def begin(
    session: Session, *, number: str, given: Given, supplier: str | None, by: str, now: datetime
) -> tuple[str, bool]:
    """Keep a sheet and have it compared; returns the import's number and whether it is new.

    `supplier` is whose goods alone it may touch (None: everybody's). The same file while it is under way is the same
    import. Nothing of the shop changes before `confirm`.
    """
    database.require_transaction(session)
    values = {"kind": given.kind, "digest": given.digest, "supplier": supplier or ""}
    begun = session.scalar(_BEGIN, {**values, "number": number, "by": by, "now": now, "total": len(given.rows)})
    if begun is None:
        return str(session.scalar(_UNDER_WAY, values)), False
    clashing = sheets.clashes(given.kind, given.rows)
    rows = [
        {
            "line": row.line,
            "cells": row.cells,
            "faults": [asdict(clashing[row.line])] if row.line in clashing else [],
        }
        for row in given.rows
    ]
    session.execute(_KEEP_ROWS, {"id": begun, "rows": database.dump_json(rows)})
    session.execute(_TOLD, {"id": begun, "done": len(clashing), "until": None})
    jobs.defer(session, (TASK, jobs.SHEETS, {"number": number}))
    return number, True


def confirm(session: Session, *, number: str, supplier: str | None) -> int:
    """Have what was shown done; returns how many rows that is. Repeated, it does nothing more.

    Raises `ImportUnknown`, `ImportMoved(state=)` and `ImportEmpty`.
    """
    held = _lock(session, number, supplier)
    waiting = _counts(session, held.id)[RowState.CHANGED]
    if held.state != ImportState.CONFIRMED:
        if held.state != ImportState.CHECKED:
            raise import_errors.ImportMoved(state=held.state)
        if not waiting:
            raise import_errors.ImportEmpty
        session.execute(_CONFIRM, {"id": held.id})
        jobs.defer(session, (TASK, jobs.SHEETS, {"number": number}))
    return waiting


def withdraw(session: Session, *, number: str, supplier: str | None, now: datetime) -> None:
    """Leave a sheet undone. Raises `ImportUnknown`, and `ImportMoved(state=)` once it was confirmed."""
    held = _lock(session, number, supplier)
    if held.state not in {ImportState.READ, ImportState.CHECKED}:
        raise import_errors.ImportMoved(state=held.state)
    session.execute(
        text("UPDATE imports SET state = 'withdrawn', busy_until = NULL, ended_at = :now WHERE id = :id"),
        {"id": held.id, "now": now},
    )


def listing(session: Session, *, supplier: str | None, limit: int) -> list[dict[str, Any]]:
    """Return the latest imports, newest first; with `supplier` only those that were made for it."""
    rows = session.execute(
        text(f"""
            SELECT {_VIEW} FROM imports i WHERE cast(:supplier AS text) IS NULL OR i.supplier = :supplier
            ORDER BY i.id DESC LIMIT :limit
        """),
        {"supplier": supplier, "limit": limit},
    )
    return [row._asdict() for row in rows]


def find(session: Session, *, number: str, supplier: str | None) -> dict[str, Any]:
    """Return one import with its `counts` of rows by state. Raises `ImportUnknown`."""
    row = session.execute(
        text(f"SELECT i.id, {_VIEW} FROM imports i WHERE i.number = :number"), {"number": number}
    ).first()
    if row is None or supplier not in {None, row.supplier}:
        raise import_errors.ImportUnknown
    found = row._asdict()
    counts = _counts(session, found.pop("id"))
    return found | {"counts": {state.value: count for state, count in counts.items()}}


def rows(
    session: Session, *, number: str, state: RowState, after: int = 0, limit: int, supplier: str | None
) -> list[dict[str, Any]]:
    """Return the rows of an import that are in a state, by line beyond `after`. Raises `ImportUnknown`."""
    find(session, number=number, supplier=supplier)
    found = session.execute(
        text("""
            SELECT r.line, r.cells, r.changes, r.faults FROM import_rows r JOIN imports i ON i.id = r.import_id
            WHERE i.number = :number AND r.state = :state AND r.line > :after ORDER BY r.line LIMIT :limit
        """),
        {"number": number, "state": state, "after": after, "limit": limit},
    )
    return [row._asdict() for row in found]


def export(session: Session, *, kind: ImportKind, supplier: str | None, after: str, limit: int) -> list[dict[str, Any]]:
    """Return the rows of a sheet as it stands, by its key beyond `after`; amounts are fen."""
    found: list[dict[str, Any]] = _OF[kind].listing(session, supplier=supplier, after=after, limit=limit)
    return found


def forget(session: Session, *, before: datetime, at_most: int) -> int:
    """Forget sheets that came in before `before`, whatever became of them; returns how many."""
    forgotten = text("""
        DELETE FROM imports WHERE id IN (SELECT id FROM imports WHERE asked_at < :before ORDER BY id LIMIT :at_most)
        RETURNING id
    """)
    return len(session.execute(forgotten, {"before": before, "at_most": at_most}).all())


def work_due(*, now: datetime) -> int:
    """Go on with every import that waits for somebody; returns how many were ended here."""
    waiting = database.statement("SELECT number FROM imports WHERE state IN ('read', 'confirmed') ORDER BY id")
    return sum(work(number=number, now=now) for (number,) in waiting)


def work(*, number: str, now: datetime) -> bool:
    """Compare an import, or do it, unless somebody else is at it; returns whether it was ended here.

    Opens its own transactions, one a chunk. After the third death in one chunk it has failed, which raises an alarm;
    what was done until then stays done, and its rows say so.
    """
    database.refuse_transaction()
    claimed = _claim(number, now)
    if claimed is None:
        return False
    if claimed == ImportState.FAILED:
        logs.alarm("catalog.import_failed", number=number)
        return False
    started = time.monotonic()
    while _advance(number, now + timedelta(seconds=time.monotonic() - started)):
        pass
    return True


def _claim(number: str, now: datetime) -> str | None:
    """Take an import for a while; returns its state, None when nobody is needed."""
    values = {"number": number, "now": now, "until": now + LEASE, "tries": TRIES}
    with database.transaction() as session:
        found: str | None = session.scalar(_CLAIM, values)
    return found


def _advance(number: str, now: datetime) -> bool:
    """Take the next rows in one transaction; returns whether there may be more."""
    with database.transaction() as session:
        held = _lock(session, number, None)
        if held.state not in {ImportState.READ, ImportState.CONFIRMED}:
            return False
        is_applying = held.state == ImportState.CONFIRMED
        state = RowState.CHANGED if is_applying else RowState.READ
        found = session.execute(_NEXT, {"id": held.id, "state": state, "limit": CHUNK}).all()
        if not found:
            ended = ImportState.APPLIED if is_applying else ImportState.CHECKED
            session.execute(_ENDED, {"id": held.id, "state": ended, "ended_at": now if is_applying else None})
            return False
        given = [Row(row.line, row.cells) for row in found]
        kind = ImportKind(held.kind)
        judged = _judge(session, kind, given, supplier=held.supplier or None)
        if is_applying:
            changed = [meant for meant, verdict in judged if verdict.changes]
            _OF[kind].apply(session, changed, key=f"import:{number}", now=now)
        _write(session, held.id, judged, is_applied=is_applying)
        session.execute(_TOLD, {"id": held.id, "done": len(given), "until": now + LEASE})
    return True


def _judge(
    session: Session, kind: ImportKind, given: Sequence[Row], *, supplier: str | None
) -> list[tuple[Meant, Verdict]]:
    """Return each row as it is meant and what it would do; what cannot be understood is not compared."""
    all_meant = [sheets.meant(kind, row) for row in given]
    clear = [meant for meant in all_meant if not meant.faults]
    compared = dict(
        zip((meant.line for meant in clear), _OF[kind].compare(session, clear, supplier=supplier), strict=True)
    )
    return [(meant, compared.get(meant.line, Verdict(faults=meant.faults))) for meant in all_meant]


def _write(session: Session, id_: int, judged: Sequence[tuple[Meant, Verdict]], *, is_applied: bool) -> None:
    written = [
        {
            "line": meant.line,
            "state": RowState.APPLIED if is_applied and verdict.state == RowState.CHANGED else verdict.state,
            "changes": [asdict(change) for change in verdict.changes],
            "faults": [asdict(fault) for fault in verdict.faults],
        }
        for meant, verdict in judged
    ]
    session.execute(_WRITE_ROWS, {"id": id_, "rows": database.dump_json(written)})


def _lock(session: Session, number: str, supplier: str | None) -> Any:
    database.require_transaction(session)
    held = session.execute(
        text("SELECT id, kind, state, supplier FROM imports WHERE number = :number FOR UPDATE"), {"number": number}
    ).first()
    if held is None or supplier not in {None, held.supplier}:
        raise import_errors.ImportUnknown
    return held


def _counts(session: Session, id_: int) -> Mapping[RowState, int]:
    counted = session.execute(
        text("SELECT state, count(*) FROM import_rows WHERE import_id = :id GROUP BY state"), {"id": id_}
    )
    return dict.fromkeys(RowState, 0) | {RowState(state): count for state, count in counted}
