"""The staff's pages in a real browser: by keyboard at a desk, by thumb on a phone, with a real sale behind them."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from storefront.staff.pages.field import MOST_BYTES
from tests.browser.conftest import Phone, orders_of
from tests.shop import ROOT, Shop
from tests.waits import wait_until

pytestmark = [pytest.mark.browser]

PASSWORD = "correct horse battery"
PATHS = ("/", "/report", "/orders", "/codes", "/codes/sheet", "/phone", "/audit")

# A link within a sentence is exempt; so is one that a whole row of text surrounds.
SMALL_TARGETS = """() => [...document.querySelectorAll("a, button, input, select")]
  .filter((e) => e.checkVisibility() && !e.closest(".skip, p, dd") && e.type !== "hidden" && e.type !== "checkbox")
  .map((e) => [e.getBoundingClientRect(), e])
  .filter(([box]) => box.height < 44 || box.width < 44)
  .map(([box, e]) => `${e.outerHTML.slice(0, 80)} ${Math.round(box.width)}x${Math.round(box.height)}`)"""


def employ(shop: Shop, username: str, *roles: str) -> pyotp.TOTP | None:
    """Add an account as an operator does; returns what makes its one-time codes, if its roles need them."""
    flask = [sys.executable, "-m", "flask", "--app", "wsgi", "staff", "add", username]
    wanted = [word for role in roles for word in ("--role", role)]
    told = subprocess.run(
        [*flask, *wanted], cwd=ROOT, env=shop.environment, input=PASSWORD, text=True, check=True, capture_output=True
    ).stdout
    uri = next((line for line in told.splitlines() if line.startswith("otpauth://")), None)
    return pyotp.TOTP(pyotp.parse_uri(uri).secret) if uri else None


def enter(page: Page, shop: Shop, username: str, totp: pyotp.TOTP | None) -> None:
    """Log in without touching the mouse."""
    page.goto(f"{shop.url}/staff/")
    expect(page.locator("[name=username]")).to_be_focused()
    page.keyboard.type(username)
    expect(page.locator("[name=username]")).to_have_value(username)
    page.keyboard.press("Tab")
    expect(page.locator("[name=password]")).to_be_focused()
    page.keyboard.type(PASSWORD)
    expect(page.locator("[name=password]")).to_have_value(PASSWORD)
    page.keyboard.press("Tab")
    if totp is not None:
        code = totp.now()
        expect(page.locator("[name=totp]")).to_be_focused()
        page.keyboard.type(code)
        expect(page.locator("[name=totp]")).to_have_value(code)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("今日")


@pytest.fixture
def desk_page(chromium: Browser, shop: Shop) -> Iterator[Page]:
    """A page on a desk; what a person downloads or prints stays there."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, locale="zh-CN", timezone_id="Asia/Shanghai")
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


def buy(phone: Callable[..., Phone], shop: Shop, name: str) -> str:
    rider = phone()
    rider.scan()
    rider.fill(name)
    rider.wait_for_sum()
    rider.page.tap("#pay")
    rider.page.wait_for_url("**/checkmweb?**")
    rider.page.tap("button.pay")
    rider.page.wait_for_url("**/orders/*")
    rider.expect_headline("已支付")
    [(number, _)] = orders_of(shop, name)
    return number


def test_a_sale_is_seen_sent_refunded_and_explained(phone: Callable[..., Phone], desk_page: Page, shop: Shop) -> None:
    number = buy(phone, shop, "工作台的客人")
    page = desk_page
    enter(page, shop, "quan.neng", employ(shop, "quan.neng", "admin"))
    expect(page.locator(".verdict b")).to_have_text("一致")
    page.click(f"text={number}")
    page.fill("[name=carrier]", "中通快递")
    page.fill("[name=tracking_number]", "73111222333444")
    page.click("text=确认发货")
    expect(page.locator("[role=status]")).to_contain_text("已记录发货")
    page.fill("[name=line1]", "0.50")
    page.fill("[name=reason]", "坏果包赔")
    page.click("text=下一步：核对")
    page.click("text=确认退款 ¥0.50")
    expect(page.locator("[role=status]")).to_contain_text("退款已提交")
    page.click("text=这笔订单归谁")
    expect(page.locator("main")).to_contain_text("主题列车")

    def is_given_back() -> bool:
        page.goto(f"{shop.url}/staff/orders/{number}")
        return page.locator("text=已退回").count() > 0

    wait_until(is_given_back, what="the refund")
    page.goto(f"{shop.url}/staff/report")
    expect(page.locator(".verdict b")).to_have_text("一致")
    expect(page.locator("main")).to_contain_text("0.50")


