"""Products: priced as they stand, shown as they are, and what staff change is seen within a second."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from catalog import absences, cache, errors, pricing, products
from catalog.cache import Cache
from config import database

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
# The house's promise for a commit of price, stock or delisting.
VISIBLE_SECONDS = 1.0


def listed(**filters: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = orjson.loads(products.page(**filters))["items"]
    return items


def names(**filters: Any) -> list[str]:
    return [item["name"] for item in listed(**filters)]


def price(lines: dict[str, int]) -> list[pricing.PricedLine]:
    with database.transaction() as session:
        return products.price(session, lines)


def reprice(sku: str, price_fen: int) -> None:
    with database.transaction() as session:
        products.reprice(session, sku=sku, price_fen=price_fen, now=NOW)


def test_lines_are_priced_in_the_order_they_were_asked_for(seeded: None) -> None:
    tea, pear = price({"AH034A": 2, "AH001A": 1})
    assert (tea.sku, tea.title, tea.price_fen, tea.quantity, tea.amount_fen) == ("AH034A", "六安瓜片", 26800, 2, 53600)
    assert (tea.ship_from, tea.weight_g) == ("luan", 300)
    assert (pear.product_slug, pear.image, pear.ship_from) == ("dangshansuli", "/plates/fruit.svg", "suzhou")
    assert (pear.delivery_class, pear.return_class) == ("fresh", "excluded_perishable")
    assert pear.is_available
    assert price({}) == []


def test_unknown_skus_are_refused_by_name(seeded: None) -> None:
    with pytest.raises(errors.SkuUnknown) as refusal:
        price({"AH001A": 1, "AH999A": 1, "\x00": 1, "x" * 10_000: 1})
    assert refusal.value.details["skus"][1:] == ["AH999A", "x" * 10_000]


@pytest.mark.parametrize("quantity", [0, -1, 1000, 2**40])
def test_impossible_quantities_are_refused(seeded: None, quantity: int) -> None:
    with pytest.raises(errors.QuantityInvalid):
        price({"AH001A": quantity})


def test_what_cannot_be_sold_is_marked_and_refused(seeded: None) -> None:
    with database.transaction() as session:
        products.delist(session, slug="luanguapian")
    lines = price({"AH001A": 1, "AH102A": 1, "AH034A": 1, "AH004A": 201})
    assert [line.is_available for line in lines] == [True, False, False, False]
    with pytest.raises(errors.NotForSale) as refusal:
        products.refuse_unsellable(lines)
    assert refusal.value.details == {
        "lines": [{"sku": "AH102A", "because": "alcohol"}, {"sku": "AH034A", "because": "owner"}]
    }
    assert refusal.value.text == f"“{lines[1].title}”酒类经营资质录入之前只作展示，不出售。"
    assert [absences.of_line(line) for line in lines] == [None, "alcohol", "owner", "short"]
    products.refuse_unsellable(lines[:1])


def test_a_walk_by_cursor_meets_every_product_once(seeded: None) -> None:
    for sort in (None, "price", "-price", "new"):
        seen: list[str] = []
        cursor = None
        while True:
            page = orjson.loads(products.page(sort=sort, cursor=cursor, limit=7))
            seen += [item["slug"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == 110


def test_the_last_page_says_that_it_is_the_last(seeded: None) -> None:
    assert orjson.loads(products.page(limit=100))["next_cursor"] is not None
    assert orjson.loads(products.page(hall="dangshan-xian", limit=3))["next_cursor"] is None


def test_sorting_by_price_sorts_by_price(seeded: None) -> None:
    prices = [item["price_fen"] for item in listed(sort="price", limit=100)]
    assert prices == sorted(prices)
    assert listed(sort="-price", limit=1)[0]["price_fen"] == 89900


def test_an_item_says_what_the_contract_says(seeded: None) -> None:
    item = listed(q="砀山酥梨")[0]
    assert item == {
        "slug": "dangshansuli",
        "name": "砀山酥梨",
        "hall": "dangshan-xian",
        "hall_name": "砀山县地方馆",
        "origin": "安徽省宿州市砀山县",
        "price_fen": 2990,
        "image": "/plates/fruit.svg",
        "accreditation": None,
        "available": 400,
        "is_display_only": False,
        "is_illustrative": True,
    }


def test_a_page_holds_the_item_and_more(seeded: None) -> None:
    page = products.find("dangshansuli")
    assert page.items() >= listed(q="砀山酥梨")[0].items()
    assert page["skus"] == [
        {"number": "AH001A", "spec": "净重5斤(8-9枚)", "price_fen": 2990, "available": 200},
        {"number": "AH001B", "spec": "净重5斤(8-9枚) 双份装", "price_fen": 5680, "available": 200},
    ]
    assert page["geographical_indication"] is None
    assert "演示数据" in page["description"]
    assert page["category_name"] == "新鲜水果"
    assert "新疆" in page["freight_note"]
    assert orjson.loads(products.body("dangshansuli")) == page


def test_a_hall_of_a_city_shows_its_counties_goods(seeded: None) -> None:
    assert len(names(hall="suzhou-shi", limit=100)) == 10
    assert names(hall="dangshan-xian") == ["砀山酥梨", "砀山黄桃罐头", "砀山梨膏"]
    assert names(hall="dangshan-xian", category="fruit") == ["砀山酥梨"]
    assert names(hall="nowhere") == names(hall="\x00") == names(category="nothing") == []


@pytest.mark.parametrize(
    ("q", "first"),
    [
        ("砀山酥梨", "砀山酥梨"),
        ("dangshan suli", "砀山酥梨"),
        ("dangshansuli", "砀山酥梨"),
        ("DANGSHAN SULI", "砀山酥梨"),
        ("dang shan su li", "砀山酥梨"),
        ("dssl", "砀山酥梨"),
        ("ｄｓｓｌ", "砀山酥梨"),
        ("酥梨", "砀山酥梨"),
        ("suli", "砀山酥梨"),
        ("sl", "砀山梨膏"),
        ("砀山 suli", "砀山酥梨"),
        ("砀山苏梨", "砀山酥梨"),
        ("八公山豆腐乳", "八公山豆腐乳"),
        ("六安瓜片", "六安瓜片"),
        ("lu'an guapian", "六安瓜片"),
        ("guoyang", "涡阳苔干(贡菜)"),
        ("changfeng", "长丰草莓"),
        ("huangshan maofeng", "黄山毛峰"),
        ("石斛", "霍山石斛(枫斗)"),
    ],
)
def test_a_product_is_found_by_characters_pinyin_and_initials(seeded: None, q: str, first: str) -> None:
    assert names(q=q)[0] == first


def test_a_single_character_finds_names_before_descriptions(seeded: None) -> None:
    assert set(names(q="梨")) == {"砀山酥梨", "砀山梨膏", "蒙城篱笆黄花梨"}
    found = names(q="茶", limit=100)
    last_in_name = max(place for place, name in enumerate(found) if "茶" in name)
    assert all("茶" in name for name in found[: last_in_name + 1])
    assert len(found) > last_in_name + 1


def test_neighbouring_pairs_alone_are_not_a_hit(seeded: None) -> None:
    """砀山, 山酥 and 酥梨 may all stand in a text that nowhere says 砀山酥梨."""
    database.statement("UPDATE products SET search_text = '酥梨x山酥x砀山', name_key = 'x' WHERE slug = 'dangshansuli'")
    Cache.forget_all()
    assert orjson.loads(products.page(q="砀山酥梨"))["search"]["matched"] != "exact"


def test_a_slip_of_one_character_still_finds_what_was_meant(seeded: None) -> None:
    assert "砀山酥梨" in names(q="砀山苏梨")
    assert names(q="黄山毛尖") == ["黄山毛峰"]


def test_a_search_walks_by_cursor_too(seeded: None) -> None:
    for q, at_least in (("茶", 2), ("雪梨", 2), ("天珠山茶", 1)):
        seen = walked(q, limit=1)
        assert seen == walked(q, limit=100)
        assert len(seen) == len(set(seen)) >= at_least


def walked(q: str, *, limit: int) -> list[str]:
    seen: list[str] = []
    cursor = None
    while True:
        page = orjson.loads(products.page(q=q, cursor=cursor, limit=limit))
        seen += [item["slug"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return seen


def test_a_search_in_a_hall_and_by_price(seeded: None) -> None:
    assert names(q="茶", hall="qimen-xian") == ["安茶", "祁门红茶"]
    prices = [item["price_fen"] for item in listed(q="茶", sort="price", limit=100)]
    assert prices == sorted(prices)


@pytest.mark.parametrize("q", ["'", "%", "_", "🚀", "\x00", "';--", "a" * 10_000, "梨" * 10_000, "不存在的东西啊"])
def test_a_hostile_query_finds_nothing_and_breaks_nothing(seeded: None, q: str) -> None:
    assert names(q=q) == []


def test_an_empty_query_is_no_query(seeded: None) -> None:
    assert names(q="  ", limit=5) == names(limit=5)


@pytest.mark.parametrize("wrong", [{"sort": "rank"}, {"sort": "close"}, {"sort": "x"}, {"limit": 0}, {"limit": 101}])
def test_an_unknown_order_or_size_is_refused(seeded: None, wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.FilterInvalid):
        products.page(**wrong)


def test_a_cursor_of_another_order_is_refused(seeded: None) -> None:
    cursor = orjson.loads(products.page(sort="price", limit=1))["next_cursor"]
    with pytest.raises(errors.CursorInvalid):
        products.page(sort="new", cursor=cursor)
    with pytest.raises(errors.CursorInvalid):
        products.page(q="梨", cursor=cursor)


@pytest.mark.parametrize("slug", ["", "nothing", "\x00", "A", "../etc", "a" * 1000, "砀山"])
def test_an_unknown_product_is_not_found(seeded: None, slug: str) -> None:
    for ask in (products.find, products.body, products.home):
        with pytest.raises(errors.ProductUnknown):
            ask(slug)


def test_goods_that_may_not_be_sold_are_shown_without_stock(seeded: None) -> None:
    item = listed(q="高炉家酒")[0]
    assert (item["is_display_only"], item["available"]) == (True, 0)
    assert [sku["available"] for sku in products.find(item["slug"])["skus"]] == [0, 0]
    display_only = database.statement("SELECT DISTINCT licence_class FROM products WHERE is_display_only")
    assert sorted(row[0] for row in display_only) == ["alcohol", "medicinal_food"]


def test_a_delisted_product_is_gone_and_still_knows_its_hall(seeded: None) -> None:
    with database.transaction() as session:
        products.delist(session, slug="dangshansuli")
    with pytest.raises(errors.ProductUnknown):
        products.find("dangshansuli")
    assert "砀山酥梨" not in names(hall="dangshan-xian")
    assert products.home("dangshansuli") == "dangshan-xian"
    assert not products.is_on_sale("dangshansuli")
    assert not products.is_on_sale("nothing")
    with database.transaction() as session:
        products.relist(session, slug="dangshansuli")
    Cache.forget_all()
    assert products.find("dangshansuli")["name"] == "砀山酥梨"
    assert products.is_on_sale("dangshansuli")
    with database.transaction() as session, pytest.raises(errors.ProductUnknown):
        products.delist(session, slug="nothing")


def test_each_change_of_a_price_is_one_line_of_history(seeded: None) -> None:
    reprice("AH001A", 2880)
    reprice("AH001A", 2880)
    history = database.statement(
        "SELECT version, p.price_fen FROM sku_prices p JOIN skus s ON s.id = p.sku_id"
        " WHERE number = 'AH001A' ORDER BY version"
    )
    assert history == [(1, 2990), (2, 2880)]
    assert database.statement("SELECT price_version FROM skus WHERE number = 'AH001A'") == [(2,)]


@pytest.mark.parametrize("price_fen", [0, -1, pricing.MAX_PRICE_FEN + 1])
def test_an_absurd_price_is_refused(seeded: None, price_fen: int) -> None:
    with pytest.raises(errors.PriceInvalid):
        reprice("AH001A", price_fen)
    with pytest.raises(errors.SkuUnknown):
        reprice("AH999A", 100)


def test_a_certificate_is_shown_once_it_has_number_and_date_and_while_it_is_valid(seeded: None) -> None:
    enter = (
        "INSERT INTO certificates (product_id, kind, number, issuer, issued_on, valid_until, indication_kind)"
        " SELECT id, %s, 'C-1', '砀山县', '2020-01-02', %s, %s FROM products WHERE slug = 'dangshansuli'"
    )
    database.statement(enter, ("accreditation", None, None))
    database.statement(enter, ("geographical_indication", "2020-12-31", "product"))
    page = products.find("dangshansuli")
    shown = {"number": "C-1", "issuer": "砀山县", "issued_on": "2020-01-02", "valid_until": None}
    assert page["accreditation"] == listed(q="砀山酥梨")[0]["accreditation"] == shown
    assert page["geographical_indication"] is None


SeenWithinASecond = Callable[[Callable[[], Any], Callable[[], bool]], None]


@pytest.fixture
def seen_within_a_second(seeded: None, monkeypatch: pytest.MonkeyPatch) -> SeenWithinASecond:
    """Warm the caches, commit, and look again when the promised time has passed, by the caches' own clock."""

    def prove(change: Callable[[], Any], seen: Callable[[], bool]) -> None:
        instant = time.monotonic()
        monkeypatch.setattr(cache, "time", SimpleNamespace(monotonic=lambda: instant))
        listed(hall="dangshan-xian")
        products.find("dangshansuli")
        change()
        instant += VISIBLE_SECONDS
        assert seen()

    return prove


