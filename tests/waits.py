"""Waiting for what another thread or process does: for a condition, never for a time."""

import time
from collections.abc import Callable
from typing import Any

# How many wait for an advisory lock in this database: PostgreSQL shows those of the other test processes', too.
IN_A_QUEUE = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def wait_until(holds: Callable[[], Any], *, seconds: float = 60, what: str = "it") -> Any:
    """Return the first true answer of `holds`; fails by name when none comes, long after any machine would give one."""
    until = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < until, f"{what} did not happen within {seconds} s"
        time.sleep(0.02)
    return found
