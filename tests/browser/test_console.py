"""The console's pictures in a real browser: the question of the train in three clicks at most, the map, the wall."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from catalog.sheets import ImportKind
from storefront.staff.pages import frame
from tests.browser.conftest import Phone
from tests.browser.test_staff import SMALL_TARGETS, buy, desk_page, employ, enter  # noqa: F401 - a fixture among them
from tests.catalog.test_importing import workbook
from tests.shop import Shop
from tests.waits import wait_until

pytestmark = [pytest.mark.browser]
MOST_CLICKS = 3
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
drawn = pytest.mark.skipif(
    not all((frame.SHELF / name).is_file() for name in frame.VENDOR),
    reason="what pictures are drawn with was not fetched from npm: run make console",
)
CREDITED = """
    SELECT 1 FROM credits k JOIN attribution_decisions d ON d.id = k.decision_id
    JOIN conversions c ON c.id = d.conversion_id WHERE c.order_number = %s
"""


def a_week_ago(shop: Shop, order: str) -> None:
    """Let an order, its scan and its money be of the same time last week, in every book that a report reads."""
    wait_until(lambda: shop.rows(CREDITED, order), what="the credit")
    decisions = f"""
        SELECT d.id FROM attribution_decisions d JOIN conversions c ON c.id = d.conversion_id
        WHERE c.order_number = '{order}'
    """
    week = "- interval '7 days'"
    for change in (
        f"""
        UPDATE touches SET occurred_at = occurred_at {week}
        WHERE visitor_id = (SELECT visitor_id FROM conversions WHERE order_number = '{order}')
        """,
        f"""
        UPDATE credits SET occurred_at = occurred_at {week}, cohort_at = cohort_at {week}
        WHERE decision_id IN ({decisions})
        """,
        f"UPDATE conversions SET placed_at = placed_at {week}, paid_at = paid_at {week} WHERE order_number = '{order}'",
        f"UPDATE orders SET paid_at = paid_at {week} WHERE number = '{order}'",
    ):
        shop.write(change)


# 70 yuan for last week at every door: whichever sold, what it cost is known.
DOORS_COST = """
    INSERT INTO cost_entries (number, campaign_id, placement_id, kind, amount_fen, from_day, to_day, note, entered_by,
                              entered_at)
    SELECT 'C-' || p.id, (SELECT min(id) FROM campaigns), p.id, 'media', 7000, monday - 7, monday, '', 'test', now()
    FROM placements p, cast(date_trunc('week', now() AT TIME ZONE 'Asia/Shanghai') AS date) AS monday
    WHERE strpos(p.number, '.T01.') > 0 AND p.level = 'position'
