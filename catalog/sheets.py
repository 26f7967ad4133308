"""The columns of every sheet that comes in or goes out, as data, and how a cell is understood.

Invariant: pure; template, export and import are drawn from the same `COLUMNS`, so an export that comes back unchanged
changes nothing. What a cell says wrong is told in words for whoever typed it, beside the title of its column.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from catalog import categories, identifiers, import_errors, labels, pricing
from catalog.accreditation_lifecycle import EntityKind
from catalog.supplier_lifecycle import PermitClass

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
    PRODUCTS = "products"
    SUPPLIERS = "suppliers"


class Unit(StrEnum):
    """What a column holds, so that a spreadsheet can show it; MONEY is fen in memory and yuan in the sheet."""

    TEXT = "text"
    MONEY = "money"
    COUNT = "count"


@dataclass(frozen=True)
class Column:
    """One column: `read` makes of a cell's text what it means, or raises `ValueError` with words for people.

    A column that is no more than a help to read is `is_shown_only`: whatever comes back in it is ignored. One that
    `is_shared` says the same in every row of one product.
    """

    name: str
    title: str
    read: Callable[[str], Any] = str
    unit: Unit = Unit.TEXT
    is_required: bool = False
    is_shown_only: bool = False
    is_shared: bool = False
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


def slug(typed: str) -> str:
    """Return a product's slug."""
    if not identifiers.is_slug(typed):
        raise ValueError("只能是小写字母、数字和短横，最多 80 位")
    return typed


def day(typed: str) -> date:
    """Return a day; Excel's own come as 2026-11-22."""
    try:
        found = date.fromisoformat(typed.replace("/", "-").replace("年", "-").replace("月", "-").replace("日", ""))
    except ValueError as wrong:
        raise ValueError("要写成日期，如 2026-11-22") from wrong
    if not 2000 <= found.year <= 2100:
        raise ValueError("年份不对")
    return found


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

# How the classes of goods are called in a sheet.
CLASSES: Mapping[str, Mapping[str, str]] = {
    "licence_class": {
        "farm_produce": "食用农产品",
        "prepackaged_food": "预包装食品",
        "medicinal_food": "药食同源",
        "alcohol": "酒类",
        "non_food": "非食品",
    },
    "return_class": {
        "excluded_perishable": "鲜活易腐不退",
        "sealed_only": "未拆封可退",
        "allowed": "七天可退",
    },
    "delivery_class": {
        "parcel": "普通快递",
        "fragile": "易碎品",
        "ground": "仅陆运",
        "bulky": "大件",
        "fresh": "生鲜速递",
        "cold": "冷链",
    },
}
ENTITIES = {
    EntityKind.COMPANY.value: "企业",
    EntityKind.COOPERATIVE.value: "合作社",
    EntityKind.FAMILY_FARM.value: "家庭农场",
    EntityKind.SOLE_TRADER.value: "个体工商户",
}
PERMITS = {
    PermitClass.EXEMPT.value: "不需要（只卖食用农产品）",
    PermitClass.FILING.value: "备案（仅销售预包装食品）",
    PermitClass.PERMIT.value: "食品经营许可",
}


def _of_product(name: str, shown: str, read: Callable[[str], Any], **more: Any) -> Column:
    return Column(name, shown, read, **({"is_required": True} | more), is_shared=True)


