"""A supplier's console: its own goods, prices and stock at once, accredited facts by way of the county."""

import re
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from catalog import absences, feed, products
from catalog.cache import Cache
from catalog.errors import NotForSale
from config import database
from storefront.roles import Role
from tests.catalog.supplying import COOP, OTHER, PEARS, admitted, code, on_sale
from tests.storefront.conftest import NOW, Buyer, stock_of
from tests.storefront.staff.conftest import Clerk, audited

Hire = Callable[..., Clerk]
TEA = "luanguapian"

pytestmark = pytest.mark.usefixtures("app", "seeded")


def sku_of(slug: str) -> str:
    [(sku,)] = database.statement(
        "SELECT s.number FROM skus s JOIN products p ON p.id = s.product_id WHERE p.slug = %s AND s.position = 1",
        (slug,),
    )
    return str(sku)


def public(clerk: Clerk, path: str) -> str:
    Cache.forget_all()
    return clerk.client.get(f"/api/v1{path}").get_data(as_text=True)


def listed(clerk: Clerk, query: str = "?hall=dangshan-xian&limit=100") -> dict[str, Any]:
    items = orjson.loads(public(clerk, f"/products{query}"))["items"]
    return next(item for item in items if item["slug"] == PEARS)


@pytest.fixture
def coop(clerk: Hire) -> Clerk:
    """Somebody of the co-operative, which sells the pears; the tea is another supplier's."""
    admitted(COOP)
    admitted(OTHER, goods=TEA, name="六安瓜片茶业", credit_code=code("91341321MA2RKT6X3"))
    return clerk(Role.SUPPLIER, supplier=COOP)


def test_price_and_stock_act_at_once_on_list_and_page(coop: Clerk) -> None:
    sku = sku_of(PEARS)
    page = coop.open(f"/my/goods/{PEARS}").text
    assert "砀山酥梨" in coop.open("/my/goods").text
    assert "done=repriced" in coop.send(f"/my/goods/{PEARS}/prices", sku=sku, price="66.60").location
    assert '"price_fen" : 6660' in public(coop, f"/products/{PEARS}")
    assert listed(coop)["price_fen"] == 6660
    key = str(re.search(r'name="key" value="([^"]+)"', page)[1])  # type: ignore[index]
    seen = str(re.search(r'name="seen" value="([^"]+)"', page)[1])  # type: ignore[index]
    counted = {"sku": sku, "do": "count", "quantity": "37", "seen": seen, "reason": "月末盘点", "key": key}
    for _ in range(2):
        assert "done=counted" in coop.send(f"/my/goods/{PEARS}/stock", **counted).location
    assert stock_of(sku) == (37, 0)
    moves = "SELECT count(*) FROM stock_moves m JOIN skus s ON s.id = m.sku_id WHERE s.number = %s AND kind = 'counted'"
    assert database.statement(moves, (sku,)) == [(1,)]
    assert ("goods.repriced", PEARS) in audited()
    assert ("goods.stock_counted", PEARS) in audited()
    delivery = counted | {"do": "receive", "quantity": "5", "reason": "新到一批"}
    for _ in range(2):
        assert "done=counted" in coop.send(f"/my/goods/{PEARS}/stock", **delivery).location
    assert stock_of(sku) == (42, 0)
    assert ("goods.stock_received", PEARS) in audited()


def test_who_counts_what_was_sold_meanwhile_is_shown_both_numbers(coop: Clerk) -> None:
    sku = sku_of(PEARS)
    stale = {"sku": sku, "do": "count", "quantity": "39", "seen": "40", "reason": "盘点", "key": "12345678"}
    answer = coop.send(f"/my/goods/{PEARS}/stock", **stale)
    assert answer.status_code == 409
    assert "您看到时在库 40，现在是 200" in answer.text
    assert stock_of(sku) == (200, 0)
    assert ("goods.stock_counted", PEARS) not in audited()


def pack(clerk: Clerk, sku: str, do: str, slug: str = PEARS) -> str:
    return str(clerk.send(f"/my/goods/{slug}/packs/shelf", sku=sku, do=do).location)


def test_one_pack_leaves_list_page_search_cart_and_order_and_comes_back(coop: Clerk, buyer: Buyer) -> None:
    first, second = [
        sku
        for (sku,) in database.statement(
            "SELECT s.number FROM skus s JOIN products p ON p.id = s.product_id WHERE p.slug = %s ORDER BY s.position",
            (PEARS,),
        )
    ]
    feed.publish_due(now=NOW)
    before, here = listed(coop), feed.here()
    assert "done=saved" in pack(coop, first, "take_off")
    after = listed(coop)
    assert after["price_fen"] > before["price_fen"]
    assert after["available"] < before["available"]
    assert listed(coop, "?q=砀山酥梨") == after
    page = orjson.loads(public(coop, f"/products/{PEARS}"))
    assert [sku["number"] for sku in page["skus"]] == [second]
    assert page["price_fen"] == page["skus"][0]["price_fen"] == after["price_fen"]
    with database.transaction() as session:
        [line] = products.price(session, {first: 1})
    assert (line.is_available, absences.of_line(line)) == (False, "pack")
    with pytest.raises(NotForSale, match="这个规格已停售"):
        buyer.place({first: 1})
    buyer.place({second: 1})
    feed.publish_due(now=NOW)
    assert [change.slug for change in feed.changes(since=here, limit=10).items] == [PEARS]
    assert "已停售" in coop.open(f"/my/goods/{PEARS}").text
    assert "done=saved" in pack(coop, first, "offer")
    assert listed(coop)["price_fen"] == before["price_fen"]
    buyer.place({first: 1}, key="key-00000002")
    assert [act for act in audited() if act[0].startswith("goods.pack")] == [
        ("goods.pack_taken_off", PEARS),
        ("goods.pack_offered", PEARS),
    ]


