"""Suppliers as a sheet: files are begun and amended, and nobody is admitted by one."""

import pytest

from catalog import credit_codes, importing
from catalog.import_models import RowState
from catalog.sheets import ImportKind
from config import database
from tests.catalog.test_importing import checked, done, sheet, told

pytestmark = pytest.mark.usefixtures("seeded")


def code(number: int) -> str:
    """A credit code that passes its check."""
    first = f"91341321MA{number:07}"
    return first + credit_codes.check_character(first)


FIRM = {
    "number": "SUP0101",
    "name": "砀山县梨树王果业专业合作社",
    "entity_kind": "合作社",
    "county": "安徽省宿州市砀山县",
    "credit_code": code(1),
    "permit_class": "不需要（只卖食用农产品）",
    "contact_name": "李四",
}


def test_files_are_begun_and_amended_until_they_apply() -> None:
    assert checked(sheet(ImportKind.SUPPLIERS, FIRM))["counts"]["changed"] == 1
    done("I1")
    rows = database.statement("SELECT name, state, county_code, credit_code FROM suppliers WHERE number = 'SUP0101'")
    assert rows == [(FIRM["name"], "drafted", "341321", code(1))]

    with database.transaction() as session:
        [row] = importing.export(session, kind=ImportKind.SUPPLIERS, supplier=None, after="", limit=9)
    typed = {name: value for name, value in row.items() if value not in (None, "")}
    assert checked(sheet(ImportKind.SUPPLIERS, typed), number="I2")["counts"]["unchanged"] == 1
    checked(sheet(ImportKind.SUPPLIERS, typed | {"contact_name": "王五"}), number="I3")
    assert told("I3", RowState.CHANGED) == [(2, "李四→王五")]
    done("I3")
    database.statement(
        "UPDATE suppliers SET is_illustrative = true, state = 'admitted' WHERE number = 'SUP0101' RETURNING id"
    )
    checked(sheet(ImportKind.SUPPLIERS, typed | {"contact_name": "赵六"}), number="I4")
    assert told("I4", RowState.REFUSED)[0][1].startswith("已入驻：")


def test_what_cannot_be_is_said() -> None:
    checked(sheet(ImportKind.SUPPLIERS, FIRM))
    done("I1")
    wrong = [
        FIRM | {"number": "S2"},
        FIRM | {"number": "S3", "credit_code": code(3)[:-1] + "?", "county": "砀山"},
        FIRM | {"number": "S4", "credit_code": code(4), "permit_class": "食品经营许可"},
        FIRM | {"number": "S5", "credit_code": code(5), "licence_until": "明年"},
        FIRM | {"number": "S6", "credit_code": code(6)},
        FIRM | {"number": "S7", "credit_code": code(6)},
    ]
    checked(sheet(ImportKind.SUPPLIERS, *wrong), number="I2")
    assert told("I2", RowState.REFUSED) == [
        (2, "已登记为供应商 SUP0101"),
        (3, "没有这个县（市、区）：填代码或全名，如 安徽省宿州市砀山县；不对：应为 18 位，且最后一位校验不符的不收"),
        (4, "这种许可必填；这种许可必填"),
        (5, "要写成日期，如 2026-11-22"),
        (6, "在表里出现了不止一次"),
        (7, "在表里出现了不止一次"),
    ]


def test_a_supplier_enters_none() -> None:
    found = checked(sheet(ImportKind.SUPPLIERS, FIRM), supplier="SUP0101")
    assert found["counts"]["refused"] == 1
