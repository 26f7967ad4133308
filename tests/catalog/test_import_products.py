"""Goods as a sheet: new ones wait off sale, old ones change, and nothing else of theirs does."""

from typing import Any

import pytest

from catalog import importing, products
from catalog.errors import ProductUnknown
from catalog.import_models import RowState
from catalog.sheets import ImportKind
from config import database
from tests.catalog.test_importing import checked, done, level_of, price_of, sheet, told

pytestmark = pytest.mark.usefixtures("seeded")
NEW = {
    "slug": "xinsuli",
    "name": "新酥梨",
    "category": "新鲜水果",
    "origin": "安徽省宿州市砀山县",
    "supplier": "SUP0001",
    "warehouse": "suzhou",
    "licence_class": "食用农产品",
    "return_class": "鲜活易腐不退",
    "delivery_class": "生鲜速递",
    "label_storage": "0-5℃冷藏",
    "sku": "XS-1",
    "spec": "净重5斤",
    "weight_g": "2900",
    "first_price": "39.9",
    "first_stock": "7",
}


def stands(sku: str) -> dict[str, Any]:
    """A row of the sheet as it stands, as it would be typed."""
    with database.transaction() as session:
        rows = importing.export(session, kind=ImportKind.PRODUCTS, supplier=None, after="", limit=999)
    found = next(row for row in rows if row["sku"] == sku)
    return {name: value for name, value in found.items() if value not in (None, "")}


def test_new_goods_wait_off_sale_and_are_found_once_on_it() -> None:
    twin = NEW | {"sku": "XS-2", "spec": "净重10斤", "first_price": "69"}
    del twin["first_stock"]
    assert checked(sheet(ImportKind.PRODUCTS, NEW, twin))["counts"]["changed"] == 2
    assert told("I1", RowState.CHANGED)[1] == (3, "→新酥梨；→净重10斤，¥69.00")
    done("I1")
    assert (price_of("XS-1"), price_of("XS-2"), level_of("XS-1")) == (3990, 6900, (7, 0))
    with pytest.raises(ProductUnknown):
        products.find("xinsuli")
    rows = database.statement(
        "SELECT p.off_sale_for, p.is_illustrative, p.pinyin, h.slug, p.label FROM products p"
        " JOIN halls h ON h.id = p.hall_id WHERE p.slug = 'xinsuli'"
    )
    assert rows == [("draft", False, "xinsuli", "dangshan-xian", {"storage": "0-5℃冷藏"})]
    database.statement("UPDATE products SET is_on_sale = true WHERE slug = 'xinsuli' RETURNING id")
    assert [pack["number"] for pack in products.find("xinsuli")["skus"]] == ["XS-1", "XS-2"]


def test_what_stands_is_changed_and_found_by_its_new_name() -> None:
    given = stands("AH001A") | {"name": "砀山贡梨", "weight_g": 3000}
    twin = stands("AH001B") | {"name": "砀山贡梨"}
    checked(sheet(ImportKind.PRODUCTS, given, twin))
    assert told("I1", RowState.CHANGED) == [(2, "砀山酥梨→砀山贡梨；2900→3000"), (3, "砀山酥梨→砀山贡梨")]
    done("I1")
    found = products.find("dangshansuli")
    assert (found["name"], found["price_fen"]) == ("砀山贡梨", 2990)
    rows = database.statement("SELECT pinyin, plate, is_illustrative FROM products WHERE slug = 'dangshansuli'")
    assert rows == [("dangshangongli", "fruit", True)]


def test_what_cannot_be_is_said() -> None:
    wrong = [
        NEW | {"origin": "砀山", "supplier": "NOPE", "warehouse": "nowhere"},
        {name: value for name, value in NEW.items() if name != "first_price"} | {"slug": "b", "sku": "B-1"},
        stands("AH002A") | {"slug": "c"},
        stands("AH003A") | {"first_price": "3"},
        NEW | {"slug": "d", "sku": "D-1"},
        NEW | {"slug": "d", "sku": "D-2", "name": "别的名字"},
        NEW | {"slug": "e", "sku": "E-1", "category": "水果"},
    ]
    checked(sheet(ImportKind.PRODUCTS, *wrong))
    said = dict(told("I1", RowState.REFUSED))
    assert said[2] == "没有“砀山”；没有“NOPE”；没有“nowhere”"
    assert said[3] == "新规格必填"
    assert said[4].startswith("这个 SKU 属于商品 ")
    assert said[5] == "这个规格已有价格和库存：请用价格表、库存表改，这里留空"
    assert said[7] == "与第 6 行的同一商品不一致"
    assert said[8].startswith("只能填：茶叶花茶、新鲜水果")
    assert told("I1", RowState.CHANGED) == [(6, "→新酥梨；→净重5斤，¥39.90")]


def test_a_supplier_enters_no_goods() -> None:
    found = checked(sheet(ImportKind.PRODUCTS, stands("AH001A") | {"name": "砀山贡梨"}), supplier="SUP0001")
    assert found["counts"]["refused"] == 1
