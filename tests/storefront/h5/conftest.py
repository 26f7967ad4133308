"""A stocked shop for the express lane's tests, and a browser without a script that walks through it."""

import gzip
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from catalog.cache import Cache
from config.settings import Settings
from storefront import reactions  # noqa: F401 - registers every reaction
from tests import tables
from tests.apps import application
from tests.conftest import connect
from tests.payments.conftest import Wechat, emulator, inbox, wechat  # noqa: F401 - fixtures

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Encoding": "gzip, deflate"}
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"
INSIDE_WECHAT = SAFARI + " MicroMessenger/8.0.54(0x18003630) NetType/4G Language/zh_CN"

ADDRESS = {
    "name": "王小明",
    "phone": "13800001234",
    "province": "340000",
    "city": "340100",
    "county": "340102",
    "detail": "明光路 1 号",
}


@pytest.fixture(scope="module")
def stocked(settings: Settings) -> Iterator[Flask]:
    """The application over the catalog as `flask seed` leaves it, shared by a module: reading changes nothing."""
    connect(settings)
    Cache.forget_all()
    tables.stock()
    yield application(settings)
    connect(settings)
    tables.empty()
    Cache.forget_all()


@pytest.fixture
def reader(stocked: Flask) -> FlaskClient:
    """Somebody who only reads."""
    return stocked.test_client()


@dataclass
class Browser:
    """A browser without a script: it keeps cookies, fills forms and follows redirects only when told to."""

    client: FlaskClient
    base_url: str
    agent: str = SAFARI
    last: str = field(default="", repr=False)

    def get(self, path: str, status: int = 200) -> str:
        return self._read(self.client.get(path, base_url=self.base_url, headers=self._headers()), status)

    def post(self, path: str, data: dict[str, Any], **headers: str) -> TestResponse:
        sent = {**self._headers(), "Origin": self.base_url, **headers}
        return self.client.post(path, base_url=self.base_url, headers=sent, data=data)

    def send(self, path: str, data: dict[str, Any]) -> TestResponse:
        """Post a form as a browser does: a 307 is sent again with the cookie that came with it."""
        answer = self.post(path, data)
        return self.post(answer.headers["Location"], data) if answer.status_code == 307 else answer

    def form(self, slug: str, **changed: Any) -> dict[str, Any]:
        """The product page's form filled in by somebody who has chosen, seen the sum and ticked what they must."""
        shown = self.get(f"/p/{slug}")
        data = {**hidden(shown), **ADDRESS, "sku": first_sku(shown), "quantity": "1", "do": "region", **changed}
        for name in ("returns", "consent"):
            found = re.search(rf'name="{name}" value="([^"]+)"', shown)
            if found and name not in changed:
                data[name] = unescape(found[1])
        return {**data, **hidden(read(self.post(f"/p/{slug}/orders", data))), "do": "place", **changed}

    def buy(self, slug: str, **changed: Any) -> str:
        """Place an order and return its number."""
        answer = self.send(f"/p/{slug}/orders", self.form(slug, **changed))
        assert answer.status_code == 303, read(answer)
        found = re.search(r"/orders/(\d+)", answer.headers["Location"].replace("%2F", "/"))
        assert found
        return found[1]

    def _headers(self) -> dict[str, str]:
        return {**PAGE, "User-Agent": self.agent}

    def _read(self, answer: TestResponse, status: int) -> str:
        assert answer.status_code == status, read(answer)
        self.last = read(answer)
        return self.last


def read(answer: TestResponse) -> str:
    """The text of an answer, unpacked."""
    return (gzip.decompress(answer.data) if answer.headers.get("Content-Encoding") == "gzip" else answer.data).decode()


def hidden(shown: str) -> dict[str, str]:
    """The hidden fields of a page."""
    return {name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', shown)}


def first_sku(shown: str) -> str:
    found = re.search(r'name="sku" value="([^"]+)"', shown)
    assert found
    return found[1]


@pytest.fixture
def shop(wechat: Wechat, seeded: None) -> Flask:  # noqa: F811
    """The application with the emulated WeChat plugged in."""
    return application(wechat.settings)


@pytest.fixture
def browser(shop: Flask, wechat: Wechat) -> Browser:  # noqa: F811
    """A browser outside WeChat."""
    return Browser(shop.test_client(), wechat.settings.public_base_url)


@pytest.fixture
def another(shop: Flask, wechat: Wechat) -> Callable[..., Browser]:  # noqa: F811
    """Open one more browser with cookies of its own."""
    return lambda agent=SAFARI: Browser(shop.test_client(), wechat.settings.public_base_url, agent)
