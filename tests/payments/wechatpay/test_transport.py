"""One request, one deadline, the same bytes again, and another host where a repetition is safe."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field

import pytest
import requests

from config.settings import Settings
from payments.wechatpay import client, transport
from payments.wechatpay.transport import Request, Transport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
REFUSED = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}"
POST = Request("POST", "/v3/pay/transactions/jsapi", b'{"a":1}', is_repeatable=True)
ONCE = Request("POST", "/v3/some/thing", b'{"a":1}', is_repeatable=False)


Behaviour = Callable[[socket.socket], None]


@dataclass
class Host:
    """A server that keeps what it was sent, and answers as `behave` does with the connection."""

    url: str
    behave: Behaviour
    heard: list[bytes] = field(default_factory=list)
    connections: int = 0


Hosts = Callable[[Behaviour], Host]
Lines = Callable[..., Transport]


def say(content: bytes) -> Behaviour:
    return lambda connection: connection.sendall(content)


def hang_up(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def stay_silent(connection: socket.socket) -> None:
    """Wait until the caller gives up."""
    connection.recv(1)


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(200):
        connection.sendall(b" ")
        time.sleep(0.05)


def flood(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b" " * 2 * 1024 * 1024)


@pytest.fixture
def host() -> Iterator[Hosts]:
    """Makes servers."""
    with ExitStack() as stack:

        def make(behave: Behaviour) -> Host:
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            made = Host(f"http://127.0.0.1:{server.getsockname()[1]}", behave)

            def talk(connection: socket.socket) -> None:
                with connection:
                    while True:
                        request = b""
                        try:
                            while not (b"\r\n\r\n" in request and _is_whole(request)):
                                piece = connection.recv(65536)
                                if not piece:
                                    return
                                request += piece
                            made.heard.append(request)
                            made.behave(connection)
                        except OSError:
                            return

            def serve() -> None:
                with ThreadPoolExecutor(8) as pool:
                    while True:
                        try:
                            connection = server.accept()[0]
                        except OSError:
                            return
                        made.connections += 1
                        stack.callback(_end, connection)
                        pool.submit(talk, connection)

            thread = threading.Thread(target=serve)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown, socket.SHUT_RDWR)
            return made

        yield make


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _is_whole(request: bytes) -> bool:
    head, _, body = request.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    return len(body) >= sum(lengths)


@pytest.fixture
def line(settings: Settings) -> Iterator[Lines]:
    """Makes transports, signed as the real one is, and closes their connections."""
    with ExitStack() as stack:

        def make(main: str, backup: str | None = None) -> Transport:
            made = Transport(main, backup, client.SafeCore(settings)._headers)
            stack.callback(made._session.close)
            return made

        yield make


@pytest.fixture
def nobody() -> str:
    """An address at which nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as closed_soon:
        return f"http://127.0.0.1:{closed_soon.getsockname()[1]}"


def parts(request: bytes) -> tuple[bytes, bytes, dict[bytes, bytes]]:
    """(request line, body, what the signature says) of what a server heard."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    (claim,) = (each.split(b" ", 2)[2] for each in lines if each.lower().startswith(b"authorization"))
    said = dict(pair.split(b"=", 1) for pair in claim.split(b","))
    return first, body, said


class TestRepeating:
    """What is sent again, where, and what of it is new."""

    @pytest.mark.parametrize("behave", [hang_up, stay_silent, say(BUSY)])
    def test_a_host_that_fails_is_replaced_by_the_other_with_identical_bytes(
        self, host: Hosts, line: Lines, behave: Behaviour, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transport, "DEADLINE_S", 2.0)
        main, backup = host(behave), host(say(OK))
        assert line(main.url, backup.url).exchange(POST).status == 200
        (first, body, claim), (again, same, renewed) = parts(main.heard[0]), parts(backup.heard[0])
        assert (first, body) == (again, same) == (b"POST /v3/pay/transactions/jsapi HTTP/1.1", POST.body)
        for fresh in (b"nonce_str", b"signature"):
            assert claim[fresh] != renewed[fresh]
        assert (claim[b"mchid"], claim[b"serial_no"]) == (renewed[b"mchid"], renewed[b"serial_no"])

    @pytest.mark.parametrize("behave", [hang_up, stay_silent, say(BUSY)])
    def test_what_may_not_be_repeated_is_sent_once(
        self, host: Hosts, line: Lines, behave: Behaviour, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transport, "DEADLINE_S", 1.0)
        main, backup = host(behave), host(say(OK))
        try:
            assert line(main.url, backup.url).exchange(ONCE).status == 503
        except requests.RequestException:
            assert behave is not stay_silent or main.heard
        assert (len(main.heard), backup.heard) == (1, [])

    def test_without_that_rule_it_would_be_sent_twice(
        self, host: Hosts, line: Lines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The guard off."""
        monkeypatch.setattr(Transport, "_may_repeat", lambda *_, **__: True)
        main, backup = host(hang_up), host(say(OK))
        assert line(main.url, backup.url).exchange(ONCE).status == 200
        assert (len(main.heard), len(backup.heard)) == (1, 1)

    def test_what_nobody_heard_may_always_be_sent_elsewhere(self, host: Hosts, line: Lines, nobody: str) -> None:
        backup = host(say(OK))
        assert line(nobody, backup.url).exchange(ONCE).status == 200
        assert len(backup.heard) == 1

    def test_a_refusal_is_an_answer(self, host: Hosts, line: Lines) -> None:
        main, backup = host(say(REFUSED)), host(say(OK))
        assert line(main.url, backup.url).exchange(POST).status == 400
        assert backup.heard == []

    def test_without_a_backup_a_busy_host_is_left_alone(self, host: Hosts, line: Lines) -> None:
        main = host(say(BUSY))
        assert line(main.url).exchange(POST).status == 503
        assert len(main.heard) == 1

    def test_which_calls_may_be_repeated(self) -> None:
        paths = {
            "/v3/pay/transactions/jsapi": True,
            "/v3/pay/transactions/native": True,
            "/v3/pay/transactions/out-trade-no/P1/close": True,
            "/v3/refund/domestic/refunds": True,
            "/v3/refund/domestic/refunds/50200/apply-abnormal-refund": False,
            "/v3/profitsharing/orders": False,
        }
        assert {path: client._REPEATABLE.fullmatch(path) is not None for path in paths} == paths


