"""Shelves: chosen goods in their order, without what is off sale, written as a whole or not at all."""

import threading
from typing import Any

import orjson
import pytest

from catalog import errors, products, shelves
from catalog.cache import Cache
from catalog.shelves import Shelf
from config import database
from tests.catalog.opening import MARKET, drafted, opened

pytestmark = pytest.mark.usefixtures("seeded")

PEARS, PASTE, CANS = "dangshansuli", "dangshanligao", "dangshanhuangtaoguantou"


def arrange(*wanted: Shelf, hall: str = MARKET, version: int = 2) -> None:
    with database.transaction() as session:
        shelves.arrange(session, hall=hall, shelves=wanted, version=version)
    Cache.forget_all()


def shown(hall: str = MARKET) -> list[tuple[str, list[str]]]:
    Cache.forget_all()
    items = orjson.loads(shelves.body(hall))["items"]
    return [(item["name"], [product["slug"] for product in item["products"]]) for item in items]


def goods(hall: str = MARKET) -> list[str]:
    Cache.forget_all()
    return [item["slug"] for item in orjson.loads(products.page(hall=hall))["items"]]


def test_goods_stand_in_the_order_in_which_they_were_put() -> None:
    opened()
    arrange(Shelf("当季", (PASTE, PEARS)), Shelf("罐头", (CANS, PEARS)))
    assert shown() == [("当季", [PASTE, PEARS]), ("罐头", [CANS, PEARS])]
    assert sorted(goods()) == sorted({PASTE, PEARS, CANS})
    arrange(Shelf("只有梨", (PEARS,)), version=3)
    assert shown() == [("只有梨", [PEARS])]


def test_what_is_off_sale_drops_out_and_comes_back_by_itself() -> None:
    opened()
    arrange(Shelf("当季", (PEARS, PASTE)), Shelf("梨", (PEARS,)))
    with database.transaction() as session:
        products.delist(session, slug=PEARS)
    assert shown() == [("当季", [PASTE])]
    assert goods() == [PASTE]
    with database.transaction() as session:
        assert [one["is_on_sale"] for one in shelves.find(session, hall=MARKET)[0]["products"]] == [False, True]
        products.relist(session, slug=PEARS)
    assert shown() == [("当季", [PEARS, PASTE]), ("梨", [PEARS])]


def test_a_home_hall_keeps_its_goods_beside_its_shelves() -> None:
    before = goods("dangshan-xian")
    arrange(Shelf("精选", (PEARS,)), hall="dangshan-xian", version=1)
    assert shown("dangshan-xian") == [("精选", [PEARS])]
    assert goods("dangshan-xian") == before


def test_a_draft_shows_nothing() -> None:
    drafted()
    arrange(Shelf("当季", (PEARS,)), version=1)
    for hall in (MARKET, "nowhere", "\x00"):
        with pytest.raises(errors.HallUnknown):
            shelves.body(hall)
    assert goods() == []


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ([Shelf(" ", ())], [1]),
        ([Shelf("长" * 21, ())], [1]),
        ([Shelf("当季", ()), Shelf("当季 ", ())], [2]),
        ([Shelf("当季", (PEARS, PEARS))], [1]),
        ([Shelf("当季", ("nothing-of-ours",))], [1]),
        ([Shelf("当季", ("\x00",))], [1]),
        ([Shelf(str(n), ()) for n in range(9)], [9]),
        ([Shelf("满", tuple(f"p-{n}" for n in range(13)))], [1]),
    ],
)
def test_a_shelf_that_cannot_be_is_named_and_nothing_changes(wanted: list[Shelf], places: list[int]) -> None:
    opened()
    arrange(Shelf("当季", (PEARS,)))
    with pytest.raises(errors.ShelvesInvalid) as refused:
        arrange(*wanted, version=3)
    assert refused.value.details["shelves"] == places
    assert shown() == [("当季", [PEARS])]


@pytest.mark.parametrize("is_guarded", [False, True])
def test_two_who_arrange_at_once_never_overwrite_unseen(monkeypatch: pytest.MonkeyPatch, is_guarded: bool) -> None:
    opened()
    if not is_guarded:
        monkeypatch.setattr("catalog.halls._require_version", lambda held, version: None)
    outcomes: list[str] = []

    def run(name: str, slug: str) -> None:
        try:
            with database.transaction() as session:
                shelves.arrange(session, hall=MARKET, shelves=[Shelf(name, (slug,))], version=2)
            outcomes.append(name)
        except errors.HallMoved as moved:
            assert moved.details["version"] == 3  # noqa: PT017 - of the one that lost
            outcomes.append("moved")

    pairs: list[Any] = [("li", PEARS), ("wang", PASTE)]
    threads = [threading.Thread(target=run, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(outcomes) == 2
    assert ("moved" in outcomes) is is_guarded
    [(name, slugs)] = shown()
    assert (name, slugs[0]) in pairs
