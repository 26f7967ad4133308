"""At which hour of the day a placement is scanned, and what the scans of that hour earned after refunds.

Invariant: an hour is that of the scan, by Beijing time; a sale counts for its own day and for the hour of the scan that
earned it (last touch, cohort view), so the hours of a placement add up to its row of the report. Read from the rollups,
and what these do not hold yet from the log, in one snapshot.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from subway_campaign import counting, earnings, errors, narrowing, rollups, sold
from subway_campaign.lifecycle import Level, Model
from subway_campaign.narrowing import Narrowing

HOURS = range(24)
_FIGURES = ("scans", "journeys", "paid_orders", "paid_journeys", "gross_fen", "refunded_fen")


@dataclass(frozen=True)
class Hour:
    """What one hour of the day brought to one placement; money in fen, refunds to date taken off in `net_fen`."""

    placement: str
    name: str
    hour: int
    scans: int = 0
    journeys: int = 0
    paid_orders: int = 0
    paid_journeys: int = 0
    gross_fen: int = 0
    refunded_fen: int = 0

    @property
    def net_fen(self) -> int:
        """What is left after refunds."""
        return self.gross_fen - self.refunded_fen


_BELOW = text("""
    SELECT id, number, name FROM placements
    WHERE cast(:under AS text) IS NULL OR number = :under OR starts_with(number, :under || '.')
""")
# A campaign or creative is the bindings that hung for it; without any, all of them.
_MEANT = """
    placement_id = ANY(cast(:below AS bigint[]))
    AND (cast(:bindings AS bigint[]) IS NULL OR binding_id = ANY(cast(:bindings AS bigint[])))
"""
_DAYS = f"day >= :from_day AND day < :to_day AND {_MEANT}"
_OF_GOODS = f"{sold.MEANT} AND {_MEANT}"
_SCANNED = f"""
    SELECT placement_id, hour, sum(scans)::bigint, sum(journeys)::bigint, 0, 0, 0, 0
    FROM scan_hours WHERE {_DAYS} AND day <> ALL(cast(:but_scans AS date[])) GROUP BY 1, 2
    UNION ALL
"""
_STORED = text(
    _SCANNED
    + f"""
    SELECT placement_id, hour, 0, 0, sum(paid_orders)::bigint, sum(paid_journeys)::bigint, sum(gross_fen)::bigint,
           sum(refunded_fen)::bigint
    FROM sale_hours WHERE {_DAYS} AND day <> ALL(cast(:but_orders AS date[])) GROUP BY 1, 2
    """
)
_STORED_OF_GOODS = text(
    _SCANNED
    + f"""
    SELECT placement_id, hour, 0, 0, sum(paid_orders)::bigint, sum(paid_journeys)::bigint, 0, 0
    FROM goods_order_days r WHERE {_OF_GOODS} AND {sold.COUNTS} GROUP BY 1, 2
    UNION ALL
    SELECT placement_id, hour, 0, 0, 0, 0, sum(cohort_gross_fen)::bigint, sum(cohort_refunded_fen)::bigint
    FROM goods_credit_days r WHERE {_OF_GOODS} AND model IN ('{Model.LAST.value}', '{sold.ALIKE}') GROUP BY 1, 2
    """
)
_SCANS = text("""
    SELECT hour, sum(scans)::bigint FROM scan_hours
    WHERE day = :from_day AND day <> ALL(cast(:but_scans AS date[]))
      AND (cast(:below AS bigint[]) IS NULL OR placement_id = ANY(cast(:below AS bigint[]))) GROUP BY hour
