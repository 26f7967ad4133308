"""Sheets over JSON: sent in whole, looked through by row, confirmed once."""

from collections.abc import Callable

import pytest
from werkzeug.test import TestResponse

from catalog import importing
from catalog.sheets import ImportKind
from config import clock, database
from storefront.roles import Role
from tests.catalog.test_importing import workbook
from tests.storefront.staff.conftest import Clerk

pytestmark = pytest.mark.usefixtures("seeded")


def send(clerk: Clerk, body: bytes, kind: str = "prices") -> TestResponse:
    return clerk.client.post(
        f"/api/staff/v1/imports?kind={kind}", data=body, headers={"Authorization": f"Bearer {clerk.token}"}
    )


def test_a_program_sends_looks_and_confirms(clerk: Callable[..., Clerk]) -> None:
    admin = clerk(Role.ADMIN)
    body = workbook(ImportKind.PRICES, [{"sku": "AH001A", "price": 31.5}, {"sku": "NOPE", "price": 1}])
    made = send(admin, body)
    assert (made.status_code, send(admin, body).status_code) == (201, 200)
    number = made.get_json()["number"]
    assert admin.post(f"/imports/{number}/confirmation").get_json()["error"]["code"] == "import.moved"
    importing.work_due(now=clock.now())
    assert admin.get(f"/imports/{number}").get_json()["counts"]["changed"] == 1
    [row] = admin.get(f"/imports/{number}/rows").get_json()["items"]
    assert row["changes"] == [{"column": "价格（元）", "old": "29.90", "new": "31.50"}]
    [row] = admin.get(f"/imports/{number}/rows?state=refused").get_json()["items"]
    assert row["line"] == 3
    assert admin.post(f"/imports/{number}/confirmation").get_json()["state"] == "confirmed"
    assert admin.post(f"/imports/{number}/withdrawal").status_code == 409
    importing.work_due(now=clock.now())
    assert database.statement("SELECT price_fen FROM skus WHERE number = 'AH001A'") == [(3150,)]
    assert [one["state"] for one in admin.get("/imports").get_json()["items"]] == ["applied"]


def test_what_is_no_sheet_is_refused_by_its_reason(clerk: Callable[..., Clerk]) -> None:
    answer = send(clerk(Role.ADMIN), b"{}").get_json()["error"]
    assert (answer["code"], answer["details"]) == ("import.refused", {"reason": "not_a_spreadsheet"})
    wrong = send(clerk(Role.ADMIN, username="b"), workbook(ImportKind.STOCK, [{"sku": "A"}])).get_json()["error"]
    assert (wrong["code"], wrong["details"]["missing"]) == ("import.columns_wrong", ["价格（元）"])
    supplier = clerk(Role.SUPPLIER, supplier="SUP0001")
    assert send(supplier, workbook(ImportKind.PRODUCTS, [{}]), "products").status_code == 403
