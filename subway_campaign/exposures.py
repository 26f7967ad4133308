"""Impressions: how often a placement was probably seen, as estimates with method, version and range.

Invariant: an estimate says where its ridership comes from, or that it is illustrative; where nobody entered one there
is none, never a zero. Impressions are aggregates: nothing here knows a touch, a visitor or an order, and no credit
reads it (R19).
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from config import database
from subway_campaign import errors
from subway_campaign.cost_models import Method

# More than all riders of the city's metro on its busiest day.
MOST_PASSERS = 10_000_000
# A hundred looks of everybody who passes.
MOST_SEEN = 100_000
_LONGEST = timedelta(days=3653)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """How many pass `placement` a day, and how often each sees it in thousandths: least, likely, most.

    It stands for the placement and everything below it, over the Shanghai days from `from_day` up to, not including,
    `to_day`.
    """

    placement: str
    from_day: date
    to_day: date
    passers: int
    seen_low: int
    seen: int
    seen_high: int
    source: str
    is_illustrative: bool = False
    method: Method = Method.RIDERSHIP_DWELL


@dataclass(frozen=True, kw_only=True)
class Entered:
    """An estimate as it was entered; of those of one placement the latest version stands for a day."""

    number: str
    version: int
    estimate: Estimate
    entered_by: str
    entered_at: datetime


@dataclass(frozen=True, kw_only=True)
class Impressions:
    """The impressions of a period with their range; `days` of it are covered by an estimate of some placement."""

    count: int
    low: int
    high: int
    days: int
    is_illustrative: bool


_ENTERED = """
    SELECT e.number, e.version, p.number AS placement, e.method, e.from_day, e.to_day, e.passers, e.seen_low, e.seen,
           e.seen_high, e.source, e.is_illustrative, e.entered_by, e.entered_at
    FROM exposure_estimates e JOIN placements p ON p.id = e.placement_id
"""


def enter(session: Session, *, estimate: Estimate, by: str, key: str, now: datetime) -> tuple[Entered, bool]:
    """Write an estimate down once per `by` and `key`; return that of the key and whether it is new.

    Raises `UnknownPlacement`, `ImpossiblePeriod`, and `ExposureImplausible` for a range out of order, a figure beyond
    `MOST_PASSERS` or `MOST_SEEN`, more than ten years, or a ridership without a source.
    """
    database.require_transaction(session)
    if estimate.to_day <= estimate.from_day:
        raise errors.ImpossiblePeriod
    in_order = 0 <= estimate.seen_low <= estimate.seen <= estimate.seen_high <= MOST_SEEN
    has_source = bool(estimate.source.strip())
    is_short = estimate.to_day - estimate.from_day <= _LONGEST
    if not (in_order and has_source and is_short and 0 <= estimate.passers <= MOST_PASSERS):
        raise errors.ExposureImplausible
    # Versions are counted one at a time for a placement.
    placement = session.scalar(
        text("SELECT id FROM placements WHERE number = :number FOR UPDATE"), {"number": estimate.placement}
    )
    if placement is None:
        raise errors.UnknownPlacement(placement=estimate.placement)
    number = "EX" + hashlib.sha256(f"{by}\n{key}".encode()).hexdigest()[:16].upper()
    written = session.execute(
        text("""
            INSERT INTO exposure_estimates (number, placement_id, method, version, from_day, to_day, passers, seen_low,
                                            seen, seen_high, source, is_illustrative, entered_by, entered_at)
            VALUES (:number, :id, :method, (SELECT coalesce(max(version), 0) + 1 FROM exposure_estimates
                    WHERE placement_id = :id AND method = cast(:method AS varchar)), :from_day, :to_day, :passers,
                    :seen_low, :seen, :seen_high, :source, :is_illustrative, :by, :now)
            ON CONFLICT (number) DO NOTHING RETURNING id
        """),
        vars(estimate) | {"number": number, "id": placement, "by": by, "now": now},
    )
    row = session.execute(text(f"{_ENTERED} WHERE e.number = :number"), {"number": number}).one()
    return _entered(row), written.first() is not None


def listing(session: Session, *, under: str) -> list[Entered]:
    """Return the estimates at or below a placement, newest first."""
    rows = session.execute(text(f"{_ENTERED} WHERE {_BELOW} ORDER BY e.id DESC"), {"under": under})
    return [_entered(row) for row in rows]


def of_period(session: Session, *, under: str, since: date, until: date) -> Impressions | None:
    """Return the impressions at and below a placement in Shanghai days up to, not including, `until`; None unknown."""
    rows = session.execute(
        text(f"{_ENTERED} WHERE {_BELOW} AND e.from_day < :until AND e.to_day > :since ORDER BY e.version"),
        {"under": under, "since": since, "until": until},
    )
    return summed([_entered(row) for row in rows], since=since, until=until)


def summed(entered: Iterable[Entered], *, since: date, until: date) -> Impressions | None:
    """Return the sum of estimates over the days of a period; None when no day has one.

    Of versions the latest counts. Whoever passes a train passes its panels: where a placement has an estimate, those
    below it add nothing on that day.
    """
    by_day: dict[date, dict[str, Estimate]] = defaultdict(dict)
    for each in sorted(entered, key=lambda one: one.version):
        day = max(since, each.estimate.from_day)
        while day < min(until, each.estimate.to_day):
            by_day[day][each.estimate.placement] = each.estimate
            day += timedelta(days=1)
    if not by_day:
        return None
    counted = [
        estimate
        for standing in by_day.values()
        for number, estimate in standing.items()
        if not any(number.startswith(f"{other}.") for other in standing)
    ]
    low, count, high = (
        sum(estimate.passers * getattr(estimate, name) for estimate in counted) // 1000
        for name in ("seen_low", "seen", "seen_high")
    )
    is_illustrative = any(estimate.is_illustrative for estimate in counted)
    return Impressions(count=count, low=low, high=high, days=len(by_day), is_illustrative=is_illustrative)


_BELOW = "(p.number = :under OR starts_with(p.number, :under || '.'))"


def _entered(row: Row[Any]) -> Entered:
    values = row._asdict()
    own = {name: values.pop(name) for name in ("number", "version", "entered_by", "entered_at")}
    return Entered(estimate=Estimate(**(values | {"method": Method(row.method)})), **own)