class TestHosts:
    """Which host is asked first."""

    def test_after_a_failure_the_backup_is_asked_first_for_a_while(
        self, host: Hosts, line: Lines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        main, backup = host(say(BUSY)), host(say(OK))
        to_wechat = line(main.url, backup.url)
        for _ in range(3):
            assert to_wechat.exchange(POST).status == 200
        assert (len(main.heard), len(backup.heard)) == (1, 3)
        main.behave = say(OK)
        real = time.monotonic
        monkeypatch.setattr(transport.time, "monotonic", lambda: real() + 61)
        to_wechat.exchange(POST)
        assert (len(main.heard), len(backup.heard)) == (2, 3)

    def test_a_backup_that_fails_is_replaced_by_the_main_host(self, host: Hosts, line: Lines) -> None:
        main, backup = host(say(BUSY)), host(say(OK))
        to_wechat = line(main.url, backup.url)
        to_wechat.exchange(POST)
        main.behave, backup.behave = say(OK), say(BUSY)
        assert to_wechat.exchange(POST).status == 200
        backup.behave = say(OK)
        to_wechat.exchange(POST)
        assert (len(main.heard), len(backup.heard)) == (3, 2)


class TestDeadline:
    """Nobody waits longer than once."""

    @pytest.mark.parametrize("behave", [stay_silent, drip])
    @pytest.mark.parametrize("has_backup", [True, False])
    def test_all_attempts_share_one_deadline(
        self, host: Hosts, line: Lines, behave: Behaviour, has_backup: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transport, "DEADLINE_S", 0.6)
        main, backup = host(behave), host(behave)
        began = time.monotonic()
        with pytest.raises(requests.RequestException):
            line(main.url, backup.url if has_backup else None).exchange(POST)
        assert 0.5 < time.monotonic() - began < 3, (
            "a host that drips would take ten seconds, one that is silent for ever"
        )
        assert len(backup.heard) == has_backup

    def test_an_answer_without_end_is_not_kept(self, host: Hosts, line: Lines) -> None:
        main = host(flood)
        with pytest.raises(requests.ConnectionError, match="too long"):
            line(main.url).exchange(ONCE)

    def test_a_job_slot_ends_before_its_worker_is_killed(self) -> None:
        """The worker waits 20 s for its jobs when it is told to stop."""
        assert transport.DEADLINE_S < 20


def test_connections_are_used_again(host: Hosts, line: Lines) -> None:
    main = host(say(OK))
    to_wechat = line(main.url)
    for _ in range(20):
        to_wechat.exchange(POST)
    assert (main.connections, len(main.heard)) == (1, 20)


def test_a_connection_that_the_server_closed_meanwhile_is_replaced(host: Hosts, line: Lines) -> None:
    """WeChat closes idle ones after eight seconds."""
    main = host(say(OK))
    to_wechat = line(main.url)
    to_wechat.exchange(POST)
    main.behave = hang_up
    failing = main.heard

    def once(connection: socket.socket) -> None:
        main.behave = say(OK)
        hang_up(connection)

    main.behave = once
    assert to_wechat.exchange(POST).status == 200
    assert len(failing) == 3
