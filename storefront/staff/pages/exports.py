"""How a table of the staff leaves as a file: CSV or Excel, sent as it is made.

Invariant: the first rows are read before the answer begins, so that who may not see them gets an error and no file;
after its rows a file says what was asked for and when, and whether it was cut.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from config import clock, database
from storefront.staff import tables, workbook
from storefront.staff.tables import Row, Sheet

_SPREADSHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# Excel's own limit is a million; whoever needs more than this of a list narrows it down.
MOST_ROWS = 100_000
CUT = ("行数上限", f"{MOST_ROWS:,} 行，超出的请缩小筛选范围")
PAGE = 500
_CHUNK = 64 * 1024


def files(blueprint: Blueprint, path: str) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """Serve a view at `path`.csv and `path`.xlsx; it is given `kind`, "csv" or "xlsx"."""

    def route(view: Callable[..., Response]) -> Callable[..., Response]:
        for kind in ("csv", "xlsx"):
            blueprint.add_url_rule(f"{path}.{kind}", view_func=view, defaults={"kind": kind})
        return view

    return route


def send(kind: str, *sheets: Sheet, now: datetime, period: str = "") -> Response:
    """Return `sheets` as a file that is named after the first and its `period`; a CSV has the first one only."""
    name = "-".join(part for part in (sheets[0].table.name, period) if part)
    if kind == "xlsx":
        response = Response(_workbook(sheets, now), mimetype=_SPREADSHEET)
    else:
        response = Response(_csv(sheets[0], now), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.{kind}"'
    return response


def walk(page: Callable[[Session, str | None], dict[str, Any]], *, most: int = MOST_ROWS) -> Iterator[Row]:
    """Yield the items of a list that is read by cursor, each page in a transaction of its own, the first one at once.

    `page` is given a session and a cursor, and returns `items` and `next_cursor`. Beyond `most` the list is cut; `CUT`
    among the notes of its sheet says so.
    """
    first = _read(page, None)
    return chain(first["items"], _others(page, first["next_cursor"], most - len(first["items"])))


def _others(page: Callable[[Session, str | None], dict[str, Any]], cursor: str | None, left: int) -> Iterator[Row]:
    while cursor is not None and left > 0:
        found = _read(page, cursor)
        yield from found["items"][:left]
        left, cursor = left - len(found["items"]), found["next_cursor"]


def _read(page: Callable[[Session, str | None], dict[str, Any]], cursor: str | None) -> dict[str, Any]:
    with database.transaction() as session:
        return page(session, cursor)


def _workbook(sheets: Sequence[Sheet], now: datetime) -> Iterator[bytes]:
    with workbook.written(sheets, made_at=now) as file:
        while piece := file.read(_CHUNK):
            yield piece


def _csv(sheet: Sheet, now: datetime) -> Iterator[str]:
    """Yield a file that a spreadsheet opens: UTF-8 with a mark, money in yuan, the filters below the rows."""
    columns = sheet.table.shown("file")
    # Excel takes a file without the mark for one in the machine's own encoding.
    yield "\ufeff" + _row([column.title + ("（元）" if column.kind is tables.Kind.MONEY else "") for column in columns])
    for line in tables.lines(sheet):
        cells = []
        for column in columns:
            written = tables.plain(column, tables.cell(sheet.table, column, line))
            is_titled = line.part.title and column.name == sheet.table.heading
            cells.append(f"{line.part.title}：{written}" if is_titled else written)
        yield _row(cells)
    yield "\r\n"
    for what, how in (*sheet.notes, ("生成时间", f"{now.astimezone(clock.SHANGHAI):%Y-%m-%d %H:%M:%S}")):
        yield _row([tables.inert(what), tables.inert(how)])


def _row(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()
