"""The halls and what each sells."""

import pytest
from flask.testing import FlaskClient

from catalog import shelves
from catalog.cache import Cache
from catalog.shelves import Shelf
from config import database
from tests.catalog.opening import MARKET, opened
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


def test_a_zone_is_found_by_kind_and_shows_its_shelves(client: FlaskClient) -> None:
    opened()
    with database.transaction() as session:
        shelves.arrange(session, hall=MARKET, shelves=[Shelf("当季", ("dangshansuli",))], version=2)
    Cache.forget_all()
    [zone] = client.get(f"{HALLS}?kind=zone&city=341300").get_json()["items"]
    assert (zone["slug"], zone["presence"], zone["zone_kind"]) == (MARKET, "physical", "supermarket")
    assert zone["counts"]["products"] == 1
    [shelf] = client.get(f"{HALLS}/{MARKET}/shelves").get_json()["items"]
    assert (shelf["name"], [product["slug"] for product in shelf["products"]]) == ("当季", ["dangshansuli"])
    assert client.get(f"{HALLS}/{MARKET}/products").get_json()["items"] == shelf["products"]
    assert client.get("/api/v1/products?hall=" + MARKET).get_json()["items"] == shelf["products"]
    assert code_of(client.get(f"{HALLS}/nowhere/shelves")) == (404, "catalog.hall_unknown")