"""


def test_which_car_which_door_at_which_hour_takes_at_most_three_clicks(
    phone: Callable[..., Phone],
    desk_page: Page,  # noqa: F811
    shop: Shop,
    tmp_path: Path,
) -> None:
    a_week_ago(shop, buy(phone, shop, "上周的客人"))
    shop.write(DOORS_COST)
    page, clicks = desk_page, 0
    enter(page, shop, "fen.xi", employ(shop, "fen.xi", "analyst"))
    page.screenshot(path=tmp_path / "0-first-page.png", full_page=True)

    page.click("text=上周哪节车厢、哪扇门、几点卖得最多")
    clicks += 1
    answer = page.locator(".answer")
    for words in ("号车厢", "车门", "时"):
        expect(answer.locator(".best")).to_contain_text(words)
    for words in ("净销售额（退款后）", "¥70.00", "这个点位 7 天全天的成本", "数据不足", "归因结果，不代表因果"):
        expect(answer).to_contain_text(words)
    # One journey that was paid: Jeffreys' interval of 1 in 1 is wide, and says so.
    expect(answer.locator(".tile").last).to_contain_text("转化率和 95% 区间")
    expect(answer.locator(".tile").last).to_contain_text("14.7% 到 100.0%（1/1）")
    page.screenshot(path=tmp_path / "1-answer.png", full_page=True)
    net = answer.locator(".tile dd").first.inner_text().splitlines()[0].removeprefix("¥").strip()

    page.locator(".seat.h5").first.click()
    clicks += 1
    expect(page.locator("h1")).to_have_text("点位报表")
    expect(page.locator("main")).to_contain_text(net)
    page.screenshot(path=tmp_path / "2-row-of-the-report.png", full_page=True)
    assert clicks <= MOST_CLICKS
    assert [picture.stat().st_size > 10_000 for picture in tmp_path.glob("*.png")] == [True] * 3


@drawn
def test_pictures_are_drawn_and_a_wall_says_when_it_is_cut_off(
    phone: Callable[..., Phone],
    desk_page: Page,  # noqa: F811
    shop: Shop,
) -> None:
    buy(phone, shop, "图上的客人")
    page, wrong = desk_page, []
    page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    enter(page, shop, "da.ping", employ(shop, "da.ping", "analyst"))
    expect(page.locator("[data-chart]")).to_have_attribute("data-drawn", "yes")
    page.click("text=今日地铁图")
    expect(page.locator("[data-chart]")).to_have_attribute("data-drawn", "yes")
    page.goto(f"{shop.url}/staff/wall")
    before = page.locator("#as-of").inner_text()
    page.context.set_offline(True)
    expect(page.locator("#lost")).to_be_visible()
    expect(page.locator("#lost")).to_contain_text(before)
    page.context.set_offline(False)
    expect(page.locator("#lost")).to_be_hidden()
    expect(page.locator("#as-of")).not_to_have_text(before)
    assert wrong == []


# Counts what a live region says from now on.
LISTEN = """(live) => {
  window.said = [];
  const hear = () => window.said.push(live.innerText.trim());
  new MutationObserver(hear).observe(live, { childList: true, characterData: true, subtree: true, attributes: true });
}"""


@drawn
def test_an_import_renews_itself_without_taking_the_focus_or_talking_all_the_time(desk_page: Page, shop: Shop) -> None:  # noqa: F811
    page, worker = desk_page, shop.children["worker"].process
    assert worker is not None
    enter(page, shop, "biao.ge", employ(shop, "biao.ge", "admin"))
    page.goto(f"{shop.url}/staff/imports")
    sheet = workbook(ImportKind.PRICES, [{"sku": "AH001A", "seen": 29.9, "price": 31.5}])
    os.killpg(worker.pid, signal.SIGSTOP)
    try:
        page.set_input_files("[type=file]", {"name": "价格.xlsx", "mimeType": SHEET, "buffer": sheet})
        page.select_option("[name=kind]", "prices")
        page.click("main form button.go")
        expect(page.locator("#import h2")).to_have_text("正在逐行检查")
        page.locator("[data-told]").evaluate(LISTEN)
        page.evaluate("document.body.dataset.page = 'the same'")
        page.locator(".trail a").focus()
        for _ in range(3):
            page.wait_for_event("response", lambda answer: answer.url.endswith("/progress"))
        expect(page.locator(".trail a")).to_be_focused()
    finally:
        os.killpg(worker.pid, signal.SIGCONT)
    expect(page.locator("#import h2")).to_have_text("1 行会改动")
    expect(page.locator(".trail a")).to_be_focused()
    assert page.evaluate("[document.body.dataset.page, window.said]") == ["the same", ["检查中，0%", "待确认"]]
    expect(page.locator("#import button.go")).to_have_text("应用这 1 行")


@drawn
def test_a_wall_keeps_the_focus_and_says_once_that_it_is_cut_off(desk_page: Page, shop: Shop) -> None:  # noqa: F811
    page, wrong = desk_page, []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    enter(page, shop, "qiang", employ(shop, "qiang", "analyst"))
    page.goto(f"{shop.url}/staff/wall")
    page.locator(".wall-way a").focus()
    before = page.locator("#as-of").inner_text()
    expect(page.locator("#as-of")).not_to_have_text(before)
    expect(page.locator(".wall-way a")).to_be_focused()
    page.locator("#lost").evaluate(LISTEN)
    cookies = page.context.cookies()
    page.context.clear_cookies()
    for _ in range(2):
        with page.expect_response(lambda answer: answer.status == 401):
            page.evaluate("htmx.trigger('#main', 'retry')")
    expect(page.locator("#lost")).to_have_text("登录已过期，请刷新页面重新登录。", use_inner_text=True)
    assert len(page.evaluate("window.said")) == 1
    page.context.add_cookies(cookies)
    expect(page.locator("#lost")).to_be_hidden()
    page.context.set_offline(True)
    expect(page.locator("#lost")).to_contain_text("正在重新连接", use_inner_text=True)
    page.context.set_offline(False)
    assert wrong == []


def test_pictures_fit_the_phone_and_the_thumb(phone: Callable[..., Phone], shop: Shop) -> None:
    page = phone(width=390).page
    enter(page, shop, "xiao.ping", employ(shop, "xiao.ping", "analyst"))
    for path in ("/", "/metro", "/train?kind=all", "/wall"):
        page.goto(f"{shop.url}/staff{path}")
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390, path
        assert page.evaluate(SMALL_TARGETS) == [], path
