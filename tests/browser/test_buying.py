"""From a scan to a sale with a thumb: outside WeChat as a guest, inside WeChat through its bridge."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Phone, orders_of
from tests.shop import Shop
from tests.waits import wait_until

pytestmark = [pytest.mark.browser]

SHEET = 'iframe[title="微信支付"]'


def credited(shop: Shop, order: str, code: str) -> int:
    """How much of an order's goods stands at the placement where the code hangs."""
    [(fen,)] = shop.rows(
        "SELECT coalesce(sum(c.fen), 0)::bigint FROM credits c JOIN attribution_decisions d ON d.id = c.decision_id"
        " JOIN conversions v ON v.id = d.conversion_id JOIN code_bindings b ON b.placement_id = c.placement_id"
        " JOIN codes k ON k.id = b.code_id"
        " WHERE v.order_number = %s AND k.slug = %s AND c.model = 'last'",
        order,
        code,
    )
    return int(fen)


def test_a_guest_outside_wechat_scans_orders_and_pays(phone: Callable[..., Phone], shop: Shop) -> None:
    rider = phone()
    code = rider.scan()
    rider.fill("外面的客人")
    rider.wait_for_sum()
    shown = rider.page.inner_text("#payable")
    rider.page.tap("#pay")
    rider.page.wait_for_url("**/checkmweb?**")
    assert rider.page.inner_text(".amount") == shown
    rider.page.tap("button.pay")
    rider.page.wait_for_url("**/orders/*")
    rider.expect_headline("已支付")
    [(number, state)] = orders_of(shop, "外面的客人")
    assert (number, state) == (rider.order(), "paid")
    [(goods_fen,)] = shop.rows("SELECT goods_fen FROM orders WHERE number = %s", number)
    wait_until(lambda: credited(shop, number, code) == goods_fen, what="the credit for the train")


def test_a_rider_inside_wechat_pays_through_its_bridge(wechat_phone: Phone, shop: Shop) -> None:
    rider = wechat_phone
    asked: list[str] = []
    rider.page.on("request", lambda request: asked.append(request.url))
    code = rider.scan()
    rider.fill("微信里的乘客")
    rider.wait_for_sum()
    assert not any("oauth" in url for url in asked), "login comes only when it is paid"
    rider.page.tap("#pay")
    sheet = rider.page.frame_locator(SHEET)
    sheet.locator("button.pay").tap()
    rider.expect_headline("已支付")
    [(number, state)] = orders_of(shop, "微信里的乘客")
    assert (number, state) == (rider.order(), "paid")
    wait_until(lambda: credited(shop, number, code) > 0, what="the credit for the train")


def test_who_turns_back_at_the_sheet_keeps_the_order_and_pays_it_later(wechat_phone: Phone, shop: Shop) -> None:
    rider = wechat_phone
    rider.scan()
    rider.fill("改主意的乘客")
    rider.wait_for_sum()
    rider.page.tap("#pay")
    rider.page.frame_locator(SHEET).locator("button.back").tap()
    expect(rider.page.locator("#said")).to_contain_text("您取消了支付")
    rider.expect_headline("待支付")
    rider.page.tap("#pay-form button")
    rider.page.frame_locator(SHEET).locator("button.pay").tap()
    rider.expect_headline("已支付")
    assert [state for _, state in orders_of(shop, "改主意的乘客")] == ["paid"]


def test_a_lost_notification_is_made_up_for_when_the_payer_comes_back(phone: Callable[..., Phone], shop: Shop) -> None:
    rider = phone()
    rider.scan()
    rider.fill("通知丢了的客人")
    rider.wait_for_sum()
    shop.control("faults", {"fault": "lost", "on": "payment"})
    rider.page.tap("#pay")
    rider.page.wait_for_url("**/checkmweb?**")
    rider.page.tap("button.pay")
    rider.expect_headline("已支付")


