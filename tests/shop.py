"""A whole shop in real processes: gunicorn, worker and emulated WeChat over their own database.

Journeys, browser tests and crash tests use it. `tests/conftest.py` keeps whoever uses it
together, so that one test process starts it once.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
import pyotp
import requests
from sqlalchemy.engine import make_url

from config import desk, embedded
from tests.ports import free_port
from tests.waits import wait_until

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Shop:
    """Where the running shop is, and the processes behind it."""

    url: str
    wechat_url: str
    data_dir: Path
    environment: dict[str, str]
    engines: embedded.Engines
    children: dict[str, desk.Child]
    account: dict[str, str] = field(default_factory=dict)

    def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Read the shop's database, once it is there: a test may have killed it, and its keeper starts it again."""
        url = make_url(self.environment["DATABASE_URL"]).set(drivername="postgresql")
        found: list[tuple[Any, ...]] = []

        def is_read() -> bool:
            try:
                with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
                    found[:] = connection.execute(sql, params).fetchall()
            except psycopg.OperationalError:
                return False
            return True

        wait_until(is_read, what="the shop's database")
        return found

    def write(self, sql: str) -> None:
        """Change the shop's database behind its back."""
        url = make_url(self.environment["DATABASE_URL"]).set(drivername="postgresql")
        with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
            connection.execute(sql)

    def insist(self, sql: str) -> None:
        """Change the shop's database behind its back, once it is there; only by what may be done twice."""

        def is_done() -> bool:
            try:
                self.write(sql)
            except psycopg.OperationalError:
                return False
            return True

        wait_until(is_done, what="the shop's database")

    def kill(self, name: str) -> None:
        """SIGKILL one process and all that it started."""
        process = self.children[name].process
        assert process is not None
        os.killpg(process.pid, 9)
        process.wait()

    def kill_engine(self, program: str) -> None:
        """SIGKILL this shop's `postgres` or `redis-server`."""
        pid_file = {"postgres": self.data_dir / "pg" / "data" / "postmaster.pid"}.get(program)
        if pid_file is None:
            pid_file = Path(self.engines.redis_url.removeprefix("unix://")).with_name("redis.pid")
        os.kill(int(pid_file.read_text().split()[0]), 9)

    def start(self, name: str) -> None:
        """Start one process again and wait until it serves."""
        self.children[name].start(self.environment)
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until web and WeChat answer."""
        for url in (f"{self.url}/readyz", f"{self.wechat_url}/_control"):
            wait_until(lambda url=url: _answers(url), what=url)

    def control(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call WeChat's control plane: GET without a body, POST with one."""
        url = f"{self.wechat_url}/_control/{path}"
        answer = requests.get(url, timeout=60) if body is None else requests.post(url, json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def clear_faults(self) -> None:
        """Lift every fault that was ordered at WeChat."""
        requests.delete(f"{self.wechat_url}/_control/faults", timeout=10).raise_for_status()

    def one_time_code(self) -> str:
        """The staff account's present second factor."""
        return pyotp.TOTP(self.account["totp_secret"]).now()

    def train_code(self, kind: str = "product") -> str:
        """A code of the themed train that leads to a product (or a hall)."""
        [(slug,)] = self.rows(
            """
            SELECT c.slug FROM codes c JOIN code_bindings b ON b.code_id = c.id
            JOIN placements p ON p.id = b.placement_id
            WHERE b.landing_kind = %s AND p.number LIKE '%%.T01.%%' ORDER BY p.number LIMIT 1
            """,
            kind,
        )
        return str(slug)

    def stop(self) -> None:
        """Stop every process."""
        for child in self.children.values():
            if child.process is not None and child.process.poll() is None:
                os.killpg(child.process.pid, 15)
        for child in self.children.values():
            if child.process is not None:
                try:
                    child.process.wait(15)
                except subprocess.TimeoutExpired:
                    os.killpg(child.process.pid, 9)
                    child.process.wait()
        self.engines.release()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def open_shop(
    data_dir: Path,
    *,
    application: str = "wsgi:app",
    settings: Mapping[str, str] = MappingProxyType({}),
    log: Path | None = None,
) -> Shop:
    """Start engines for `data_dir`, migrate, seed and start a shop; web and worker run `application`.

    What the processes write goes to `log`, if there is one.
    """
    data_dir.chmod(0o711)
    # Processes are killed here, never the machine: what the kernel took over is safe.
    engines = embedded.ensure(data_dir, options=("fsync=off",))
    web, wechat = free_port(), free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": engines.database_url,
        "REDIS_URL": engines.redis_url or "",
        "HALL_DATA_DIR": str(data_dir),
        "PUBLIC_BASE_URL": f"http://127.0.0.1:{web}",
        "BIND": f"127.0.0.1:{web}",
        "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz",
        "ALLOW_EMULATED_WECHAT": "1",
        "LOG_LEVEL": "WARNING",
        "PYTHONWARNINGS": "default",
        **settings,
    }
    emulator = [sys.executable, "-m", "emulator", "--port", str(wechat), "--dir", str(data_dir / "wechat")]
    subprocess.run([*emulator, "--write-settings"], cwd=ROOT, check=True, capture_output=True)
    for line in (data_dir / "wechat" / "settings.env").read_text().splitlines():
        name, _, value = line.partition("=")
        environment[name] = value
    flask = [sys.executable, "-m", "flask", "--app", "wsgi"]
    for command in ("migrate", "seed", "welcome"):
        subprocess.run([*flask, command], cwd=ROOT, env=environment, check=True, capture_output=True)
    children = {
        "wechat": desk.Child("wechat", emulator),
        "web": desk.Child("web", [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", application]),
        "worker": desk.Child("worker", [sys.executable, "-m", "flask", "--app", application, "worker"]),
    }
    if log:
        for child in children.values():
            child.command = ["/bin/sh", "-c", 'exec "$@" >> "$0" 2>&1', str(log), *child.command]
    shop = Shop(f"http://127.0.0.1:{web}", f"http://127.0.0.1:{wechat}", data_dir, environment, engines, children)
    shop.account = json.loads((data_dir / "desk-account.json").read_text())
    for child in children.values():
        child.start(environment)
    shop.wait_ready()
    return shop
