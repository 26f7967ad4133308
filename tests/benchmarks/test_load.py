"""The load generator speaks enough HTTP: whole answers, kept connections, and no fast errors."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks import load


@pytest.fixture
def port() -> object:
    """A server that answers /200 with 200 and a body, /204 with 204, and hangs up after /close."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status = 200 if self.path == "/close" else int(self.path[1:])
            body = b"" if status == 204 else b"x" * 100_000
            self.send_response(status)
            if body:
                self.send_header("Content-Length", str(len(body)))
            if self.path == "/close":
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("path", ["/200", "/204", "/close"])
def test_every_request_gets_one_answer(port: int, path: str) -> None:
    outcome = load.drive(port, [load.request("GET", path)] * 30, connections=4, expected={200, 204})
    assert len(outcome.latencies_ms) == sum(outcome.statuses.values()) == 30
    assert outcome.latencies_ms == sorted(outcome.latencies_ms)
    assert outcome.rate > 0


def test_an_answer_that_nobody_expected_ends_the_run(port: int) -> None:
    with pytest.raises(RuntimeError, match="500"):
        load.drive(port, [load.request("GET", "/500")] * 3, connections=2, expected={200})


def test_an_answer_is_read_when_it_is_whole() -> None:
    head = b"HTTP/1.1 201 CREATED\r\nContent-Length: 4\r\n\r\n"
    assert load._read(head[:20]) == (0, True)
    assert load._read(head + b"abc") == (0, True)
    assert load._read(head + b"abcd") == (201, True)
    assert load._read(b"HTTP/1.1 204 NO CONTENT\r\nConnection: close\r\n\r\n") == (204, False)
