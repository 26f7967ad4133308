"""What the books cost: `python -m benchmarks.money [--rows N] [--payments N]`.

Reconciles a day of many rows by its command, against the emulated WeChat, in a process whose time and memory are read
afterwards; and takes payments with and without the ledger's part of the statement that takes them.
"""

import argparse
import contextlib
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import requests
from psycopg.types.json import Jsonb

from benchmarks import cpu, stand
from benchmarks.stand import ROOT, Stand
from config import clock, database, logs, settings
from payments import books, receipts
from payments.wechatpay.answers import Transaction
from storefront import books as order_books

_REFUNDED_OF = 30
_ROUNDS = 3


def main(arguments: list[str] | None = None) -> int:
    """Measure both, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.money", description="What the books cost.")
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the trade bill (default %(default)s)")
    parser.add_argument("--payments", type=int, default=1_000, help="payments a round (default %(default)s)")
    options = parser.parse_args(arguments)
    with stand.opened(None) as place, _wechat(place) as address:
        print(f"| what | figure |\n|---|---|\n{reconciled(place, address, options.rows)}", flush=True)
        print(posted(place, options.payments))
    return 0


@contextmanager
def _wechat(place: Stand) -> Iterator[str]:
    """Start the emulated WeChat and plug it into the stand's environment."""
    port, folder = stand.free_port(), place.directory / "emulated"
    folder.mkdir()
    command = [sys.executable, "-m", "emulator", "--dir", str(folder), "--port", str(port)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 30
        while True:
            try:
                requests.get(f"{address}/_control/clock", timeout=1)
                break
            except requests.ConnectionError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
        lines = (folder / "settings.env").read_text().splitlines()
        place.environment.update(line.split("=", 1) for line in lines if line.startswith("WECHAT"))
        yield address
    finally:
        process.terminate()
        process.wait()


def reconciled(place: Stand, address: str, rows: int) -> str:
    """Reconcile one day of `rows` rows with `flask reconcile`, all of them ours as well."""
    day = datetime.now(clock.SHANGHAI).date() - timedelta(days=2)
    refunds = rows // _REFUNDED_OF
    plan = {"day": day.isoformat(), "payments": rows - refunds, "refunds": refunds, "seed": 7}
    requests.post(f"{address}/_control/fabrications", json=plan, timeout=60).raise_for_status()
    _book(place, address, day.isoformat())
    begun, posts, used = time.monotonic(), place.cpu(), 0.0
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "reconcile", "--day", day.isoformat()]
    with (place.directory / "reconcile.log").open("w+") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=place.environment, stdout=out, stderr=subprocess.STDOUT)
        peak_mb = 0.0
        while process.poll() is None:
            peak_mb = max(peak_mb, _peak_mb(process.pid))
            used = cpu.seconds(process.pid)
            time.sleep(0.05)
        seconds = time.monotonic() - begun
        out.seek(0)
        told = out.read()
    if process.returncode or not told.strip().endswith("equal"):
        raise AssertionError(told)
    return (
        f"| reconcile {rows:,} rows: seconds, the emulated WeChat drawing its bills included | {seconds:.1f} (60) |\n"
        f"| … processor seconds of the process, and of the engines | {used:.1f},"
        f" {place.cpu() - posts:.1f} |\n"
        f"| … its memory at most, MB | {peak_mb:.0f} (200) |"
    )


