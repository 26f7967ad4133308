"""Fixtures of the shop's tests: people who exist, and a WeChat that says what a test tells it to."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest

from config import database
from config import settings as process_settings
from config.settings import Settings
from storefront import shoppers

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


@pytest.fixture
def guest(db: None) -> int:
    """The id of a shopper whom only a cookie knows."""
    with database.transaction() as session:
        return shoppers.arrive_as_guest(session, now=NOW).shopper_id


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
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the standard library names it

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    process_settings.use(replace(settings, wechat_api_base_url=state.url))
    yield state
    process_settings.use(settings)
    server.shutdown()
    server.server_close()
    thread.join()
