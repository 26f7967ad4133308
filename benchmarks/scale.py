"""What the console's data cost at the size of a metro: `python -m benchmarks.scale [--touches N] [--orders N]`.

Loads a month of touches and orders at 500 placements, counts every day from nothing, and measures the report, the
explanation of an order, and the taking in of scans. The folder is kept: loading goes on where it was interrupted, and a
second run only measures.
"""

import argparse
import itertools
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from operator import itemgetter
from pathlib import Path

import orjson
from tqdm import tqdm

from benchmarks import console, cpu, crowd, goods, jobs, measure, results, stand
from benchmarks.crowd import Crowd
from benchmarks.stand import ROOT, Stand
from config import clock, database
from subway_campaign import decisions, influence, reports, rollups
from subway_campaign.lifecycle import Level, Model, View

RECOUNT = (Path(__file__).parent / "recount.sql").read_text()
_ROUNDS, _EXPLAINED = 4, 200
# What a touch takes on disk: its row, its verdict, its nonce, and the indexes of all three.
_DISK = """
    SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
    WHERE relkind = 'r' AND relname ~ '^(touches_p_.*|touch_[a-z_]+)$' AND relnamespace = 'public'::regnamespace
"""


@dataclass(frozen=True)
class Measured:
    """One figure, how it was found, and what it is to be."""

    what: str
    figure: float
    unit: str
    wanted: float
    more_is_better: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """Say whether it is met, or by how much it is missed."""
        met = self.figure >= self.wanted if self.more_is_better else self.figure <= self.wanted
        return "met" if met else f"missed by {abs(self.figure / self.wanted - 1):.0%}"

    def row(self) -> str:
        """Return this as a row of the table."""
        bound = f"{'≥' if self.more_is_better else '≤'} {self.wanted:g}"
        return f"| {self.what} | {self.figure:,.2f} {self.unit} | {bound} | {self.verdict} | {self.note} |"


def main(arguments: list[str] | None = None) -> int:
    """Load, measure, print the table, write it down, and return the exit status: 1 when a figure is missed."""
    options = _parser().parse_args(arguments)
    what = results.commit()
    with stand.opened(options.data) as place:
        goods.fill(place, goods.Size(skus=1_000, touches=1))
        size = crowd.load(place, touches=options.touches, orders=options.orders)
        found = [*_rebuilt(place), *_reported(place, size), _explained(place), _paged(place, size)]
        found += [_stored(place), _taken_in(place)]
        extra = _studied(place)
    lines = [
        "| what | found | wanted | verdict | how |",
        "|---|---|---|---|---|",
        *(each.row() for each in found),
        extra,
    ]
    print("\n" + "\n".join(lines))
    if options.write:
        print(f"Written to {_write(size, lines, found, what=what)}")
    return 0 if all(each.verdict == "met" for each in found) else 1


def _rebuilt(place: Stand) -> Iterator[Measured]:
    """Count every day anew by the product's own command, and watch its time and memory."""
    print("Counting every day anew (flask rollups rebuild) …", flush=True)
    begun = time.monotonic()
    with _watched(place) as peak:
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "rollups", "rebuild"]
        subprocess.run(command, cwd=ROOT, env=place.environment, check=True)
    taken = time.monotonic() - begun
    yield Measured("rollups rebuild", taken, "s", 600, note="the command, from start to end")
    yield Measured(
        "rollups rebuild, memory", max(peak), "MB", 1_000, note="the command and all of PostgreSQL (Pss), at most"
    )


@contextmanager
def _watched(place: Stand) -> Iterator[list[float]]:
    """Give a list that grows by the memory (MB) of PostgreSQL and everything that we started, four times a second."""
    found, over = [0.0], threading.Event()
    postgres = place.engine_pids()[0]

    def watch() -> None:
        while not over.wait(0.25):
            pids = {postgres, *cpu.children(postgres), *cpu.children(os.getpid())}
            found.append(sum(_pss_mb(pid) for pid in pids))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def _pss_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1e3


def _reported(place: Stand, size: Crowd) -> Iterator[Measured]:
    """Read the report under every model and view, and hold it against the recount of the raw rows."""
    from_day, to_day = size.first_day, size.first_day + timedelta(days=crowd.DAYS)
    with _connected(place):
        taken = [
            _ms(lambda model=model, view=view: _report(from_day, to_day, model, view))
            for model, view in tqdm([*itertools.product(Model, View)] * _ROUNDS, desc="report", unit="")
        ]
        rows = _report(from_day, to_day, Model.LAST, View.COHORT)["rows"]
    found = {row["placement"]: (row["scans"], row["visitors"], row["orders"], row["paid_orders"], row["net_fen"])
             for row in rows}  # fmt: skip
    since, until = (datetime.combine(day, clock_time(), tzinfo=clock.SHANGHAI) for day in (from_day, to_day))
    begun = time.perf_counter()
    with place.connect() as connection:
        recounted = connection.execute(RECOUNT, {"since": since, "until": until}).fetchall()
    recount_ms = (time.perf_counter() - begun) * 1000
    right = {number: tuple(int(figure or 0) for figure in figures) for number, *figures in recounted}
    wrong = [number for number in {**found, **right} if found.get(number) != right.get(number)]
    if wrong:
        raise SystemExit(f"The report is not the recount at {len(wrong)} placements, of them {sorted(wrong)[:3]}.")
    note = f"{len(rows)} placements, every model and view; equal to the recount, which takes {recount_ms:,.0f} ms"
    yield Measured("30-day report, p95", statistics.quantiles(taken, n=20)[-1], "ms", 100, note=note)


