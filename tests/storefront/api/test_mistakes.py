"""The mistakes of integrations that show at the shop's own face, each with its guard and without it.

docs/wechat-mistakes.md numbers them; those of the money itself are in tests/payments/test_mistakes.py.
"""

import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from config import clock, database
from config import settings as process_settings
from payments import collect, notifications
from payments.lifecycle import Channel
from storefront import orders, reactions  # noqa: F401 - registers every reaction
from storefront.actors import WeChatIdentity
from storefront.api.orders import NewOrder
from storefront.errors import CodeRejected, WeChatUnavailable
from storefront.guard import SHOPPER
from storefront.wechat import wire
from subway_campaign import touches
from subway_campaign.errors import ForeignLink
from tests.payments.conftest import Wechat, Writer
from tests.storefront.api.conftest import Caller, code_of, log_in
from tests.storefront.api.test_notifications import PAYMENTS, REFUNDS, bring, letter
from tests.storefront.conftest import Asked, Oracle

both = pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "guard off"])
SKU = "AH001A"


@pytest.fixture
def number(app: Flask) -> str:
    """An open payment that WeChat may speak of."""
    now = clock.now()
    payer = collect.Payer(channel=Channel.NATIVE)
    payment = collect._take_number("O1", 5990, payer, "梨", now + timedelta(minutes=30), now)
    assert payment is not None
    return payment.number


@both
def test_15_the_answer_to_wechat_waits_for_no_slow_work(
    app: Flask, seeded: None, wechat: Wechat, drain: Callable[[], int], monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """What a payment leads to follows as reactions; the guard off, it is done before the answer."""
    order: list[str] = []
    settle, receive = orders.settle, notifications.receive

    def slow(*given: Any, **named: Any) -> None:
        order.append("settled")
        settle(*given, **named)

    def inline(**named: Any) -> None:
        receive(**named)
        if not guarded:
            drain()
        order.append("answered")

    monkeypatch.setattr(orders, "settle", slow)
    monkeypatch.setattr(notifications, "receive", inline)
    identity = WeChatIdentity(appid=wechat.settings.wechat_miniprogram_appid, openid=wechat.openid("小明"))
    caller = log_in(app, identity)
    placed = caller.place({SKU: 1}).get_json()["number"]
    opened = caller.post(f"/orders/{placed}/payments", {"channel": "miniprogram"}).get_json()
    wechat.pay(opened["payment"]["number"])
    drain()
    assert order[:2] == (["answered", "settled"] if guarded else ["settled", "answered"])


@both
def test_16_what_was_not_committed_is_not_acknowledged(
    client: FlaskClient,
    writer: Writer,
    number: str,
    monkeypatch: pytest.MonkeyPatch,
    guarded: bool,
) -> None:
    body = writer.envelope(letter(number))

    def away(*_: object, **__: object) -> None:
        raise psycopg.OperationalError

    receive = notifications.receive

    def careless(**named: Any) -> None:
        try:
            receive(**named)
        except psycopg.OperationalError:
            return

    with monkeypatch.context() as broken:
        broken.setattr(database, "statement", away)
        if not guarded:
            broken.setattr(notifications, "receive", careless)
        status = bring(client, writer, body).status_code
    assert status == (503 if guarded else 204)
    assert database.statement("SELECT count(*) FROM payment_notifications") == [(0,)]


@both
@pytest.mark.parametrize("path", [PAYMENTS, REFUNDS])
def test_28_the_address_for_news_needs_no_login(
    app: Flask, client: FlaskClient, writer: Writer, monkeypatch: pytest.MonkeyPatch, path: str, guarded: bool
) -> None:
    view = app.view_functions[f"notifications.take_{'payment' if path == PAYMENTS else 'refund'}"]
    if not guarded:
        monkeypatch.setattr(view, "guard", (SHOPPER, None))
    status, code = code_of(bring(client, writer, b"[]", path))
    assert (status, code) == (422, "payment.malformed_notification") if guarded else status in (401, 403)


def test_28_the_address_for_news_is_one_fixed_path(app: Flask) -> None:
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    assert {PAYMENTS, REFUNDS} <= rules
    assert not any(mark in path for path in (PAYMENTS, REFUNDS) for mark in "?<#")


@both
def test_31_a_login_code_is_never_spent_twice(oracle: Oracle, monkeypatch: pytest.MonkeyPatch, guarded: bool) -> None:
    """The first answer is lost after WeChat spent the code; only a new code helps."""

    def answer(_: Asked) -> tuple[int, object]:
        return (500, b"") if len(oracle.asked) == 1 else (200, {"errcode": 40163, "errmsg": "code been used"})

    redeem = wire.Client.redeem

    def insist(self: wire.Client, path: str, **params: str) -> dict[str, Any]:
        try:
            return redeem(self, path, **params)
        except Exception:  # noqa: BLE001 - that is the mistake
            return redeem(self, path, **params)

    if not guarded:
        monkeypatch.setattr(wire.Client, "redeem", insist)
    oracle.answer = answer
    with pytest.raises(WeChatUnavailable if guarded else CodeRejected):
        wire.code2session("0aB")
    assert len(oracle.asked) == (1 if guarded else 2)


@both
def test_32_a_scanned_link_is_decoded_once(monkeypatch: pytest.MonkeyPatch, db: None, guarded: bool) -> None:
    """What is encoded within the link is no code of ours; decoded twice it would be read as one."""
    ours = process_settings.current().public_base_url
    launch = touches.Launch(scene=1011, q=quote(f"{ours}/S/%37K3M9X2P", safe=""))
    if not guarded:
        monkeypatch.setattr(touches, "unquote", lambda text: unquote(unquote(text)))
    assert (touches._code_of(launch) == "7K3M9X2P") is not guarded


@pytest.mark.parametrize(
    "trick",
    [
        "http://{there}/S/7K3M9X2P",
        "http://localhost:{port}/S/7K3M9X2P",
        "{ours}@{there}/S/7K3M9X2P",
        "{ours}:x@{there}/S/7K3M9X2P",
        "http://{there}\\@{host}/S/7K3M9X2P",
        "HTTP://{there}/S/7K3M9X2P",
        "ftp://{host}/S/7K3M9X2P",
        "//{there}/S/7K3M9X2P",
    ],
)
def test_29_a_scanned_link_that_is_not_ours_is_no_code_and_is_never_called(
    trick: str, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    """The guard off it would count as a scan; nothing is called even then, for want of anything that could."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        stranger.setblocking(False)
        there, ours = f"127.0.0.1:{stranger.getsockname()[1]}", process_settings.current().public_base_url
        link = trick.format(there=there, port=there[10:], ours=ours, host=ours.partition("//")[2])
        launch = touches.Launch(scene=1011, q=quote(link, safe=""))
        with pytest.raises(ForeignLink):
            touches._code_of(launch)
        monkeypatch.setattr(touches, "_our_link", urlsplit)
        assert touches._code_of(launch) == "7K3M9X2P"
        with pytest.raises(BlockingIOError):
            stranger.accept()


@both
def test_35_a_price_from_the_client_is_refused(
    shopper: Caller, seeded: None, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """And even where it were let through, it would not count."""
    honest = shopper.place({SKU: 1}).get_json()["payable_fen"]
    if not guarded:
        load = NewOrder.load
        monkeypatch.setattr(NewOrder, "load", lambda self, data, **named: load(self, _without_price(data), **named))
    answer = shopper.place({SKU: 1}, key="key-00000002", payable_fen=1)
    assert answer.status_code == (422 if guarded else 201)
    assert guarded or answer.get_json()["payable_fen"] == honest


def _without_price(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name != "payable_fen"}
