"""The emulated WeChat in its own process, a server that takes its notifications, and letters that WeChat could sign."""

import base64
import http.server
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from requests.structures import CaseInsensitiveDict
from sqlalchemy import text

from config import clock, database
from config import settings as process_settings
from config.errors import AppError
from config.settings import Settings
from payments import collect, ledger, notifications
from payments.collect import Payer
from payments.lifecycle import Channel
from payments.wechatpay import transport
from tests.ports import free_port
from tests.waits import wait_until

ROOT = Path(__file__).resolve().parents[2]


def rows(sql: str, **params: Any) -> list[dict[str, Any]]:
    """Read the database as rows."""
    with database.transaction() as session:
        return [dict(row) for row in session.execute(text(sql), params).mappings()]


def change(sql: str, **params: Any) -> None:
    """Write to the database behind the product's back."""
    with database.transaction() as session:
        session.execute(text(sql), params)


def facts_of(name: str) -> list[dict[str, Any]]:
    """The values of every fact of a name."""
    return [row["values"] for row in rows("SELECT values FROM facts WHERE name = :name ORDER BY id", name=name)]


@dataclass(frozen=True)
class Writer:
    """Writes and signs notifications as WeChat would, for what the emulator cannot be ordered to say."""

    key: rsa.RSAPrivateKey
    serial: str
    apiv3_key: str

    def envelope(
        self,
        content: Any,
        *,
        event_type: str = "TRANSACTION.SUCCESS",
        name: str | None = None,
        associated: str = "transaction",
    ) -> bytes:
        nonce = secrets.token_hex(6)
        plain = content if isinstance(content, bytes) else json.dumps(content).encode()
        sealed = AESGCM(self.apiv3_key.encode()).encrypt(nonce.encode(), plain, associated.encode())
        body = {
            "id": name or secrets.token_hex(16),
            # Spacing, order and Chinese are WeChat's; only raw bytes verify.
            "summary": "支付成功",
            "event_type": event_type,
            "resource_type": "encrypt-resource",
            "resource": {
                "nonce": nonce,
                "associated_data": associated,
                "algorithm": "AEAD_AES_256_GCM",
                "ciphertext": base64.b64encode(sealed).decode(),
            },
        }
        return json.dumps(body, ensure_ascii=False, indent=1).encode()

    def headers(self, body: bytes, *, at: datetime, **changes: str) -> CaseInsensitiveDict[str]:
        timestamp, nonce = str(int(at.timestamp())), secrets.token_hex(16)
        message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        signature = self.key.sign(message, PKCS1v15(), hashes.SHA256())
        signed = {
            "Wechatpay-Serial": self.serial,
            "Wechatpay-Timestamp": timestamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": base64.b64encode(signature).decode(),
            "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
        }
        return CaseInsensitiveDict(signed | {name.replace("_", "-"): value for name, value in changes.items()})


def private_key(path: Path) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


@pytest.fixture
def writer(settings: Settings) -> Writer:
    """The WeChat of the settings that lead nowhere: it can write, and cannot be called."""
    return Writer(
        private_key(settings.wechatpay_public_key_file.with_name("wechatpay-private.pem")),
        settings.wechatpay_public_key_id,
        settings.wechatpay_apiv3_key,
    )


@dataclass
class Inbox:
    """Where WeChat's notifications arrive; it applies them as the shop's face does and remembers what it answered."""

    url: str
    answered: list[int] = field(default_factory=list)
    letters: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        self.letters.append((headers, body))
        try:
            notifications.receive(headers=headers, body=body, now=clock.now())
            status = 204
        except AppError as error:
            status = error.status
        except Exception:  # noqa: BLE001 - the emulator must see what a bug would look like
            status = 500
        self.answered.append(status)
        return status


