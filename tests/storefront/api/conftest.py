"""People at the API: a program with a bearer token, and a browser with cookies."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from config import clock, database
from config.settings import Settings
from storefront import sessions, shoppers
from storefront.actors import ActorKind, WeChatIdentity
from tests.payments.conftest import emulator, inbox, wechat, writer  # noqa: F401 - fixtures

ADDRESS = {"name": "王小明", "phone": "13800001234", "region_code": "340102", "detail": "明光路 1 号"}

# What no text of an address may be.
HOSTILE_TEXTS = ("", "\x00", "a\x00b", "\x1b[2J", "x" * 5000, "\u202e")


@dataclass
class Caller:
    """Somebody who calls: with a bearer token, or by cookies as our own pages would."""

    client: FlaskClient
    headers: dict[str, str] = field(default_factory=dict)
    shopper_id: int = 0
    person: UUID | None = None

    def call(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = {**self.headers, **options.pop("headers", {})}
        return self.client.open(f"/api/v1{path}", method=method, headers=headers, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.call("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        return self.call("POST", path, json=json, **options)

    def put(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        return self.call("PUT", path, json=json, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        return self.call("DELETE", path, **options)

    def place(self, lines: dict[str, int], key: str = "key-00000001", **body: Any) -> TestResponse:
        """Place an order, to Hefei unless told otherwise."""
        wanted = [{"sku": sku, "quantity": quantity} for sku, quantity in lines.items()]
        if "address_number" not in body:
            body.setdefault("address", ADDRESS)
        return self.post("/orders", {"lines": wanted, **body}, headers={"Idempotency-Key": key})


def code_of(response: TestResponse) -> tuple[int, str]:
    """The status and the stable code of an error, or '' of an answer; every error has the one shape."""
    body = response.get_json(silent=True)
    if response.status_code < 400:
        return response.status_code, ""
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "details", "request_id"}
    return response.status_code, body["error"]["code"]


def log_in(app: Flask, identity: WeChatIdentity) -> Caller:
    """A shopper with a bearer token."""
    now = clock.now()
    with database.transaction() as session:
        view = shoppers.arrive(session, identity=identity, now=now)
        opened = sessions.open_for_shopper(session, shopper_id=view.shopper_id, kind=ActorKind.SHOPPER, now=now)
    return Caller(app.test_client(), {"Authorization": f"Bearer {opened.token}"}, view.shopper_id, view.person)


@pytest.fixture
def shopper(app: Flask, settings: Settings) -> Caller:
    """Somebody who logged in through the mini-program."""
    return log_in(app, WeChatIdentity(appid=settings.wechat_miniprogram_appid, openid="oShopper00000000000000000001"))


@pytest.fixture
def stranger(app: Flask, settings: Settings) -> Caller:
    """Somebody else."""
    return log_in(app, WeChatIdentity(appid=settings.wechat_miniprogram_appid, openid="oStranger0000000000000000002"))


@pytest.fixture
def browser(app: Flask) -> Caller:
    """A guest's browser, which carries cookies and knows the page's token."""
    client = app.test_client()
    caller = Caller(client, {"Origin": "http://127.0.0.1:8000"})
    opened = caller.post("/sessions/guest")
    assert opened.status_code == 201
    caller.headers["X-CSRF-Token"] = opened.get_json()["csrf_token"]
    return caller