def test_pages_fit_the_phone_and_the_thumb(phone: Callable[..., Phone], shop: Shop) -> None:
    number = buy(phone, shop, "手机上的客人")
    page = phone(width=390).page
    enter(page, shop, "shou.ji", employ(shop, "shou.ji", "admin"))
    code = shop.train_code()
    for path in (*PATHS, f"/orders/{number}", f"/orders/{number}/attribution", f"/codes/{code}"):
        page.goto(f"{shop.url}/staff{path}")
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390, path
        assert page.evaluate(SMALL_TARGETS) == [], path


# Whether what has the keyboard shows it, and where: on a picker inside of a date field, the field does.
FOCUSED = """() => {
    const here = document.activeElement;
    if (here === document.body) return null;
    const [box, look] = [here.getBoundingClientRect(), getComputedStyle(here)];
    const isSeen = parseFloat(look.outlineWidth) >= 2 && look.outlineStyle !== "none"
        && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
    return [isSeen, !!here.closest("main"), here.outerHTML.slice(0, 120)];
}"""


def walk_by_keyboard(page: Page) -> None:
    """Go past the menu and through the whole page by Tab: where one is must always be seen."""
    for key in ("Tab", "Enter", "Tab"):
        page.keyboard.press(key)
    assert page.evaluate(FOCUSED)[1], "past the menu at one stroke"
    stops = []
    while len(stops) < 200 and (stop := page.evaluate(FOCUSED)) is not None:
        stops.append(stop)
        page.keyboard.press("Tab")
    assert 10 < len(stops) < 200
    assert [what for is_seen, _, what in stops if not is_seen] == []


def test_a_refused_form_keeps_what_was_typed_and_a_report_fits_its_sheet(desk_page: Page, shop: Shop) -> None:
    page = desk_page
    enter(page, shop, "tou.fang", employ(shop, "tou.fang", "admin"))
    page.goto(f"{shop.url}/staff/costs")
    page.fill("#placement", "ATLANTIS")
    page.fill("#amount", "3600.50")
    page.fill("#note", "合同 12")
    page.keyboard.press("Enter")
    fault = page.locator("form[action='/staff/costs'] > [role=alert]")
    expect(fault).to_have_text("没有这个点位")
    expect(fault).to_be_focused()
    assert [page.input_value(f"#{name}") for name in ("placement", "amount", "note")] == [
        "ATLANTIS",
        "3600.50",
        "合同 12",
    ]
    page.goto(page.url)
    assert page.input_value("#note") == "", "kept for one page, not for the next reader of this desk"
    page.goto(f"{shop.url}/staff/field/scan?act=inspected")
    page.fill("#code", shop.train_code())
    page.set_input_files("#photo", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": bytes(MOST_BYTES + 1)})
    page.click("text=检查并发送")
    expect(page.locator("[data-too-large]")).to_be_visible()
    assert page.input_value("#code") == shop.train_code(), "only the photo must be another"
    expect(page.locator("form[data-resend] button")).to_be_enabled()
    page.goto(f"{shop.url}/staff/metro")
    walk_by_keyboard(page)
    page.emulate_media(media="print")
    # A4 with margins of 10 mm, in pixels of CSS.
    page.set_viewport_size({"width": 718, "height": 1046})
    for path in ("/report", "/finance/ledger"):
        page.goto(f"{shop.url}/staff{path}")
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 718, path
        expect(page.locator(".top")).to_be_hidden()
