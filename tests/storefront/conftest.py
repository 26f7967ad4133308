"""Fixtures of the shop's tests: people who exist, and a WeChat that says what a test tells it to."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID, uuid4

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient

from config import database
from config import settings as process_settings
from config.settings import Settings
from storefront import checkout, shoppers
from tests.apps import application
from tests.emulator.conftest import Wechat, identity, wechat  # noqa: F401 - fixtures

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


@pytest.fixture
def guest(db: None) -> int:
    """The id of a shopper whom only a cookie knows."""
    with database.transaction() as session:
        return shoppers.arrive_as_guest(session, now=NOW).shopper_id


@pytest.fixture
def app(db: None, settings: Settings) -> Flask:
    """The whole application in this process, over the database of this test."""
    return application(settings)


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    """A browser without cookies, or a program without a token."""
    with app.test_client() as client:
        yield client


@dataclass
class Asked:
    """One request as it arrived."""

    path: str
    query: dict[str, str]
    body: bytes


@dataclass
class Oracle:
    """A server on the far side of the wire that answers with whatever `answer` returns: (status, body)."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answer: Callable[[Asked], tuple[int, Any]] = lambda _: (200, {})
    # Where an answer of status 302 leads.
    location: str = ""

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]


@pytest.fixture
def oracle(db: None, settings: Settings) -> Iterator[Oracle]:
    """A scripted stand-in for WeChat's API host, plugged in by its base URL alone."""
    state = Oracle()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            asked = Asked(parts.path, dict(parse_qsl(parts.query)), self.rfile.read(length))
            state.asked.append(asked)
            status, body = state.answer(asked)
            content = body if isinstance(body, bytes) else orjson.dumps(body)
            # A client that gave up waiting has hung up: that is the point of some tests.
            with suppress(ConnectionError):
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                if status == 302:
                    self.send_header("Location", state.location)
                self.end_headers()
                self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the standard library names it

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        # Twenty clients at once must find room to wait, or the system resets their connections.
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    process_settings.use(replace(settings, wechat_api_base_url=state.url))
    yield state
    process_settings.use(settings)
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass(frozen=True)
class Buyer:
    """A shopper with a cookie, and an address in Hefei's Yaohai district."""

    shopper_id: int
    person: UUID
    visitor: UUID
    address: dict[str, Any]

    def place(self, lines: dict[str, int], *, key: str = "key-00000001", now: datetime = NOW, **changes: Any) -> str:
        """Place an order and return its number."""
        with database.transaction() as session:
            placed = checkout.place(
                session,
                shopper_id=self.shopper_id,
                person=self.person,
                visitor=self.visitor,
                key=key,
                lines=lines,
                address=changes.pop("address", self.address),
                now=now,
                **changes,
            )
        return placed.number


@pytest.fixture
def buyer(seeded: None) -> Buyer:
    """Somebody who can order."""
    with database.transaction() as session:
        view = shoppers.arrive_as_guest(session, now=NOW)
    address = {"name": "王小明", "phone": "13800001234", "region_code": "340102", "detail": "明光路 1 号"}
    return Buyer(view.shopper_id, view.person, uuid4(), address)


@pytest.fixture
def skus(seeded: None) -> list[str]:
    """SKUs that can be ordered, two of them from different warehouses first."""
    rows = database.statement("""
        SELECT s.number, w.key FROM skus s JOIN products p ON p.id = s.product_id
        JOIN warehouses w ON w.id = p.warehouse_id
        WHERE p.is_on_sale AND NOT p.is_display_only ORDER BY s.number
    """)
    first = rows[0]
    other = next(row for row in rows if row[1] != first[1])
    return [first[0], other[0], *(row[0] for row in rows if row not in (first, other))]


def stock_of(sku: str) -> tuple[int, int]:
    """(on hand, reserved) of a SKU."""
    [(on_hand, reserved)] = database.statement(
        "SELECT l.on_hand, l.reserved FROM stock_levels l JOIN skus s ON s.id = l.sku_id WHERE s.number = %s", (sku,)
    )
    return on_hand, reserved


@pytest.fixture
def desk(db: None, settings: Settings, wechat: Wechat) -> Iterator[Wechat]:  # noqa: F811 - the fixture
    """The emulated WeChat, plugged in by its settings alone."""
    plugged = {name.lower(): value for name, value in wechat.settings.items() if name.startswith("WECHAT_")}
    process_settings.use(replace(settings, **plugged))
    yield wechat
    process_settings.use(settings)
