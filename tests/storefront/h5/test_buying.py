import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from catalog import products
from catalog.cache import Cache
from config import clock, database
from storefront import consents
from storefront.h5 import pages
from tests.storefront.benefiting import NOW, joined, linked, opened
from tests.storefront.h5.conftest import PAGE, Browser, first_sku, hidden, read

PEAR = "dangshansuli"


def orders() -> list[tuple[Any, ...]]:
    return database.statement("SELECT number, state, payable_fen, address, remark FROM orders ORDER BY id")


def reprice(sku: str, price_fen: int) -> None:
    with database.transaction() as session:
        products.reprice(session, sku=sku, price_fen=price_fen, now=clock.now())


def test_the_page_says_what_the_law_wants_before_anybody_pays(browser: Browser) -> None:
    shown = browser.get(f"/p/{PEAR}")
    for words in ("砀山酥梨", "29", "示例价格", "认定信息待录入", "示意图", "产地", "运费", "七日无理由", "隐私政策"):
        assert words in shown
    assert "已认定 ·" not in shown


def test_no_box_is_ticked_for_the_shopper(browser: Browser) -> None:
    boxes = re.findall(r'<input type="checkbox"[^>]*>', browser.get(f"/p/{PEAR}"))
    assert len(boxes) == 3
    assert not any("checked" in box for box in boxes)


def test_the_page_weighs_less_than_the_budget(browser: Browser) -> None:
    document = browser.client.get(f"/p/{PEAR}", base_url=browser.base_url, headers=PAGE).data
    script = browser.client.get(pages.SCRIPT_URL, base_url=browser.base_url, headers=PAGE).data
    assert len(document) + len(script) <= 30 * 1024


def test_reading_sets_no_session(browser: Browser) -> None:
    answer = browser.client.get(f"/p/{PEAR}", base_url=browser.base_url, headers=PAGE)
    assert "Set-Cookie" not in answer.headers


def test_a_browser_without_a_script_chooses_a_region_step_by_step(browser: Browser) -> None:
    data = {**hidden(browser.get(f"/p/{PEAR}")), "sku": "", "quantity": "2", "name": "王小明", "do": "region"}
    shown = read(browser.post(f"/p/{PEAR}/orders", {**data, "province": "330000", "city": "340100"}))
    assert 'value="330100"' in shown
    assert 'value="340102"' not in shown
    assert 'value="王小明"' in shown
    shown = read(
        browser.post(f"/p/{PEAR}/orders", {**data, "province": "330000", "city": "330100", "county": "330102"})
    )
    assert re.search(r'id="freight">¥\d', shown)
    assert orders() == []


def test_freight_is_named_and_charged_to_the_fen(browser: Browser) -> None:
    form = browser.form(PEAR)
    number = browser.buy(PEAR)
    [(placed, state, payable_fen, address, _)] = orders()
    assert (placed, state, str(payable_fen)) == (number, "pending", form["seen"])
    assert address["region"] == "安徽省 合肥市 瑶海区"


def test_a_form_sent_twice_is_one_order(browser: Browser) -> None:
    form = browser.form(PEAR)
    first, second = browser.send(f"/p/{PEAR}/orders", form), browser.send(f"/p/{PEAR}/orders", form)
    assert first.headers["Location"] == second.headers["Location"]
    assert len(orders()) == 1


def test_the_last_pack_is_found_again_when_the_answer_was_lost(browser: Browser) -> None:
    form = {**browser.form(PEAR), "quantity": "1"}
    database.statement(
        "UPDATE stock_levels SET on_hand = reserved + 1 WHERE sku_id = (SELECT id FROM skus WHERE number = %s)",
        (form["sku"],),
    )
    made = browser.send(f"/p/{PEAR}/orders", form)
    Cache.forget_all()
    again, fresh = browser.send(f"/p/{PEAR}/orders", form), {**form, "key": "another-form-0001"}
    assert (again.status_code, again.headers["Location"]) == (303, made.headers["Location"])
    refused = browser.send(f"/p/{PEAR}/orders", fresh)
    assert (refused.status_code, "缺货" in read(refused) or "售罄" in read(refused)) == (422, True)
    assert len(orders()) == 1


def test_a_form_sent_again_after_a_new_price_is_the_order_that_it_made(browser: Browser) -> None:
    form = browser.form(PEAR)
    made = browser.send(f"/p/{PEAR}/orders", form)
    reprice(form["sku"], 990)
    Cache.forget_all()
    again = browser.send(f"/p/{PEAR}/orders", form)
    assert (again.status_code, again.headers["Location"]) == (303, made.headers["Location"])
    assert len(orders()) == 1


