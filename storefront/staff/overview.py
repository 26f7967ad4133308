"""The first page of a working day: what today brought, and what waits to be done.

Invariant: shows each role only what it may see anyway.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from config import clock
from storefront.actors import Actor
from storefront.order_lifecycle import OrderState
from storefront.roles import Permission
from storefront.staff import accounts, order_desk, reports, sight
from subway_campaign.lifecycle import Level

# What fits on a phone without scrolling past the figures.
_WAITING_SHOWN = 6


def today(session: Session, actor: Actor, *, now: datetime) -> dict[str, Any]:
    """Return `report` (the Shanghai day so far by medium) and `waiting` (paid orders to ship), None where not allowed.

    Must be the first thing in its transaction.
    """
    report = waiting = None
    if accounts.allowed(actor, Permission.READ_REPORTS, sight.WHOLE):
        day = now.astimezone(clock.SHANGHAI).date()
        report = reports.placements(session, actor, from_day=day, to_day=day + timedelta(days=1), level=Level.MEDIUM)
    if accounts.allowed(actor, Permission.READ_ORDERS):
        waiting = order_desk.listing(session, actor, state=OrderState.PAID, limit=_WAITING_SHOWN)
    return {"report": report, "waiting": waiting}
