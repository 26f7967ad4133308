"""The columns of every sheet that comes in or goes out, as data, and how a cell is understood.

Invariant: pure; template, export and import are drawn from the same `COLUMNS`, so an export that comes back unchanged
changes nothing. What a cell says wrong is told in words for whoever typed it, beside the title of its column.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from catalog import identifiers, import_errors, pricing

MOST_STOCK = 10_000_000
# What a sheet of refused rows says beside each of them, and what is not read when it comes back.
REASON = "原因"
# How Excel keeps a long number that was typed as one: its last digits are lost.
_LOST_DIGITS = re.compile(r"[0-9.]+e\+?[0-9]+", re.IGNORECASE)
_YUAN = re.compile(r"[¥￥]?([0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,9})(?:\.([0-9]{1,2})0*)?(?:元)?", re.ASCII)
_WHOLE = re.compile(r"-?[0-9]{1,9}", re.ASCII)


class ImportKind(StrEnum):
    """What a sheet is about."""

    PRICES = "prices"
    STOCK = "stock"


class Unit(StrEnum):
    """What a column holds, so that a spreadsheet can show it; MONEY is fen in memory and yuan in the sheet."""

    TEXT = "text"
    MONEY = "money"
    COUNT = "count"


@dataclass(frozen=True)
class Column:
    """One column: `read` makes of a cell's text what it means, or raises `ValueError` with words for people.

    A column that is no more than a help to read is `is_shown_only`: whatever comes back in it is ignored.
    """

    name: str
    title: str
    read: Callable[[str], Any] = str
    unit: Unit = Unit.TEXT
    is_required: bool = False
    is_shown_only: bool = False
    note: str = ""
    width: int = 14


@dataclass(frozen=True)
class Row:
    """One row as it was typed, by the names of columns, with the number that Excel shows beside it."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class Fault:
    """What is wrong with a row: the title of the column, and why, in words for whoever typed it."""

    column: str
    message: str


@dataclass(frozen=True)
class Change:
    """What a row would change: the title of the column, what stands there now and what would, as people read it."""

    column: str
    old: str
    new: str