@pytest.fixture
def inbox(db: None) -> Iterator[Inbox]:
    """An HTTP server for notifications in this process, with an address of this test's own.

    What WeChat repeats for an earlier test finds nobody there, and what is under way when the test ends is answered
    before the database goes: a connection still in use then would outlive its pool, unclosed.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(taken.take(CaseInsensitiveDict(self.headers.items()), body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Stay silent."""

    class Server(http.server.ThreadingHTTPServer):
        # Closing it waits for the answers that are under way.
        daemon_threads = False
        # Twenty at once must find room to wait, or the system turns some of them away.
        request_queue_size = 128

    server = Server(("127.0.0.1", free_port()), Handler)
    taken = Inbox(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield taken
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass(frozen=True)
class Wechat:
    """The emulated WeChat: what a shop knows of it, and what a test may order."""

    url: str
    settings: Settings
    inbox: Inbox
    heard: int = 0

    def order(self, path: str, method: str = "POST", **told: Any) -> Any:
        answer = requests.request(method, f"{self.url}/_control{path}", json=told or None, timeout=60)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def fault(self, fault: str, **told: Any) -> None:
        self.order("/faults", fault=fault, **told)

    def pay(self, number: str, **told: Any) -> dict[str, Any]:
        return dict(self.order("/pay", out_trade_no=number, **{"wait": True, **told}))

    def book(self, number: str) -> dict[str, Any]:
        return dict(self.order(f"/books/{number}", "GET"))

    def knows(self, number: str) -> bool:
        """Whether a prepay for this number took effect."""
        return requests.get(f"{self.url}/_control/books/{number}", timeout=60).ok

    def openid(self, person: str = "小明", account: str = "miniprogram") -> str:
        return str(self.order(f"/people/{person}", "GET")[f"{account}_openid"])

    def calls(self) -> list[str]:
        """What the shop has called since this test began, oldest first: prepay, query, close, refund, query_refund."""
        entries = self.order("/log?limit=2000", "GET")
        return [_name(each["method"], each["target"]) for each in entries if each["direction"] == "in"][self.heard :]

    def writer(self) -> Writer:
        key = self.settings.wechatpay_public_key_file.with_name("wechatpay_key.pem")
        return Writer(private_key(key), self.settings.wechatpay_public_key_id, self.settings.wechatpay_apiv3_key)


def _name(method: str, target: str) -> str:
    if target.endswith("/close"):
        return "close"
    if "/refund/" in target:
        return "refund" if method == "POST" else "query_refund"
    return "prepay" if method == "POST" else "query"


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """The emulator as a process of its own: its address and the settings that it writes for a shop."""
    folder = tmp_path_factory.mktemp("emulator")
    port = free_port()
    command = [sys.executable, "-m", "emulator", "--dir", str(folder), "--port", str(port), "--refund-seconds", "600"]
    with ExitStack() as stack:
        log = stack.enter_context((folder / "output.log").open("w"))
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
        stack.callback(process.wait)
        stack.callback(process.terminate)
        url = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            assert process.poll() is None, (folder / "output.log").read_text()
            try:
                return requests.get(f"{url}/_control/clock", timeout=1).ok
            except requests.RequestException:
                return False

        wait_until(answers, what="the emulator")
        lines = (folder / "settings.env").read_text().splitlines()
        yield url, dict(line.split("=", 1) for line in lines)


@pytest.fixture
def wechat(
    db: None, emulator: tuple[str, dict[str, str]], environment: dict[str, str], inbox: Inbox
) -> Iterator[Wechat]:
    """The emulator, plugged into this process, without the faults of earlier tests and without their notifications.

    One that is sent again because an earlier test's letter box is gone would meet the fault that this test ordered.
    """
    url, plugged = emulator
    config = Settings.from_env({**environment, **plugged, "PUBLIC_BASE_URL": inbox.url})
    process_settings.use(config)
    desk = Wechat(url, config, inbox)
    desk = replace(desk, heard=len(desk.calls()))
    yield desk
    desk.order("/faults", "DELETE")
    desk.order("/notifications", "DELETE")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Make the next call to WeChat give up waiting, but not before it has had the effect that the test names."""

    def once(has_effect: Callable[[], Any]) -> None:
        send, sent = transport.Transport._send, []

        def give_up_once(
            self: transport.Transport, host: str, request: transport.Request, into: Any = None, *, within_s: float
        ) -> transport.Answer:
            sent.append(request)
            try:
                return send(self, host, request, into, within_s=1 if len(sent) == 1 else 60)
            except requests.ReadTimeout:
                wait_until(has_effect, what="the effect of the call without an answer")
                raise

        monkeypatch.setattr(transport.Transport, "_send", give_up_once)

    return once


@dataclass(frozen=True)
class Buyer:
    """Opens payments with what most tests do not care about filled in."""

    wechat: Wechat

    def open(
        self, reference: str = "O1", *, channel: Channel = Channel.MINIPROGRAM, now: datetime, **changes: Any
    ) -> collect.Opened:
        inside = channel in (Channel.MINIPROGRAM, Channel.OFFICIAL)
        payer = Payer(
            channel=channel,
            openid=self.wechat.openid(account=channel.value) if inside else None,
            client_ip="203.0.113.9" if channel is Channel.H5 else None,
        )
        values = {
            "amount_fen": 5990,
            "payer": payer,
            "description": "砀山酥梨",
            "pay_until": now + timedelta(minutes=30),
        }
        return collect.open(reference=reference, now=now, **{**values, **changes})

    def paid(self, reference: str = "O1", *, now: datetime, **changes: Any) -> str:
        """A payment that succeeded, by notification."""
        number = self.open(reference, now=now, **changes).number
        self.wechat.pay(number)
        return number


@pytest.fixture
def buyer(wechat: Wechat) -> Buyer:
    """Somebody who pays."""
    return Buyer(wechat)


@pytest.fixture
def now() -> datetime:
    """The present: WeChat's side of the wire has a clock of its own."""
    return datetime.now(UTC)


@pytest.fixture
def listener() -> Iterator[tuple[str, Callable[[], int]]]:
    """An address that counts who connects and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        server.setblocking(False)

        def connections() -> int:
            count = 0
            while True:
                try:
                    server.accept()[0].close()
                except BlockingIOError:
                    return count
                count += 1

        yield f"http://127.0.0.1:{server.getsockname()[1]}", connections


def with_settings(base: Settings, **changes: Any) -> Settings:
    """Make settings with a few changes those of this process."""
    config = replace(base, **changes)
    process_settings.use(config)
    return config


def found() -> list[tuple[str, str, int | None]]:
    """Every case: its kind, its number and the difference in fen."""
    return [
        (row["kind"], row["number"], row["difference_fen"])
        for row in rows("SELECT kind, number, difference_fen FROM payment_cases ORDER BY kind, number")
    ]


def balances() -> dict[str, int]:
    """What each account of the ledger holds, in fen."""
    with database.transaction() as session:
        return {each.account: each.balance_fen for each in ledger.trial_balance(session)}
