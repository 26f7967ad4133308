"""Bills come from WeChat Pay's own hosts only, from the one that answers, whole or not at all."""

import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from config import clock, logs
from config import settings as process_settings
from payments.errors import BillBroken, BillUnavailable
from payments.wechatpay import bills, client, transport
from payments.wechatpay.bills import BillKind
from payments.wechatpay.breaker import Breaker
from tests.payments.conftest import Wechat, with_settings
from tests.payments.wechatpay.test_transport import Hosts, host, say  # noqa: F401 - a fixture

Listener = tuple[str, Callable[[], int]]

# What a download address may say to lead elsewhere; `main` is WeChat's authority here, `there` that of a stranger.
TRICKS = {
    "other host": "http://localhost:{port}/v3/billdownload/file?token=x",
    "other port": "http://{there}/v3/billdownload/file?token=x",
    "user name": "http://{main}@{there}/v3/billdownload/file?token=x",
    "user name and word": "http://{main}:x@{there}/v3/billdownload/file?token=x",
    # For the standard library the host is behind the @, for the one that connects before the backslash.
    "backslash": "http://{there}\\@{main}/v3/billdownload/file?token=x",
    "upper case": "HTTP://LOCALHOST:{port}/v3/billdownload/file?token=x",
    "in its path": "http://{there}/http://{main}/v3/billdownload/file?token=x",
    "fragment": "http://{there}#@{main}/v3/billdownload/file?token=x",
}


def fetch(folder: Path, day: date | None = None) -> bills.Bill | None:
    day = day or clock.now().astimezone(clock.SHANGHAI).date() - timedelta(days=2)
    return bills.fetch(BillKind.TRADE, day, folder=folder)


