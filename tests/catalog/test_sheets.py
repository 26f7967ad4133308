"""How a heading and a cell are understood, and what is said of those that are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import sheets
from catalog.import_errors import ImportColumnsWrong
from catalog.sheets import Fault, ImportKind, Row

PRICES = ("SKU编号", "商品", "规格", "导出时价格（元）", "价格（元）")


def prices(**cells: str) -> tuple[dict[str, object], list[str]]:
    found = sheets.meant(ImportKind.PRICES, Row(2, cells))
    return dict(found.values), [f"{fault.column}{fault.message}" for fault in found.faults]


def test_columns_may_stand_in_any_order_with_stars_and_a_reason() -> None:
    columns = sheets.headed(ImportKind.PRICES, ("原因", "价格（元）*", "", " SKU编号 "))
    assert [column and column.name for column in columns] == [None, "price", None, "sku"]
    found = sheets.rows(columns, [(2, ("必填", "29.9", "?", "AH001A")), (3, ("旧的", "", "?", "")), (4, ("", "1"))])
    assert found == [Row(2, {"price": "29.9", "sku": "AH001A"}), Row(4, {"price": "1"})]


def test_a_wrong_heading_is_told_by_its_columns() -> None:
    with pytest.raises(ImportColumnsWrong) as wrong:
        sheets.headed(ImportKind.PRICES, ("SKU编号", "单价", "规格", "规格"))
    assert wrong.value.details == {"missing": ["价格（元）"], "unknown": ["单价"], "repeated": ["规格"]}


@pytest.mark.parametrize(
    ("typed", "fen"),
    [("29.9", 2990), ("29.90", 2990), ("¥1,299", 129_900), ("0.01", 1), ("30元", 3000), ("29.9000", 2990)],
)
def test_yuan_become_fen(typed: str, fen: int) -> None:
    assert prices(sku="AH001A", price=typed) == ({"sku": "AH001A", "product": None, "spec": None, "seen": None,
                                                  "price": fen}, [])  # fmt: skip


@pytest.mark.parametrize("typed", ["29.905", "-1", "免费", "1e9", "=1+1", "1,29", "２９", "1.2.3", "NaN"])
def test_what_is_no_amount_is_said(typed: str) -> None:
    assert prices(sku="AH001A", price=typed)[1] == ["价格（元）要写成元，最多两位小数，如 29.90"]


def test_every_fault_of_a_row_is_told_at_once() -> None:
    assert prices(price="0")[1] == ["SKU编号必填", "价格（元）要在 0.01 元到 600,000 元之间"]
    assert prices(sku="3.40102198805e+17", price="1")[1] == [
        "SKU编号数字太长，Excel 丢了末几位：请把单元格设为“文本”再填"
    ]
    assert prices(sku="砀山", price="1")[1] == ["SKU编号编号只能是字母、数字和短横，最多 40 位"]


def test_of_two_rows_with_one_key_neither_counts() -> None:
    given_ = [Row(2, {"sku": "A"}), Row(3, {"sku": "B"}), Row(7, {"sku": "A"}), Row(8, {})]
    assert sheets.clashes(ImportKind.PRICES, given_) == {
        2: Fault("SKU编号", "与第 7 行重复，两行都没有采用"),
        7: Fault("SKU编号", "与第 2 行重复，两行都没有采用"),
    }


def test_a_few_words_are_read_by_word_or_by_key() -> None:
    read = sheets.one_of({"yes": "是", "no": "否"})
    assert (read("是"), read("no")) == ("yes", "no")
    with pytest.raises(ValueError, match="只能填：是、否"):
        read("也许")


@given(st.integers(0, 10**9))
def test_an_amount_comes_back_as_it_went_out(fen: int) -> None:
    assert sheets.money(sheets.yuan(fen)) == fen


@given(st.text(max_size=30))
def test_no_cell_is_a_bug(typed: str) -> None:
    for kind, columns in sheets.COLUMNS.items():
        sheets.meant(kind, Row(2, {column.name: typed for column in columns}))
