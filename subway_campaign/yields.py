"""The return of one placement in a period, from the report, the costs, the credits and the impressions.

Invariant: the figures are those of the placement report of the same days; sales are of the cohort, each order net of
what was refunded to date (R24), and cost is what was booked for the placement, below it, and its share from above.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from subway_campaign import exposures, listings, reports, returns, rollups
from subway_campaign.lifecycle import Level, Model

_SALES = text("""
    SELECT count(*), coalesce(sum(net), 0), coalesce(sum(net * net), 0), coalesce(max(net), 0)
    FROM (
        SELECT sum(k.fen) AS net
        FROM credits k JOIN attribution_decisions d ON d.id = k.decision_id JOIN placements p ON p.id = k.placement_id
        WHERE k.model = :model
          AND k.cohort_at >= cast(cast(:since AS date) AS timestamp) AT TIME ZONE 'Asia/Shanghai'
          AND k.cohort_at < cast(cast(:until AS date) AS timestamp) AT TIME ZONE 'Asia/Shanghai'
          AND (p.number = :under OR starts_with(p.number, :under || '.'))
        GROUP BY d.conversion_id
    ) orders WHERE net > 0
""")
# The same of several placements at once; an order that two of them share counts with each one's part.
_SALES_EACH = text("""
    SELECT number, count(*), sum(net), sum(net * net), max(net)
    FROM (
        SELECT asked.number, sum(k.fen) AS net
        FROM unnest(cast(:under AS text[])) AS asked (number)
        JOIN placements p ON p.number = asked.number OR starts_with(p.number, asked.number || '.')
        JOIN credits k ON k.placement_id = p.id
        JOIN attribution_decisions d ON d.id = k.decision_id
        WHERE k.model = :model
          AND k.cohort_at >= cast(cast(:since AS date) AS timestamp) AT TIME ZONE 'Asia/Shanghai'
          AND k.cohort_at < cast(cast(:until AS date) AS timestamp) AT TIME ZONE 'Asia/Shanghai'
        GROUP BY asked.number, d.conversion_id
    ) orders WHERE net > 0 GROUP BY number
""")
_NOTHING: dict[str, Any] = {
    "scans": 0,
    "paid_orders": 0,
    "net_fen": 0,
    "allocated_cost_fen": 0,
    "conversion": {"journeys": 0, "paid": 0},
}


def of_placement(
    session: Session, *, placement: str, from_day: date, to_day: date, model: Model = Model.LAST
) -> tuple[returns.Return, exposures.Impressions | None]:
    """Return what a placement brought in the Shanghai days from `from_day` up to, not including, `to_day`.

    The second is what is known of its impressions.

    Must be the first thing in its transaction, or follow a report. Raises `UnknownPlacement`, `ImpossiblePeriod`.
    """
    # Before the level is asked for: the report's snapshot begins with the first read.
    rollups.one_snapshot(session)
    level = Level(listings.way(session, number=placement)[-1]["level"])
    report = reports.placements(session, from_day=from_day, to_day=to_day, model=model, level=level)
    rows = {row["placement"]: row for row in report["rows"]}
    own = rows.get(placement, _NOTHING)
    orders, net_fen, squares, largest_fen = session.execute(
        _SALES, {"model": model.value, "since": from_day, "until": to_day, "under": placement}
    ).one()
    medium = placement.partition(".")[0]
    seen = exposures.of_period(session, under=placement, since=from_day, until=to_day)
    answer = returns.judge(
        returns.Figures(
            days=(to_day - from_day).days,
            cost_fen=own["allocated_cost_fen"],
            scans=own["scans"],
            journeys=own["conversion"]["journeys"],
            paid_journeys=own["conversion"]["paid"],
            paid_orders=own["paid_orders"],
            sales=returns.Sales(
                orders=orders, net_fen=int(net_fen), squares=int(squares), largest_fen=int(largest_fen)
            ),
            siblings=[
                (row["conversion"]["paid"], row["conversion"]["journeys"])
                for number, row in rows.items()
                if row["level"] == level.value and number.partition(".")[0] == medium
            ],
            impressions=returns.Range(seen.count, seen.low, seen.high) if seen else None,
        )
    )
    return answer, seen


def of_placements(
    session: Session, *, placements: Sequence[str], from_day: date, to_day: date, model: Model = Model.LAST
) -> dict[str, returns.Sales]:
    """Return the sales of each of several placements (by number) with what is below it; those without any are left out.

    What `returns.roi` and `returns.effective_orders` ask for, of the same days and orders as `of_placement`.
    """
    asked = {"model": model.value, "since": from_day, "until": to_day, "under": list(placements)}
    return {
        number: returns.Sales(orders=orders, net_fen=int(net), squares=int(squares), largest_fen=int(largest))
        for number, orders, net, squares, largest in session.execute(_SALES_EACH, asked)
    }
