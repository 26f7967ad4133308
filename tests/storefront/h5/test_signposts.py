"""The list of all halls, and the pages of halls that one can go to."""

import json
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from catalog import halls, shelves
from catalog.cache import Cache
from catalog.shelves import Shelf
from config import database
from tests.catalog.opening import MARKET, NOW, WORDS, opened
from tests.storefront.h5.test_browse import page


@pytest.fixture(scope="module")
def zone(stocked: Flask) -> FlaskClient:
    """Somebody who reads in a shop with one zone of Dangshan's goods, whose shelves are empty."""
    opened(contact="0557-0000")
    Cache.forget_all()
    return stocked.test_client()


def test_a_place_shows_where_when_and_what_stands_on_its_shelves(zone: FlaskClient) -> None:
    bare = page(zone, f"/halls/{MARKET}")
    for said in (
        WORDS.address,
        WORDS.hours,
        "0557-0000",
        "线下商超专区",
        "货架正在整理",
        'href="/halls/dangshan-xian"',
    ):
        assert said in bare
    with database.transaction() as session:
        shelves.arrange(session, hall=MARKET, shelves=[Shelf("当季鲜果", ("dangshansuli",))], version=2)
    Cache.forget_all()
    filled = page(zone, f"/halls/{MARKET}")
    assert "当季鲜果" in filled
    assert filled.count('href="/p/dangshansuli"') == 1
    assert "货架正在整理" not in filled
    with database.transaction() as session:
        shelves.arrange(session, hall=MARKET, shelves=[], version=3)


def test_the_home_hall_leads_to_the_places_of_its_county_only(zone: FlaskClient) -> None:
    assert f'href="/halls/{MARKET}"' in page(zone, "/halls/dangshan-xian")
    assert f'href="/halls/{MARKET}"' in page(zone, "/halls/suzhou-shi")
    assert MARKET not in page(zone, "/halls/xiao-xian")
    assert MARKET not in page(zone, "/")


def test_a_picture_is_sent_in_the_size_that_fits(zone: FlaskClient) -> None:
    number = "PIC0000000000000001"
    files = {f"{size}.{kind}": f"public/{number}/{size}.{kind}" for size in (1600, 800) for kind in ("avif", "jpg")}
    database.statement(
        "INSERT INTO pictures (number, is_public, width, height, files, taken_in_at)"
        " VALUES (%s, true, 1600, 900, %s::jsonb, now())",
        (number, json.dumps(files)),
    )
    with database.transaction() as session:
        halls.hang(session, slug="dangshan-xian", picture=number, now=NOW)
    Cache.forget_all()
    shown = page(zone, "/halls/dangshan-xian")
    assert f"/files/public/{number}/1600.avif 1600w" in shown
    assert f'src="/files/public/{number}/800.jpg"' in shown


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "合肥市地方馆"),
        ("?kind=zone", MARKET),
        ("?kind=zone&city=suzhou-shi", MARKET),
        ("?kind=zone&city=hefei-shi", "这里还没有开放的专区"),
        ("?kind=enterprise", "这里还没有开放的企业馆"),
        ("?kind=place", "这里还没有开放的实体馆"),
        ("?q=dangshan", MARKET),
        ("?kind=palace&city=%00&q=%3Cscript%3E&cursor=x", "没有找到这样的馆"),
    ],
)
def test_halls_are_listed_by_kind_and_city(zone: FlaskClient, query: str, said: str) -> None:
    assert said in page(zone, f"/halls{query}")


def test_the_list_of_halls_is_walked_to_its_end(zone: FlaskClient) -> None:
    seen: set[str] = set()
    path = "/halls"
    for _ in range(3):
        shown = page(zone, path)
        seen |= set(re.findall(r'href="/halls/([a-z-]+)"', shown))
        following = re.search(r'href="(/halls[?]cursor=[^"]+)">下一页', shown)
        if following is None:
            break
        path = following[1]
    assert len(seen) == 121
