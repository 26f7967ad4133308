"""A desk that is killed: its books come back, and what it owed is done."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from emulator import keys
from emulator.journal import Journal
from tests.emulator.conftest import Shop, Till, Wechat, at, client_of
from tests.ports import free_port
from tests.waits import wait_until

Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def directory(identity: keys.Keys, tmp_path: Path) -> Path:
    """A desk's directory that processes may be started on, with the identity of all tests."""
    return Path(shutil.copytree(identity.directory, tmp_path / "desk"))


@pytest.fixture
def start(directory: Path) -> Iterator[tuple[Start, int]]:
    port, running = free_port(), []

    def run() -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "emulator", "--dir", str(directory), "--port", str(port), "--speed", "100"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        running.append(process)
        wait_until(serves, what="the desk")
        return process

    def serves() -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{port}/_control", timeout=1).ok
        except requests.RequestException:
            return False

    yield run, port
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_a_directory_has_one_keeper(wechat: Wechat, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="another emulator"):
        Journal(tmp_path / "journal.jsonl")


def test_books_survive_sigkill_and_what_is_owed_is_delivered(
    start: tuple[Start, int], directory: Path, shop: Shop
) -> None:
    run, port = start
    first = run()
    settings = dict(line.split("=", 1) for line in (directory / "settings.env").read_text().splitlines())
    assert len(settings) == 13
    assert len(settings["WECHATPAY_APIV3_KEY"]) == 32
    wechat = Wechat(f"http://127.0.0.1:{port}", settings)
    pos = Till(at(client_of(settings), wechat, shop), wechat)
    shop.answers[:] = [500] * 3
    pos.prepay("KILL-0001")
    wechat.control("POST", "/pay", out_trade_no="KILL-0001", wait=True)
    pos.refund("KILL-0001", "KILL-0001-R1", 90, notify_url=f"{shop.url}/refunds")
    before = wechat.order("KILL-0001")
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    with (directory / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"kind":"order","key":"half a li')
    run()
    after = wechat.order("KILL-0001")
    assert [before[name] for name in ("transaction_id", "paid_at")] == [
        after[name] for name in ("transaction_id", "paid_at")
    ]
    wait_until(lambda: wechat.order("KILL-0001")["refunds"][0]["status"] == "SUCCESS")
    wait_until(lambda: all(each["state"] == "delivered" for each in wechat.order("KILL-0001")["notifications"]))
    assert {each["kind"] for each in wechat.order("KILL-0001")["notifications"]} == {"payment", "refund"}


def test_settings_are_written_without_serving_and_stay(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "emulator", "--dir", str(tmp_path / "desk"), "--port", "9123", "--write-settings"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    first = (tmp_path / "desk" / "settings.env").read_text()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert (tmp_path / "desk" / "settings.env").read_text() == first
    assert "WECHATPAY_BASE_URL=http://127.0.0.1:9123\n" in first


def test_a_journal_damaged_in_the_middle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"kind":"order"\n{"kind":"message","key":"1","row":{}}\n')
    with pytest.raises(ValueError, match="expected"):
        Journal(path)
