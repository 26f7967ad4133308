"""The command: `python -m benchmarks [--quick] [--rounds N] [--skus N] [--data DIR] [names…]`."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks import goods, jobs, measure, results, stand

QUICK_SCALE = 0.1


def main(arguments: list[str] | None = None) -> int:
    """Measure what was asked for, print the table, write it down, and return the exit status."""
    options = _parser().parse_args(arguments)
    what = results.commit()
    size = goods.QUICK if options.quick else replace(goods.FULL, skus=options.skus)
    with stand.opened(options.data) as place:
        print(f"Loading {size.skus:,} SKUs and {size.touches:,} touches …", flush=True)
        goods.fill(place, size)
        place.serve("product", "wsgi:app")
        # As the reference is defined: behind gunicorn's own threads.
        place.serve("reference", "benchmarks.reference:app", "--worker-class", "gthread")
        asked = jobs.all_jobs(place, scale=QUICK_SCALE if options.quick else 1.0)
        unknown = set(options.names) - {job.name for job in asked}
        if unknown:
            print(f"There is no {', '.join(sorted(unknown))}; there are: {', '.join(job.name for job in asked)}")
            return 2
        done: list[measure.Result] = []
        for job in asked:
            if not options.names or job.name in options.names:
                done.append(measure.run(job, options.rounds))
                print(f"{job.name}: {done[-1].verdict}", flush=True)
        memory = {name: round(place.worker_mb(name)) for name in ("product", "reference")}
    settings = {
        "skus": size.skus,
        "touches": size.touches,
        "rounds": options.rounds,
        "gunicorn": f"config/gunicorn.py, {stand.WEB_PROCESSES} processes",
        "load generator": f"raw keep-alive sockets, {jobs.load.PROCESSES} processes",
        "durability": "fsync, full_page_writes and synchronous_commit on",
        "largest worker process, MB": memory,
    }
    print(f"\n{results.table(done)}\n\nLargest worker process: {memory} MB")
    if not options.quick:
        print(f"Written to {results.write(done, settings, what=what)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Product, reference and ceiling per job.")
    parser.add_argument("names", nargs="*", help="only these jobs")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the data, short rounds, nothing written")
    parser.add_argument("--rounds", type=int, default=3, help="measured rounds of each variant (default %(default)s)")
    parser.add_argument("--skus", type=int, default=goods.FULL.skus, help="how many SKUs (default %(default)s)")
    parser.add_argument("--data", type=Path, help="keep the loaded data in this folder and use it again")
    return parser


if __name__ == "__main__":
    sys.exit(main())
