"""WeChat's pushes, from the emulated WeChat over HTTP and forged by hand: proved, opened, kept once, applied once."""

import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from wechatpy.crypto import PrpCrypto
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from config import database
from config import settings as process_settings
from storefront import frozen_money, order_views, pushes
from storefront.wechat import pushes as wire
from tests.apps import application
from tests.payments.conftest import Wechat, rows
from tests.ports import free_port
from tests.storefront import selling
from tests.storefront.selling import Sell
from tests.waits import wait_until

emulator, inbox, sell, wechat = selling.emulator, selling.inbox, selling.sell, selling.wechat

TOKEN, KEY = "push-token-of-the-tests", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
PATH = "/wechat/push"


@dataclass
class Pusher:
    """Whoever pushes to the shop: WeChat, or somebody who would like to be."""

    client: FlaskClient
    appid: str

    def signed(self, *sealed: str, token: str = TOKEN, at: float | None = None) -> dict[str, str]:
        """The query of one sending."""
        stamp, nonce = str(int(time.time() if at is None else at)), secrets.token_hex(5)
        digest = hashlib.sha1("".join(sorted((token, stamp, nonce, *sealed))).encode()).hexdigest()
        return {"timestamp": stamp, "nonce": nonce, "msg_signature" if sealed else "signature": digest}

    def seal(self, event: Any, *, key: str = KEY, appid: str | None = None) -> str:
        text = event if isinstance(event, str) else json.dumps(event)
        return str(PrpCrypto(wire.key_of(key)).encrypt(text, appid or self.appid).decode())

    def post(self, query: dict[str, str], body: bytes | str) -> TestResponse:
        return self.client.post(PATH, query_string=query, data=body, content_type="application/json")

    def push(self, event: Any, **forged: Any) -> TestResponse:
        sealed = self.seal(event, **{name: forged.pop(name) for name in ("key", "appid") if name in forged})
        return self.post(self.signed(sealed, **forged), json.dumps({"ToUserName": "gh_1", "Encrypt": sealed}))


@pytest.fixture
def pusher(wechat: Wechat) -> Iterator[Pusher]:
    config = replace(wechat.settings, wechat_push_token=TOKEN, wechat_push_aes_key=KEY)
    with application(config).test_client() as client:
        yield Pusher(client, config.wechat_miniprogram_appid)


