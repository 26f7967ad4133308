"""The days that a page is about, as its address has them and as people say them: both ends included.

Invariant: anything unreadable becomes the usual period; every choice of a reader is in the address.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from config import clock


@dataclass(frozen=True)
class Period:
    """From `first` to `last`, both included."""

    first: date
    last: date

    @property
    def half_open(self) -> dict[str, date]:
        """The arguments of a verb."""
        return {"from_day": self.first, "to_day": self.last + timedelta(days=1)}

    @property
    def query(self) -> dict[str, str]:
        """What stays in the address."""
        return {"from": self.first.isoformat(), "to": self.last.isoformat()}

    @property
    def days(self) -> int:
        """How many days these are."""
        return (self.last - self.first).days + 1


def today() -> date:
    """Return the day in Beijing."""
    return clock.now().astimezone(clock.SHANGHAI).date()


def last_week(day: date) -> Period:
    """Return Monday to Sunday of the week before that of `day`."""
    monday = day - timedelta(days=day.weekday() + 7)
    return Period(monday, monday + timedelta(days=6))


def read(asked: Mapping[str, str], usual: Period) -> Period:
    """Return the period that an address asks for, `usual` where it does not."""
    first, last = (_day(asked.get(name)) for name in ("from", "to"))
    if first is None or last is None or last < first:
        return usual
    return Period(first, last)


def spans(chosen: Period, rest: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the periods that are offered, each with title, query (with `rest`) and whether it is the chosen one."""
    now = today()
    offered = {
        "今天": Period(now, now),
        "昨天": Period(now - timedelta(days=1), now - timedelta(days=1)),
        "上周": last_week(now),
        "近 7 天": Period(now - timedelta(days=6), now),
        "近 30 天": Period(now - timedelta(days=29), now),
    }
    return [
        {"title": title, "query": urlencode({**span.query, **rest}), "is_here": span == chosen}
        for title, span in offered.items()
    ]


def _day(given: str | None) -> date | None:
    try:
        day = date.fromisoformat(given or "")
    except ValueError:
        return None
    # Years that neither a report nor the arithmetic of days could reach.
    return day if 2000 <= day.year <= 2100 else None
