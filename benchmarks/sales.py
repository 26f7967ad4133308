"""What needs more than a request: the report, its rollups, and that nothing is oversold.

Invariant: here too every figure is of the product as it runs, with its own worker and its own verbs.
"""

import statistics
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from datetime import time as clock_time
from functools import partial
from pathlib import Path

from benchmarks import goods, load, traffic
from benchmarks.measure import Budget, Job, Sample
from benchmarks.stand import Stand
from config import clock, database
from subway_campaign import reports, rollups

SCARCE = 100
_RECOUNT = (Path(__file__).parent / "recount.sql").read_text()
# A day's scans, were they all made in so many minutes: the rush hours of a morning and an evening.
_BUSY_MINUTES = 240
# New riders who scan now what others scanned before; each phone confirms at once.
_MINUTE = """
    WITH made AS (
        INSERT INTO touches (id, occurred_at, received_at, kind, surface, clock, visitor_id, code_id, binding_id,
                             placement_id, network)
        SELECT gen_random_uuid(), now(), now(), kind, surface, clock, gen_random_uuid(), code_id, binding_id,
               placement_id, network
        FROM touches WHERE kind = 'scan' LIMIT %(scans)s RETURNING id
    )
    INSERT INTO touch_confirmations (touch_id, confirmed_at) SELECT id, now() FROM made
"""


def forget_the_queue(stand: Stand) -> None:
    """Empty the queue, which no worker reads while the web alone is measured."""
    with stand.connect() as connection:
        connection.execute(
            "TRUNCATE procrastinate_jobs, procrastinate_events, procrastinate_periodic_defers, open_facts"
        )


def never_oversold(stand: Stand) -> None:
    """Sell a SKU of which there are few to 8 and to 32 clients at once. Raises `AssertionError` for one too many."""
    for clients in (8, 32):
        with stand.connect() as connection:
            connection.execute(
                """
                UPDATE stock_levels SET on_hand = reserved + %s
                WHERE sku_id = (SELECT id FROM skus WHERE number = %s)
                """,
                (SCARCE, goods.SCARCE_SKU),
            )
        wanted = traffic.orders(stand, 3 * SCARCE, lines=1, sku=goods.SCARCE_SKU, reference=False)
        port = stand.servers["product"].port
        outcome = load.drive(port, wanted, connections=clients, expected={201, 409})
        assert outcome.statuses[201] == SCARCE, f"{outcome.statuses[201]} sold of {SCARCE} to {clients} clients"
    with stand.connect() as connection:
        wrong = connection.execute(
            """
            SELECT l.sku_id, l.reserved, sum(r.quantity) FROM stock_levels l
            LEFT JOIN reservations r ON r.sku_id = l.sku_id AND r.state = 'held'
            GROUP BY 1, 2 HAVING l.reserved <> coalesce(sum(r.quantity), 0)
            """
        ).fetchall()
    assert not wrong, f"stock and reservations differ: {wrong}"


def report(stand: Stand) -> Job:
    """Return the job of the 30-day placement report: the verb, the recount of raw rows, and a rolled-up table."""
    today = datetime.now(clock.SHANGHAI).date()
    from_day, to_day = today - timedelta(days=goods.DAYS), today + timedelta(days=1)
    # Instants, because a bare date would begin at midnight in the connection's time zone.
    since, until = (datetime.combine(day, clock_time(), tzinfo=clock.SHANGHAI) for day in (from_day, to_day))

    def product() -> None:
        with database.transaction() as session:
            reports.placements(session, from_day=from_day, to_day=to_day)

    def asked(sql: str, **period: object) -> None:
        with stand.connect() as connection:
            connection.execute(sql, period).fetchall()

    rolled = "SELECT placement_id, sum(scans), sum(visitors) FROM reference.days WHERE day >= %(since)s GROUP BY 1"
    return Job(
        "report-30-days",
        1,
        5,
        {
            # With everything rolled up that a worker would have by now; what that costs are jobs of their own.
            "product": partial(_timed, stand, product, before=rollups.roll_up),
            "reference": partial(_timed, stand, partial(asked, _RECOUNT, since=since, until=until)),
            "ceiling": partial(_timed, stand, partial(asked, rolled, since=from_day)),
        },
        Budget(p50_ms=50),
    )


def rolling(stand: Stand) -> list[Job]:
    """Return the jobs of the rollups: all days anew, and what a busy minute's scans add."""

    def minute() -> None:
        with stand.connect() as connection:
            connection.execute(_MINUTE, {"scans": goods.FULL.touches // goods.DAYS // _BUSY_MINUTES})

    return [
        Job("rollups-rebuild", 1, 1, {"product": partial(_timed, stand, rollups.rebuild)}),
        Job("rollups-minute", 1, 5, {"product": partial(_timed, stand, rollups.roll_up, before=minute)}),
    ]


def _timed(
    stand: Stand, act: Callable[[], object], count: int, *, before: Callable[[], object] = lambda: None
) -> Sample:
    """Time `act`, `count` times, each after `before`, which is not timed."""
    database.configure(stand.engines.database_url, pool_size=1)
    taken = []
    used = 0.0
    for _ in range(count):
        before()
        used -= stand.cpu() + time.process_time()
        begun = time.perf_counter()
        act()
        taken.append((time.perf_counter() - begun) * 1000)
        used += stand.cpu() + time.process_time()
    database.engine().dispose()
    return Sample(1000 / statistics.mean(taken), statistics.median(taken), max(taken), used * 1000 / count)
