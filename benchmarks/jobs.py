"""The jobs: which requests, against which ceiling and which reference, within which budget.

Invariant: the budgets are those of docs/decisions/server.md; a job that sells checks afterwards that nothing was sold
that was not there.
"""

import os
from collections.abc import Callable
from functools import partial

import psycopg
from psycopg.types.json import Jsonb

from benchmarks import goods, load, reference, sales, settling, traffic
from benchmarks.measure import Budget, Job, Sample, sample
from benchmarks.stand import Stand

HOT = "checkout-hot"
OK, SEE_OTHER, CREATED, DONE = {200}, {302, 303}, {201}, {204}


def all_jobs(stand: Stand, *, scale: float) -> list[Job]:
    """Return every job in the order in which they run; `scale` shortens the rounds."""
    made = [
        *_reading(stand),
        *_selling(stand),
        *_paying(stand),
        settling.credited(stand),
        settling.posted(stand),
        sales.report(stand),
        *sales.rolling(stand),
    ]
    return [
        Job(job.name, job.clients, max(job.clients, int(job.count * scale)), job.variants, job.budget, job.check)
        for job in made
    ]


def _reading(stand: Stand) -> list[Job]:
    scans = partial(traffic.scans, stand)
    lists = partial(traffic.lists, stand, reference=False)
    first = partial(traffic.first_lists, reference=False)
    made = []
    for clients, suffix in ((8, ""), (16, "-16")):
        made += [
            Job(
                f"scan{suffix}",
                clients,
                4000,
                {
                    "product": _http(stand, "product", clients, scans, SEE_OTHER),
                    "reference": _http(stand, "reference", clients, scans, SEE_OTHER),
                    "ceiling": _loop(stand, clients, _scanning(stand)),
                },
                Budget(ratio=0.8, cpu=0.9),
            ),
            Job(
                f"list{suffix}",
                clients,
                3000,
                {
                    "product": _http(stand, "product", clients, lists, OK),
                    "reference": _http(stand, "reference", clients, partial(traffic.lists, stand, reference=True), OK),
                    "ceiling": _loop(stand, clients, lambda turn: (reference.LIST, (10_000 + turn % 400,))),
                },
                Budget(ratio=0.8, cpu=1.2),
            ),
        ]
    hello = _http(stand, "reference", 8, traffic.hellos, OK)
    made += [
        Job(
            "list-cached",
            8,
            4000,
            {
                "product": _http(stand, "product", 8, first, OK),
                "reference": _http(stand, "reference", 8, partial(traffic.first_lists, reference=True), OK),
                "ceiling": hello,
            },
            Budget(cpu=0.5),
        ),
        Job(
            "page",
            8,
            2000,
            {
                "product": _http(stand, "product", 8, partial(traffic.pages, stand), OK),
                "reference": _http(stand, "reference", 8, partial(traffic.pages, stand), OK),
                "ceiling": hello,
            },
        ),
    ]
    return made


def _selling(stand: Stand) -> list[Job]:
    never_oversold = partial(sales.never_oversold, stand)

    def job(name: str, clients: int, budget: Budget, *, lines: int = 1, sku: str | None = None) -> Job:
        def orders(count: int, *, reference: bool, sku: str | None = sku) -> list[bytes]:
            sales.forget_the_queue(stand)
            return traffic.orders(stand, count, lines=lines, sku=sku, reference=reference)

        # What the same clients order when they do not all want the same, interleaved with those who do.
        many = _http(stand, "product", clients, partial(orders, reference=False, sku=None), CREATED)

        skus = [sku] if sku else _skus(stand)
        return Job(
            name,
            clients,
            1500,
            {
                "product": _http(stand, "product", clients, partial(orders, reference=False), CREATED),
                "reference": _http(stand, "reference", clients, partial(orders, reference=True), CREATED),
                "ceiling": _loop(stand, clients, _placing(skus, lines)),
            }
            | ({"many": many} if sku else {}),
            budget,
            never_oversold,
        )

    many = Budget(ratio=0.5, cpu=2.2)
    return [
        job("checkout", 8, many),
        job("checkout-five", 8, Budget(ratio=0.5, cpu=3.0), lines=5),
        job(HOT, 8, Budget(of_many=0.8), sku=goods.HOT_SKU),
        job(f"{HOT}-32", 32, Budget(of_many=0.5), sku=goods.HOT_SKU),
        job("checkout-16", 16, many),
    ]


