"""New goods and packs from a form: what a sheet could do and no more, once for each form."""

import threading
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import text

from catalog import change_errors, drafts, editing, errors, import_products, products, stock
from catalog.cache import Cache
from catalog.change_models import ChangeState
from config import database
from tests.catalog.supplying import COOP, NOW, OTHER, PEARS, admitted, code, on_sale
from tests.catalog.test_suppliers import at_once

pytestmark = pytest.mark.usefixtures("seeded")

NUMBER = "N0000000PEACH"
TYPED = {
    "name": "砀山黄桃罐头",
    "category": "preserve",
    "origin": "341321",
    "supplier": COOP,
    "warehouse": "suzhou",
    "licence_class": "prepackaged_food",
    "return_class": "sealed_only",
    "delivery_class": "fragile",
    "description": "  良梨镇  当季黄桃  ",
    "label_net_content": "850 克",
    "spec": "850 克 × 2 罐",
    "weight_g": "2,400",
    "first_price": "39.9",
    "first_stock": "60",
}
PACK = {"spec": "850 克 × 6 罐", "weight_g": "7200", "first_price": "99", "first_stock": "20"}


def enter(number: str = NUMBER, **changes: str) -> str:
    with database.transaction() as session:
        return drafts.enter(session, typed=TYPED | changes, number=number, now=NOW)


def ask_pack(slug: str, sku: str = "N00000000PACK", change: str = "E1", **changes: str) -> editing.Asked:
    with database.transaction() as session:
        typed = PACK | changes
        return editing.ask_pack(session, slug=slug, typed=typed, sku=sku, number=change, by="coop", now=NOW)


def packs(slug: str) -> list[tuple[Any, ...]]:
    return database.statement(
        "SELECT s.number, s.spec, s.weight_g, s.price_fen, coalesce(l.on_hand, 0) FROM skus s"
        " JOIN products p ON p.id = s.product_id LEFT JOIN stock_levels l ON l.sku_id = s.id"
        " WHERE p.slug = %s ORDER BY s.position",
        (slug,),
    )


def faults(**changes: str) -> dict[str, str]:
    with pytest.raises(change_errors.EntryInvalid) as refused:
        enter(**changes)
    return {each["field"]: each["message"] for each in refused.value.details["faults"]}


def test_new_goods_wait_off_sale_in_their_county_s_hall() -> None:
    admitted(COOP)
    slug = enter()
    assert slug == "dangshan-xian-0000000peach"
    assert on_sale(slug) == (False, "draft")
    assert packs(slug) == [(NUMBER, "850 克 × 2 罐", 2400, 3990, 60)]
    assert database.statement(
        "SELECT p.name, h.slug, p.label, p.description, p.plate FROM products p JOIN halls h ON h.id = p.hall_id"
        " WHERE p.slug = %s",
        (slug,),
    ) == [("砀山黄桃罐头", "dangshan-xian", {"net_content": "850 克"}, "良梨镇 当季黄桃", "jar")]
    with pytest.raises(errors.AccreditationRequired), database.transaction() as session:
        editing.offer(session, slug=slug)
    assert database.statement("SELECT key FROM facts WHERE name = 'product.edited'") == [(NUMBER,)]


def test_what_was_typed_wrong_is_said_field_by_field() -> None:
    admitted(COOP)
    assert faults(name="", weight_g="重", first_price="") == {
        "name": "必填",
        "weight_g": "要是 1 到 1,000,000 的整数",
        "first_price": "必填",
    }
    assert faults(origin="341300") == {"origin": "没有“341300”"}
    assert faults(supplier="S-NOBODY", warehouse="nowhere").keys() == {"supplier", "warehouse"}
    assert faults(first_price="0", category="gold").keys() == {"first_price", "category"}
    assert faults(name="桃" * 61) == {"name": "最多 60 个字"}
    assert packs("dangshan-xian-0000000peach") == []
    with pytest.raises(change_errors.FactInvalid):
        enter("AH001A")


