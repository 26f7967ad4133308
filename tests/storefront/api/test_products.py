"""Lists and pages of goods."""

import pytest
from flask.testing import FlaskClient

from catalog import products
from catalog.cache import Cache
from config import clock, database
from tests.storefront.api.conftest import code_of

pytestmark = pytest.mark.usefixtures("client", "seeded")

LIST = "/api/v1/products"


def test_a_list_is_walked_by_cursor_and_shows_each_product_once(client: FlaskClient) -> None:
    slugs: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(f"{LIST}?limit=40" + (f"&cursor={cursor}" if cursor else "")).get_json()
        slugs += [item["slug"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert len(slugs) == len(set(slugs)) == 110


def test_a_product_is_found_by_characters_pinyin_and_initials(client: FlaskClient) -> None:
    for words in ("砀山酥梨", "dangshan suli", "dssl"):
        found = client.get(LIST, query_string={"q": words}).get_json()["items"]
        assert found[0]["slug"] == "dangshansuli", words


def test_what_nothing_matches_is_an_empty_page(client: FlaskClient) -> None:
    for query in ["hall=nowhere", "category=cars", "q=%F0%9F%91%8D", "q=%27%3B--", "q=" + "x" * 200]:
        answer = client.get(f"{LIST}?{query}")
        found = answer.get_json()
        assert (answer.status_code, found["items"], found["next_cursor"]) == (200, [], None), query
        assert found.get("search", {"matched": "nothing"})["matched"] == "nothing", query


def test_a_wrong_query_is_refused(client: FlaskClient) -> None:
    for query, code in (
        ("limit=0", "request.invalid"),
        ("limit=101", "request.invalid"),
        ("limit=-1", "request.invalid"),
        ("limit=99999999999999999999", "request.invalid"),
        ("sort=rank", "request.invalid"),
        ("sort=price;drop", "request.invalid"),
        ("page=2", "request.invalid"),
        ("q=a%00b", "request.invalid"),
        ("q=" + "x" * 201, "request.invalid"),
        ("cursor=!!", "catalog.cursor_invalid"),
        ("cursor=W10", "catalog.cursor_invalid"),
    ):
        assert code_of(client.get(f"{LIST}?{query}")) == (422, code), query


def test_a_page_says_what_the_list_says_and_more(client: FlaskClient) -> None:
    item = client.get(f"{LIST}?limit=1").get_json()["items"][0]
    body = client.get(f"{LIST}/{item['slug']}").get_json()
    assert item.items() <= body.items()
    assert body["accreditation"] is None, "no badge without evidence"
    assert {sku["number"] for sku in body["skus"]} == {"AH001A", "AH001B"}


def test_an_unknown_product_is_404(client: FlaskClient) -> None:
    for slug in ["nothing", "x" * 200, "A", "%F0%9F%91%8D", "a%27b"]:
        assert code_of(client.get(f"{LIST}/{slug}")) == (404, "catalog.product_unknown"), slug


def test_a_client_that_has_the_page_is_told_so_until_it_changes(client: FlaskClient) -> None:
    path = f"{LIST}/dangshansuli"
    first = client.get(path)
    known = {"If-None-Match": first.headers["ETag"]}
    again = client.get(path, headers=known)
    assert (again.status_code, again.data) == (304, b"")
    with database.transaction() as session:
        products.reprice(session, sku="AH001A", price_fen=3090, now=clock.now())
    Cache.forget_all()
    changed = client.get(path, headers=known)
    assert (changed.status_code, changed.get_json()["price_fen"]) == (200, 3090)


def test_a_change_is_seen_on_list_and_page_within_a_second(client: FlaskClient) -> None:
    client.get(f"{LIST}/dangshansuli")
    with database.transaction() as session:
        products.delist(session, slug="dangshansuli")
    Cache.forget_all()
    assert client.get(f"{LIST}/dangshansuli").status_code == 404
    assert all(item["slug"] != "dangshansuli" for item in client.get(f"{LIST}?limit=100").get_json()["items"])