def _paying(stand: Stand) -> list[Job]:
    def told(count: int, *, reference: bool) -> list[bytes]:
        sales.forget_the_queue(stand)
        numbers = (traffic.reference_orders if reference else traffic.payments)(stand, count)
        letters = traffic.letters(stand, dict.fromkeys(numbers, traffic.AMOUNT_FEN))
        return traffic.notifications(letters, reference=reference)

    return [
        Job(
            f"notification{suffix}",
            clients,
            1500,
            {
                "product": _http(stand, "product", clients, partial(told, reference=False), DONE),
                "reference": _http(stand, "reference", clients, partial(told, reference=True), DONE),
                "ceiling": _hearing(stand, clients),
            },
            Budget(ratio=0.6, cpu=1.5),
        )
        for clients, suffix in ((8, ""), (16, "-16"))
    ]


def _http(
    stand: Stand, server: str, clients: int, requests: Callable[[int], list[bytes]], expected: set[int]
) -> Callable[[int], Sample]:
    def variant(count: int) -> Sample:
        ready = requests(count)
        port = stand.servers[server].port
        return sample(
            lambda: load.drive(port, ready, connections=clients, expected=expected), lambda: stand.cpu(server)
        )

    return variant


Ask = Callable[[int], tuple[str, tuple[object, ...]]]


def _loop(stand: Stand, clients: int, ask: Ask) -> Callable[[int], Sample]:
    """Run statements over raw connections: what PostgreSQL and a bare client can do."""

    def make(client: int) -> Callable[[int], None]:
        connection = stand.connect("reference")

        def act(turn: int) -> None:
            sql, params = ask(turn * clients + client)
            connection.execute(sql, params, prepare=True).fetchall()

        return act

    return partial(_looped, stand, clients, make)


def _looped(stand: Stand, clients: int, make: Callable[[int], Callable[[int], None]], count: int) -> Sample:
    # The clients are the server side here; their time is ours, as whoever waited for them.
    return sample(
        lambda: load.loop(make, clients=clients, count=count),
        lambda: stand.cpu() + sum(os.times()[2:4]),
    )


def _scanning(stand: Stand) -> Ask:
    with stand.connect() as connection:
        codes = [slug for (slug,) in connection.execute("SELECT slug FROM codes").fetchall()]
    return lambda turn: (reference.SCAN, (codes[turn % len(codes)], goods.visitor(turn)))


def _skus(stand: Stand) -> list[str]:
    with stand.connect() as connection:
        return [number for (number,) in connection.execute("SELECT number FROM skus WHERE number > 'BENCH00003'")]


def _placing(skus: list[str], lines: int) -> Ask:
    def ask(turn: int) -> tuple[str, tuple[object, ...]]:
        wanted = [{"sku": skus[(turn * lines + at) % len(skus)], "quantity": 1} for at in range(lines)]
        return reference.PLACE, (1, os.urandom(8).hex(), Jsonb(wanted), Jsonb(traffic.ADDRESS))

    return ask


def _hearing(stand: Stand, clients: int) -> Callable[[int], Sample]:
    """Do all of a notification but the HTTP, over raw connections."""

    def variant(count: int) -> Sample:
        letters = traffic.letters(stand, dict.fromkeys(traffic.reference_orders(stand, count), traffic.AMOUNT_FEN))
        os.environ.update(stand.environment)

        def make(client: int) -> Callable[[int], None]:
            connection = stand.connect("reference")
            key = reference.read_key()

            def run(sql: str, params: tuple[object, ...]) -> psycopg.Cursor:
                return connection.execute(sql, params, prepare=True)

            def act(turn: int) -> None:
                headers, body = letters[turn * clients + client]
                reference.open_and_pay(run, key, headers, body)

            return act

        return _looped(stand, clients, make, count)

    return variant