@pytest.fixture
def site(pusher: Pusher, wechat: Wechat) -> Iterator[None]:
    """The shop over HTTP, entered in the emulated WeChat's console, which asks it for its echo."""
    port = free_port()
    server = make_server("127.0.0.1", port, pusher.client.application, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    wechat.order("/push", url=f"http://127.0.0.1:{port}{PATH}", token=TOKEN, aes_key=KEY)
    yield
    server.shutdown()
    thread.join()
    server.server_close()


def kept() -> list[dict[str, Any]]:
    return rows("SELECT * FROM wechat_pushes ORDER BY id")


def settlement(payment: str, transaction_id: str, mchid: str, **more: Any) -> dict[str, Any]:
    now = int(time.time())
    return {
        "ToUserName": "gh_1",
        "FromUserName": "oSomebody000001",
        "CreateTime": now,
        "MsgType": "event",
        "Event": pushes.SETTLEMENT,
        "transaction_id": transaction_id,
        "merchant_id": mchid,
        "merchant_trade_no": payment,
        **more,
    }


def test_shipping_receipt_and_settlement_arrive_from_wechat(
    sell: Sell, site: None, wechat: Wechat, drain: Callable[[], int]
) -> None:
    order = sell()
    order.ship()
    drain()
    wait_until(lambda: order.row()["settles_at"] is not None, what="the push of the shipping")
    assert (order.row()["state"], len(kept())) == ("shipped", 1)
    with database.transaction() as session:
        sums = frozen_money.totals(session, now=datetime.now(UTC))
    assert (sums.frozen_fen, sums.settled_fen, sums.overdue) == (order.row()["amount_fen"], 0, 0)
    wechat.order("/receipts", out_trade_no=order.payment)
    wait_until(lambda: order.row()["settled_at"] is not None, what="the push of the settlement")
    row = order.row()
    assert (row["state"], row["receipt_method"], row["next_at"]) == ("settled", 2, None)
    with database.transaction() as session:
        sums = frozen_money.totals(session, now=datetime.now(UTC))
        shown = order_views.staff_find(session, number=order.number)
        money = frozen_money.of_order(session, number=order.number, now=datetime.now(UTC))
    assert (sums.frozen_fen, sums.settled_fen) == (0, row["amount_fen"])
    assert shown["state"] == "received", "a receipt confirmed at WeChat is a receipt"
    assert money is not None
    assert money["state"] == "settled"
    assert all("FromUserName" not in each["content"] for each in kept())


def test_the_server_proves_itself_to_the_console(pusher: Pusher) -> None:
    query = pusher.signed() | {"echostr": "4711"}
    answer = pusher.client.get(PATH, query_string=query)
    assert (answer.status_code, answer.text, answer.mimetype) == (200, "4711", "text/plain")
    for forged in (pusher.signed(token="guessed"), pusher.signed(at=time.time() - 301), {}):
        assert pusher.client.get(PATH, query_string=forged | {"echostr": "4711"}).status_code == 401


def test_nothing_is_believed_without_the_settings(pusher: Pusher) -> None:
    config = replace(process_settings.current(), wechat_push_token=None, wechat_push_aes_key=None)
    process_settings.use(config)
    for answer in (pusher.client.get(PATH, query_string=pusher.signed()), pusher.push({"Event": "x"})):
        assert answer.status_code == 404
        assert answer.get_json()["error"]["code"] == "wechat.push_not_configured"


@pytest.mark.parametrize("seconds", [-301, 301])
def test_an_old_push_is_not_taken_and_a_young_one_is(pusher: Pusher, seconds: int) -> None:
    assert pusher.push({"Event": "x"}, at=time.time() + seconds).status_code == 401
    assert kept() == []
    near = seconds - (2 if seconds > 0 else -2)
    assert pusher.push({"Event": "x"}, at=time.time() + near).text == "success"


def test_without_its_window_an_old_push_would_be_taken(pusher: Pusher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "WINDOW", timedelta(days=1))
    assert pusher.push({"Event": "x"}, at=time.time() - 301).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"Encrypt": 1}',
        b"{}",
        b"<xml></xml>",
        b"<xml><Encrypt>x",
        b'<!DOCTYPE x [<!ENTITY a "b">]><xml><Encrypt>&a;</Encrypt></xml>',
    ],
)
def test_what_is_no_push_is_refused_unread(pusher: Pusher, body: bytes) -> None:
    assert pusher.post(pusher.signed("x"), body).status_code == 401
    assert kept() == []


def test_forged_signatures_and_the_plain_mode_are_refused(pusher: Pusher) -> None:
    sealed = pusher.seal({"Event": "x"})
    body = json.dumps({"Encrypt": sealed})
    good = pusher.signed(sealed)
    for query in (
        pusher.signed(sealed, token="guessed"),
        good | {"msg_signature": good["msg_signature"][::-1]},
        good | {"msg_signature": ""},
        good | {"msg_signature": "签名"},
        good | {"nonce": "another"},
        good | {"timestamp": "soon"},
        {},
    ):
        assert pusher.post(query, body).status_code == 401
    assert pusher.post(pusher.signed(), json.dumps({"Event": "x"})).status_code == 401
    assert kept() == []


def test_a_wrong_key_and_another_account_are_sent_again(pusher: Pusher) -> None:
    assert pusher.push({"Event": "x"}, key="Z" * 43).status_code == 503
    assert pusher.push({"Event": "x"}, appid="wx0000000000000009").status_code == 503
    assert pusher.push("not an event").status_code == 503
    assert kept() == []


