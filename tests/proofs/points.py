"""The shop with fault points at its two borders, the transaction and the wire: `tests.proofs.points:app`.

Each passing is written to `passed` in the directory HALL_FAULT_POINTS; the first to pass the point that is named in
`armed` there takes the file away and dies, or kills the database. The product knows nothing of it.
"""

import os
import re
import sys
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import requests
from requests.adapters import HTTPAdapter
from sqlalchemy.orm import Session

from config import database, jobs

# What the journeys of a shop put into addresses; a point must be the same in every run.
_NUMBERS = re.compile(r"[0-9A-Z]*[0-9][0-9A-Z]{7,}|(?<==)[^&]+")
_WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE)\b")
_transaction, _statement, _send = database.transaction, database.statement, HTTPAdapter.send


@dataclass(frozen=True, order=True)
class Point:
    """A place where a process can die, the n-th time that somebody comes there on one walk.

    `kind` is commit, statement or wire; `when` is before or after.
    """

    role: str
    kind: str
    place: str
    when: str
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.role} {self.when} {self.kind} {self.nth} of {self.place}"


class Board:
    """The directory over which the proof and the shop's processes speak."""

    def __init__(self, directory: Path) -> None:
        self._passed, self._armed, self._fired = directory / "passed", directory / "armed", directory / "fired"

    def clear(self) -> None:
        """Forget what was passed, and disarm."""
        for path in (self._passed, self._armed, self._fired):
            path.unlink(missing_ok=True)

    def arm(self, point: Point, victim: str) -> None:
        """Let the process that comes to `point` kill `victim`: itself ("process") or the "database"."""
        waiting = self._armed.with_suffix(".new")
        waiting.write_text(f"{victim}\n{point}")
        waiting.rename(self._armed)

    def has_fired(self) -> bool:
        """Whether somebody came to the armed point."""
        return self._fired.exists()

    def passed(self) -> list[Point]:
        """Every point that was passed, in order."""
        counts: Counter[str] = Counter()
        points = []
        for line in self._lines():
            counts[line] += 1
            role, kind, place, when = line.split("\t")
            points.append(Point(role, kind, place, when, counts[line]))
        return points

    def here(
        self, role: str, kind: str, place: str, when: str, *, connection: psycopg.Connection | None = None
    ) -> None:
        """Note a passing, and die if this is the armed point."""
        line = f"{role}\t{kind}\t{place}\t{when}"
        with self._passed.open("a") as passed:
            passed.write(f"{line}\n")
        with suppress(FileNotFoundError):
            victim, _, armed = self._armed.read_text().partition("\n")
            if armed == str(Point(role, kind, place, when, self._lines().count(line))):
                # Of several processes that are here at once only one gets to rename.
                self._armed.rename(self._fired)
                _die(victim, connection)

    def _lines(self) -> list[str]:
        return self._passed.read_text().splitlines() if self._passed.exists() else []


def _die(victim: str, connection: psycopg.Connection | None) -> None:
    if victim == "process":
        # The whole group: the master of a web server as well as its workers.
        os.killpg(os.getpgrp(), 9)
        time.sleep(60)
    postmaster = Path(os.environ["HALL_DATA_DIR"], "pg", "data", "postmaster.pid").read_text().split()[0]
    os.kill(int(postmaster), 9)
    if connection is not None:
        # A backend outlives its postmaster for a moment, long enough to commit.
        with suppress(ProcessLookupError):
            os.kill(connection.info.backend_pid, 9)


def install(board: Board, role: str) -> None:
    """Put fault points at every transaction that writes, every statement that writes, and every call to WeChat."""

    @contextmanager
    def transaction() -> Generator[Session]:
        place = _caller()
        with _transaction() as session:
            yield session
            driver = database.driver_connection(session)
            has_written = driver.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL").fetchone() == (True,)
            if has_written:
                board.here(role, "commit", place, "before", connection=driver)
        if has_written:
            board.here(role, "commit", place, "after")

    def statement(sql: str, params: Mapping[str, Any] | Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if not _WRITES.search(sql):
            return _statement(sql, params)
        place = _caller()
        board.here(role, "statement", place, "before")
        rows = _statement(sql, params)
        board.here(role, "statement", place, "after")
        return rows

    def send(self: HTTPAdapter, request: requests.PreparedRequest, *given: Any, **named: Any) -> requests.Response:
        place = f"{request.method} {_NUMBERS.sub('…', request.path_url)}"
        board.here(role, "wire", place, "before")
        response = _send(self, request, *given, **named)
        board.here(role, "wire", place, "after")
        return response

    database.transaction = transaction
    database.statement = statement
    HTTPAdapter.send = send  # type: ignore[method-assign]


def _caller() -> str:
    """The function of the shop that asked for a transaction, for example `storefront.api.orders.place`."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "") in (__name__, "contextlib", "config.database"):
        frame = frame.f_back
    return f"{frame.f_globals['__name__']}.{frame.f_code.co_name}"


if "HALL_FAULT_POINTS" in os.environ:
    # Workers die by the dozen here, and what is proved is what follows, not how long a heartbeat is waited for.
    jobs.HEARTBEAT_S, jobs.DEAD_AFTER_S = 1.0, 4
    install(Board(Path(os.environ["HALL_FAULT_POINTS"])), "worker" if "worker" in sys.argv else "web")
    from wsgi import app  # noqa: F401 - the application itself, built after its borders were prepared
