"""What the wall shows: today's sales and funnel, the hours of the day, and the placements that lead.

Invariant: the figures of the first page and of the report, read in one snapshot; nothing of any person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from config import clock
from storefront import sales
from storefront.actors import Actor
from storefront.staff import overview, reports
from storefront.staff.overview import WEEK
from subway_campaign import reports as campaign_reports
from subway_campaign.lifecycle import Level

# As many as can be read from across a room.
_LEADING = 6


@dataclass(frozen=True)
class Wall:
    """Today so far. `report` is by medium and beside the shop's sales; `leading` are rows of stations and vehicles."""

    report: dict[str, Any]
    sales_before: sales.Sales
    scans: Sequence[int]
    scans_before: Sequence[int]
    leading: Sequence[Mapping[str, Any]]


def now(session: Session, actor: Actor, *, now: datetime) -> Wall:
    """Return the figures of the Shanghai day so far. Must be the first thing in its transaction; raises `NotPermitted`.

    `sales_before` are those of a week ago up to the same minute, `scans_before` those of its whole day by hour.
    """
    day = now.astimezone(clock.SHANGHAI).date()
    until = day + timedelta(days=1)
    report = reports.placements(session, actor, reports.Wanted(from_day=day, to_day=until), level=Level.MEDIUM)
    assets = campaign_reports.placements(session, from_day=day, to_day=until, level=Level.ASSET)["rows"]
    assets.sort(key=lambda row: (-row["net_fen"], -row["scans"], row["placement"]))
    return Wall(
        report=report,
        sales_before=sales.of_period(session, since=reports.midnight(day - WEEK), before=now - WEEK),
        scans=overview.scans_by_hour(session, actor, day=day),
        scans_before=overview.scans_by_hour(session, actor, day=day - WEEK),
        leading=assets[:_LEADING],
    )
