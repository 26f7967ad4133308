"""The commands `python -m tests.proofs crash [--every N]` and `python -m tests.proofs soak [--orders N]`."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.proofs import crash, soak
from tests.shop import open_shop


def main() -> int:
    """Run a proof, show its progress and say how it ended."""
    parser = argparse.ArgumentParser(prog="python -m tests.proofs")
    parser.add_argument("proof", choices=["crash", "soak"])
    parser.add_argument("--every", type=int, default=1, help="crash: try only every N-th death (default: all)")
    parser.add_argument("--orders", type=int, default=10_000, help="soak: how many orders (default %(default)s)")
    options = parser.parse_args()
    data_dir = Path(tempfile.mkdtemp(prefix="hall-proof-"))
    print(f"Opening a shop; what it says goes to {data_dir / 'shop.log'} …", flush=True)
    _keep_screen(data_dir / "shop.log")
    return _crash(data_dir, options.every) if options.proof == "crash" else _soak(data_dir, options.orders)


def _keep_screen(log: Path) -> None:
    """Keep the terminal for ourselves: what our processes write goes to `log`."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        screen = os.fdopen(os.dup(number), "w", buffering=1)
        os.dup2(descriptor, number)
        sys.stdout, sys.stderr = (screen, sys.stderr) if number == 1 else (sys.stdout, screen)


def _crash(data_dir: Path, every: int) -> int:
    with crash.opened_shop(data_dir) as (shop, board):
        walk = crash.Walk(shop)
        points = crash.record(walk, board)
        deaths = [(point, victim) for point in points for victim in crash.VICTIMS][::every]
        print(f"{len(points)} points on an order's way; {len(deaths)} deaths to die.", flush=True)
        failures = crash.prove(walk, board, deaths)
    for failure in failures:
        print(f"\nDIFFERENT after the death of the {failure.victim} at {failure.point}")
        print("".join(f"  {line}\n" for line in failure.told), end="")
    if failures:
        print(f"\nThe books are not equal after {len(failures)} of {len(deaths)} deaths.")
        return 1
    print(f"\n{len(deaths)} deaths: our books equal WeChat's after each.")
    return 0


def _soak(data_dir: Path, orders: int) -> int:
    shop = open_shop(data_dir)
    try:
        ended = soak.run(shop, orders=orders)
    finally:
        shop.stop()
    print(", ".join(f"{count} {end}" for end, count in ended.ends.most_common()))
    print(f"{ended.transferred} refunds that WeChat could not pay out were paid by transfer.")
    for line in ended.stuck:
        print(f"STUCK {line}")
    for line in ended.told:
        print(f"DIFFERENT {line}")
    if ended.stuck or ended.told:
        print(f"\n{len(ended.stuck)} customers stuck, {len(ended.told)} differences.")
        return 1
    print(f"\n{orders} orders with every fault at {soak.RATE:.0%}: our books equal WeChat's.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
