"""A table of the staff, described once: what its columns are called, what they hold, and which of them add up.

Usage, a page with its two files:

    TABLE = tables.Table("orders", "订单", (Column("number", "单号"), Column("fen", "实付", Kind.MONEY, sums=True)))
    sheet = tables.Sheet.of(TABLE, rows, sum_title="合计", notes=(("状态", "全部"),))

A page is given `sheet=sheet` and shows it by `{% import "staff/table.html" as table %}{{ table.show(sheet) }}`; a view
under `@exports.files(blueprint, "/orders")` returns `exports.send(kind, sheet, now=clock.now())`.

Invariant: pure; the page and both files are drawn from the same `lines`, so a file says what the page says. Amounts are
whole fen until they are written down.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from config import clock
from storefront.staff import words

Row = Mapping[str, Any]


class Kind(StrEnum):
    """What a column holds; MONEY is fen, RATE between 0 and 1, CODE a number or an id that is no quantity.

    A MINUTE is an instant whose seconds matter in files only.
    """

    TEXT = "text"
    CODE = "code"
    COUNT = "count"
    MONEY = "money"
    RATE = "rate"
    DAY = "day"
    INSTANT = "instant"
    MINUTE = "minute"


RIGHT = frozenset({Kind.COUNT, Kind.MONEY, Kind.RATE})
_SAID: Mapping[Kind, Callable[[Any], str]] = {
    Kind.TEXT: str,
    Kind.CODE: str,
    Kind.COUNT: words.count,
    Kind.MONEY: words.money,
    Kind.RATE: words.percent,
    Kind.DAY: lambda day: day.isoformat(),
    Kind.INSTANT: words.second,
    Kind.MINUTE: words.instant,
}


@dataclass(frozen=True)
class Column:
    """One column. `value` finds its cell where that is not `row[name]`; `words` says a key in Chinese.

    `sums` adds it up in the last row. `href` is where a page's cell leads, `tag` the style of its label, `note` small
    print beneath it; files have none of these. `only` is "page" or "file" for what the other does not show.
    """

    name: str
    title: str
    kind: Kind = Kind.TEXT
    sums: bool = False
    value: Callable[[Row], Any] | None = None
    words: Mapping[str, str] | None = None
    href: Callable[[Row], str | None] | None = None
    tag: Callable[[Row], str] | None = None
    note: Callable[[Row], str | None] | None = None
    only: str = ""
    sorts: bool = False
    width: int = 14

    def of(self, row: Row) -> Any:
        """Return what the cell holds: None, a string, an int, a float, a date or an instant."""
        found = self.value(row) if self.value else row.get(self.name)
        if found is None or found == "":
            return None
        if self.words is not None:
            return words.in_words(str(found), dict(self.words))
        if self.kind in {Kind.INSTANT, Kind.MINUTE}:
            return instant(found)
        if self.kind is Kind.DAY and isinstance(found, str):
            return date.fromisoformat(found)
        return found


@dataclass(frozen=True)
class Table:
    """A table: the name of its files, its title, its columns. `lead` names the column that heads a row."""

    name: str
    title: str
    columns: tuple[Column, ...]
    lead: str = ""

    def shown(self, where: str) -> list[Column]:
        """Return the columns of the "page" or of a "file"."""
        return [column for column in self.columns if column.only in {"", where}]

    @property
    def heading(self) -> str:
        """The name of the column that heads a row."""
        return self.lead or self.columns[0].name


@dataclass(frozen=True)
class Part:
    """Rows that belong together, under a `title` that says what they are; or sums that somebody else made."""

    rows: Iterable[Row]
    title: str = ""
    note: str = ""
    is_sum: bool = False
    is_muted: bool = False


@dataclass(frozen=True)
class Sort:
    """By which column the rows are sorted, and the address that sorts them by another."""

    by: str
    is_descending: bool
    href: Callable[[str], str]


@dataclass(frozen=True)
class Sheet:
    """A table with what it holds. With `sum_title` the rows (not sums) are added up below; `notes` are the filters."""

    table: Table
    parts: Sequence[Part]
    sum_title: str = ""
    notes: Sequence[tuple[str, str]] = ()
    sort: Sort | None = None

    @classmethod
    def of(cls, table: Table, rows: Iterable[Row], **more: Any) -> "Sheet":
        """Return a sheet of one part."""
        return cls(table, [Part(rows)], **more)


@dataclass(frozen=True)
class Line:
    """One line of a table: its row and whose it is."""

    row: Row
    part: Part
    begins: bool = False


def lines(sheet: Sheet) -> Iterator[Line]:
    """Yield every line of a sheet in order, the rows as they come and then their sum; nothing is held meanwhile."""
    added = {column.name: 0 for column in sheet.table.columns if column.sums}
    for part in sheet.parts:
        begins = True
        for row in part.rows:
            if not part.is_sum:
                for column in sheet.table.columns:
                    if column.sums:
                        added[column.name] += column.of(row) or 0
            yield Line(row, part, begins)
            begins = False
    if sheet.sum_title:
        # A sum is no row of the table: only what adds up is said, under the title.
        yield Line(_Sum(sheet.table, sheet.sum_title, added), Part((), is_sum=True))


class _Sum(dict[str, Any]):
    """A row of sums; columns that do not add up are empty, whatever their `value` would make of it."""

    def __init__(self, table: Table, title: str, added: Mapping[str, int]) -> None:
        super().__init__({table.heading: title, **added})


def cell(table: Table, column: Column, line: Line) -> Any:
    """Return what stands in a cell of a line; of sums, titles and amounts only."""
    if isinstance(line.row, _Sum):
        return line.row.get(column.name)
    return column.of(line.row)


@dataclass(frozen=True)
class Cell:
    """A cell as a page shows it."""

    text: str
    column: Column
    is_heading: bool
    href: str | None = None
    tag: str = ""
    note: str | None = None


def drawn(sheet: Sheet) -> Iterator[tuple[Line, list[Cell]]]:
    """Yield each line with its cells, as a page shows them."""
    columns = sheet.table.shown("page")
    for line in lines(sheet):
        is_row = not isinstance(line.row, _Sum)
        # What a sum cannot say needs no dash.
        nothing = "" if line.part.is_sum else "—"
        yield (
            line,
            [
                Cell(
                    text=said(column, cell(sheet.table, column, line)) or nothing,
                    column=column,
                    is_heading=column.name == sheet.table.heading,
                    href=column.href(line.row) if column.href and is_row else None,
                    tag=column.tag(line.row) if column.tag and is_row else "",
                    note=column.note(line.row) if column.note and is_row else None,
                )
                for column in columns
            ],
        )


def instant(given: datetime | str) -> datetime:
    """Return an instant that may have come as its RFC 3339 text."""
    return datetime.fromisoformat(given) if isinstance(given, str) else given


def said(column: Column, value: Any) -> str:
    """Return a cell's value as a person reads it, "" where there is none."""
    # A string is said already: a word, or the title of a sum in a column of something else.
    return "" if value is None else value if isinstance(value, str) else _SAID[column.kind](value)


def plain(column: Column, value: Any) -> str:
    """Return a cell's value as a program reads it: numbers without thousands, text that no spreadsheet executes."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(clock.SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
    if column.kind is Kind.MONEY:
        return words.money(value).replace(",", "")
    if column.kind is Kind.RATE:
        return f"{value:.4f}"
    return inert(str(value))


def inert(written: str) -> str:
    """Return a text that no spreadsheet takes for a formula, whatever somebody wrote."""
    return f"'{written}" if written.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else written
