"""`python -m tests.month [--riders N] [--seed N]`: opens a shop of its own and plays a month of known causes in it."""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.shop import ROOT, open_shop


def main() -> int:
    """Open the shop, let the simulation run, and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.month")
    parser.add_argument("--riders", default="2", help="riders of each cause (default %(default)s)")
    parser.add_argument("--seed", default="1", help="the same seed, the same month (default %(default)s)")
    options = parser.parse_args()
    data_dir = Path(tempfile.mkdtemp(prefix="hall-month-"))
    clock, log = data_dir / "clock", data_dir / "shop.log"
    print(f"Opening a shop whose clock can be moved; what it says goes to {log} …", flush=True)
    shop = open_shop(data_dir, application="tests.month.turned:app", settings={"HALL_CLOCK_FILE": str(clock)}, log=log)
    ended = 1
    try:
        command = [sys.executable, "-m", "emulator", "simulate", "--shop", shop.url, "--wechat", shop.wechat_url]
        command += ["--account", str(data_dir / "desk-account.json"), "--clock", str(clock)]
        command += ["--riders", options.riders, "--seed", options.seed]
        ended = subprocess.run(command, cwd=ROOT, check=False).returncode
    finally:
        shop.stop()
    # What went wrong can be looked into; what did not takes 300 MB for nothing.
    if ended == 0:
        shutil.rmtree(data_dir)
    return ended


if __name__ == "__main__":
    sys.exit(main())
