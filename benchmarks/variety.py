"""What lists, pages and searches cost among 1,000 and among 100,000 SKUs: `python -m benchmarks.variety [--write]`.

Each size has a stand of its own, whose folder is kept: a second run only measures. Processor time is the product's and
PostgreSQL's together; of searches also what PostgreSQL's own process takes, and what pg_stat_statements tells of it.

Compared are requests that no cache answers: pages of twenty that begin anywhere on the shelf, the page of any product
(a few of which the half-second cache has, the more the fewer goods there are), and searches of the judged set, with
marks behind each that no search reads, and between prices that nobody reaches. Goods are of the seeded kinds, each with
a name of its own (`variety_names`), so among 1,000 SKUs a word is on few of them, and a search shows about five, while
among 100,000 it is on hundreds or thousands and nearly every page is full. That larger answer is in the ratio of
searches; how many goods are shown is said beside it. As many among both are shown where five a page are asked for, and
of the words for kinds of goods, the commonest there are, which fill a page among both.
"""

import argparse
import contextlib
import csv
import random
import statistics
import sys
import tempfile
import urllib.parse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from benchmarks import goods, load, measure, results, stand, traffic, variety_imports, variety_names
from benchmarks.measure import Sample
from benchmarks.stand import ROOT, Stand
from catalog import cursors, finding
from catalog.narrowing import Narrowing
from config import database

FEW, MANY = 1_000, 100_000
MOST_TIMES = 1.2
MOST_SEARCH_MS = 20.0
_ROUNDS = 4
_COUNTS = {
    "list": 800,
    "page": 800,
    "search": 600,
    "search, five a page": 600,
    "search between prices": 600,
    "search for a kind": 600,
    "search for a kind between prices": 600,
}
_KINDS = ["茶", "绿茶", "茶叶花茶", "水果", "新鲜水果", "蔬菜", "米", "面", "油", "肉", "鱼", "菜", "干货", "零食"]
_QUERIES = ROOT / "tests/catalog/judged.csv"
_TIMES_ASKED = 3


def main(arguments: list[str] | None = None) -> int:
    """Load, measure, print the table, and return the exit status: 1 when a figure is missed."""
    options = _parser().parse_args(arguments)
    what = results.commit()
    inside: dict[int, list[float]] = {}
    shown: dict[int, float] = {}
    with contextlib.ExitStack() as stack:
        places = {
            skus: stack.enter_context(stand.opened(Path(f"{options.data}-{skus}"))) for skus in (FEW, options.skus)
        }
        for skus, place in places.items():
            _prepare(place, skus)
        taken = _compared(places)
        told = {skus: _by_statements(place) for skus, place in places.items()}
        for skus, place in places.items():
            place.stop("product")
            each = list(_by_backend(place))
            inside[skus] = sorted(ms for ms, _ in each)
            shown[skus] = statistics.mean(goods_shown for _, goods_shown in each)
        rates = {skus: variety_imports.rate(place) for skus, place in places.items()}
    lines, is_met = _table(taken, inside)
    lines += [*_imports(rates), *_remarks(shown, told)]
    is_met &= min(rows for rows, _ in rates.values()) >= variety_imports.LEAST_ROWS
    print("\n" + "\n".join(lines))
    if options.write:
        print(f"Written to {_write(lines, what, options.skus)}")
    return 0 if is_met else 1


def queries() -> list[str]:
    """Return what people type: the judged set, with its typos, homophones, pinyin and words that find nothing."""
    return [row["query"] for row in csv.DictReader(_QUERIES.read_text(encoding="utf-8").splitlines())]


def _prepare(place: Stand, skus: int) -> None:
    goods.fill(place, goods.Size(skus=skus, touches=1))
    with place.connect() as connection:
        variety_names.give(connection)
    place.serve("product", "wsgi:app")
    with place.connect() as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        connection.execute("SELECT pg_stat_statements_reset()")


def _compared(places: dict[int, Stand]) -> dict[int, dict[str, Sample]]:
    """Ask few goods and many in turn, after a round to warm up, and return the least and the medians of the rounds.

    In turn, because other work on the machine makes the same request take twice the processor time.
    """

    def once(place: Stand, name: str, count: int) -> Sample:
        port, requests = place.servers["product"].port, _requests(place, name, count)
        return measure.sample(
            lambda: load.drive(port, requests, connections=8, expected={200}), lambda: place.cpu("product")
        )

    taken: dict[int, dict[str, Sample]] = {skus: {} for skus in places}
    for name, count in _COUNTS.items():
        rounds = [{skus: once(place, name, count) for skus, place in places.items()} for _ in range(_ROUNDS + 1)][1:]
        for skus in places:
            taken[skus][name] = measure.together([each[skus] for each in rounds])
    return taken


