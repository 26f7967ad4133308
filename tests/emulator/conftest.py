"""An emulated WeChat on a free port, a merchant's notification server, and WeChat's own client library between them."""

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from wechatpayv3 import WeChatPay, WeChatPayType

from emulator import keys, till
from emulator.app import create_app
from emulator.desk import Options, furnish
from emulator.server import Server
from tests.ports import free_port
from tests.waits import wait_until


@dataclass
class Wechat:
    """What a merchant knows of WeChat: an address and the settings; what a test may do besides: the control plane."""

    url: str
    settings: dict[str, str]

    def control(self, method: str, path: str, **told: Any) -> Any:
        answer = requests.request(method, f"{self.url}/_control{path}", json=told or None, timeout=60)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def openid(self, person: str, account: str = "official") -> str:
        return str(self.control("GET", f"/people/{person}")[f"{account}_openid"])

    def order(self, number: str) -> dict[str, Any]:
        return dict(self.control("GET", f"/books/{number}"))


@dataclass
class Shop:
    """A merchant's notification server: it keeps what arrives and answers what the test wants."""

    url: str
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def wait_for(self, count: int) -> list[tuple[dict[str, str], bytes]]:
        wait_until(lambda: len(self.received) >= count, what=f"notification {count}")
        return self.received


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> keys.Keys:
    """One identity for all: making and checking RSA keys is what takes time here."""
    return keys.load(tmp_path_factory.mktemp("identity"))


@pytest.fixture
def wechat(identity: keys.Keys, tmp_path: Path) -> Iterator[Wechat]:
    """A desk served in this process, with books of its own; its retries are a thousand times faster than WeChat's."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    desk = furnish(tmp_path, identity, Options(public_url=url, refund_seconds=50), speed=1000)
    server = Server("127.0.0.1", port, create_app(desk))
    till.resume(desk)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    yield Wechat(url, identity.settings(api_url=url, public_url=url))
    server.shutdown()
    thread.join()
    server.server_close()
    desk.close()


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop("")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            shop.received.append((dict(self.headers.items()), body))
            self.send_response(shop.answers.pop(0) if shop.answers else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            return

    class ShopServer(http.server.ThreadingHTTPServer):
        # Twenty at once must find room to wait, or the system turns some of them away.
        request_queue_size = 128

    server = ShopServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    shop.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield shop
    server.shutdown()
    thread.join()
    server.server_close()


def client_of(known: dict[str, str]) -> WeChatPay:
    """The community's client library, plugged in by the settings alone."""
    return WeChatPay(
        wechatpay_type=WeChatPayType.JSAPI,
        mchid=known["WECHATPAY_MCHID"],
        private_key=Path(known["WECHATPAY_MERCHANT_KEY_FILE"]).read_text(),
        cert_serial_no=known["WECHATPAY_MERCHANT_SERIAL"],
        appid=known["WECHAT_OFFICIAL_APPID"],
        apiv3_key=known["WECHATPAY_APIV3_KEY"],
        public_key=Path(known["WECHATPAY_PUBLIC_KEY_FILE"]).read_text(),
        public_key_id=known["WECHATPAY_PUBLIC_KEY_ID"],
        timeout=(60, 60),
    )


def at(client: WeChatPay, wechat: Wechat, shop: Shop) -> WeChatPay:
    """Point the client library at a desk, and the desk's notifications at a shop."""
    client._core._gate_way = wechat.url
    client._notify_url = f"{shop.url}/wechatpay/notifications/payments"
    return client


@dataclass
class Till:
    """A merchant's till in the language of the tests: prepay, and the answers as Python."""

    client: WeChatPay
    wechat: Wechat

    def prepay(self, number: str, fen: int = 5990, product: str = "jsapi", **more: Any) -> tuple[int, Any]:
        kinds = {"jsapi": WeChatPayType.JSAPI, "h5": WeChatPayType.H5, "native": WeChatPayType.NATIVE}
        if product == "jsapi":
            more.setdefault("payer", {"openid": self.wechat.openid("李明")})
        if product == "h5":
            more.setdefault("scene_info", {"payer_client_ip": "127.0.0.1", "h5_info": {"type": "Wap"}})
        status, body = self.client.pay(
            description=more.pop("description", "砀山酥梨 5斤"),
            out_trade_no=number,
            amount={"total": fen, "currency": "CNY"},
            pay_type=kinds[product],
            **more,
        )
        return status, json.loads(body)

    def query(self, number: str) -> tuple[int, Any]:
        status, body = self.client.query(out_trade_no=number)
        return status, json.loads(body)

    def close(self, number: str) -> tuple[int, Any]:
        status, body = self.client.close(number)
        return status, json.loads(body) if body else None

    def refund(self, number: str, refund: str, fen: int, total: int = 5990, **more: Any) -> tuple[int, Any]:
        status, body = self.client.refund(
            out_refund_no=refund,
            out_trade_no=number,
            amount={"refund": fen, "total": total, "currency": "CNY"},
            **more,
        )
        return status, json.loads(body)

    def query_refund(self, refund: str) -> tuple[int, Any]:
        status, body = self.client.query_refund(refund)
        return status, json.loads(body)


@pytest.fixture(scope="session")
def client(identity: keys.Keys) -> WeChatPay:
    return client_of(identity.settings(api_url="", public_url=""))


@pytest.fixture
def pos(client: WeChatPay, wechat: Wechat, shop: Shop) -> Till:
    return Till(at(client, wechat, shop), wechat)
