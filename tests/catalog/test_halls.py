"""Halls: one for each city and county, with nothing said that is not known."""

from typing import Any

import orjson
import pytest

from catalog import errors, halls
from catalog.cache import Cache
from config import database


def listed(**filters: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = orjson.loads(halls.page(**filters))["items"]
    return items


def test_each_city_and_county_has_its_hall(seeded: None) -> None:
    everything = listed(limit=200)
    assert len(everything) == 120
    assert [hall["region"]["level"] for hall in everything].count("county") == 104
    assert {hall["kind"] for hall in everything} == {"local"}


def test_a_walk_by_cursor_meets_every_hall_once(seeded: None) -> None:
    seen: list[str] = []
    cursor = None
    while True:
        page = orjson.loads(halls.page(cursor=cursor, limit=11))
        seen += [hall["slug"] for hall in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 120


def test_a_hall_tells_what_is_known_of_its_region(seeded: None) -> None:
    assert halls.find("dangshan-xian") == {
        "slug": "dangshan-xian",
        "kind": "local",
        "name": "砀山县地方馆",
        "story": "砀山县线上地方馆。砀山县是宿州市下辖的县。曾列入国家级贫困县名单，2019年4月退出。",
        "region": {
            "code": "341321",
            "name": "砀山县",
            "level": "county",
            "full_name": "安徽省宿州市砀山县",
            "city_code": "341300",
            "city": "宿州市",
        },
        "counts": {"products": 3, "halls": 0},
    }


def test_a_city_counts_its_counties(seeded: None) -> None:
    city = halls.find("suzhou-shi")
    assert city["counts"] == {"products": 10, "halls": 5}
    assert city["story"] == "宿州市线上地方馆。宿州市下辖4个县、1个市辖区。"
    assert orjson.loads(halls.body("suzhou-shi")) == city


@pytest.mark.parametrize("city", ["341300", "suzhou-shi"])
def test_a_city_gives_its_own_hall_and_its_counties(seeded: None, city: str) -> None:
    found = listed(city=city)
    assert len(found) == 6
    assert found[0]["slug"] == "suzhou-shi"


@pytest.mark.parametrize("q", ["砀山", "dangshan", "DANG SHAN", "dsx"])
def test_a_hall_is_found_by_name_pinyin_and_initials(seeded: None, q: str) -> None:
    assert [hall["slug"] for hall in listed(q=q)] == ["dangshan-xian"]


def test_what_nobody_has_is_an_empty_list(seeded: None) -> None:
    for filters in (
        {"kind": "enterprise"},
        {"city": "110000"},
        {"city": "\x00"},
        {"q": "%"},
        {"q": "🍐"},
        {"q": "\x00"},
    ):
        assert listed(**filters) == []


@pytest.mark.parametrize("wrong", [{"kind": "palace"}, {"limit": 0}, {"limit": 201}])
def test_a_wrong_filter_is_refused(seeded: None, wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.FilterInvalid):
        halls.page(**wrong)


def test_a_closed_hall_is_gone(seeded: None) -> None:
    database.statement("UPDATE halls SET is_open = false WHERE slug = 'dangshan-xian'")
    Cache.forget_all()
    assert listed(q="砀山") == []
    for slug in ("dangshan-xian", "nowhere", "\x00", ""):
        with pytest.raises(errors.HallUnknown):
            halls.find(slug)
