"""The product's application with another present: as much later as a file says.

Nothing of the product knows of it. `config.clock` is the one place that reads the time, and here it is read through the
offset in HALL_CLOCK_FILE; so does the library that signs our calls to WeChat, which would otherwise be refused for its
clock.
"""

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import wechatpayv3.utils

from config import clock

_FILE = Path(os.environ["HALL_CLOCK_FILE"])


def _seconds() -> float:
    return time.time() + (float(_FILE.read_text()) if _FILE.exists() else 0.0)


def _now() -> datetime:
    return datetime.fromtimestamp(_seconds(), UTC)


clock.now = _now
wechatpayv3.utils.time = SimpleNamespace(time=_seconds)

from wsgi import app  # noqa: E402 - only now, because what it builds may ask for the time

__all__ = ["app"]