def _peak_mb(pid: int) -> float:
    """Return the most memory that a process ever had, in MB; none once it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1000
    return 0.0


def _book(place: Stand, address: str, day: str) -> None:
    """Write the payments and refunds of the emulated day into our tables, as if they had been taken."""
    mchid = place.environment["WECHATPAY_MCHID"]
    payments = "(number, reference, channel, mchid, appid, amount_fen, state, request, pay_until, opened_at, succeeded_at, transaction_id)"  # noqa: E501
    refunds = "(number, payment_id, reference, key, amount_fen, reason, state, request, refund_id, requested_at, succeeded_at)"  # noqa: E501
    bookings = [orjson.loads(line) for line in _lines(f"{address}/_control/bookings/{day}")]
    with place.connect() as connection:
        with connection.cursor() as cursor, cursor.copy(f"COPY payments {payments} FROM STDIN") as copy:
            for row in bookings:
                if not row["refund_id"]:
                    number = row["out_trade_no"]
                    copy.write_row((number, number, "native", mchid, row["appid"], row["total"], "succeeded", Jsonb({}),
                                    row["at"], row["at"], row["at"], row["transaction_id"]))  # fmt: skip
        known: dict[str, int] = dict(connection.execute("SELECT number, id FROM payments").fetchall())
        with connection.cursor() as cursor, cursor.copy(f"COPY payment_refunds {refunds} FROM STDIN") as copy:
            for row in bookings:
                if row["refund_id"]:
                    number = row["out_refund_no"]
                    copy.write_row((number, known[row["out_trade_no"]], row["out_trade_no"], number, row["refund"], "",
                                    "succeeded", Jsonb({}), row["refund_id"], row["at"], row["at"]))  # fmt: skip


def _lines(url: str) -> Iterator[bytes]:
    with requests.get(url, stream=True, timeout=60) as answer:
        yield from answer.iter_lines()


def posted(place: Stand, count: int) -> str:
    """Take `count` payments with and without the ledger, in turn; the least processor time of each counts."""
    settings.use(settings.Settings.from_env(place.environment))
    database.configure(settings.current().database_url)
    # A line for each payment would be measured as well.
    logs.configure("ERROR")
    taking = receipts._TAKE_ALONE  # noqa: SLF001 - measured with and without a part of it
    without = taking.replace(f"{books.RECEIVED}, ", "")
    if without == taking:
        raise AssertionError("the statement that takes money does not post it")
    spent: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(_ROUNDS):
        for has_ledger in (True, False):
            receipts._TAKE_ALONE = taking if has_ledger else without  # noqa: SLF001
            spent[has_ledger].append(_take(place, count, has_ledger=has_ledger))
    receipts._TAKE_ALONE = taking  # noqa: SLF001
    of_both = min(spent[True]) - min(spent[False])
    return (
        f"| take money without the ledger, CPU-s per 1,000 | {min(spent[False]) * 1000 / count:.2f} |\n"
        f"| the ledger's two movements, CPU-s per 1,000 | {of_both * 1000 / count:.2f} |"
    )


def _take(place: Stand, count: int, *, has_ledger: bool) -> float:
    """Record so many paid transactions, each in a transaction of its own, and return the processor seconds."""
    now = datetime.now(UTC)
    numbers = [f"B{secrets.token_hex(12)}" for _ in range(count)]
    mchid = settings.current().wechatpay_mchid
    with place.connect() as connection:
        connection.execute(
            "INSERT INTO payments (number, reference, channel, mchid, appid, amount_fen, state, request, pay_until,"
            " opened_at) SELECT n, n, 'native', %s, 'wx1', 5990, 'open', '{}', now(), now() FROM unnest(%s::text[]) n",
            (mchid, numbers),
        )
    before = place.cpu() + time.process_time()
    for number in numbers:
        told = Transaction(
            number=number, mchid=mchid, appid="wx1", transaction_id=f"4200{number}", trade_state="SUCCESS",
            total_fen=5990, currency="CNY", succeeded_at=now,
        )  # fmt: skip
        with database.transaction() as session:
            receipts.record(session, transaction=told, now=now)
            # Settling posts in its own transaction anyway: here it rides along, so that no commit is counted for it.
            if has_ledger:
                order_books.honoured(session, order=number, amount_fen=5990, at=now)
    return place.cpu() + time.process_time() - before


if __name__ == "__main__":
    sys.exit(main())
