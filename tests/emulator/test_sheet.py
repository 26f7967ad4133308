"""The sheet under a thumb: a real Chromium at phone size pays, turns back, and is refused."""

import http.server
import json
import os
import shutil
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.emulator.conftest import Till, Wechat
from tests.emulator.test_cashier import signed
from tests.waits import wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM and not os.environ.get("REQUIRE_BROWSER"), reason="no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
        )
        yield browser
        browser.close()


@pytest.fixture
def phone(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, locale="zh-CN")
    context.set_default_timeout(60_000)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    context.close()
    assert problems == []


@pytest.fixture
def shop_page(wechat: Wechat) -> Iterator[dict[str, Any]]:
    """A merchant's page with the bridge on it, as a page inside WeChat would be; the test fills in what it pays."""
    order: dict[str, Any] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script = f"""document.addEventListener("WeixinJSBridgeReady", function () {{ document.title = "ready"; }});
            function pay() {{ WeixinJSBridge.invoke("getBrandWCPayRequest", {json.dumps(order.get("params"))},
              function (answer) {{ document.getElementById("answer").textContent = answer.err_msg; }}); }}"""
            body = f"""<!doctype html><meta name="viewport" content="width=device-width"><script>{script}</script>
            <script src="{wechat.url}/bridge.js"></script><button onclick="pay()">buy</button><p id="answer"></p>"""
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    order["url"] = f"http://127.0.0.1:{server.server_address[1]}/"
    yield order
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("button", "result"), [("支付", "ok"), ("取消", "cancel")])
def test_the_bridge_over_the_shops_page(
    pos: Till, wechat: Wechat, phone: Page, shop_page: dict[str, Any], button: str, result: str
) -> None:
    shop_page["params"] = signed(pos, "THUMB-001")
    phone.goto(shop_page["url"])
    phone.wait_for_function("document.title === 'ready'")
    phone.get_by_text("buy").tap()
    sheet = phone.frame_locator("iframe")
    expect(sheet.get_by_text("59.90")).to_be_visible()
    sheet.get_by_role("button", name=button, exact=True).tap()
    phone.wait_for_function("document.getElementById('answer').textContent")
    assert phone.locator("#answer").text_content() == f"get_brand_wcpay_request:{result}"
    assert phone.locator("iframe").count() == 0
    assert wechat.order("THUMB-001")["state"] == {"ok": "SUCCESS", "cancel": "NOTPAY"}[result]


def test_a_forged_signature_fails_on_the_page(
    pos: Till, phone: Page, shop_page: dict[str, Any], wechat: Wechat
) -> None:
    shop_page["params"] = signed(pos, "THUMB-002") | {"nonceStr": "another"}
    phone.goto(shop_page["url"])
    phone.wait_for_function("document.title === 'ready'")
    phone.get_by_text("buy").tap()
    phone.frame_locator("iframe").get_by_role("button", name="关闭").tap()
    phone.wait_for_function("document.getElementById('answer').textContent")
    assert phone.locator("#answer").text_content() == "get_brand_wcpay_request:fail"


def test_h5_from_page_to_page(pos: Till, wechat: Wechat, phone: Page, shop_page: dict[str, Any]) -> None:
    h5_url = pos.prepay("THUMB-003", product="h5")[1]["h5_url"]
    phone.goto(shop_page["url"])
    phone.evaluate("url => { location.href = url }", f"{h5_url}&redirect_url={shop_page['url']}")
    phone.get_by_role("button", name="支付", exact=True).tap()
    phone.wait_for_url(shop_page["url"])
    wait_until(lambda: wechat.order("THUMB-003")["state"] == "SUCCESS")