def test_an_answer_lost_before_the_guest_has_a_cookie_places_nothing(
    browser: Browser, another: Callable[..., Browser]
) -> None:
    form = browser.form(PEAR)
    lost = another().post(f"/p/{PEAR}/orders", form)
    assert lost.status_code == 307
    assert orders() == []
    assert browser.send(f"/p/{PEAR}/orders", form).status_code == 303
    assert len(orders()) == 1


def test_a_browser_that_keeps_no_cookie_is_told_so_instead_of_sent_in_circles(browser: Browser) -> None:
    form = browser.form(PEAR)
    answer = browser.post(f"/p/{PEAR}/orders", form)
    browser.client.delete_cookie("hall_session", domain="127.0.0.1")
    refused = browser.post(answer.headers["Location"], form)
    assert refused.status_code == 403
    assert "Cookie" in read(refused)


def test_consent_is_recorded_with_the_versions_that_were_shown(browser: Browser) -> None:
    browser.buy(PEAR)
    rows = database.statement("SELECT document, version FROM consents ORDER BY document")
    assert dict(rows) == consents.VERSIONS


def test_what_was_confirmed_about_returns_is_kept_with_the_order(browser: Browser) -> None:
    number = browser.buy(PEAR)
    rows = database.statement("SELECT d.kind FROM order_declarations d JOIN orders o ON o.id = d.order_id")
    assert rows == [("returns_perishable",)]
    assert "鲜活易腐，不适用七日无理由退货" in browser.get(f"/orders/{number}")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"consent": ""}, "同意后才能下单"),
        ({"returns": ""}, "请确认退货说明"),
        ({"phone": "123"}, "11 位手机号"),
        ({"county": ""}, "最后一级地区"),
        ({"county": "999999"}, "最后一级地区"),
        ({"quantity": "0"}, "数量在"),
        ({"quantity": "100000"}, "数量在"),
        ({"name": ""}, "请填写收货人"),
    ],
)
def test_a_form_with_a_fault_comes_back_filled_and_orders_nothing(
    browser: Browser, changed: dict[str, str], words: str
) -> None:
    answer = browser.send(f"/p/{PEAR}/orders", {**browser.form(PEAR), **changed})
    assert answer.status_code == 422
    assert words in read(answer)
    assert "明光路 1 号" in read(answer)
    assert orders() == []


def test_a_name_that_no_waybill_can_print_is_refused_at_its_field(browser: Browser) -> None:
    answer = browser.send(f"/p/{PEAR}/orders", {**browser.form(PEAR), "name": "王\u202e小明"})
    assert answer.status_code == 422
    assert "无法打印" in read(answer)


def test_a_sum_that_was_not_seen_is_shown_before_it_is_charged(browser: Browser) -> None:
    form = browser.form(PEAR)
    reprice(form["sku"], 3190)
    shown = read(browser.send(f"/p/{PEAR}/orders", form))
    assert "请核对应付金额" in shown
    assert orders() == []
    again = browser.send(f"/p/{PEAR}/orders", {**form, **hidden(shown)})
    assert again.status_code == 303
    assert orders()[0][2] == int(hidden(shown)["seen"])


def test_what_is_sold_out_says_what_is_left(browser: Browser) -> None:
    form = browser.form(PEAR, quantity="2")
    database.statement("UPDATE stock_levels SET on_hand = reserved + 1")
    answer = browser.send(f"/p/{PEAR}/orders", form)
    assert answer.status_code == 409
    assert "库存只剩 1 份" in read(answer)


def test_a_pack_that_sold_out_meanwhile_is_named_and_no_other_is_put_in_its_place(browser: Browser) -> None:
    form = browser.form(PEAR)
    database.statement(
        "UPDATE stock_levels SET on_hand = reserved WHERE sku_id = (SELECT id FROM skus WHERE number = %s)",
        (form["sku"],),
    )
    Cache.forget_all()
    shown = read(browser.send(f"/p/{PEAR}/orders", form))
    assert "选好的规格刚刚售罄" in shown
    assert re.findall(r'<input type="radio" name="sku"[^>]* checked', shown) == []
    assert orders() == []


def test_a_region_that_is_not_delivered_to_is_said_before_paying(browser: Browser) -> None:
    form = browser.form(PEAR, province="540000", city="540100", county="540102")
    answer = browser.send(f"/p/{PEAR}/orders", form)
    assert "暂不配送" in read(answer)
    assert orders() == []


def test_another_body_under_a_used_key_is_pointed_to_the_order(browser: Browser) -> None:
    form = browser.form(PEAR)
    browser.send(f"/p/{PEAR}/orders", form)
    answer = browser.send(f"/p/{PEAR}/orders", {**form, "detail": "黄山路 100 号"})
    assert answer.status_code == 409
    assert "已经下过一单" in read(answer)
    assert len(orders()) == 1
    again = browser.send(f"/p/{PEAR}/orders", {**form, "detail": "黄山路 100 号", "key": hidden(read(answer))["key"]})
    assert again.status_code == 303


