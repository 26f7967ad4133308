"""The first page of a working day: what today brought, beside the same weekday of last week, and what waits.

Invariant: shows each role only what it may see anyway; a day that is not over is compared with last week's up to the
same minute in money, and with its whole day where that is not known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from catalog.supplier_lifecycle import State
from config import clock
from payments import cases
from storefront import roles, sales
from storefront.actors import Actor
from storefront.claim_lifecycle import WAITS_FOR_STAFF
from storefront.order_lifecycle import OrderState
from storefront.roles import Permission
from storefront.staff import (
    accounts,
    accreditation_desk,
    claim_desk,
    field_desk,
    goods_desk,
    order_desk,
    reports,
    sight,
    supplier_desk,
)
from subway_campaign import earnings, hours, listings, rounds
from subway_campaign import reports as campaign_reports
from subway_campaign.lifecycle import Level
from subway_campaign.narrowing import Narrowing

# What fits on a phone without scrolling past the figures.
_WAITING_SHOWN = 6
# A list longer than this is said to be that long "and more".
_COUNTED = 100
# A supplier in one of these has to do something before it may sell.
_INCOMPLETE = (State.DRAFTED, State.REFUSED, State.LAPSED)
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Task:
    """Something that waits for a person: how many of it, at least so many when `is_more`, and where it is done."""

    title: str
    count: int
    href: str
    is_more: bool = False


def today(session: Session, actor: Actor, *, now: datetime) -> dict[str, Any]:
    """Return `report` (the Shanghai day so far by medium) and `waiting` (paid orders to ship), None where not allowed.

    With a report also `funnel` and `funnel_before`, the steps of today and of the whole same weekday of last week,
    `hours`, the scans of their hours, and `sales_before`, the shop's sales of that day up to the same minute, for whom
    the whole shop is in sight; `limits` names the branches of who sees a part; `tasks` is everything that waits. Must
    be the first thing in its transaction.
    """
    seen: dict[str, Any] = {"report": None, "waiting": None}
    if roles.branches(actor.grants, Permission.READ_REPORTS) != []:
        narrowed = Narrowing(within=reports.reach(actor))
        day = now.astimezone(clock.SHANGHAI).date()
        days = {"from_day": day, "to_day": day + timedelta(days=1)}
        seen["report"] = reports.placements(session, actor, reports.Wanted(**days), level=Level.MEDIUM)  # type: ignore[arg-type]
        last = {name: each - WEEK for name, each in days.items()}
        before = campaign_reports.placements(session, level=Level.MEDIUM, narrowed=narrowed, **last)  # type: ignore[arg-type]
        seen["limits"] = list(listings.names(session, numbers=narrowed.within or ()).values())
        seen["funnel"] = _funnel(session, seen["report"], day, narrowed)
        seen["funnel_before"] = _funnel(session, before, day - WEEK, narrowed)
        seen["hours"] = [hours.scans(session, day=each, narrowed=narrowed) for each in (day, day - WEEK)]
        if narrowed.within is None:
            seen["sales_before"] = sales.of_period(session, since=reports.midnight(day - WEEK), before=now - WEEK)
    if accounts.allowed(actor, Permission.READ_ORDERS):
        seen["waiting"] = order_desk.listing(session, actor, state=OrderState.PAID, limit=_WAITING_SHOWN)
    return seen | {"tasks": _tasks(session, actor, now)}


def scans_by_hour(session: Session, actor: Actor, *, day: date) -> list[int]:
    """Return the scans of a Shanghai day's 24 hours. Raises `NotPermitted`."""
    return hours.scans(session, day=day, narrowed=Narrowing(within=reports.reach(actor)))


def _funnel(session: Session, report: Mapping[str, Any], day: date, narrowed: Narrowing) -> dict[str, int]:
    """Return the steps from a scan to a refund; only what placements brought, so each is a part of the one before."""
    rows = report["rows"]
    steps = {name: sum(row[name] for row in rows) for name in ("scans", "carts", "orders", "paid_orders")}
    visits = sum(row["conversion"]["journeys"] for row in rows)
    return steps | {"visits": visits, "refunded": earnings.given_back(session, day=day, within=narrowed.within)}


def _tasks(session: Session, actor: Actor, now: datetime) -> list[Task]:
    found = _of_suppliers(session, actor)
    if accounts.allowed(actor, Permission.READ_ORDERS):
        found.append(Task("待发货的订单", order_desk.to_ship(session, actor), "/staff/orders?state=paid"))
        claims = claim_desk.queue(session, actor, states=WAITS_FOR_STAFF, limit=_COUNTED)
        found.append(Task("待处理的售后", len(claims), "/staff/aftersales", len(claims) == _COUNTED))
    if accounts.allowed(actor, Permission.REFUND_ORDERS):
        found.append(Task("待批准的退款", len(claim_desk.waiting(session, actor)), "/staff/approvals"))
    if accounts.allowed(actor, Permission.READ_MONEY, sight.WHOLE):
        found.append(Task("待办的财务事项", cases.open_count(session), "/staff/finance/cases"))
    if roles.branches(actor.grants, Permission.CLOSE_ALERTS) != []:
        found.append(Task("待处理的告警", field_desk.open_alarms(session, actor), "/staff/alerts"))
    if roles.branches(actor.grants, Permission.WORK_FIELD) != []:
        due = field_desk.due(session, actor, under=None, now=now)
        found.append(Task("该检查的码", len(due), "/staff/field/round", len(due) >= rounds.MOST))
    if accounts.allowed(actor, Permission.READ_ACCREDITATIONS):
        states = accreditation_desk.mine(actor)
        badges = accreditation_desk.queue(session, actor, states=states, limit=_COUNTED)
        found.append(Task("待办理的认定", len(badges), "/staff/accreditations", len(badges) == _COUNTED))
    if accounts.allowed(actor, Permission.DECIDE_ACCREDITATION):
        found.append(Task("待审核的变更", len(goods_desk.queue(session, actor)), "/staff/changes"))
    return found


def _of_suppliers(session: Session, actor: Actor) -> list[Task]:
    """Return what waits in files of suppliers: for the shop those that applied, for a supplier its own."""
    if accounts.allowed(actor, Permission.MANAGE_SUPPLIERS):
        rows = supplier_desk.listing(session, actor, states={State.APPLIED}, limit=_COUNTED)
        return [Task("待审核的供应商", len(rows), "/staff/suppliers", len(rows) == _COUNTED)]
    own = {scope.supplier for scope in roles.scopes(actor.grants, Permission.READ_SUPPLIERS) if scope.supplier}
    if not own:
        return []
    rows = supplier_desk.listing(session, actor, states=_INCOMPLETE, limit=_COUNTED)
    return [
        Task("份企业资料待补齐：提交、通过后才能售卖", 1, f"/staff/suppliers/{row['number']}")
        for row in rows
        if row["number"] in own
    ]