def test_a_second_product_of_one_name_is_told_of_the_first() -> None:
    admitted(COOP)
    admitted(OTHER, goods="", name="六安瓜片茶业", credit_code=code("91341321MA2RKT6X3"))
    slug = enter()
    with pytest.raises(change_errors.EntryTaken) as taken:
        enter("N00000000MORE")
    assert taken.value.details == {"slug": slug}
    assert enter("N00000000MORE", supplier=OTHER) != slug
    with pytest.raises(change_errors.FactInvalid):
        enter(supplier=OTHER)


def test_a_form_that_is_sent_twice_at_once_enters_one_product(monkeypatch: pytest.MonkeyPatch) -> None:
    admitted(COOP)
    built = import_products._product

    def race(number: str, patience_s: float, **changes: str) -> list[str]:
        gate = threading.Barrier(2, timeout=patience_s)

        def gated(*args: Any, **more: Any) -> dict[str, Any]:
            """Wait, after the last that is read and before the first that is written, for the other to come as far."""
            with suppress(threading.BrokenBarrierError):
                gate.wait()
            return built(*args, **more)

        monkeypatch.setattr(import_products, "_product", gated)
        return at_once(*[lambda: enter(number, **changes)] * 2)

    # Without waiting for the first, the second finds nothing and writes the same pack again.
    with monkeypatch.context() as off:
        off.setattr(drafts, "_ONE_AT_A_TIME", text("SELECT cast(:supplier AS text)"))
        assert race("N0000000RACE1", 30, name="无人等待的桃") == ["IntegrityError", "done"]
    assert race("N0000000RACE2", 1, name="等待的桃") == ["done", "done"]
    assert len(packs("dangshan-xian-0000000race2")) == 1


def test_a_draft_has_a_new_pack_at_once() -> None:
    admitted(COOP)
    slug = enter()
    for _ in range(2):
        assert ask_pack(slug).change is None
    assert [each[1:] for each in packs(slug)] == [
        ("850 克 × 2 罐", 2400, 3990, 60),
        ("850 克 × 6 罐", 7200, 9900, 20),
    ]


def test_a_new_pack_of_goods_on_sale_waits_for_the_county() -> None:
    admitted(COOP)
    before = packs(PEARS)
    asked = ask_pack(PEARS)
    assert asked.facts["pack"]["after"] == "850 克 × 6 罐 · 毛重 7,200 克 · ¥99.00 · 库存 20"
    assert packs(PEARS) == before
    with pytest.raises(change_errors.ChangeStanding):
        ask_pack(PEARS, "N0000000PACK2", "E2", spec="别的")
    with database.transaction() as session:
        editing.decide(session, number="E1", state=ChangeState.APPROVED, reason="", by="county", now=NOW)
    assert packs(PEARS) == [*before, ("N00000000PACK", "850 克 × 6 罐", 7200, 9900, 20)]
    Cache.forget_all()
    assert products.find(PEARS)["skus"][-1] == {
        "number": "N00000000PACK", "spec": "850 克 × 6 罐", "price_fen": 9900, "available": 20,
    }  # fmt: skip
    with database.transaction() as session:
        stock.hold(session, reference="O1", lines={"N00000000PACK": 20}, now=NOW)


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"spec": ""}, "spec"), ({"first_price": "-1"}, "first_price"), ({"weight_g": "0"}, "weight_g")],
)
def test_a_pack_that_cannot_be_is_refused(changes: dict[str, str], field: str) -> None:
    with pytest.raises(change_errors.EntryInvalid) as refused:
        ask_pack(PEARS, **changes)
    assert [each["field"] for each in refused.value.details["faults"]] == [field]


def test_a_pack_is_not_offered_twice_and_never_of_nothing() -> None:
    with pytest.raises(change_errors.EntryInvalid) as refused:
        ask_pack(PEARS, spec=packs(PEARS)[0][1])
    assert refused.value.details["faults"][0]["message"] == "这个商品已有同样的规格"
    with pytest.raises(errors.ProductUnknown):
        ask_pack("gone")
