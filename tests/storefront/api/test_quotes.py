"""Quotes: what an order will cost, before anybody places it."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from catalog import products
from config import database
from tests.storefront.api.conftest import Caller, code_of

pytestmark = pytest.mark.usefixtures("client", "seeded")


def quote(client: FlaskClient, lines: Any, region_code: Any = "340102", **more: Any) -> Any:
    return client.post("/api/v1/quotes", json={"lines": lines, "region_code": region_code, **more})


def test_a_quote_is_exactly_what_the_order_charges(client: FlaskClient, shopper: Caller, skus: list[str]) -> None:
    wanted = dict.fromkeys(skus[:3], 2)
    quoted = quote(client, [{"sku": sku, "quantity": 2} for sku in wanted]).get_json()
    assert quoted["payable_fen"] == quoted["goods_fen"] + quoted["freight_fen"] - quoted["discount_fen"]
    assert sum(line["amount_fen"] for line in quoted["lines"]) == quoted["goods_fen"]
    assert sum(each["freight_fen"] for each in quoted["consignments"]) == quoted["freight_fen"]
    assert sorted(sku for each in quoted["consignments"] for sku in each["skus"]) == sorted(wanted)
    placed = shopper.place(wanted).get_json()
    assert placed["payable_fen"] == quoted["payable_fen"]
    assert len(placed["consignments"]) == len(quoted["consignments"]) > 1


def test_lines_of_one_sku_add_up(client: FlaskClient) -> None:
    line = {"sku": "AH001A", "quantity": 2}
    assert [each["quantity"] for each in quote(client, [line, line]).get_json()["lines"]] == [4]
    too_many = {"sku": "AH001A", "quantity": 999}
    assert code_of(quote(client, [too_many, line])) == (422, "catalog.quantity_invalid")


def test_a_region_without_delivery_is_refused_before_anybody_pays(client: FlaskClient) -> None:
    for region_code in ["340100", "999999", "", "34010", "合肥", "710000"]:
        status, code = code_of(quote(client, [{"sku": "AH001A", "quantity": 1}], region_code))
        assert (status, code) in {(422, "catalog.region_invalid"), (409, "catalog.not_deliverable")}, region_code


def test_fresh_fruit_does_not_go_to_xinjiang(client: FlaskClient) -> None:
    answer = quote(client, [{"sku": "AH001A", "quantity": 1}], "650102")
    assert code_of(answer) == (409, "catalog.not_deliverable")
    assert answer.get_json()["error"]["details"]["lines"] == [{"sku": "AH001A"}]


def test_lines_that_nobody_can_buy_are_refused(client: FlaskClient) -> None:
    wrong: list[tuple[Any, str]] = [
        ([], "request.invalid"),
        ([{"sku": "AH001A", "quantity": 1}] * 51, "request.invalid"),
        ([{"sku": "NOPE", "quantity": 1}], "catalog.sku_unknown"),
        ([{"sku": "👍", "quantity": 1}], "catalog.sku_unknown"),
        ([{"sku": "AH001A", "quantity": 0}], "request.invalid"),
        ([{"sku": "AH001A", "quantity": 1, "price_fen": 1}], "request.invalid"),
        ([{"sku": "AH001A"}], "request.invalid"),
        ("AH001A", "request.invalid"),
        (None, "request.invalid"),
    ]
    for lines, code in wrong:
        assert code_of(quote(client, lines)) == (422, code), lines


def test_what_is_off_sale_is_not_quoted(client: FlaskClient) -> None:
    with database.transaction() as session:
        products.delist(session, slug="dangshansuli")
    answer = quote(client, [{"sku": "AH001A", "quantity": 1}])
    assert code_of(answer) == (409, "catalog.not_for_sale")
    assert answer.get_json()["error"]["details"]["lines"] == [{"sku": "AH001A", "because": "owner"}]


def test_more_than_is_left_is_quoted_and_marked(client: FlaskClient) -> None:
    [line] = quote(client, [{"sku": "AH001A", "quantity": 900}]).get_json()["lines"]
    assert (line["available"], line["is_available"]) == (200, False)