def test_two_taps_are_one_order(phone: Callable[..., Phone], shop: Shop) -> None:
    rider = phone()
    rider.scan()
    rider.fill("手快的客人")
    rider.wait_for_sum()
    rider.page.evaluate("() => { const pay = document.querySelector('#pay'); pay.click(); pay.click(); pay.click(); }")
    rider.page.wait_for_url("**/checkmweb?**")
    assert len(orders_of(shop, "手快的客人")) == 1


def test_a_missing_field_is_named_and_reached(phone: Callable[..., Phone], shop: Shop) -> None:
    rider = phone()
    rider.scan()
    rider.page.tap("#pay")
    expect(rider.page.locator("#name-wrong")).to_have_text("请填写收货人")
    expect(rider.page.locator("#name")).to_be_focused()
    expect(rider.page.locator("#consent-wrong")).to_be_visible()
    rider.page.fill("#name", "王小明")
    expect(rider.page.locator("#name-wrong")).to_be_hidden()


def test_quantity_and_region_change_the_sum_before_paying(phone: Callable[..., Phone], shop: Shop) -> None:
    rider = phone()
    rider.page.goto(f"{shop.url}/p/dangshansuli")
    rider.page.select_option("[name=county]", "340104")
    expect(rider.page.locator("#freight")).to_contain_text("¥")
    rider.page.tap('[data-step="1"]')
    rider.page.tap('[data-step="1"]')
    expect(rider.page.locator("#freight")).to_have_text("包邮")
    rider.page.select_option("[name=province]", "540000")
    rider.page.select_option("[name=city]", "540100")
    rider.page.select_option("[name=county]", "540102")
    expect(rider.page.locator("#refused")).to_contain_text("暂不配送")


def test_an_order_is_cancelled_from_its_page(phone: Callable[..., Phone], shop: Shop) -> None:
    rider = phone()
    rider.scan()
    rider.fill("不要了的客人")
    rider.wait_for_sum()
    rider.page.tap("#pay")
    rider.page.wait_for_url("**/checkmweb?**")
    [(number, _)] = orders_of(shop, "不要了的客人")
    rider.page.goto(f"{shop.url}/orders/{number}")
    rider.page.on("dialog", lambda dialog: dialog.accept())
    rider.page.tap("#cancel-form button")
    rider.expect_headline("已取消")
    assert orders_of(shop, "不要了的客人") == [(number, "cancelled")]


def test_goods_of_two_halls_go_into_the_cart_and_are_one_order_of_the_scan(
    phone: Callable[..., Phone], shop: Shop
) -> None:
    rider = phone()
    page, code = rider.page, rider.scan()
    for slug in ("dangshansuli", "luanguapian"):
        page.goto(f"{shop.url}/p/{slug}")
        page.tap("#put")
        page.wait_for_url("**/cart/added?**")
        expect(page.locator("h1")).to_have_text("已加入购物车")
    page.tap('main a[href="/cart"]')
    expect(page.locator(".parcel-head")).to_have_count(2)
    page.locator('[name=do][value="more"]').last.tap()
    expect(page.locator("nav b")).to_contain_text("3")
    page.tap('a[href="/cart/checkout"]')
    rider.fill("买两样的客人")
    for box in page.locator("input[type=checkbox]").all():
        box.check()
    rider.wait_for_sum()
    shown = page.inner_text("#payable")
    page.tap("#pay")
    page.wait_for_url("**/checkmweb?**")
    assert page.inner_text(".amount") == shown
    page.tap("button.pay")
    page.wait_for_url("**/orders/*")
    rider.expect_headline("已支付")
    [(number, state)] = orders_of(shop, "买两样的客人")
    assert (number, state) == (rider.order(), "paid")
    left = "SELECT l.sku FROM cart_lines l JOIN orders o ON o.shopper_id = l.shopper_id WHERE o.number = %s"
    assert shop.rows(left, number) == []
    [(goods_fen, parcels)] = shop.rows(
        "SELECT goods_fen, (SELECT count(*) FROM consignments c WHERE c.order_id = o.id) FROM orders o"
        " WHERE number = %s",
        number,
    )
    assert parcels == 2
    wait_until(lambda: credited(shop, number, code) == goods_fen, what="the credit for the train")