def _report(from_day: date, to_day: date, model: Model, view: View) -> dict:
    with database.transaction() as session:
        return reports.placements(session, from_day=from_day, to_day=to_day, model=model, view=view)


def _explained(place: Stand) -> Measured:
    """Explain orders drawn by chance, each of which must be repeated by its evidence."""
    with place.connect() as connection:
        rows = connection.execute("SELECT order_number FROM conversions WHERE paid_at IS NOT NULL").fetchall()
    asked = random.Random(1).sample([number for (number,) in rows if number.startswith("SCALE")], _EXPLAINED)

    def explain(order: str) -> None:
        with database.transaction() as session:
            if not decisions.explain(session, order=order)["recomputed_equal"]:
                raise SystemExit(f"{order} is not explained by its evidence.")

    with _connected(place):
        taken = [_ms(lambda order=order: explain(order)) for order in tqdm(asked, desc="explain", unit="")]
    note = f"{_EXPLAINED} orders, each repeated by its evidence"
    return Measured("explain, p95", statistics.quantiles(taken, n=20)[-1], "ms", 100, note=note)


def _paged(place: Stand, size: Crowd) -> Measured:
    """Open every page of the console for the whole month, with the rollups as the worker keeps them."""
    with _connected(place):
        rollups.roll_up()
    from_day, to_day = size.first_day, size.first_day + timedelta(days=crowd.DAYS)
    pages = list(tqdm(console.timed(place, from_day=from_day, to_day=to_day), desc="console", unit=""))
    slowest, _ = max(pages, key=itemgetter(1))
    note = f"{len(pages)} answers of {len({path for path, _ in pages})} pages, drawn whole; the slowest was {slowest}"
    return Measured("console, p95", statistics.quantiles([ms for _, ms in pages], n=20)[-1], "ms", 300, note=note)


def _stored(place: Stand) -> Measured:
    with place.connect() as connection:
        [(size,)] = connection.execute(_DISK).fetchall()
        [(touches,)] = connection.execute("SELECT count(*) FROM touches").fetchall()
    note = f"{size / 1e6:,.0f} MB of touches, confirmations, keys and their indexes for {touches:,} touches"
    return Measured("disk per touch", size / touches, "bytes", 600, note=note)


def _taken_in(place: Stand) -> Measured:
    """Scan codes over HTTP, by turns at the product and at one statement behind gunicorn's own worker."""
    place.serve("product", "wsgi:app")
    place.serve("reference", "benchmarks.reference:app", "--worker-class", "gthread")
    [job] = [each for each in jobs.all_jobs(place, scale=0.5) if each.name == "scan"]
    result = measure.run(job, 3)
    for name in ("product", "reference"):
        place.stop(name)
    product, reference = result.figures["product"], result.figures["reference"]
    note = (
        f"{product.rate:,.0f} against {reference.rate:,.0f} a second; CPU-s/1000 {product.cpu:.2f}, {reference.cpu:.2f}"
    )
    return Measured("ingest, of a one-statement insert", product.rate / reference.rate, "", 0.8, True, note)


def _studied(place: Stand) -> str:
    """Return the row of the nightly study, for which nothing is wanted but that it ends."""
    with _connected(place):
        taken = {}
        for level in influence.LEVELS:
            now = datetime.now(UTC)
            to_day = now.astimezone(clock.SHANGHAI).date()
            taken[level] = _ms(lambda level=level, to_day=to_day, now=now: influence.study(
                level=level, to_day=to_day, now=now)) / 1000  # fmt: skip
        with database.transaction() as session:
            found = influence.latest(session, level=Level.LINE)
    assert found is not None
    told = " and ".join(f"{level.value} {seconds:.1f} s" for level, seconds in taken.items())
    return f"| nightly study | {told} | – | – | {found['journeys']:,} journeys, {found['conversions']:,} orders |"


@contextmanager
def _connected(place: Stand) -> Iterator[None]:
    database.configure(place.engines.database_url, pool_size=1)
    yield
    database.engine().dispose()


def _ms(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return (time.perf_counter() - begun) * 1000


def _write(size: Crowd, lines: list[str], found: list[Measured], *, what: str) -> Path:
    at, machine = datetime.now(UTC), results.machine()
    path = results.FOLDER / f"{at:%Y-%m-%d}-{what}-scale.md"
    head = [f"# {at:%Y-%m-%d}, commit {what}: {size.touches:,} touches, {size.orders:,} orders", ""]
    path.write_text("\n".join([*head, *(f"- {name}: {value}" for name, value in machine.items()), "", *lines, ""]))
    figures = [vars(each) | {"verdict": each.verdict} for each in found]
    about = {"at": at.isoformat(timespec="seconds"), "commit": what, "machine": machine, "touches": size.touches,
             "orders": size.orders, "results": figures}  # fmt: skip
    path.with_suffix(".json").write_bytes(orjson.dumps(about, option=orjson.OPT_INDENT_2))
    return path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description="A month of a whole metro.")
    parser.add_argument("--touches", type=int, default=10_000_000, help="how many touches (default %(default)s)")
    parser.add_argument("--orders", type=int, default=300_000, help="how many orders (default %(default)s)")
    kept = Path(tempfile.gettempdir()) / "hall-scale"
    parser.add_argument("--data", type=Path, default=kept, help="the folder that is kept (default %(default)s)")
    parser.add_argument("--write", action="store_true", help="write the figures to benchmarks/results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
