"""The halls and what each sells."""

import pytest
from flask.testing import FlaskClient

from tests.storefront.api.conftest import code_of

pytestmark = pytest.mark.usefixtures("client", "seeded")

HALLS = "/api/v1/halls"


def test_a_city_and_its_counties_are_listed_together(client: FlaskClient) -> None:
    page = client.get(f"{HALLS}?city=340100&limit=100").get_json()
    assert page["items"][0]["slug"] == "hefei-shi"
    assert {hall["region"]["city"] for hall in page["items"]} == {"合肥市"}
    assert client.get(f"{HALLS}?city=hefei-shi&limit=100").get_json() == page


def test_all_halls_are_walked_by_cursor(client: FlaskClient) -> None:
    slugs, cursor = [], None
    while True:
        page = client.get(HALLS, query_string={"limit": 50, **({"cursor": cursor} if cursor else {})}).get_json()
        slugs += [hall["slug"] for hall in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(slugs) == len(set(slugs)) == 120


def test_a_wrong_query_is_refused(client: FlaskClient) -> None:
    for query, code in (
        ("kind=shop", "request.invalid"),
        ("kind=", "request.invalid"),
        ("limit=0", "request.invalid"),
        ("town=x", "request.invalid"),
        ("cursor=%F0%9F%91%8D", "catalog.cursor_invalid"),
    ):
        assert code_of(client.get(f"{HALLS}?{query}")) == (422, code), query


def test_a_hall_has_a_front_with_region_story_and_counts(client: FlaskClient) -> None:
    front = client.get(f"{HALLS}/dangshan-xian").get_json()
    assert front["region"]["full_name"] == "安徽省宿州市砀山县"
    assert front["story"]
    goods = client.get(f"{HALLS}/dangshan-xian/products?limit=100").get_json()["items"]
    assert len(goods) == front["counts"]["products"] > 0


def test_an_unknown_hall_is_404_and_so_are_its_goods(client: FlaskClient) -> None:
    for slug in ["nowhere", "x" * 300, "%F0%9F%91%8D"]:
        assert code_of(client.get(f"{HALLS}/{slug}")) == (404, "catalog.hall_unknown")
        assert code_of(client.get(f"{HALLS}/{slug}/products")) == (404, "catalog.hall_unknown")