@dataclass(frozen=True)
class Verdict:
    """What a row would do: change something, nothing, or be refused for its faults."""

    changes: tuple[Change, ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def state(self) -> str:
        """One of "refused", "changed" and "unchanged"."""
        return "refused" if self.faults else "changed" if self.changes else "unchanged"


@dataclass(frozen=True)
class Meant:
    """What a row means, by the names of columns (None where nothing was typed), and what cannot be understood."""

    line: int
    values: Mapping[str, Any]
    faults: tuple[Fault, ...] = field(default=())


def words(most: int) -> Callable[[str], str]:
    """Return how a text of at most `most` characters is read."""

    def read(typed: str) -> str:
        if len(typed) > most:
            raise ValueError(f"最多 {most} 个字")
        return typed

    return read


def sku(typed: str) -> str:
    """Return a SKU's number."""
    if _LOST_DIGITS.fullmatch(typed) and "e" in typed.lower():
        raise ValueError("数字太长，Excel 丢了末几位：请把单元格设为“文本”再填")
    if not identifiers.is_sku(typed):
        raise ValueError("编号只能是字母、数字和短横，最多 40 位")
    return typed


def money(typed: str) -> int:
    """Return an amount of yuan as fen."""
    found = _YUAN.fullmatch(typed)
    if not found:
        raise ValueError("要写成元，最多两位小数，如 29.90")
    return int(Decimal(f"{found[1].replace(',', '')}.{found[2] or '0'}") * 100)


def price(typed: str) -> int:
    """Return a price in fen."""
    fen = money(typed)
    if not 1 <= fen <= pricing.MAX_PRICE_FEN:
        raise ValueError(f"要在 0.01 元到 {pricing.MAX_PRICE_FEN // 100:,} 元之间")
    return fen


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return how a whole number within bounds is read."""

    def read(typed: str) -> int:
        plain = typed.replace(",", "")
        if not _WHOLE.fullmatch(plain) or not low <= int(plain) <= high:
            raise ValueError(f"要是 {low:,} 到 {high:,} 的整数")
        return int(plain)

    return read


def one_of(names: Mapping[str, str]) -> Callable[[str], str]:
    """Return how one of a few words is read; `names` say key → word, and either may be typed."""
    keys = {word: key for key, word in names.items()} | {key: key for key in names}

    def read(typed: str) -> str:
        if typed not in keys:
            raise ValueError("只能填：" + "、".join(names.values()))
        return keys[typed]

    return read


_SKU = Column("sku", "SKU编号", sku, is_required=True, note="不能改，凭它找到这一行", width=16)
_SHOWN = (
    Column("product", "商品", is_shown_only=True, note="只供查看，改了也不算", width=24),
    Column("spec", "规格", is_shown_only=True, note="只供查看，改了也不算", width=20),
)

COLUMNS: Mapping[ImportKind, tuple[Column, ...]] = {
    ImportKind.PRICES: (
        _SKU,
        *_SHOWN,
        Column(
            "seen", "导出时价格（元）", money, Unit.MONEY, note="导出时的价格；之后有人改过价的行会被退回，不会盖掉"
        ),
        Column("price", "价格（元）", price, Unit.MONEY, is_required=True, note="改这一列"),
    ),
    ImportKind.STOCK: (
        _SKU,
        *_SHOWN,
        Column(
            "seen",
            "导出时在库",
            whole(0, MOST_STOCK),
            Unit.COUNT,
            note="导出时的在库数；之后有变化的行会被退回，不会盖掉",
        ),
        Column("counted", "盘点后在库", whole(0, MOST_STOCK), Unit.COUNT, note="盘点：填现有的总数，含已被订单占用的"),
        Column("received", "本次入库", whole(1, MOST_STOCK), Unit.COUNT, note="到货：填这次到的数，与盘点二选一"),
        Column("delivery", "入库单号", words(40), note="有本次入库时必填；同一单号的同一规格只入一次"),
    ),
}
NAMES = {ImportKind.PRICES: "价格", ImportKind.STOCK: "库存"}
KEYS = {ImportKind.PRICES: "sku", ImportKind.STOCK: "sku"}


def headed(kind: ImportKind, heading: Sequence[str]) -> list[Column | None]:
    """Return the column of each cell of a heading, None for one that is not read.

    Columns may stand in any order. Raises `ImportColumnsWrong(missing=, unknown=, repeated=)`.
    """
    known = {column.title: column for column in COLUMNS[kind]}
    titles = [title.replace("*", "").replace(" ", "").replace("\n", "") for title in heading]
    given = [title for title in titles if title and title != REASON]
    missing = [column.title for column in COLUMNS[kind] if column.is_required and column.title not in given]
    unknown = [title[:40] for title in given if title not in known]
    repeated = sorted(title for title, count in Counter(given).items() if count > 1)
    if missing or unknown or repeated:
        raise import_errors.ImportColumnsWrong(missing=missing, unknown=unknown[:20], repeated=repeated[:20])
    return [known.get(title) for title in titles]


def rows(columns: Sequence[Column | None], lines: Sequence[tuple[int, Sequence[str]]]) -> list[Row]:
    """Return what was typed under the heading; cells beyond it and lines with nothing in a column are left out."""
    found = []
    for line, cells in lines:
        typed = {column.name: cell for column, cell in zip(columns, cells, strict=False) if column and cell}
        if typed:
            found.append(Row(line, typed))
    return found


def repeated(kind: ImportKind, given: Sequence[Row]) -> dict[int, Fault]:
    """Return line → fault of the rows whose key stands in another row, too: which one is meant nobody can tell."""
    key = next(column for column in COLUMNS[kind] if column.name == KEYS[kind])
    lines = defaultdict(list)
    for row in given:
        if typed := row.cells.get(key.name):
            lines[typed].append(row.line)
    return {
        line: Fault(key.title, f"与第 {next(each for each in same if each != line)} 行重复，两行都没有采用")
        for same in lines.values()
        if len(same) > 1
        for line in same
    }


def meant(kind: ImportKind, row: Row) -> Meant:
    """Return what a row means; what cannot be understood is a fault, and a value of None."""
    values: dict[str, Any] = {}
    faults = []
    for column in COLUMNS[kind]:
        values[column.name] = None
        typed = row.cells.get(column.name, "")
        if column.is_shown_only:
            continue
        if not typed:
            if column.is_required:
                faults.append(Fault(column.title, "必填"))
            continue
        try:
            values[column.name] = column.read(typed)
        except ValueError as wrong:
            faults.append(Fault(column.title, str(wrong)))
    return Meant(row.line, values, tuple(faults))


def yuan(fen: int) -> str:
    """Return fen as people type them into a cell: 29.90."""
    return f"{fen // 100}.{fen % 100:02}"
