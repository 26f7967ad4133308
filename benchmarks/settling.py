"""Money from its notification on: how fast and at what cost it is paid, credited and posted.

Invariant: every figure is of the product as it runs, with its own worker; what is left out for comparison is the
ledger, of the same statements and in the same run.
"""

import http.client
import itertools
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import orjson

from benchmarks import goods, load, traffic
from benchmarks.measure import Budget, Job, Sample, sample
from benchmarks.sales import forget_the_queue
from benchmarks.stand import Stand

_CREDITED = "SELECT count(*) FROM reactions_done WHERE reaction = 'credit_placement'"
_PAID = "SELECT count(*) FROM orders WHERE paid_at IS NOT NULL"
_UNDONE = "SELECT count(*) FROM open_facts"
# Orders that are sent at once while payments are timed: some seconds of the checkout bench's load.
_BATCH = 800


def credited(stand: Stand) -> Job:
    """Return the job from WeChat's notification to `paid` in the API, and to the row that credits a placement."""
    variants = {"product": partial(_credited, stand)}
    return Job("paid-and-credited", 8, 400, variants, Budget(p50_ms=100, p99_ms=1000))


def _credited(stand: Stand, count: int) -> Sample:
    """Time `count` payments until the API says paid, under the checkout bench's load; then credit as many at once."""
    forget_the_queue(stand)
    orders = _placed_and_opened(stand, 2 * count)
    stand.work()
    try:
        _wait(stand, _UNDONE, 0)
        letters = _letters(stand, orders)
        port = stand.servers["product"].port
        with _checkouts(stand, port):
            latencies = sorted(
                _until_paid(port, letter, order)
                for letter, (order, _) in zip(letters[:count], list(orders.values())[:count], strict=True)
            )
        _wait(stand, _UNDONE, 0)
        before = _count(stand, _CREDITED)
        used, begun = stand.cpu("product", "worker"), time.monotonic()
        load.drive(port, letters[count:], connections=8, expected={204})
        _wait(stand, _CREDITED, before + count)
        seconds, used = time.monotonic() - begun, stand.cpu("product", "worker") - used
    finally:
        stand.stop("worker")
    timed = load.Outcome(0, latencies, Counter())
    return Sample(count / seconds, timed.percentile(0.5), timed.percentile(0.99), used * 1000 / count)


@contextmanager
def _checkouts(stand: Stand, port: int) -> Iterator[None]:
    """Place orders with eight clients, as the checkout job does, for as long as this lasts."""
    ready = traffic.orders(stand, _BATCH, lines=1, sku=None, reference=False)
    over = threading.Event()

    def press() -> None:
        batch = ready
        while not over.is_set():
            load.drive(port, batch, connections=8, expected={201})
            batch = traffic.orders(stand, _BATCH, lines=1, sku=None, reference=False)

    thread = threading.Thread(target=press)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _until_paid(port: int, letter: bytes, order: tuple[str, int]) -> float:
    """Send one notification and return the ms until its shopper's phone reads that the order is paid."""
    number, shopper = order
    headers = {"Authorization": f"Bearer {goods.token(shopper)}", "Accept": "application/json"}
    with socket.create_connection(("127.0.0.1", port), timeout=60) as wechat:
        begun = time.perf_counter()
        wechat.sendall(letter)
        answer = wechat.recv(65536)
    if b" 204 " not in answer[:16]:
        raise RuntimeError(f"an answer that nobody expected: {answer[:100]!r}")
    phone = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        for _ in itertools.count():
            phone.request("GET", f"/api/v1/orders/{number}", headers=headers)
            if orjson.loads(phone.getresponse().read())["state"] == "paid":
                break
            time.sleep(0.005)
    finally:
        phone.close()
    return (time.perf_counter() - begun) * 1000


def posted(stand: Stand) -> Job:
    """Return the job of a settled payment, from its notification until nothing is left to do; the reference posts none.

    The ledger may cost a quarter of what a payment costs without it.
    """
    variants = {
        "product": partial(_settled, stand, "product", "wsgi"),
        "reference": partial(_settled, stand, "unposted", "benchmarks.unposted"),
    }
    return Job("settled-and-posted", 8, 600, variants, Budget(more_cpu=0.25))


def _settled(stand: Stand, server: str, application: str, count: int) -> Sample:
    forget_the_queue(stand)
    letters = _letters(stand, _placed_and_opened(stand, count))
    if server not in stand.servers:
        stand.serve(server, f"{application}:app")
    stand.work(application)
    try:
        _wait(stand, _UNDONE, 0)
        before = _count(stand, _PAID)

        def settle() -> load.Outcome:
            outcome = load.drive(stand.servers[server].port, letters, connections=8, expected={204})
            _wait(stand, _PAID, before + count)
            _wait(stand, _UNDONE, 0)
            return outcome

        return sample(settle, lambda: stand.cpu(server, "worker"))
    finally:
        stand.stop("worker")


def _placed_and_opened(stand: Stand, count: int) -> dict[str, tuple[tuple[str, int], int]]:
    """Place orders through the product and open a payment of each: number → ((order, shopper of the bench), fen)."""
    last = _count(stand, "SELECT coalesce(max(id), 0) FROM orders")
    requests = traffic.orders(stand, count, lines=1, sku=None, reference=False)
    load.drive(stand.servers["product"].port, requests, connections=8, expected={201})
    who, now, opened = stand.wechat.identity, datetime.now(UTC), {}
    with stand.connect() as connection:
        orders = connection.execute(
            "SELECT number, shopper_id, payable_fen FROM orders WHERE id > %s", (last,)
        ).fetchall()
        for reference, shopper, fen in orders:
            number = f"B{secrets.token_hex(10)}"
            opened[number] = ((reference, shopper - goods.FIRST_SHOPPER), fen)
            connection.execute(
                """
                INSERT INTO payments (number, reference, channel, mchid, appid, amount_fen, state, request, pay_until,
                                      opened_at)
                VALUES (%s, %s, 'miniprogram', %s, %s, %s, 'open', '{}', %s, %s)
                """,
                (number, reference, who.mchid, who.miniprogram_appid, fen, now + timedelta(hours=1), now),
            )
    return opened


def _letters(stand: Stand, opened: dict[str, tuple[tuple[str, int], int]]) -> list[bytes]:
    """Return WeChat's notifications of these payments as requests."""
    amounts = {number: fen for number, (_, fen) in opened.items()}
    return traffic.notifications(traffic.letters(stand, amounts), reference=False)


def _count(stand: Stand, sql: str) -> int:
    with stand.connect() as connection:
        [(found,)] = connection.execute(sql).fetchall()
    return int(found)


def _wait(stand: Stand, sql: str, wanted: int) -> None:
    # What jobs before left to the worker is tens of thousands of orders.
    deadline = time.monotonic() + 900
    with stand.connect() as connection:
        while connection.execute(sql).fetchone() != (wanted,):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{sql} does not become {wanted}")
            time.sleep(0.02)
