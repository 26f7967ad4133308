"""A real Chromium as somebody's phone: 390 px wide, touch, Chinese; whatever goes wrong on a page fails the test."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.shop import Shop

SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"
INSIDE_WECHAT = SAFARI + " MicroMessenger/8.0.54(0x18003630) NetType/4G Language/zh_CN"
# Whatever is waited for comes at once on a machine of one's own; a busy one may take a while.
expect.set_options(timeout=60_000)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser. Without one the journeys are skipped, or fail where `REQUIRE_BROWSER=1` wants one."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        missing = pytest.fail if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip
        missing("no Chromium on this machine: the browser journeys are skipped")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@dataclass(frozen=True)
class Phone:
    """One page of one phone, and what its owner does with it."""

    page: Page
    shop: Shop

    def scan(self) -> str:
        """Scan a code of the themed train with the camera and return the code."""
        code = self.shop.train_code()
        self.page.goto(f"{self.shop.url}/s/{code}")
        return code

    def fill(self, name: str) -> None:
        """Fill the form in as somebody in Hefei, and wait until the sum to pay is known."""
        page = self.page
        page.select_option("[name=county]", "340104")
        page.fill("#name", name)
        page.fill("#phone", "13812345678")
        page.fill("#detail", "黄山路 100 号 3 幢 502")
        for box in ("returns", "consent"):
            if page.locator(f"[name={box}]").count():
                page.check(f"[name={box}]")

    def wait_for_sum(self) -> None:
        """Wait until the script has been told the freight."""
        expect(self.page.locator("#payable")).to_contain_text("¥")

    def expect_headline(self, words: str) -> None:
        """Wait until the order page says so."""
        expect(self.page.locator("#live h1")).to_have_text(words)

    def order(self) -> str:
        """The number of the order whose page is open."""
        found = re.search(r"/orders/(\d+)", self.page.url)
        assert found, self.page.url
        return found[1]


def orders_of(shop: Shop, name: str) -> list[tuple[str, str]]:
    """The (number, state) of every order for a recipient."""
    return shop.rows("SELECT number, state FROM orders WHERE address->>'name' = %s ORDER BY id", name)


@pytest.fixture
def phone(chromium: Browser, shop: Shop) -> Iterator[Callable[..., Phone]]:
    """Open phones; each keeps cookies of its own."""
    contexts, problems = [], []

    def blame(message: ConsoleMessage) -> None:
        # A refusal (4xx) is an answer, and a browser logs it as an error; anything else on our pages is our fault.
        is_refusal = "responded with a status of 4" in message.text
        if message.type == "error" and message.location["url"].startswith(shop.url) and not is_refusal:
            problems.append(message.text)

    def open_phone(*, width: int = 390, height: int = 844, agent: str = SAFARI, **more: Any) -> Phone:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            device_scale_factor=2,
            is_mobile=True,
            has_touch=True,
            locale="zh-CN",
            timezone_id="Asia/Shanghai",
            user_agent=agent,
            **more,
        )
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", blame)
        return Phone(page, shop)

    yield open_phone
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def wechat_phone(phone: Callable[..., Phone]) -> Phone:
    """A phone inside WeChat; the desk lends the bridge that WeChat's own client brings along."""
    return phone(agent=INSIDE_WECHAT)
