"""The stand: PostgreSQL and Redis of its own, product and reference behind gunicorn, and who used the processor.

Invariant: both servers run under `config/gunicorn.py` with two processes of eight threads, the reference on gunicorn's
own worker, against one durable PostgreSQL (fsync, full_page_writes and synchronous_commit on); what is started here is
stopped here.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from benchmarks import cpu
from config import embedded
from emulator import keys

ROOT = Path(__file__).resolve().parents[1]
WEB_PROCESSES = 2
# On a loaded machine a server takes half a minute to start.
_PATIENCE_S = 120
SECRET_KEY = "a-secret-of-the-bench-0123456789-abcdefghij"


@dataclass
class Server:
    """A process of ours; `port` is 0 for one that does not listen."""

    process: subprocess.Popen[bytes]
    port: int = 0

    @property
    def pid(self) -> int:
        """Return the root of its process tree."""
        return self.process.pid


@dataclass
class Stand:
    """Where everything runs."""

    directory: Path
    engines: embedded.Engines
    wechat: keys.Keys
    environment: dict[str, str]
    servers: dict[str, Server] = field(default_factory=dict)

    @property
    def conninfo(self) -> str:
        """Return the database's address as libpq reads it."""
        url = make_url(self.engines.database_url).set(drivername="postgresql")
        return url.render_as_string(hide_password=False)

    def connect(self, schema: str = "public") -> psycopg.Connection:
        """Return an autocommitting connection that finds the tables of `schema` first."""
        return psycopg.connect(self.conninfo, autocommit=True, options=f"-c search_path={schema},public")

    def engine_pids(self) -> list[int]:
        """Return the roots of PostgreSQL and Redis."""
        found = [int((self.engines.data_dir / "pg/data/postmaster.pid").read_text().split("\n", 1)[0])]
        if self.engines.redis_url:
            found.append(int(Path(self.engines.redis_url.removeprefix("unix://")).with_suffix(".pid").read_text()))
        return found

    def cpu(self, *names: str) -> float:
        """Return the processor seconds that PostgreSQL, Redis and the named servers have used."""
        return cpu.seconds(*self.engine_pids(), *(self.servers[name].pid for name in names))

    def worker_mb(self, name: str) -> float:
        """Return the memory of a server's largest process below its master, in MB."""
        return max(cpu.resident_mb(pid) for pid in cpu.children(self.servers[name].pid))

    def flask(self, *arguments: str) -> None:
        """Run one of the product's commands to its end."""
        command = [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]
        subprocess.run(command, cwd=ROOT, env=self.environment, check=True, capture_output=True)

    def serve(self, name: str, application: str, *options: str) -> None:
        """Start a WSGI application under the product's gunicorn settings and wait until it answers."""
        port = free_port()
        command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", *options, application]
        self._start(name, command, {"BIND": f"127.0.0.1:{port}", "WEB_PROCESSES": str(WEB_PROCESSES)}, port)
        deadline = time.monotonic() + _PATIENCE_S
        while not _answers(port):
            if time.monotonic() > deadline or self.servers[name].process.poll() is not None:
                raise RuntimeError(f"{name} does not answer, see {self.directory / name}.log")
            time.sleep(0.05)

    def work(self, application: str = "wsgi") -> None:
        """Start the product's worker."""
        self._start("worker", [sys.executable, "-m", "flask", "--app", application, "worker"], {}, 0)

    def _start(self, name: str, command: list[str], extra: dict[str, str], port: int) -> None:
        with (self.directory / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment | extra, stdout=log, stderr=log, start_new_session=True
            )
        self.servers[name] = Server(process, port)

    def stop(self, name: str) -> None:
        """Stop a server and wait for its end."""
        server = self.servers.pop(name)
        server.process.send_signal(signal.SIGTERM)
        try:
            server.process.wait(25)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.process.wait()


@contextlib.contextmanager
def opened(directory: Path | None) -> Iterator[Stand]:
    """Start the engines and migrate and seed the product, in `directory` or in one that is deleted afterwards."""
    # Not under a private home: PostgreSQL's account must be able to enter it.
    place = directory or Path(tempfile.mkdtemp(prefix="hall-bench-"))
    place.mkdir(mode=0o711, exist_ok=True)
    place.chmod(0o711)
    engines = embedded.ensure(place)
    wechat = keys.load(place / "wechat")
    stand = Stand(place, engines, wechat, _environment(place, engines, wechat))
    try:
        stand.flask("migrate")
        stand.flask("seed")
        yield stand
    finally:
        for name in list(stand.servers):
            stand.stop(name)
        engines.release()
        if directory is None:
            shutil.rmtree(place, ignore_errors=True)


def _environment(place: Path, engines: embedded.Engines, wechat: keys.Keys) -> dict[str, str]:
    nowhere = "http://127.0.0.1:9"
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(place),
        "LC_ALL": "C.UTF-8",
        "DATABASE_URL": engines.database_url,
        "REDIS_URL": engines.redis_url or "",
        "HALL_DATA_DIR": str(place),
        "PUBLIC_BASE_URL": "http://127.0.0.1:8000",
        "SECRET_KEY": SECRET_KEY,
        "ALLOW_EMULATED_WECHAT": "1",
        **wechat.settings(api_url=nowhere, public_url=nowhere),
    }


def free_port() -> int:
    """Return a port that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