def test_a_new_price_is_seen_within_a_second(seen_within_a_second: SeenWithinASecond) -> None:
    seen_within_a_second(
        lambda: reprice("AH001A", 1234),
        lambda: products.find("dangshansuli")["price_fen"] == 1234 == listed(hall="dangshan-xian")[0]["price_fen"],
    )


def test_sold_out_is_seen_within_a_second(seen_within_a_second: SeenWithinASecond) -> None:
    seen_within_a_second(
        lambda: database.statement("UPDATE stock_levels SET on_hand = reserved"),
        lambda: listed(hall="dangshan-xian")[0]["available"] == 0 == products.find("dangshansuli")["available"],
    )


def test_delisting_is_seen_within_a_second(seen_within_a_second: SeenWithinASecond) -> None:
    def delist() -> None:
        with database.transaction() as session:
            products.delist(session, slug="dangshansuli")

    def gone() -> bool:
        try:
            products.find("dangshansuli")
        except errors.ProductUnknown:
            return "砀山酥梨" not in names(hall="dangshan-xian")
        return False

    seen_within_a_second(delist, gone)


def test_no_reader_under_load_sees_a_price_older_than_a_second(seeded: None) -> None:
    """Readers of list and page, against a writer that names the instant in the price."""
    start, stop, stale = time.monotonic(), threading.Event(), []
    committed: dict[int, float] = {2990: start}

    def age(price_fen: int, asked: float) -> float:
        later = [at for known, at in list(committed.items()) if known > price_fen and known >= 10_000]
        return asked - min(later) if later else 0.0

    def read() -> None:
        while not stop.is_set():
            asked = time.monotonic()
            prices = (listed(hall="dangshan-xian")[0]["price_fen"], products.find("dangshansuli")["price_fen"])
            stale.extend(price_fen for price_fen in prices if age(price_fen, asked) > VISIBLE_SECONDS)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for step in range(12):
        reprice("AH001A", 10_000 + step)
        committed[10_000 + step] = time.monotonic()
        time.sleep(0.15)
    stop.set()
    for reader in readers:
        reader.join()
    assert not stale
    assert cache.TTL_SECONDS < VISIBLE_SECONDS


def test_goods_of_a_hall_that_has_just_been_opened_say_so(seeded: None) -> None:
    # The names of halls and regions are in this process's memory by now.
    assert listed(limit=2)[0]["hall_name"]
    with database.transaction() as session:
        session.execute(
            text("""
                WITH opened AS (
                    INSERT INTO halls (slug, kind, presence, state, is_home, name, region_code, owner, story, version)
                    SELECT 'new-hall', kind, presence, 'open', false, '新馆', region_code, owner, '', 1
                    FROM halls WHERE is_home LIMIT 1 RETURNING id
                )
                UPDATE products SET hall_id = opened.id FROM opened WHERE slug = 'dangshansuli'
            """)
        )
    found = {item["slug"]: item["hall_name"] for item in listed(limit=100)}
    assert found["dangshansuli"] == "新馆"
    body = orjson.loads(products.body("dangshansuli"))
    assert (body["hall"], body["hall_name"], body["origin"]) == ("new-hall", "新馆", "安徽省宿州市砀山县")