""")
# Visitors, which are the dear part of counting, are not asked for here; the lowest level is the cheapest.
_LEVELS = (Level.MEDIUM.value,)


def of_period(
    session: Session,
    *,
    from_day: date,
    to_day: date,
    under: str | None = None,
    narrowed: Narrowing = narrowing.ALL,
) -> list[Hour]:
    """Return the hours with anything in them of each placement at or below `under`, by placement and hour.

    Shanghai days from `from_day` up to, not including, `to_day`; `narrowed` as a report is. Must be the first thing in
    its transaction, or follow a report. Raises `ImpossiblePeriod`, `UnknownCampaign`, and `UnknownPlacement` for an
    `under` that does not exist.
    """
    if to_day <= from_day:
        raise errors.ImpossiblePeriod
    rollups.one_snapshot(session)
    known = rollups.unrolled(session)
    below = {row.id: row for row in session.execute(_BELOW, {"under": under}) if narrowed.reaches(row.number)}
    if under is not None and not below:
        raise errors.UnknownPlacement(placement=under)
    bindings = narrowing.bindings(session, narrowed)
    found: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0] * len(_FIGURES))
    period: dict[str, Any] = {"from_day": from_day, "to_day": to_day}
    asked = {"below": list(below), "bindings": None if bindings is None else list(bindings)}
    but = {"but_scans": list(known.scan_days), "but_orders": list(known.order_days)}
    statement = _STORED if narrowed.products is None else _STORED_OF_GOODS
    if narrowed.products is not None:
        asked |= sold.asked(narrowed.products, from_day=from_day, to_day=to_day, but=known.order_days)
    for placement, hour, *figures in session.execute(statement, period | but | asked):
        _add(found, placement, hour, figures)
    for placement, hour, binding, *figures in _waiting(session, known, period, narrowed):
        if placement in below and (bindings is None or binding in bindings):
            _add(found, placement, hour, figures)
    return [
        Hour(below[placement].number, below[placement].name, hour, *figures)
        for (placement, hour), figures in sorted(found.items(), key=lambda cell: (below[cell[0][0]].number, cell[0][1]))
        if any(figures)
    ]


def scans(session: Session, *, day: date, narrowed: Narrowing = narrowing.ALL) -> list[int]:
    """Return the scans of all placements, or of those within the branches, in each of a Shanghai day's 24 hours.

    Must be the first thing in its transaction, or follow a report.
    """
    rollups.one_snapshot(session)
    known = rollups.unrolled(session)
    period: dict[str, Any] = {"from_day": day, "to_day": day + timedelta(days=1)}
    below = None
    if narrowed.within is not None:
        below = {row.id for row in session.execute(_BELOW, {"under": None}) if narrowed.reaches(row.number)}
    found = [0] * len(HOURS)
    for hour, count in session.execute(
        _SCANS, {"from_day": day, "but_scans": list(known.scan_days), "below": None if below is None else list(below)}
    ):
        found[hour] += count
    for counted in _fresh_scans(session, known, period):
        for (_day, hour, placement, _binding), (count, _journeys) in counted.hours.items():
            if below is None or placement in below:
                found[hour] += count
    return found


def _add(found: dict[tuple[int, int], list[int]], placement: int, hour: int, figures: Sequence[int]) -> None:
    known = found[placement, hour]
    known[:] = [more + had for more, had in zip(figures, known, strict=True)]


def _waiting(
    session: Session, known: rollups.Unrolled, period: dict[str, Any], narrowed: Narrowing
) -> Iterable[tuple[Any, ...]]:
    """Yield placement, hour, binding and figures of what the rollups do not hold."""
    for counted in _fresh_scans(session, known, period):
        for (_day, hour, placement, binding), (count, journeys) in counted.hours.items():
            yield placement, hour, binding, count, journeys, 0, 0, 0, 0
    sales = earnings.hours(session, days=_within(period, known.order_days), products=narrowed.products)
    for (_day, hour, placement, binding), figures in sales.items():
        yield placement, hour, binding, 0, 0, *figures


def _fresh_scans(session: Session, known: rollups.Unrolled, period: dict[str, Any]) -> list[counting.Counted]:
    """Return what scans the rollups do not hold yet: of waiting touches, and of days to be counted anew."""
    waiting = counting.fresh(session, waiting=known.waiting, but_days=known.scan_days, levels=_LEVELS, **period)
    return [
        waiting,
        *(counting.whole(session, day=day, levels=_LEVELS) for day in _within(period, known.scan_days)),
    ]


def _within(period: dict[str, Any], days: Iterable[date]) -> list[date]:
    return [day for day in sorted(days) if period["from_day"] <= day < period["to_day"]]