def _requests(place: Stand, name: str, count: int) -> list[bytes]:
    if name == "list":
        # The name of nothing behind a product's own leads to the same page by a cursor that no cache has seen.
        shelf = random.choices(traffic.positions(place), k=count)
        words = [cursors.write(sort="shelf", key=key, slug=f"{slug}-{random.randrange(10**9)}") for key, slug in shelf]
        return [
            load.request("GET", f"/api/v1/products?cursor={word}", headers={"Accept": "application/json"})
            for word in words
        ]
    if name == "page":
        return traffic.pages(place, count)
    # Each as often as the others, since some take five times as long. What is behind it makes each question one that no
    # cache has answered, and changes no answer.
    words = _KINDS if "kind" in name else queries()
    asked = words * (count // len(words))
    random.shuffle(asked)
    paths = [
        f"/api/v1/products?q={urllib.parse.quote(query)}&price_to={10**8 + random.randrange(10**6)}"
        if "between prices" in name
        else f"/api/v1/products?q={urllib.parse.quote(query + ''.join(random.choices('，。！？、；', k=8)))}"
        f"&limit={5 if name == 'search, five a page' else 20}"
        for query in asked
    ]
    return [load.request("GET", path, headers={"Accept": "application/json"}) for path in paths]


def _by_statements(place: Stand) -> tuple[float, float]:
    """Return the mean and the largest time (ms) of a statement that searched, as PostgreSQL counted them."""
    with place.connect() as connection:
        rows = connection.execute(
            """
            SELECT sum(total_exec_time) / sum(calls), max(max_exec_time) FROM pg_stat_statements
            WHERE query LIKE '%search_vector%' OR query LIKE '%names_near%'
            """
        ).fetchall()
    return float(rows[0][0]), float(rows[0][1])


def _by_backend(place: Stand) -> Iterator[tuple[float, int]]:
    """Yield what each search takes of PostgreSQL's processor time (ms), over all its statements, and what it shows.

    The kernel counts it by the nanosecond, and work beside it on the machine adds nothing to it, as it does to every
    time that PostgreSQL itself tells. Of three times the least.
    """
    database.configure(place.engines.database_url, pool_size=1)
    ask = database.statement
    [(pid,)] = ask("SELECT pg_backend_pid()")
    taken: list[float] = []

    def used() -> float:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6

    def timing(sql: str, params: Any = ()) -> list[tuple[Any, ...]]:
        times = []
        for _ in range(_TIMES_ASKED):
            begun = used()
            answer = ask(sql, params)
            times.append(used() - begun)
        taken.append(min(times))
        return answer

    database.statement = timing
    try:
        for query in queries():
            taken.clear()
            answer = finding.page(q=query, chosen=Narrowing(price_to=10**8), sort=None, cursor=None, limit=20)
            yield sum(taken), len(orjson.loads(answer)["items"])
    finally:
        database.statement = ask
        database.engine().dispose()


def _table(
    taken: dict[int, dict[str, Sample]],
    inside: dict[int, list[float]],
) -> tuple[list[str], bool]:
    few, many = taken.keys()
    lines = [
        f"| what | CPU-s per 1,000 among {few:,} | among {many:,} | times | wanted | verdict |",
        "|---|---|---|---|---|---|",
    ]
    is_met = True
    for name in _COUNTS:
        one, other = taken[few][name].cpu, taken[many][name].cpu
        met = other / one <= MOST_TIMES
        is_met &= met
        lines.append(
            f"| {name} | {one:.2f} | {other:.2f} | {other / one:.2f} | ≤ {MOST_TIMES} | {'met' if met else 'missed'} |"
        )
    lines += [
        "",
        "| search, inside PostgreSQL | p50 ms | p95 ms | most ms | wanted p95 | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for skus, times in inside.items():
        p95 = statistics.quantiles(times, n=20)[-1]
        met = p95 <= MOST_SEARCH_MS
        is_met &= met
        lines.append(
            f"| {skus:,} SKUs, {len(times)} queries | {statistics.median(times):.2f} | {p95:.2f} | {times[-1]:.2f} "
            f"| ≤ {MOST_SEARCH_MS:g} | {'met' if met else 'missed'} |"
        )
    return lines, is_met


def _imports(rates: dict[int, tuple[float, float]]) -> list[str]:
    least = variety_imports.LEAST_ROWS
    return [
        "",
        f"| import of {variety_imports.ROWS:,} goods, after validation | rows a second | a CPU-s | wanted | verdict |",
        "|---|---|---|---|---|",
        *(
            f"| {skus:,} SKUs | {rows:,.0f} | {by_cpu:,.0f} | ≥ {least:,} a second "
            f"| {'met' if rows >= least else 'missed'} |"
            for skus, (rows, by_cpu) in rates.items()
        ),
    ]


def _remarks(shown: dict[int, float], told: dict[int, tuple[float, float]]) -> list[str]:
    return [
        "",
        *(f"A search shows {goods_shown:.1f} goods among {skus:,}." for skus, goods_shown in shown.items()),
        *(
            f"pg_stat_statements among {skus:,}: {mean:.2f} ms a statement that searches, {most:.2f} ms at most."
            for skus, (mean, most) in told.items()
        ),
    ]


def _write(lines: list[str], what: str, skus: int) -> Path:
    at, machine = datetime.now(UTC), results.machine()
    path = results.FOLDER / f"{at:%Y-%m-%d}-{what}-variety.md"
    head = [f"# {at:%Y-%m-%d}, commit {what}: {FEW:,} and {skus:,} SKUs", ""]
    path.write_text("\n".join([*head, *(f"- {name}: {value}" for name, value in machine.items()), "", *lines, ""]))
    return path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.variety", description="Few goods, and very many.")
    parser.add_argument("--skus", type=int, default=MANY, help="how many are very many (default %(default)s)")
    kept = Path(tempfile.gettempdir()) / "hall-variety"
    parser.add_argument("--data", type=Path, default=kept, help="folders that are kept (default %(default)s-…)")
    parser.add_argument("--write", action="store_true", help="write the figures to benchmarks/results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
