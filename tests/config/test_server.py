"""The worker of gunicorn: threads that wait themselves, connections that are kept, shared, expire and end in order."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.server import Worker
from tests.ports import free_port
from tests.waits import wait_until

ROOT = Path(__file__).resolve().parents[2]
LARGE = b"x" * 1_000_000


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """What is served: a page per way of answering."""
    path = environ["PATH_INFO"]
    if path == "/broken":
        raise ValueError("the application is broken")
    if path == "/exit":
        raise SystemExit
    if path == "/none":
        start_response("204 No Content", [])
        return []
    if path == "/parts":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return iter([b"one ", b"two ", b"three"])
    if path == "/gate":
        with Path(environ["QUERY_STRING"]).open("rb") as gate:
            body = gate.read()
    elif path == "/echo":
        body = environ["wsgi.input"].read()
    else:
        body = LARGE if path == "/large" else path.encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


class Hasty(Worker):
    """A worker that waits for nobody."""

    patience_s = 1


class Served:
    """A gunicorn of one process and two threads."""

    def __init__(self, log: Path, *options: str) -> None:
        self.port = free_port()
        self.log = log
        command = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--threads", "2", "--keep-alive", "30"]
        command += ["--bind", f"127.0.0.1:{self.port}", "--worker-class", "config.server.Worker", *options]
        with log.open("wb") as written:
            self.process = subprocess.Popen([*command, f"{__name__}:app"], cwd=ROOT, stderr=written)
        wait_until(self.answers, what="the server")

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(OSError), self.connect() as wire:
            return ask(wire, "/up").endswith(b"/up")
        return False

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    started: list[Served] = []

    def serve(*options: str) -> Served:
        started.append(Served(tmp_path / f"log-{len(started)}", *options))
        return started[-1]

    yield serve
    for server in started:
        server.process.kill()
        server.process.wait()


def said(path: str, *, method: str = "GET", body: bytes = b"") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: hall\r\n{length}\r\n".encode() + body


def heard(wire: socket.socket, *, method: str = "GET") -> bytes:
    """One answer: its head and the body of the length that the head tells."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += (more := wire.recv(65536))
        assert more, data
    head, _, body = data.partition(b"\r\n\r\n")
    lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    wanted = 0 if method == "HEAD" else int(lines.get(b"content-length", b"0"))
    while len(body) < wanted:
        body += (more := wire.recv(65536))
        assert more, data
    return head + b"\r\n\r\n" + body


def ask(wire: socket.socket, path: str, *, method: str = "GET", body: bytes = b"") -> bytes:
    wire.sendall(said(path, method=method, body=body))
    return heard(wire, method=method)