def test_the_last_pack_stays_and_others_packs_are_not_found(coop: Clerk) -> None:
    packs = database.statement(
        "SELECT s.number FROM skus s JOIN products p ON p.id = s.product_id WHERE p.slug = %s ORDER BY s.position",
        (PEARS,),
    )
    for (sku,) in packs[1:]:
        assert "done=saved" in pack(coop, sku, "take_off")
    assert "goods.pack_last" in pack(coop, sku_of(PEARS), "take_off")
    assert "catalog.sku_unknown" in pack(coop, sku_of(TEA), "take_off")
    assert coop.send(f"/my/goods/{TEA}/packs/shelf", sku=sku_of(TEA), do="take_off").status_code == 404
    assert [each["number"] for each in orjson.loads(public(coop, f"/products/{PEARS}"))["skus"]] == [sku_of(PEARS)]


def test_the_description_is_the_supplier_s_own(coop: Clerk) -> None:
    assert "done=saved" in coop.send(f"/my/goods/{PEARS}/description", description="今年的梨特别甜").location
    assert "今年的梨特别甜" in public(coop, f"/products/{PEARS}")
    assert "goods.fact_invalid" in coop.send(f"/my/goods/{PEARS}/description", description="长" * 2001).location


@pytest.mark.parametrize(
    ("path", "fields", "fault"),
    [
        ("prices", {"price": "0"}, "catalog.price_invalid"),
        ("prices", {"price": "a lot"}, "catalog.price_invalid"),
        ("stock", {"quantity": "-1", "seen": "1", "key": "12345678", "reason": "盘点"}, "form.stock"),
        ("stock", {"quantity": "1", "key": "12345678", "reason": "没说看到多少"}, "form.stock"),
        ("stock", {"do": "receive", "quantity": "0", "key": "12345678", "reason": "到货"}, "form.stock"),
        ("stock", {"quantity": "1", "seen": "200", "key": "12345678", "reason": " "}, "goods.reason_missing"),
        ("changes", {"name": "一"}, "goods.fact_invalid"),
        ("changes", {"price_fen": "1"}, "goods.fact_invalid"),
    ],
)
def test_what_was_typed_wrong_is_said(coop: Clerk, path: str, fields: dict[str, str], fault: str) -> None:
    sku = {} if path == "changes" else {"sku": sku_of(PEARS)}
    assert f"fault={fault}" in coop.send(f"/my/goods/{PEARS}/{path}", **sku, **fields).location


def test_nobody_sees_or_changes_another_supplier_s_goods(coop: Clerk) -> None:
    assert "六安瓜片" not in coop.open("/my/goods").text
    assert coop.open(f"/my/goods/{TEA}").status_code == 404
    tea = sku_of(TEA)
    before = database.statement("SELECT price_fen FROM skus WHERE number = %s", (tea,)), stock_of(tea)
    forms = {
        "prices": {"sku": tea, "price": "1"},
        "stock": {"sku": tea, "quantity": "1", "seen": "200", "reason": "盘点", "key": "12345678"},
        "description": {"description": "别家的茶"},
        "packs": {"number": "N00000000PACK", "spec": "两罐", "weight_g": "500", "first_price": "9"},
        "changes": {"name": "某某茶"},
        "shelf": {"do": "take_off"},
        "withdrawal": {},
    }
    for path, fields in forms.items():
        assert coop.send(f"/my/goods/{TEA}/{path}", **fields).status_code == 404, path
    for path in ("prices", "stock"):
        crossed = coop.send(f"/my/goods/{PEARS}/{path}", **forms[path])
        assert "catalog.sku_unknown" in crossed.location
    assert before == (database.statement("SELECT price_fen FROM skus WHERE number = %s", (tea,)), stock_of(tea))
    assert on_sale(TEA) == (True, None)


