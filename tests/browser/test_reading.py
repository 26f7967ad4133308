"""A phone whose browser runs no script reads everything, and buys with plain forms."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Phone, orders_of
from tests.shop import Shop
from tests.waits import wait_until

pytestmark = [pytest.mark.browser]


def test_everything_is_readable_without_a_script(phone: Callable[..., Phone], shop: Shop) -> None:
    reader = phone(java_script_enabled=False)
    reader.page.goto(shop.url)
    reader.page.locator('a[href="/halls/dangshan-xian"]').first.tap()
    expect(reader.page.locator("h1")).to_have_text("砀山县地方馆")
    reader.page.locator('a[href="/p/dangshansuli"]').tap()
    page = reader.page
    expect(page.locator("h1")).to_have_text("砀山酥梨")
    for words in ("认定信息待录入", "示例价格", "29", "七日无理由", "营业执照"):
        expect(page.locator("body")).to_contain_text(words)
    expect(page.locator(".plate img")).to_be_visible()
    page.goto(f"{shop.url}/search?q=dssl")
    expect(page.locator(".card-name").first).to_have_text("砀山酥梨")
    page.goto(f"{shop.url}/privacy")
    expect(page.locator("h1")).to_have_text("隐私政策")


def test_a_scan_counts_and_an_order_is_paid_without_a_script(phone: Callable[..., Phone], shop: Shop) -> None:
    rider = phone(java_script_enabled=False)
    before = confirmations(shop)
    rider.scan()
    wait_until(lambda: confirmations(shop) == before + 1, what="the confirmation of the scan")
    rider.fill("没有脚本的客人")
    rider.page.tap("button.ask")
    rider.wait_for_sum()
    rider.page.tap("#pay")
    rider.expect_headline("待支付")
    rider.page.tap("#pay-form button")
    rider.page.wait_for_url("**/checkmweb?**")
    rider.page.tap("button.pay")
    rider.page.wait_for_url("**/orders/*")
    number = rider.order()
    wait_until(lambda: orders_of(shop, "没有脚本的客人") == [(number, "paid")], what="the paid order")
    rider.page.reload()
    rider.expect_headline("已支付")


def confirmations(shop: Shop) -> int:
    [(count,)] = shop.rows("SELECT count(*) FROM touch_confirmations")
    return int(count)


def test_an_unknown_code_leads_to_a_friendly_page(phone: Callable[..., Phone], shop: Shop) -> None:
    rider = phone(java_script_enabled=False)
    answer = rider.page.goto(f"{shop.url}/s/ZZZZZZZZ")
    assert answer is not None
    assert answer.status == 404
    expect(rider.page.locator("h1")).to_have_text("这个二维码还没有启用")
    rider.page.get_by_text("去逛地方馆").tap()
    expect(rider.page.locator("h1")).to_contain_text("一县一馆")
