"""The way out to addresses that partners name: no road leads inside."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config import settings as process_settings
from config.settings import Settings
from storefront import egress
from tests.storefront.receiving import Receiver, certificate, receiver, write_certificate  # noqa: F401 - fixtures


def fault(url: str) -> str:
    with pytest.raises(egress.Unreachable) as raised:
        egress.post(url, headers={}, body=b"{}")
    return raised.value.reason


@pytest.mark.parametrize(
    "url",
    [
        "http://partner.example/hooks",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://localhost/",
        "https://partner/",
        "https://user@partner.example/",
        "https://partner.example/#x",
        "https://partner.example:22/",
        "https://partner.example:x/",
        "https://partner.example/a b",
        "https://partner.example/\r\nHost: x",
        "https://partner.example/路",
        "https://пример.example/",
        "https://partner.example@127.0.0.1/",
        "https://-partner.example/",
        "ftp://partner.example/",
        "//partner.example/",
        "https://partner.example/" + "x" * 500,
        "",
    ],
)
def test_what_may_not_be_called_whatever_it_resolves_to(db: None, url: str) -> None:
    assert egress.target(url) is None


def test_what_may_be_called(db: None) -> None:
    assert egress.target("https://Partner.Example/hooks?a=b") == egress.Target("partner.example", 443, "/hooks?a=b")
    assert egress.target("https://partner.example:8443") == egress.Target("partner.example", 8443, "/")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        *[
            (inside, False)
            for inside in (
                *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
                *("224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.0.8", "198.18.0.1", "::", "::1", "fe80::1%eth0"),
                *("fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "2002:7f00:1::"),
                *("2001:0:53aa::", "64:ff9b:1::a00:1"),
            )
        ],
    ],
)
def test_only_addresses_in_the_world_are_called(address: str, public: bool) -> None:
    assert egress.is_public(address) is public


@pytest.mark.parametrize("inside", [["10.0.0.7"], ["8.8.8.8", "127.0.0.1"], ["169.254.169.254"]])
def test_a_name_that_leads_inside_is_not_called(db: None, inside: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when only one of its addresses does, and whatever it resolved to before."""
    asked: list[str] = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in inside]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("connected"))
    assert fault("https://partner.example/") == "address_refused"
    assert asked == ["partner.example"]


def test_the_address_that_was_judged_is_the_one_that_is_called(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that resolves otherwise a moment later gains nothing."""
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])
    called: list[Any] = []

    def connect(_: Any, address: Any) -> None:
        called.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda _, port, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in next(answers)],
    )
    monkeypatch.setattr(socket.socket, "connect", connect)
    assert fault("https://partner.example/") == "no_connection"
    assert called == [("8.8.8.8", 443)]


def test_on_a_desk_this_machine_may_be_called(receiver: Receiver) -> None:  # noqa: F811
    assert egress.post(f"{receiver.url}/hooks", headers={"webhook-id": "WD1"}, body=b"{}") == 204
    [heard] = receiver.heard
    assert (heard.path, heard.headers["webhook-id"], heard.body) == ("/hooks", "WD1", "{}")


def test_outside_of_a_desk_it_may_not(receiver: Receiver, settings: Settings) -> None:  # noqa: F811
    process_settings.use(settings)
    assert fault(receiver.url) == "address_refused"
    assert receiver.heard == []


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:  # noqa: F811
    receiver.answer = lambda _: 302
    assert egress.post(receiver.url, headers={}, body=b"") == 302
    assert len(receiver.heard) == 1


def test_a_certificate_of_nobody_we_know_is_refused(
    receiver: Receiver,  # noqa: F811
    settings: Settings,
    tmp_path: Path,
) -> None:
    process_settings.use(replace(settings, webhook_desk_ca_file=write_certificate(tmp_path)))
    assert fault(receiver.url) == "certificate"


def test_a_call_ends_when_its_time_is_over(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(egress, "DEADLINE_S", 0.5)
    over = threading.Event()
    receiver.answer = lambda _: 204 if over.wait(20) else 500
    assert fault(receiver.url) == "timeout"
    over.set()


@contextmanager
def saying(what: bytes, certificate: Path) -> Iterator[str]:  # noqa: F811
    """A server that says so, byte for byte, and then waits."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            raw, _ = server.accept()
            with context.wrap_socket(raw, server_side=True) as wire:
                wire.recv(4096)
                wire.sendall(what)
                if not what.startswith(b"SSH"):
                    over.wait(20)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"https://localhost:{server.getsockname()[1]}"
        over.set()
        thread.join()


def test_endless_headers_and_other_protocols_are_no_answer(receiver: Receiver, certificate: Path) -> None:  # noqa: F811
    with saying(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 4000, certificate) as url:
        assert egress.post(url, headers={}, body=b"") == 200
    with saying(b"SSH-2.0-OpenSSH_9.2\r\n", certificate) as url:
        assert fault(url) == "no_answer"


def test_a_drip_of_headers_is_cut_off(
    receiver: Receiver,  # noqa: F811
    certificate: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(egress, "DEADLINE_S", 0.5)
    with saying(b"HTTP/1.1 200 OK\r\nX: y", certificate) as url:
        assert fault(url) == "timeout"


def test_the_desk_is_the_only_place_for_its_authority(environment: dict[str, str], certificate: Path) -> None:  # noqa: F811
    from config.settings import SettingsError

    desk = environment | {"WEBHOOK_DESK_CA_FILE": str(certificate)}
    assert Settings.from_env(desk).webhook_desk_ca_file == certificate
    real = desk | {"ALLOW_EMULATED_WECHAT": "0", "PUBLIC_BASE_URL": "https://hall.example"}
    with pytest.raises(SettingsError, match="WEBHOOK_DESK_CA_FILE"):
        Settings.from_env(real)