@pytest.fixture
def alarms(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    raised: list[str] = []
    monkeypatch.setattr(logs, "alarm", lambda kind, **_: raised.append(kind))
    return raised


@pytest.fixture
def billed(wechat: Wechat) -> date:
    """A day of which WeChat has a bill."""
    day = clock.now().astimezone(clock.SHANGHAI).date() - timedelta(days=2)
    wechat.order("/fabrications", day=day.isoformat(), payments=3, refunds=1, seed=1)
    return day


def call_as_told(patch: pytest.MonkeyPatch) -> None:
    """Take the guards off: the address is called as it was told."""
    patch.setattr(bills, "_ours", lambda url: url)
    patch.setattr(transport, "_url", lambda base, path: base + path if path.startswith("/") else path)


@pytest.mark.parametrize("trick", TRICKS)
def test_29_a_foreign_download_address_is_never_called(
    wechat: Wechat, billed: date, listener: Listener, alarms: list[str], trick: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    address, connections = listener
    there, main = address.removeprefix("http://"), wechat.url.removeprefix("http://")
    url = TRICKS[trick].format(there=there, main=main, port=there.rpartition(":")[2])
    wechat.fault("foreign_url", on="tradebill", options={"url": url}, times=None)
    with pytest.raises(BillBroken):
        fetch(tmp_path, billed)
    assert (connections(), alarms) == (0, ["payments.bill_foreign_address"])
    # Without the guards the stranger is called, once each time.
    monkeypatch.setattr(transport, "DOWNLOAD_DEADLINE_S", 0.3)
    call_as_told(monkeypatch)
    with pytest.raises(BillUnavailable):
        fetch(tmp_path, billed)
    assert connections() >= 1, "without the guard our signature is sent there"


def test_29_a_download_that_is_led_elsewhere_is_not_followed(
    wechat: Wechat, listener: Listener, host: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,  # noqa: F811
) -> None:  # fmt: skip
    there, connections = listener
    answer = f"HTTP/1.1 302 Found\r\nLocation: {there}/v3/billdownload/file\r\nContent-Length: 0\r\n\r\n"
    main = host(say(answer.encode()))
    with_settings(wechat.settings, wechatpay_base_url=main.url, wechatpay_backup_base_url=None)

    def download() -> Any:
        with (tmp_path / "bill").open("wb") as file:
            return client.current().download(date(2026, 11, 20), "/v3/billdownload/file?token=x", file)

    assert not isinstance(download(), client.answers.Downloaded)
    assert (len(main.heard), connections()) == (1, 0)
    ask = requests.Session.request
    monkeypatch.setattr(transport, "DOWNLOAD_DEADLINE_S", 0.3)
    monkeypatch.setattr(requests.Session, "request", lambda *of, **told: ask(*of, **{**told, "allow_redirects": True}))
    download()
    assert connections() >= 1, "without the guard it is followed"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.mch.weixin.qq.com@169.254.169.254/v3/billdownload/file?token=x",
        "https://api.mch.weixin.qq.com:443@evil.example/v3/billdownload/file",
        "http://api.mch.weixin.qq.com/v3/billdownload/file",
        "HTTPS://API.MCH.WEIXIN.QQ.COM/v3/billdownload/file",
        "https://API.mch.weixin.qq.com/v3/billdownload/file",
        "https://api.mch.weixin.qq.com./v3/billdownload/file",
        "https://api.mch.weixin.qq.com.evil.example/v3",
        "https://api.mch.weixin.qq.com:444/v3",
        "https://api.mch.weixin.qq.com:/v3",
        "https://evil.example/https://api.mch.weixin.qq.com/v3",
        "https://api.mch.weixin.qq.com\\@evil.example/v3",
        "https://evil.example\\@api.mch.weixin.qq.com/v3",
        "https://evil.example#@api.mch.weixin.qq.com/v3",
        "https://api.mch.weixin.qq.com/v3 HTTP/1.1",
        "https://api.mch.weixin.qq.com/v3\r\nHost: evil.example",
        "https://api.mch.weixin.qq.com",
        "//api.mch.weixin.qq.com/v3",
        "file:///etc/passwd",
        "https://ａpi.mch.weixin.qq.com/v3",
        "",
    ],
)
def test_only_wechat_pays_own_addresses_are_ours(db: None, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    base, backup = "https://api.mch.weixin.qq.com", "https://api2.mch.weixin.qq.com"
    config = replace(process_settings.current(), wechatpay_base_url=base, wechatpay_backup_base_url=backup)
    monkeypatch.setattr(process_settings, "current", lambda: config)
    assert bills._ours(f"{base}/v3/billdownload/file?token=x&y=1") == "/v3/billdownload/file?token=x&y=1"
    assert bills._ours(f"{backup}/v3/f") == "/v3/f"
    with pytest.raises(BillBroken):
        bills._ours(url)


def test_no_path_can_change_the_host() -> None:
    for path in ("@evil.example/v3", ".evil.example/v3", ":444/v3", ""):
        with pytest.raises(ValueError, match="host"):
            transport._url("https://api.mch.weixin.qq.com", path)


def test_when_the_main_host_is_silent_the_backup_gives_the_bill(
    wechat: Wechat, billed: date, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        nobody = f"http://127.0.0.1:{gone.getsockname()[1]}"
    # WeChat names its main host in the address of a bill, whether or not it answers just now.
    wechat.fault("foreign_url", on="tradebill", options={"url": f"{nobody}/v3/billdownload/file?token=lost"})
    with_settings(wechat.settings, wechatpay_base_url=nobody, wechatpay_backup_base_url=wechat.url)
    with pytest.raises(BillUnavailable) as refusal:
        fetch(tmp_path, billed)
    assert refusal.value.details == {"code": "INVALID_REQUEST"}, "the backup was asked, and knows no such token"
    bill = fetch(tmp_path, billed)
    assert bill is not None
    assert len(list(bill.lines())) > 4


def test_a_download_that_broke_off_begins_anew_at_the_other_host(
    wechat: Wechat, host: Hosts, tmp_path: Path  # noqa: F811
) -> None:  # fmt: skip
    def break_off(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of a")
        connection.shutdown(socket.SHUT_RDWR)

    main, backup = host(break_off), host(say(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole"))
    with_settings(wechat.settings, wechatpay_base_url=main.url, wechatpay_backup_base_url=backup.url)
    path = tmp_path / "bill"
    with path.open("wb") as file:
        came = client.current().download(date(2026, 11, 20), "/v3/billdownload/file?token=x", file)
    assert (came, path.read_bytes()) == (client.answers.Downloaded(), b"whole")
    assert (len(main.heard), len(backup.heard)) == (1, 1)


def test_a_download_that_keeps_failing_is_left_alone_for_a_while(
    wechat: Wechat, host: Hosts, alarms: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,  # noqa: F811
) -> None:  # fmt: skip
    monkeypatch.setattr(client, "_breaker", Breaker())
    main = host(say(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"))
    with_settings(wechat.settings, wechatpay_base_url=main.url, wechatpay_backup_base_url=None)
    with (tmp_path / "bill").open("wb") as file:
        came = [client.current().download(date(2026, 11, 20), "/v3/billdownload/file", file) for _ in range(7)]
    assert len(main.heard) == 5
    assert isinstance(came[-1], client.answers.NotSent)
    assert alarms == ["payments.wechatpay_paused"]