def test_more_than_64_kib_is_refused(pusher: Pusher) -> None:
    assert pusher.push({"Event": "x", "msg": "y" * 40_000}).status_code == 200
    assert pusher.push({"Event": "x", "msg": "y" * 80_000}).status_code == 413


def test_unknown_events_are_kept_without_saying_whose(pusher: Pusher) -> None:
    event = {"FromUserName": "oSomebody000001", "MsgType": "event", "Event": "wxa_nobody_knows", "n": 1}
    assert pusher.push(event).text == "success"
    [row] = kept()
    assert (row["event"], row["outcome"], row["content"]["n"]) == ("wxa_nobody_knows", "ignored", 1)
    assert "oSomebody" not in json.dumps(row["content"])


def test_a_push_about_nothing_of_ours_is_kept_and_harmless(pusher: Pusher, sell: Sell) -> None:
    order = sell()
    found = order.row()
    mchid = process_settings.current().wechatpay_mchid
    settled = {"settlement_time": int(time.time())}
    for event in (
        settlement("P0", found["transaction_id"], mchid, **settled),
        settlement(order.payment, "4200", mchid, **settled),
        settlement(order.payment, found["transaction_id"], "1900000009", **settled),
    ):
        assert pusher.push(event).text == "success"
    assert [row["outcome"] for row in kept()] == ["unmatched"] * 3
    assert order.row()["settled_at"] is None


def test_the_same_event_is_applied_once_however_often_it_is_sent(
    pusher: Pusher, sell: Sell, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = sell()
    applied = []
    take = frozen_money.take_news

    def counted(session: Any, **told: Any) -> bool:
        applied.append(told)
        return take(session, **told)

    monkeypatch.setattr(frozen_money, "take_news", counted)
    mchid = process_settings.current().wechatpay_mchid
    event = settlement(order.payment, order.row()["transaction_id"], mchid, settlement_time=1_795_000_000)
    for _ in range(5):
        assert pusher.push(event).text == "success"
    clients = [replace(pusher, client=pusher.client.application.test_client()) for _ in range(8)]
    senders = [threading.Thread(target=each.push, args=(event,)) for each in clients]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    [row] = kept()
    assert (row["deliveries"], row["outcome"], len(applied)) == (13, "applied", 1)
    assert order.row()["state"] == "settled"


def test_news_that_were_overtaken_change_nothing(pusher: Pusher, sell: Sell) -> None:
    order = sell()
    mchid, number = process_settings.current().wechatpay_mchid, order.row()["transaction_id"]
    assert pusher.push(settlement(order.payment, number, mchid, settlement_time=1_795_000_000)).status_code == 200
    late = settlement(order.payment, number, mchid, shipped_time=1_794_000_000, estimated_settlement_time="soon")
    assert pusher.push(late).status_code == 200
    row = order.row()
    assert (row["state"], row["settles_at"]) == ("settled", None)
    assert row["shipped_at"] == datetime.fromtimestamp(1_794_000_000, UTC)


def test_a_reminder_lets_the_payment_be_looked_at_now(pusher: Pusher, sell: Sell) -> None:
    order = sell()
    mchid = process_settings.current().wechatpay_mchid
    event = settlement(order.payment, order.row()["transaction_id"], mchid) | {"Event": pushes.REMIND_SHIPPING}
    assert pusher.push(event).text == "success"
    assert order.row()["next_at"] <= datetime.now(UTC)


def test_pushes_in_xml_are_read_as_those_in_json(pusher: Pusher, sell: Sell) -> None:
    order = sell()
    mchid, number = process_settings.current().wechatpay_mchid, order.row()["transaction_id"]
    event = settlement(order.payment, number, mchid, shipped_time=1_794_000_000)
    xml = "<xml>" + "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in event.items()) + "</xml>"
    sealed = pusher.seal(xml)
    body = f"<xml><ToUserName><![CDATA[gh_1]]></ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"
    assert pusher.post(pusher.signed(sealed), body).text == "success"
    assert (order.row()["state"], kept()[0]["outcome"]) == ("shipped", "applied")
