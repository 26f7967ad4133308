"""The server: many at once, kept alive, and unmoved by what is no HTTP."""

import concurrent.futures
import http.client
import socket

import pytest

from tests.emulator.conftest import Till, Wechat


def connect(wechat: Wechat) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(wechat.url.removeprefix("http://"), timeout=30)


def test_one_connection_carries_many_requests(wechat: Wechat) -> None:
    connection = connect(wechat)
    connection.connect()
    door = connection.sock.getsockname()
    for method, path, body, status in (
        ("GET", "/_control", None, 200),
        ("POST", "/v3/pay/transactions/jsapi", b"unread by any view", 401),
        ("HEAD", "/_control", None, 200),
        ("POST", "/v3/nothing", b"x" * 10000, 404),
        ("GET", "/_control", None, 200),
    ):
        connection.request(method, path, body)
        answer = connection.getresponse()
        assert (answer.status, len(answer.read()) > 0) == (status, method != "HEAD" and status != 404)
        assert connection.sock.getsockname() == door
    connection.close()


def test_fifty_at_once(pos: Till, wechat: Wechat) -> None:
    openid = wechat.openid("李明")
    connections = [connect(wechat) for _ in range(50)]
    for each in connections:
        each.connect()
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        prepaid = list(pool.map(lambda n: pos.prepay(f"CROWD-{n:04d}", payer={"openid": openid})[0], range(50)))
    assert prepaid == [200] * 50
    for each in connections:
        each.request("GET", "/_control/books/CROWD-0049")
        assert each.getresponse().read()
        each.close()


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"POST /v3/x HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"POST /v3/x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"411"),
        (b"POST /v3/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"NONSENSE\r\n\r\n", b"400"),
        (b"GET /%ff%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"404"),
    ],
)
def test_what_is_no_request(wechat: Wechat, raw: bytes, status: bytes) -> None:
    host, port = wechat.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as wire:
        wire.sendall(raw)
        assert status in wire.recv(65536)
    assert wechat.control("GET", "/books")["orders"] == []