def test_accredited_facts_wait_for_the_county(coop: Clerk, clerk: Hire) -> None:
    county, elsewhere = clerk(Role.COUNTY, area="341321"), clerk(Role.COUNTY, username="elsewhere", area="341322")
    sent = coop.send(f"/my/goods/{PEARS}/changes", name="砀山酥梨王", **{"label.producer": "良梨合作社"})
    assert "done=change_asked" in sent.location
    assert "goods.change_standing" in coop.send(f"/my/goods/{PEARS}/changes", name="砀山酥梨皇").location
    assert "砀山酥梨王" in coop.open(f"/my/goods/{PEARS}").text
    assert "砀山酥梨王" not in public(coop, f"/products/{PEARS}")
    assert "砀山酥梨王" not in elsewhere.open("/changes").text
    page = county.open("/changes").text
    assert "砀山酥梨王" in page
    number = str(re.search(r"/staff/changes/(E\w+)", page)[1])  # type: ignore[index]
    assert elsewhere.send(f"/changes/{number}", do="approve").status_code == 404
    assert "goods.reason_missing" in county.send(f"/changes/{number}", do="refuse").location
    assert "done=step_taken" in county.send(f"/changes/{number}", do="approve").location
    assert "goods.change_moved" in county.send(f"/changes/{number}", do="approve").location
    assert "砀山酥梨王" in public(coop, f"/products/{PEARS}")
    assert [act for act, subject in audited() if subject == PEARS] == ["goods.change_asked", "goods.change_approved"]


def test_a_refusal_is_read_by_the_supplier_and_a_change_can_be_taken_back(coop: Clerk, clerk: Hire) -> None:
    county = clerk(Role.COUNTY, area="341321")
    coop.send(f"/my/goods/{PEARS}/changes", name="砀山酥梨王")
    number = str(re.search(r"/staff/changes/(E\w+)", county.open("/changes").text)[1])  # type: ignore[index]
    county.send(f"/changes/{number}", do="refuse", reason="与证书不符")
    assert "与证书不符" in coop.open(f"/my/goods/{PEARS}").text
    coop.send(f"/my/goods/{PEARS}/changes", name="砀山酥梨皇")
    assert "done=saved" in coop.send(f"/my/goods/{PEARS}/withdrawal").location
    assert "没有待审核的变更" in county.open("/changes").text


def test_goods_are_taken_off_sale_and_put_back(coop: Clerk) -> None:
    assert "done=saved" in coop.send(f"/my/goods/{PEARS}/shelf", do="take_off").location
    assert on_sale() == (False, "owner")
    assert "供应商自行下架" in coop.open(f"/my/goods/{PEARS}").text
    assert "done=saved" in coop.send(f"/my/goods/{PEARS}/shelf", do="offer").location
    assert on_sale() == (True, None)


def test_a_supplier_ships_its_own_orders_only(coop: Clerk) -> None:
    assert coop.open("/orders").status_code == 200
    assert coop.get("/orders").get_json() == {"items": [], "next_cursor": None}


def test_category_licence_and_return_class_wait_for_the_county_too(coop: Clerk, clerk: Hire) -> None:
    asked = coop.send(f"/my/goods/{PEARS}/changes", category="preserve", return_class="sealed_only")
    assert "done=change_asked" in asked.location
    assert orjson.loads(public(coop, f"/products/{PEARS}"))["return_class"] == "excluded_perishable"
    county = clerk(Role.COUNTY, area="341321")
    page = county.open("/changes").text
    assert "鲜活易腐不退" in page
    assert "未拆封可退" in page
    assert "sealed_only" not in page
    number = str(re.search(r"/staff/changes/(E\w+)", page)[1])  # type: ignore[index]
    assert "done=step_taken" in county.send(f"/changes/{number}", do="approve").location
    found = orjson.loads(public(coop, f"/products/{PEARS}"))
    assert (found["category"], found["return_class"]) == ("preserve", "sealed_only")
    assert found["image"] == "/plates/jar.svg"
    assert "goods.fact_invalid" in coop.send(f"/my/goods/{PEARS}/changes", return_class="whenever").location
    coop.send(f"/my/goods/{PEARS}/changes", licence_class="alcohol")
    page = county.open("/changes").text
    number = str(re.search(r"/staff/changes/(E\w+)", page)[1])  # type: ignore[index]
    assert "done=step_taken" in county.send(f"/changes/{number}", do="approve").location
    assert orjson.loads(public(coop, f"/products/{PEARS}"))["is_display_only"] is True


def test_from_where_and_how_goods_are_sent_acts_at_once(coop: Clerk, clerk: Hire) -> None:
    def sent(**given: str) -> str:
        return str(coop.send(f"/my/goods/{PEARS}/dispatch", **given).location)

    assert 'value="suzhou" selected' in coop.open(f"/my/goods/{PEARS}").text
    assert "done=saved" in sent(warehouse="luan", delivery_class="parcel")
    found = orjson.loads(public(coop, f"/products/{PEARS}"))
    assert (found["ship_from"]["key"], found["delivery_class"]) == ("luan", "parcel")
    [line] = products.price(None, {sku_of(PEARS): 1})
    assert (line.ship_from, line.delivery_class) == ("luan", "parcel")
    assert "goods.fact_invalid" in sent(warehouse="moon", delivery_class="parcel")
    assert "goods.fact_invalid" in sent(warehouse="luan", delivery_class="drone")
    assert coop.send(f"/my/goods/{TEA}/dispatch", warehouse="luan", delivery_class="cold").status_code == 404
    assert ("goods.dispatch_set", PEARS) in audited()
    assert "没有待审核的变更" in clerk(Role.COUNTY, area="341321").open("/changes").text
