"""What time it is at the emulated WeChat, and how long its waits last.

Two independent dials: `offset_seconds` moves the time that WeChat shows and judges by (signatures, expiries), `speed`
shortens only its own waits (retries of a notification, the settling of a refund). A fast clock that moved signatures
too would fall out of everyone's five-minute window.
"""

import time
from datetime import UTC, datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))


class Clock:
    """The emulated WeChat's time, turned by the control plane."""

    def __init__(self, *, speed: float = 1.0, offset_seconds: float = 0.0) -> None:
        self.speed = speed
        self.offset_seconds = offset_seconds

    def now(self) -> datetime:
        """Return WeChat's present, aware UTC."""
        return datetime.fromtimestamp(time.time() + self.offset_seconds, UTC)

    def after(self, seconds: float) -> datetime:
        """Return the instant `seconds` from WeChat's present."""
        return self.now() + timedelta(seconds=seconds)

    def wait(self, seconds: float) -> float:
        """Return how many real seconds a wait of `seconds` takes at the present speed."""
        return seconds / self.speed


def beijing(instant: datetime) -> str:
    """Return `instant` as WeChat writes it: RFC 3339, whole seconds, +08:00."""
    return instant.astimezone(BEIJING).replace(microsecond=0).isoformat()
