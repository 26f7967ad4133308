"""Whatever is killed while commuters buy comes back, and the report still equals what happened."""

import subprocess
import sys
import time

from tests.shop import ROOT, Shop
from tests.waits import wait_until

COMMUTERS = 24


def test_a_simulation_survives_the_death_of_everything(shop: Shop) -> None:
    """Web, worker, Redis and PostgreSQL die by SIGKILL, one after another, while a simulation runs."""
    command = [sys.executable, "-m", "emulator", "simulate", "--n", str(COMMUTERS), "--workers", "3"]
    command += ["--shop", shop.url, "--wechat", shop.wechat_url]
    command += ["--account", str(shop.data_dir / "desk-account.json")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as simulation:

        def orders_at_least(count: int) -> bool:
            return simulation.poll() is not None or shop.rows("SELECT count(*) FROM orders")[0][0] >= count

        wait_until(lambda: orders_at_least(2), seconds=60, what="the first orders")
        shop.kill("web")
        shop.start("web")
        wait_until(lambda: orders_at_least(4), seconds=60, what="an order after the web server died")
        shop.kill("worker")
        time.sleep(1)
        shop.start("worker")
        shop.kill_engine("redis-server")
        wait_until(lambda: orders_at_least(6), seconds=60, what="an order without Redis")
        shop.engines.revive()
        shop.kill_engine("postgres")
        time.sleep(0.5)
        shop.engines.revive()
        shop.wait_ready()
        output, _ = simulation.communicate(timeout=240)
    assert simulation.returncode == 0, output
    assert "report equals what happened" in output
    oversold = shop.rows("SELECT count(*) FROM stock_levels WHERE reserved > on_hand OR on_hand < 0")
    twice = shop.rows("SELECT reference FROM payments WHERE state = 'succeeded' GROUP BY reference HAVING count(*) > 1")
    assert (oversold, twice) == ([(0,)], [])
