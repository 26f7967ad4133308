"""Somebody who comes back: an address chosen by one tap, and a cart of which only some lines are ordered."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Phone, orders_of
from tests.browser.test_look import SMALL_TARGETS
from tests.shop import Shop

pytestmark = [pytest.mark.browser]

WIDTHS = (390, 320, 1280)
TITLES = "SELECT title FROM order_lines l JOIN orders o ON o.id = l.order_id WHERE o.number = %s"


def fits(page: Page) -> None:
    """Every width shows the page without scrolling sideways and with targets that a thumb can hit."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("() => document.documentElement.scrollWidth") == width, page.url
        assert page.evaluate(SMALL_TARGETS) == [], (page.url, width)
    page.set_viewport_size({"width": WIDTHS[0], "height": 844})


def pay(page: Page) -> str:
    """Pay what the page shows and return the sum."""
    shown = page.inner_text("#payable")
    page.tap("#pay")
    page.wait_for_url("**/checkmweb?**")
    assert page.inner_text(".amount") == shown
    page.tap("button.pay")
    page.wait_for_url("**/orders/*")
    return shown


def test_who_comes_back_taps_an_address_and_orders_what_is_ticked(phone: Callable[..., Phone], shop: Shop) -> None:
    rider = phone()
    page = rider.page
    rider.scan()
    rider.fill("常来的客人")
    page.check("[name=keep]")
    rider.wait_for_sum()
    pay(page)
    for slug in ("dangshansuli", "luanguapian"):
        page.goto(f"{shop.url}/p/{slug}")
        expect(page.locator(".book input:checked + label")).to_contain_text("常来的客人")
        expect(page.locator("#name")).to_be_hidden()
        fits(page)
        page.tap("#put")
        page.wait_for_url("**/cart/added?**")
    page.goto(f"{shop.url}/cart")
    fits(page)
    whole = page.inner_text(".bar-sum .price")
    page.tap('[role=checkbox][aria-label="结算砀山酥梨"]')
    expect(page.locator('[aria-label="结算砀山酥梨"]')).to_have_attribute("aria-checked", "false")
    assert page.inner_text(".bar-sum .price") != whole
    page.tap('a[href="/cart/checkout"]')
    expect(page.locator(".item")).to_have_count(1)
    rider.wait_for_sum()
    fits(page)
    page.check("#to-other")
    expect(page.locator("#payable")).to_have_text("—")
    expect(page.locator("#name")).to_be_visible()
    fits(page)
    page.tap("#pay")
    expect(page.locator("#name-wrong")).to_have_text("请填写收货人")
    page.locator(".book [name=to]").first.check()
    rider.wait_for_sum()
    for box in page.locator("input[type=checkbox][required]").all():
        box.check()
    pay(page)
    rider.expect_headline("已支付")
    assert [state for _, state in orders_of(shop, "常来的客人")] == ["paid", "paid"]
    assert shop.rows(TITLES, rider.order()) == [("六安瓜片",)]
    page.goto(f"{shop.url}/cart")
    expect(page.locator(".cart-line b")).to_have_text("砀山酥梨")


def test_an_address_is_changed_and_deleted_on_its_page(phone: Callable[..., Phone], shop: Shop) -> None:
    rider = phone()
    page = rider.page
    page.goto(f"{shop.url}/p/dangshansuli")
    rider.fill("要搬家的客人")
    page.check("[name=keep]")
    rider.wait_for_sum()
    pay(page)
    page.goto(f"{shop.url}/p/dangshansuli")
    page.tap(".book a >> nth=0")
    page.wait_for_url("**/addresses/*?back=**")
    fits(page)
    page.select_option("[name=province]", "540000")
    page.select_option("[name=city]", "540100")
    page.select_option("[name=county]", "540102")
    page.tap("#entry .button")
    page.wait_for_url("**/p/dangshansuli?to=*")
    expect(page.locator("#refused")).to_contain_text("西藏")
    page.goto(f"{shop.url}/addresses")
    fits(page)
    page.on("dialog", lambda dialog: dialog.accept())
    page.tap(".entry button")
    expect(page.locator("h2")).to_have_text("还没有保存的地址")


def test_a_phone_without_a_script_chooses_an_address_and_unticks_a_line(
    phone: Callable[..., Phone], shop: Shop
) -> None:
    rider = phone(java_script_enabled=False)
    page = rider.page
    for slug in ("dangshansuli", "luanguapian"):
        page.goto(f"{shop.url}/p/{slug}")
        page.tap("#put")
        page.wait_for_url("**/cart/added?**")
    page.goto(f"{shop.url}/cart/checkout")
    rider.fill("没有脚本的常客")
    for box in page.locator("input[type=checkbox]").all():
        box.check()
    page.tap("#address noscript button")
    rider.wait_for_sum()
    page.tap("#pay")
    rider.expect_headline("待支付")
    for slug in ("dangshansuli", "luanguapian"):
        page.goto(f"{shop.url}/p/{slug}")
        page.tap("#put")
        page.wait_for_url("**/cart/added?**")
    page.goto(f"{shop.url}/cart")
    page.tap('[aria-label="结算六安瓜片"]')
    expect(page.locator('[aria-label="结算六安瓜片"]')).to_have_attribute("aria-checked", "false")
    page.tap('a[href="/cart/checkout"]')
    expect(page.locator("#name")).to_be_hidden()
    page.check("#to-other")
    expect(page.locator("#name")).to_be_visible()
    page.locator(".book [name=to]").first.check()
    for box in page.locator("input[type=checkbox][required]").all():
        box.check()
    page.tap("#pay")
    rider.expect_headline("待支付")
    assert shop.rows(TITLES, rider.order()) == [("砀山酥梨",)]
    assert len(orders_of(shop, "没有脚本的常客")) == 2
