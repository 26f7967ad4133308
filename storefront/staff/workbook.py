"""Writes tables of the staff as an Excel file, one sheet each, and a last one that says what was asked and when.

Invariant: a cell is a number, a date or a string, never a formula, whatever somebody wrote into a reason; amounts are
yuan with two decimals computed from whole fen; rows go to a temporary file as they come, never all into memory.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import IO, Any

from config import clock
from storefront.staff import tables
from storefront.staff.tables import Column, Kind, Sheet

# What Excel allows for the name of a sheet.
_LONGEST_TITLE = 31
_NOT_IN_TITLES = str.maketrans(dict.fromkeys("[]:*?/\\", "-"))


@contextmanager
def written(sheets: Sequence[Sheet], *, made_at: datetime) -> Iterator[IO[bytes]]:
    """Yield the file, to be read from its beginning; it is gone afterwards."""
    # Only whoever exports needs it, and no other request should wait for its import.
    import xlsxwriter

    options = {"constant_memory": True, "in_memory": False, "strings_to_formulas": False, "strings_to_urls": False,
               "strings_to_numbers": False, "remove_timezone": True}  # fmt: skip
    with tempfile.TemporaryFile() as out:
        with xlsxwriter.Workbook(out, options) as file:
            formats = _formats(file)
            for sheet in sheets:
                title = sheet.table.title.translate(_NOT_IN_TITLES)[:_LONGEST_TITLE]
                _fill(file.add_worksheet(title), sheet, formats)
            _explain(file.add_worksheet("说明"), sheets, made_at, formats)
        out.seek(0)
        yield out


def _formats(file: Any) -> dict[tuple[str, bool], Any]:
    looks = {
        "text": {},
        Kind.MONEY: {"num_format": "#,##0.00;[Red]-#,##0.00"},
        Kind.COUNT: {"num_format": "#,##0"},
        Kind.RATE: {"num_format": "0.0%"},
        Kind.DAY: {"num_format": "yyyy-mm-dd"},
        Kind.INSTANT: {"num_format": "yyyy-mm-dd hh:mm:ss"},
        Kind.MINUTE: {"num_format": "yyyy-mm-dd hh:mm:ss"},
    }
    made = {
        (str(kind), is_sum): file.add_format(look | ({"bold": True, "top": 1} if is_sum else {}))
        for kind, look in looks.items()
        for is_sum in (False, True)
    }
    return made | {("heading", False): file.add_format({"bold": True, "bottom": 1})}


def _fill(sheet: Any, filled: Sheet, formats: Mapping[tuple[str, bool], Any]) -> None:
    columns = filled.table.shown("file")
    sheet.freeze_panes(1, 1)
    for at, column in enumerate(columns):
        sheet.set_column(at, at, column.width)
        title = f"{column.title}（元）" if column.kind is Kind.MONEY else column.title
        sheet.write_string(0, at, title, formats["heading", False])
    for row, line in enumerate(tables.lines(filled), start=1):
        for at, column in enumerate(columns):
            value = tables.cell(filled.table, column, line)
            if column.name == filled.table.heading and line.part.title:
                value = f"{line.part.title}：{value}"
            _cell(sheet, row, at, column, value, line.part.is_sum, formats)


def _cell(
    sheet: Any,
    row: int,
    at: int,
    column: Column,
    value: Any,
    is_sum: bool,
    formats: Mapping[tuple[str, bool], Any],
) -> None:
    if value is None:
        return
    look = formats[column.kind.value if (column.kind.value, False) in formats else "text", is_sum]
    if isinstance(value, str):
        sheet.write_string(row, at, value, formats["text", is_sum])
    elif column.kind is Kind.MONEY:
        # A spreadsheet's number is a float: exact to the fen up to 90 trillion yuan.
        sheet.write_number(row, at, value / 100, look)
    elif isinstance(value, datetime):
        sheet.write_datetime(row, at, value.astimezone(clock.SHANGHAI).replace(tzinfo=None), look)
    elif isinstance(value, date):
        sheet.write_datetime(row, at, value, look)
    elif isinstance(value, int | float):
        sheet.write_number(row, at, value, look)
    else:
        sheet.write_string(row, at, str(value), formats["text", is_sum])


def _explain(sheet: Any, filled: Sequence[Sheet], made_at: datetime, formats: Mapping[tuple[str, bool], Any]) -> None:
    sheet.set_column(0, 0, 18)
    sheet.set_column(1, 1, 80)
    said = [(f"{one.table.title}：{what}", how) for one in filled for what, how in one.notes]
    for row, (what, how) in enumerate([*said, ("生成时间", f"{made_at.astimezone(clock.SHANGHAI):%Y-%m-%d %H:%M:%S}")]):
        sheet.write_string(row, 0, what, formats["text", False])
        sheet.write_string(row, 1, how, formats["text", False])