def rest(wire: socket.socket) -> bytes:
    """Everything until the server hangs up."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while more := wire.recv(65536):
            data += more
    return data


def test_a_connection_is_kept_and_each_answer_leaves_in_one_piece(served: Callable[..., Served]) -> None:
    with served().connect() as wire:
        for turn in range(50):
            wire.sendall(said(f"/turn-{turn}"))
            assert wire.recv(65536).endswith(f"\r\n\r\n/turn-{turn}".encode())


def test_answers_of_every_kind_are_framed_as_gunicorn_frames_them(served: Callable[..., Served]) -> None:
    server = served()
    with server.connect() as wire:
        assert ask(wire, "/large").endswith(LARGE)
        assert b"204 No Content" in ask(wire, "/none")
        head = ask(wire, "/head", method="HEAD")
        assert head.endswith(b"\r\n\r\n")
        assert b"Content-Length: 5" in head
        assert ask(wire, "/echo", method="POST", body=b"pears").endswith(b"pears")
        # What the application leaves unread does not become the next request.
        assert ask(wire, "/ignored", method="POST", body=b"GET /smuggled HTTP/1.1\r\n\r\n").endswith(b"/ignored")
        wire.sendall(said("/parts").replace(b"Host: hall", b"Host: hall\r\nConnection: close"))
        parts = rest(wire)
    assert b"Transfer-Encoding: chunked" in parts
    assert parts.endswith(b"4\r\none \r\n4\r\ntwo \r\n5\r\nthree\r\n0\r\n\r\n")


def test_requests_sent_at_once_are_answered_one_after_the_other(served: Callable[..., Served]) -> None:
    with served().connect() as wire:
        wire.sendall(said("/first", method="POST", body=b"body") + said("/second") + said("/last"))
        data = b""
        while not data.endswith(b"/last"):
            data += wire.recv(65536)
        assert data.index(b"/first") < data.index(b"/second") < data.index(b"/last")


def test_what_is_no_request_is_refused_and_hurts_nobody_else(served: Callable[..., Served]) -> None:
    server = served()
    with server.connect() as good:
        assert ask(good, "/before").endswith(b"/before")
        for nonsense in (b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"):
            with server.connect() as bad:
                bad.sendall(nonsense)
                assert rest(bad).startswith(b"HTTP/1.1 400")
        with server.connect() as broken:
            broken.sendall(said("/broken"))
            assert rest(broken).startswith(b"HTTP/1.1 500")
        # Of two threads none is lost to a view that wants to end the process.
        for _ in range(3):
            with server.connect() as ended:
                ended.sendall(said("/exit"))
                assert rest(ended) == b""
        with server.connect() as gone:
            gone.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
        assert ask(good, "/after").endswith(b"/after")


def test_connections_that_do_not_speak_hold_no_thread(served: Callable[..., Served]) -> None:
    server = served()
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(server.connect()) for _ in range(20)]
        spoke = [stack.enter_context(server.connect()) for _ in range(20)]
        for turn in range(3):
            for number, wire in enumerate(spoke):
                assert ask(wire, f"/{turn}-{number}").endswith(f"/{turn}-{number}".encode())
        # And they speak when they like.
        assert ask(silent[7], "/late").endswith(b"/late")


def test_whoever_waits_for_something_keeps_nobody_out(served: Callable[..., Served], tmp_path: Path) -> None:
    server = served("--threads", "4")
    gates = [tmp_path / f"gate-{number}" for number in range(3)]
    slow = []
    for gate in gates:
        os.mkfifo(gate)
        slow.append(server.connect())
        slow[-1].sendall(said(f"/gate?{gate}"))
    with server.connect() as wire:
        for _ in range(3):
            assert ask(wire, "/quick").endswith(b"/quick")
    for gate, wire in zip(gates, slow, strict=True):
        gate.write_bytes(b"at last")
        assert heard(wire).endswith(b"at last")
        assert ask(wire, "/again").endswith(b"/again")
        wire.close()


def test_a_connection_too_many_waits_until_another_ends(served: Callable[..., Served]) -> None:
    server = served("--worker-connections", "4")
    with contextlib.ExitStack() as stack:
        # None of them speaks: gunicorn ends a connection after its answer when fewer than `threads` could be busy.
        taken = [stack.enter_context(server.connect()) for _ in range(4)]
        late = stack.enter_context(server.connect())
        late.sendall(said("/late"))
        late.settimeout(0.3)
        with pytest.raises(TimeoutError):
            late.recv(1)
        taken[3].close()
        late.settimeout(60)
        assert heard(late).endswith(b"/late")


def test_a_connection_that_stays_silent_is_ended(served: Callable[..., Served]) -> None:
    with served("--keep-alive", "1").connect() as wire:
        assert ask(wire, "/only").endswith(b"/only")
        assert rest(wire) == b""


def test_who_falls_silent_in_the_middle_of_a_request_holds_no_thread_for_ever(served: Callable[..., Served]) -> None:
    server = served("--worker-class", f"{__name__}.Hasty")
    with server.connect() as asking, server.connect() as telling, server.connect() as third:
        asking.sendall(b"GET /half HT")
        telling.sendall(said("/echo", method="POST", body=b"x" * 100)[:-1])
        assert ask(third, "/third").endswith(b"/third")
        assert rest(asking) == rest(telling) == b""
    # Nor does who asks for much and takes none of it.
    with server.connect() as asking, server.connect() as telling, server.connect() as third:
        for greedy in (asking, telling):
            greedy.sendall(said("/large") * 20)
        assert ask(third, "/third").endswith(b"/third")
        assert len(rest(asking)) < 20 * len(LARGE)
    assert "Traceback" not in server.log.read_text()


def test_stopping_answers_what_is_under_way_and_lets_everybody_go(
    served: Callable[..., Served], tmp_path: Path
) -> None:
    server = served()
    os.mkfifo(tmp_path / "gate")
    with server.connect() as under_way, server.connect() as kept, server.connect() as silent:
        assert ask(kept, "/kept").endswith(b"/kept")
        under_way.sendall(said(f"/gate?{tmp_path / 'gate'}"))
        gate = (tmp_path / "gate").open("wb")
        server.process.send_signal(signal.SIGTERM)
        # Who kept a connection may be sending on it already.
        wait_until(lambda: not _accepts(server), what="the end of listening")
        last = ask(kept, "/last")
        assert b"Connection: close" in last
        assert last.endswith(b"/last")
        gate.write(b"under way")
        gate.close()
        assert rest(under_way).endswith(b"under way")
        assert rest(kept) == rest(silent) == b""
    assert server.process.wait(60) == 0
    assert "Traceback" not in server.log.read_text()


def _accepts(server: Served) -> bool:
    with contextlib.suppress(OSError), server.connect():
        return True
    return False
