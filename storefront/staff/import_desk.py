"""Sheets as staff send them in: whose goods they may touch, what is read of them, and the files that go out.

Invariant: a supplier's sheet reaches that supplier's goods and nothing else; who sent a sheet and who had it done
stands in the audit trail.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from catalog import importing, sheets
from catalog.import_models import RowState
from catalog.sheets import Column, ImportKind, Unit
from config import database
from storefront import audit, roles, tokens
from storefront.actors import Actor
from storefront.errors import NotPermitted
from storefront.roles import Permission
from storefront.staff import sight, tables

_AT_ONCE = 1_000
_KINDS = {Unit.TEXT: tables.Kind.TEXT, Unit.MONEY: tables.Kind.MONEY, Unit.COUNT: tables.Kind.COUNT}
STATES = {
    "read": "检查中",
    "checked": "待确认",
    "confirmed": "应用中",
    "applied": "已应用",
    "withdrawn": "已放弃",
    "failed": "没有做完",
}
ROWS = {"applied": "已应用", "changed": "会改动", "refused": "有问题", "unchanged": "没有变化"}
HOW = (
    ("第一行", "是列名，不要改；列的先后随意"),
    ("怎么用", "改好后上传，先看每一行会改什么，确认之后才生效"),
)


def whose(actor: Actor) -> str | None:
    """Return the number of the supplier whose goods alone `actor` may import, None for everybody's.

    Raises `NotPermitted` for whoever holds the permission over neither.
    """
    scopes = roles.scopes(actor.grants, Permission.IMPORT_GOODS)
    if sight.WHOLE in scopes:
        return None
    suppliers = sorted(scope.supplier for scope in scopes if scope.supplier and scope.area is None)
    if not suppliers:
        raise NotPermitted(permission=Permission.IMPORT_GOODS)
    return suppliers[0]


def kinds(actor: Actor) -> list[ImportKind]:
    """Return what `actor` may send in: prices and stock, and for everybody's goods also the goods and the suppliers.

    Raises `NotPermitted`.
    """
    return list(ImportKind) if whose(actor) is None else [ImportKind.PRICES, ImportKind.STOCK]


def send(actor: Actor, *, kind: ImportKind, upload: bytes, now: datetime) -> tuple[str, bool]:
    """Read an uploaded sheet and have it compared; returns the import's number and whether it is new.

    Opens its own transaction, after the file was read. Raises `NotPermitted`, `ImportRefused`, `ImportColumnsWrong`.
    """
    supplier = _require(actor, kind)
    given = importing.read(upload, kind=kind)
    with database.transaction() as session:
        number, is_new = importing.begin(
            session, number=tokens.number("I"), given=given, supplier=supplier, by=actor.username or "", now=now
        )
        if is_new:
            audit.record(session, actor, "import.read", number, {"kind": kind, "count": len(given.rows)}, now=now)
    return number, is_new


def shelf(session: Session, actor: Actor, *, limit: int = 50) -> list[dict[str, Any]]:
    """Return the latest imports in sight, newest first. Raises `NotPermitted`."""
    return importing.listing(session, supplier=whose(actor), limit=limit)


def find(session: Session, actor: Actor, *, number: str) -> dict[str, Any]:
    """Return one import with its counts. Raises `NotPermitted`, `ImportUnknown`."""
    return importing.find(session, number=number, supplier=whose(actor))


def rows(
    session: Session, actor: Actor, *, number: str, state: RowState, after: int, limit: int
) -> list[dict[str, Any]]:
    """Return rows of an import that are in a state, by line beyond `after`. Raises `NotPermitted`, `ImportUnknown`."""
    return importing.rows(session, number=number, state=state, after=after, limit=limit, supplier=whose(actor))


def confirm(session: Session, actor: Actor, *, number: str, now: datetime) -> int:
    """Have an import done; returns how many rows. Raises `NotPermitted` and what `importing.confirm` does."""
    count = importing.confirm(session, number=number, supplier=whose(actor))
    audit.record(session, actor, "import.confirmed", number, {"count": count}, now=now)
    return count


def withdraw(session: Session, actor: Actor, *, number: str, now: datetime) -> None:
    """Leave an import undone. Raises `NotPermitted` and what `importing.withdraw` does."""
    importing.withdraw(session, number=number, supplier=whose(actor), now=now)
    audit.record(session, actor, "import.withdrawn", number, {}, now=now)


def template(actor: Actor, *, kind: ImportKind) -> tables.Sheet:
    """Return the sheet to be filled in, with what to write into each column. Raises `NotPermitted`."""
    _require(actor, kind)
    return tables.Sheet.of(_table(kind, f"{kind.value}-template"), (), notes=_notes(kind))


def export(actor: Actor, *, kind: ImportKind) -> tables.Sheet:
    """Return the sheet as it stands, which comes back by the same columns. Raises `NotPermitted`."""
    found = _walk(kind, _require(actor, kind))
    return tables.Sheet.of(_table(kind, kind.value), found, notes=_notes(kind))


def refused(session: Session, actor: Actor, *, number: str) -> tables.Sheet:
    """Return the rows that were refused as they were typed, each with the reason, to be corrected and sent again.

    Raises `NotPermitted`, `ImportUnknown`.
    """
    kind = ImportKind(find(session, actor, number=number)["kind"])
    # What was typed is written as it was: an amount that is none would be no number.
    columns = [tables.Column(column.name, column.title, width=column.width) for column in sheets.COLUMNS[kind]]
    table = tables.Table(
        f"{kind.value}-refused-{number}", f"{sheets.NAMES[kind]}退回的行",
        (*columns, tables.Column("reason", sheets.REASON, width=50)),
    )  # fmt: skip
    found = rows(session, actor, number=number, state=RowState.REFUSED, after=0, limit=1_000_000)
    return tables.Sheet.of(table, [row["cells"] | {"reason": said(row["faults"])} for row in found], notes=_notes(kind))


def said(faults: list[dict[str, str]]) -> str:
    """Return faults in one sentence."""
    return "；".join(f"{fault['column']}：{fault['message']}" for fault in faults)


def _require(actor: Actor, kind: ImportKind) -> str | None:
    if kind not in kinds(actor):
        raise NotPermitted(permission=Permission.IMPORT_GOODS)
    return whose(actor)


def _walk(kind: ImportKind, supplier: str | None) -> Iterator[dict[str, Any]]:
    key, after = sheets.KEYS[kind], ""
    while True:
        with database.transaction() as session:
            found = importing.export(session, kind=kind, supplier=supplier, after=after, limit=_AT_ONCE)
        yield from found
        if len(found) < _AT_ONCE:
            return
        after = found[-1][key]


def _table(kind: ImportKind, name: str) -> tables.Table:
    return tables.Table(name, sheets.NAMES[kind], tuple(map(_column, sheets.COLUMNS[kind])))


def _column(column: Column) -> tables.Column:
    # A file says of an amount by itself that it is yuan.
    title = column.title.removesuffix("（元）") if column.unit is Unit.MONEY else column.title
    return tables.Column(column.name, title, _KINDS[column.unit], width=column.width)


def _notes(kind: ImportKind) -> tuple[tuple[str, str], ...]:
    told = [
        (column.title, ("必填。" if column.is_required else "") + column.note)
        for column in sheets.COLUMNS[kind]
        if column.is_required or column.note
    ]
    return (*HOW, *told)
