"""The one place that reads the time.

Invariant: instants are aware UTC; a test can freeze or move the clock, the product cannot.
"""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone

# People and reports live by Beijing time, which has had no daylight saving since 1991: a fixed offset is exact.
SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")

_frozen: datetime | None = None


def now() -> datetime:
    """Return the present instant, aware UTC."""
    return datetime.now(UTC) if _frozen is None else _frozen


@contextmanager
def frozen(at: datetime) -> Generator[None]:
    """Hold the clock at `at` (aware) while the block runs. For tests."""
    global _frozen
    before, _frozen = _frozen, at.astimezone(UTC)
    try:
        yield
    finally:
        _frozen = before