def test_goods_on_display_only_have_no_form_and_take_no_order(browser: Browser) -> None:
    [(slug,)] = database.statement("SELECT slug FROM products WHERE licence_class = 'alcohol' LIMIT 1")
    shown = browser.get(f"/p/{slug}")
    assert "只作展示" in shown
    assert "<form id=" not in shown
    form = {**browser.form(PEAR), "sku": ""}
    refused = browser.send(f"/p/{slug}/orders", form)
    assert refused.status_code == 422
    assert orders() == []


def test_a_form_from_elsewhere_is_refused(browser: Browser) -> None:
    form = browser.form(PEAR)
    for origin in ("https://evil.example", "null", ""):
        assert browser.post(f"/p/{PEAR}/orders", form, Origin=origin).status_code == 403
    assert orders() == []


def test_a_wrong_token_is_refused(browser: Browser) -> None:
    browser.buy(PEAR)
    form = {**browser.form(PEAR), "csrf_token": "wrong"}
    assert browser.post(f"/p/{PEAR}/orders", form).status_code == 403
    assert len(orders()) == 1


def test_what_is_typed_is_never_markup(browser: Browser) -> None:
    shown = read(
        browser.post(f"/p/{PEAR}/orders", {**browser.form(PEAR), "name": '"><script>alert(1)</script>', "do": "region"})
    )
    assert "<script>alert" not in shown


def test_an_unknown_product_is_a_page_with_a_way_on(browser: Browser) -> None:
    assert "已经下架" in browser.get("/p/nothing", 404)
    assert browser.post("/p/nothing/orders", {}).status_code == 404


def test_the_address_of_a_form_that_came_back_can_be_reloaded(browser: Browser) -> None:
    answer = browser.client.get(f"/p/{PEAR}/orders?again=1", base_url=browser.base_url)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/p/{PEAR}")


def test_a_second_sku_has_its_own_price(browser: Browser) -> None:
    shown = browser.get(f"/p/{PEAR}")
    second = re.findall(r'name="sku" value="([^"]+)"', shown)[1]
    assert second != first_sku(shown)
    browser.buy(PEAR, sku=second)
    [(price_fen,)] = database.statement("SELECT price_fen FROM order_lines")
    assert f'value="{second}" data-fen="{price_fen}"' in shown


def test_goods_off_sale_say_why_and_show_what_else_there_is(browser: Browser) -> None:
    with database.transaction() as session:
        products.delist(session, slug=PEAR)
    Cache.forget_all()
    for answer in (
        browser.client.get(f"/p/{PEAR}", base_url=browser.base_url, headers=PAGE),
        browser.post(f"/p/{PEAR}/orders", {"sku": "AH001A"}),
    ):
        assert answer.status_code == 404
        shown = read(answer)
        for words in ("砀山酥梨", "这款商品现在买不到：卖家已下架。", "砀山县地方馆还有", 'href="/p/', "/orders"):
            assert words in shown
        assert f'href="/p/{PEAR}"' not in shown
    unknown = read(browser.client.get("/p/never-there", base_url=browser.base_url, headers=PAGE))
    assert "现在买不到" not in unknown


def test_what_is_only_shown_says_why_and_leads_on(browser: Browser) -> None:
    [(slug,)] = database.statement("SELECT slug FROM products WHERE licence_class = 'alcohol' ORDER BY id LIMIT 1")
    shown = browser.get(f"/p/{slug}")
    assert "只作展示，不出售" in shown
    assert 'name="quantity"' not in shown
    database.statement("UPDATE stock_levels SET on_hand = reserved")
    Cache.forget_all()
    assert "暂时缺货，补货后即可购买" in browser.get(f"/p/{PEAR}")


def test_whom_a_sale_benefits_is_said_without_a_name(browser: Browser) -> None:
    group = opened()
    for at in range(12):
        joined(group, name="王" + "甲乙丙丁戊己庚辛壬癸子丑"[at])
    assert "带贫助农" not in browser.get(f"/p/{PEAR}")
    linked(group, 800)
    Cache.forget_all()
    with clock.frozen(NOW + timedelta(hours=1)):
        product, hall = (
            read(browser.client.get(path, base_url=browser.base_url, headers=PAGE))
            for path in (f"/p/{PEAR}", "/halls/dangshan-xian")
        )
    assert "每笔成交额的 8% 计入产地的合作社和农户组（供应种苗），涉及农户 10 户以上；退款时相应冲回。" in product
    assert "本馆 1 款商品的销售计入产地的合作社和农户组（供应种苗），涉及农户 10 户以上。" in hall
    assert "王甲" not in product + hall
    assert "周寨镇" not in product + hall