_PRODUCTS = (
    _of_product("slug", "商品编号", slug, note="网址里的名字，不能改；新商品自己起一个，如 dangshansuli", width=20),
    _of_product("name", "商品名称", words(60), width=24),
    _of_product("category", "品类", one_of(categories.NAMES), note="、".join(categories.NAMES.values())),
    _of_product("origin", "产地", words(30), note="县（市、区）的代码或全名，如 安徽省宿州市砀山县", width=22),
    _of_product("supplier", "供应商编号", words(40)),
    _of_product("warehouse", "发货仓", words(60), note="发货仓的代号，如 suzhou"),
    *(
        _of_product(name, shown, one_of(CLASSES[name]), note="、".join(CLASSES[name].values()))
        for name, shown in (("licence_class", "经营类别"), ("return_class", "退货"), ("delivery_class", "运输"))
    ),
    _of_product("description", "介绍", words(2000), is_required=False, width=40),
    *(_of_product(f"label_{each.key}", f"标签·{each.name}", words(300), is_required=False) for each in labels.fields()),
    _SKU,
    Column("spec", "规格", words(60), is_required=True, width=20),
    Column("weight_g", "毛重（克）", whole(1, 1_000_000), Unit.COUNT, is_required=True, note="含包装，算运费用"),
    Column("first_price", "新规格价格（元）", price, Unit.MONEY, note="只有新规格填；已有的用价格表改"),
    Column("first_stock", "新规格库存", whole(1, MOST_STOCK), Unit.COUNT, note="只有新规格填；已有的用库存表改"),
)
_SUPPLIERS = (
    Column("number", "供应商编号", sku, is_required=True, note="不能改；新供应商自己起一个，如 SUP0102"),
    Column("name", "名称", words(60), is_required=True, note="与营业执照一致", width=28),
    Column("entity_kind", "主体类型", one_of(ENTITIES), is_required=True, note="、".join(ENTITIES.values())),
    Column("county", "所在县", words(30), is_required=True, note="县（市、区）的代码或全名", width=22),
    Column("credit_code", "统一社会信用代码", words(40), is_required=True, width=22),
    Column("licence_until", "营业执照有效期至", day, note="长期的留空"),
    Column("permit_class", "食品许可", one_of(PERMITS), is_required=True, note="、".join(PERMITS.values()), width=26),
    Column("permit_number", "许可或备案编号", words(60), width=22),
    Column("permit_until", "许可有效期至", day),
    Column("contact_name", "联系人", words(30)),
    Column("contact_phone", "联系电话", words(30)),
    Column("address", "地址", words(200), width=30),
    Column("state", "状态", is_shown_only=True, note="只供查看；入驻审核在供应商页面办"),
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
            note="导出时的在库数，盘点时必填；之后卖出或入库过的行会被退回，不会盖掉",
        ),
        Column("counted", "盘点后在库", whole(0, MOST_STOCK), Unit.COUNT, note="盘点：填现有的总数，含已被订单占用的"),
        Column("received", "本次入库", whole(1, MOST_STOCK), Unit.COUNT, note="到货：填这次到的数，与盘点二选一"),
        Column("delivery", "入库单号", words(40), note="有本次入库时必填；同一单号的同一规格只入一次"),
    ),
    ImportKind.PRODUCTS: _PRODUCTS,
    ImportKind.SUPPLIERS: _SUPPLIERS,
}
NAMES = {
    ImportKind.PRICES: "价格",
    ImportKind.STOCK: "库存",
    ImportKind.PRODUCTS: "商品",
    ImportKind.SUPPLIERS: "供应商",
}
KEYS = {
    ImportKind.PRICES: "sku",
    ImportKind.STOCK: "sku",
    ImportKind.PRODUCTS: "sku",
    ImportKind.SUPPLIERS: "number",
}


def title(kind: ImportKind, name: str) -> str:
    """Return what people call a column."""
    return next(column.title for column in COLUMNS[kind] if column.name == name)


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


def clashes(kind: ImportKind, given: Sequence[Row]) -> dict[int, Fault]:
    """Return line → fault of the rows that say of one thing what another row says otherwise.

    Whose key stands in another row, too, is not taken in either place; of rows of one product the first one counts.
    """
    key = next(column for column in COLUMNS[kind] if column.name == KEYS[kind])
    lines = defaultdict(list)
    for row in given:
        if typed := row.cells.get(key.name):
            lines[typed].append(row.line)
    repeated = {
        line: Fault(key.title, f"与第 {next(each for each in same if each != line)} 行重复，两行都没有采用")
        for same in lines.values()
        if len(same) > 1
        for line in same
    }
    return _differing(kind, given) | repeated


def _differing(kind: ImportKind, given: Sequence[Row]) -> dict[int, Fault]:
    shared = [column for column in COLUMNS[kind] if column.is_shared]
    first: dict[str, Row] = {}
    faults = {}
    for row in given if shared else ():
        before = first.setdefault(row.cells.get(shared[0].name, ""), row)
        other = next((one for one in shared if row.cells.get(one.name) != before.cells.get(one.name)), None)
        if other is not None:
            faults[row.line] = Fault(other.title, f"与第 {before.line} 行的同一商品不一致")
    return faults


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
