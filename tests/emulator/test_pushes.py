"""Pushes of the mini-program: signed and sealed as its own library reads them, at the moments that shipping brings."""

import base64
import http.server
import json
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from wechatpy.crypto import WeChatCrypto
from wechatpy.exceptions import InvalidSignatureException
from wechatpy.utils import check_signature

from tests.emulator.conftest import Till, Wechat, wait_until
from tests.emulator.test_shipping import later, look, shipment, upload
from tests.emulator.test_weixin import post, stable_token

__all__ = ["shipment"]
DAY = 86400


@dataclass
class Site:
    """A mini-program's server: it echoes what is well signed, and keeps what is pushed."""

    token: str
    aes_key: str
    url: str = ""
    received: list[tuple[dict[str, str], str]] = field(default_factory=list)

    def read(self, number: int, appid: str) -> Any:
        wait_until(lambda: len(self.received) > number)
        query, body = self.received[number]
        check_signature(self.token, query["signature"], query["timestamp"], query["nonce"])
        text: Any = json.loads(body) if body.startswith("{") else body
        crypto = WeChatCrypto(self.token, self.aes_key, appid)
        opened = crypto.decrypt_message(text, query["msg_signature"], query["timestamp"], query["nonce"])
        return json.loads(opened) if body.startswith("{") else opened


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site("push-token", base64.b64encode(secrets.token_bytes(32)).decode().rstrip("="))

    class Handler(http.server.BaseHTTPRequestHandler):
        def query(self) -> dict[str, str]:
            return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}

        def do_GET(self) -> None:
            query = self.query()
            check_signature(site.token, query["signature"], query["timestamp"], query["nonce"])
            self.answer(query["echostr"].encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            site.received.append((self.query(), body))
            self.answer(b"success")

        def answer(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_address[1]}/wechat/push"
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


def settle_on(wechat: Wechat, site: Site, form: str = "json") -> str:
    wechat.control("POST", "/push", url=site.url, token=site.token, aes_key=site.aes_key, form=form)
    return wechat.settings["WECHAT_MINIPROGRAM_APPID"]


@pytest.mark.parametrize("form", ["json", "xml"])
def test_shipped_and_received_by_hand(wechat: Wechat, site: Site, shipment: dict[str, Any], form: str) -> None:
    appid = settle_on(wechat, site, form)
    assert upload(wechat, shipment) == 0
    told = site.read(0, appid)
    if form == "xml":
        assert "<Event><![CDATA[trade_manage_order_settlement]]></Event>" in told
        return
    order = wechat.order("SHIP-0001")
    assert (told["Event"], told["transaction_id"]) == ("trade_manage_order_settlement", order["transaction_id"])
    assert told["estimated_settlement_time"] - told["shipped_time"] == 10 * DAY
    wechat.control("POST", "/receipts", out_trade_no="SHIP-0001")
    wechat.control("POST", "/receipts", out_trade_no="SHIP-0001")
    told = site.read(1, appid)
    assert (told["confirm_receive_method"], told["merchant_trade_no"]) == (2, "SHIP-0001")
    assert told["settlement_time"] >= told["confirm_receive_time"] >= told["pay_time"]
    assert look(wechat, transaction_id=order["transaction_id"])["order"]["order_state"] == 3
    assert len(site.received) == 2


def test_reminded_after_two_days_and_received_after_ten(
    pos: Till, wechat: Wechat, site: Site, shipment: dict[str, Any]
) -> None:
    appid = settle_on(wechat, site)
    wechat.control("POST", "/clock", offset_seconds=2 * DAY + 60)
    wechat.control("POST", "/clock", offset_seconds=2 * DAY + 120)
    assert site.read(0, appid)["Event"] == "trade_manage_remind_shipping"
    assert upload(wechat, shipment) == 0
    assert site.read(1, appid)["Event"] == "trade_manage_order_settlement"
    wechat.control("POST", "/clock", offset_seconds=13 * DAY)
    assert site.read(2, appid)["confirm_receive_method"] == 1
    assert wechat.order("SHIP-0001")["shipping"]["settled_at"]
    wechat.control("POST", "/clock", offset_seconds=15 * DAY)
    number = wechat.order("SHIP-0001")["transaction_id"]
    assert look(wechat, transaction_id=number)["order"]["order_state"] == 4
    assert len(site.received) == 3


@pytest.mark.parametrize("fault", ["forged_signature", "wrong_key", "lost", "doubled"])
def test_what_may_happen_to_a_push(wechat: Wechat, site: Site, shipment: dict[str, Any], fault: str) -> None:
    appid = settle_on(wechat, site)
    wechat.control("POST", "/faults", fault=fault, on="push")
    assert upload(wechat, shipment) == 0
    if fault == "lost":
        wait_until(lambda: wechat.order("SHIP-0001")["notifications"][-1]["state"] == "lost")
        assert site.received == []
    elif fault == "doubled":
        assert site.read(0, appid) == site.read(1, appid)
    else:
        with pytest.raises((InvalidSignatureException, ValueError)):
            site.read(0, appid)


def test_a_server_that_does_not_echo_is_not_taken(wechat: Wechat, site: Site) -> None:
    told = {"url": site.url.replace("/wechat/push", "/"), "token": "another", "aes_key": site.aes_key}
    assert requests.post(f"{wechat.url}/_control/push", json=told, timeout=30).status_code == 422
    short = told | {"aes_key": "short"}
    assert requests.post(f"{wechat.url}/_control/push", json=short, timeout=30).status_code == 422
    assert wechat.control("GET", "/push") is None


def test_parcels_one_after_the_other(wechat: Wechat, shipment: dict[str, Any]) -> None:
    parcel = shipment["shipping_list"][0]
    part = shipment | {"delivery_mode": 2, "is_all_delivered": False}
    assert upload(wechat, part) == 0
    assert wechat.order("SHIP-0001")["shipping"]["shipped_at"] is None
    assert upload(wechat, part | {"shipping_list": [parcel | {"tracking_no": "2"}]}) == 268485216
    last = part | later(1) | {"shipping_list": [parcel | {"tracking_no": "2"}], "is_all_delivered": True}
    assert upload(wechat, last) == 0
    number = wechat.order("SHIP-0001")["transaction_id"]
    shipped = look(wechat, transaction_id=number)["order"]["shipping"]
    assert [each["tracking_no"] for each in shipped["shipping_list"]] == ["SF123", "2"]
    assert (shipped["finish_shipping"], shipped["finish_shipping_count"]) == (True, 1)
    many = [parcel | {"tracking_no": str(each)} for each in range(16)]
    assert upload(wechat, last | later(2) | {"shipping_list": many}) == 10060024
    assert upload(wechat, last | later(3) | {"shipping_list": [parcel | {"tracking_no": "3"}]}) == 0
    assert upload(wechat, last | later(4) | {"shipping_list": [parcel | {"tracking_no": "4"}]}) == 10060003


def ask(wechat: Wechat, call: str, **body: Any) -> dict[str, Any]:
    return post(wechat, f"/wxa/sec/order/{call}", body, stable_token(wechat)["access_token"])


def test_the_list_in_pages(pos: Till, wechat: Wechat, shipment: dict[str, Any]) -> None:
    payer, appid = wechat.openid("李明", "miniprogram"), wechat.settings["WECHAT_MINIPROGRAM_APPID"]
    for number in ("LIST-0001", "LIST-0002"):
        pos.prepay(number, appid=appid, payer={"openid": payer})
        wechat.control("POST", "/pay", out_trade_no=number)
    assert upload(wechat, shipment) == 0
    first = ask(wechat, "get_order_list", page_size=2)
    assert ([each["merchant_trade_no"] for each in first["order_list"]], first["has_more"]) == (
        ["LIST-0002", "LIST-0001"],
        True,
    )
    second = ask(wechat, "get_order_list", page_size=2, last_index=first["last_index"])
    assert (len(second["order_list"]), second["has_more"]) == (1, False)
    assert len(ask(wechat, "get_order_list", order_state=1)["order_list"]) == 2
    assert ask(wechat, "get_order_list", last_index="nobody")["errcode"] == 10060011


def test_the_smaller_calls(wechat: Wechat, shipment: dict[str, Any]) -> None:
    ids = {"merchant_id": wechat.settings["WECHATPAY_MCHID"], "merchant_trade_no": "SHIP-0001"}
    assert ask(wechat, "notify_confirm_receive", **ids, received_time=2**31)["errcode"] == 10060028
    assert upload(wechat, shipment) == 0
    assert ask(wechat, "notify_confirm_receive", **ids, received_time=1)["errcode"] == 10060032
    assert ask(wechat, "notify_confirm_receive", **ids, received_time=2**31)["errcode"] == 0
    assert ask(wechat, "notify_confirm_receive", **ids, received_time=2**31)["errcode"] == 10060029
    assert ask(wechat, "set_msg_jump_path", path="pages/order/detail")["errcode"] == 0
    assert ask(wechat, "set_msg_jump_path", path="/pages")["errcode"] == 10060014
    assert ask(wechat, "update_order_detail_path", path="pages/o?id=${商品订单号}")["errcode"] == 0
    assert ask(wechat, "get_order_detail_path", a=1)["path"].startswith("pages/o")
    appid = wechat.settings["WECHAT_MINIPROGRAM_APPID"]
    assert ask(wechat, "is_trade_managed", appid=appid)["is_trade_managed"] is True
    assert ask(wechat, "is_trade_management_confirmation_completed", appid=appid)["completed"] is True
    assert ask(wechat, "opspecialorder", order_id="nobody", type=2)["errcode"] == 268546000
    assert ask(wechat, "opspecialorder", order_id="SHIP-0001", type=9)["errcode"] == 268546001
    assert ask(wechat, "opspecialorder", order_id="SHIP-0001", type=1, delay_to=1)["errcode"] == 268546002
    assert ask(wechat, "opspecialorder", order_id="SHIP-0001", type=2)["errcode"] == 0


def test_several_payments_in_one_upload(wechat: Wechat, shipment: dict[str, Any]) -> None:
    shared = {name: shipment[name] for name in ("upload_time", "payer")}
    own = {name: value for name, value in shipment.items() if name not in shared}
    assert ask(wechat, "upload_combined_shipping_info", **shared, sub_orders=[])["errcode"] == 10060014
    assert ask(wechat, "upload_combined_shipping_info", **shared, sub_orders=[own])["errcode"] == 0
    assert wechat.order("SHIP-0001")["is_shipped"]
