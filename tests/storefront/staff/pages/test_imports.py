"""Sheets on pages: what a clerk sees before, while and after; what a supplier does not."""

import io
from collections.abc import Callable

import pytest
from werkzeug.test import TestResponse

from catalog import importing
from catalog.sheets import ImportKind
from config import clock, database, spreadsheets
from storefront.roles import Role
from tests.catalog.test_importing import Cells, workbook
from tests.storefront.staff.conftest import Clerk, audited

pytestmark = pytest.mark.usefixtures("seeded")
ROWS: tuple[Cells, ...] = (
    {"sku": "AH001A", "seen": 29.9, "price": 31.5},
    {"sku": "AH002A", "price": "=1+1"},
    {"sku": "AH003A", "price": "@SUM(A1)"},
)


def upload(clerk: Clerk, body: bytes, kind: str = "prices") -> TestResponse:
    return clerk.send("/imports", kind=kind, file=(io.BytesIO(body), "价格.xlsx"))


def sent(clerk: Clerk, *rows: Cells) -> str:
    """Send prices in and return the path of the import."""
    answer = upload(clerk, workbook(ImportKind.PRICES, rows))
    assert answer.status_code == 303
    return answer.headers["Location"].split("?")[0].removeprefix("/staff")


def shown(clerk: Clerk, path: str) -> str:
    page = clerk.open(path)
    assert page.status_code == 200
    return page.get_data(as_text=True)


def file(clerk: Clerk, path: str) -> list[tuple[str, ...]]:
    """The rows of a sheet that is handed out, read as one that comes in."""
    return [line.cells for line in spreadsheets.unfold(clerk.open(path).get_data())]


def test_a_sheet_is_read_shown_confirmed_and_done(clerk: Callable[..., Clerk]) -> None:
    admin = clerk(Role.ADMIN)
    assert "还没有导入过" in shown(admin, "/imports")
    path = sent(admin, *ROWS)
    waiting = admin.open(path)
    assert "正在逐行检查" in waiting.get_data(as_text=True)
    assert "Refresh" not in waiting.headers
    assert 'http-equiv="refresh" content="2"' in waiting.get_data(as_text=True)
    part = admin.open(f"{path}/progress")
    assert "HX-Retarget" not in part.headers
    assert 'data-tells="检查中，0%"' in part.get_data(as_text=True)

    importing.work_due(now=clock.now())
    over = admin.open(f"{path}/progress")
    assert [over.headers[f"HX-{name}"] for name in ("Retarget", "Reselect", "Reswap")] == ["#import"] * 2 + [
        "outerHTML"
    ]
    assert '<div id="import">' in over.get_data(as_text=True)
    page = shown(admin, path)
    assert "<s>29.90</s> → <b>31.50</b>" in page
    assert "应用这 1 行" in page
    assert "要写成元" in shown(admin, f"{path}?rows=refused")

    admin.send(f"{path}/confirmation")
    assert "正在逐行应用" in shown(admin, path)
    importing.work_due(now=clock.now())
    assert "已应用 1 行" in shown(admin, path)
    assert database.statement("SELECT price_fen FROM skus WHERE number = 'AH001A'") == [(3150,)]
    number = path.rpartition("/")[2]
    assert audited() == [("import.read", number), ("import.confirmed", number)]
    assert "已经不在这一步" in shown(admin, admin.send(f"{path}/withdrawal").headers["Location"].removeprefix("/staff"))


def test_refused_rows_come_back_with_their_reasons_and_as_no_formulas(clerk: Callable[..., Clerk]) -> None:
    admin = clerk(Role.ADMIN)
    path = sent(admin, *ROWS, {"sku": "=cmd|' /C calc'!A0", "price": "1"})
    importing.work_due(now=clock.now())
    heading, *rows = file(admin, f"{path}/refused.xlsx")
    assert heading == ("SKU编号", "商品", "规格", "导出时价格（元）", "价格（元）", "原因")
    assert [(row[0], row[4]) for row in rows] == [
        ("AH002A", "=1+1"),
        ("AH003A", "@SUM(A1)"),
        ("=cmd|' /C calc'!A0", "1"),
    ]
    assert rows[0][5] == "价格（元）：要写成元，最多两位小数，如 29.90"
    again = upload(admin, admin.open(f"{path}/refused.xlsx").get_data())
    assert again.status_code == 303


@pytest.mark.parametrize("kind", [ImportKind.PRICES, ImportKind.STOCK, ImportKind.PRODUCTS])
def test_what_is_handed_out_is_taken_back(clerk: Callable[..., Clerk], kind: ImportKind) -> None:
    admin = clerk(Role.ADMIN)
    template = file_or_heading(admin, f"/imports/template.xlsx?kind={kind.value}")
    body = admin.open(f"/imports/export.xlsx?kind={kind.value}").get_data()
    assert next(spreadsheets.unfold(body)).cells == template
    path = upload(admin, body, kind.value).headers["Location"].split("?")[0].removeprefix("/staff")
    importing.work_due(now=clock.now())
    assert "没有要改的行" in shown(admin, path)


def file_or_heading(clerk: Clerk, path: str) -> tuple[str, ...]:
    """The heading of an empty sheet, which is refused as one without rows only after it was read."""
    lines = spreadsheets.unfold(clerk.open(path).get_data())
    heading = next(lines).cells
    with pytest.raises(spreadsheets.Refused):
        next(lines)
    return heading


def test_a_file_that_is_refused_says_why_and_what_to_do(clerk: Callable[..., Clerk]) -> None:
    admin = clerk(Role.ADMIN)
    page = upload(admin, b"SKU,price")
    assert page.status_code == 422
    assert "另存为“Excel 工作簿（.xlsx）”" in page.get_data(as_text=True)
    page = upload(admin, workbook(ImportKind.STOCK, [{"sku": "AH001A", "counted": 3}]))
    assert "少了这些列：价格（元）" in page.get_data(as_text=True)
    assert "模板里没有这些列：导出时在库、盘点后在库、本次入库、入库单号" in page.get_data(as_text=True)
    assert "还没有导入过" in shown(admin, "/imports")
    assert admin.send("/imports", kind="prices").headers["Location"].endswith("fault=form.sheet")


def test_a_supplier_sees_and_reaches_its_own(clerk: Callable[..., Clerk]) -> None:
    theirs = sent(clerk(Role.ADMIN), ROWS[0])
    supplier = clerk(Role.SUPPLIER, supplier="SUP0001")
    assert supplier.open(theirs).status_code == 404
    own = sent(supplier, {"sku": "AH001A", "price": 30})
    importing.work_due(now=clock.now())
    assert "应用这 1 行" in shown(supplier, own)
    nobody = clerk(Role.SUPPLIER, username="nobody", supplier="SUP9")
    assert nobody.open(own).status_code == 404
    assert "template.xlsx?kind=products" not in shown(supplier, "/imports")
    assert supplier.open("/imports/export.xlsx?kind=suppliers").status_code == 403
    assert clerk(Role.SUPPLIER, username="afar", area="3413").open("/imports").status_code == 403
