"""Costs, impressions and returns as campaign staff enter and read them.

Invariant: one form is one entry; every entry and reversal stands in the audit trail with its amount and its doer.
Whose role is narrowed to branches enters and reads what is booked there; their share of what was booked above them is
in the figures of the report alone.
"""

from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from storefront import audit
from storefront.actors import Actor
from storefront.errors import IdempotencyMismatch, ListCursorInvalid, PeriodTooLong
from storefront.roles import Permission
from storefront.staff import reports, sight
from subway_campaign import costs, exposures, listings, yields
from subway_campaign.costs import EVERY, Cost, Entry, Sought
from subway_campaign.errors import UnknownCost
from subway_campaign.exposures import Entered, Estimate
from subway_campaign.lifecycle import Model


def enter(session: Session, actor: Actor, *, cost: Cost, key: str, now: datetime) -> tuple[dict[str, Any], bool]:
    """Write a cost down once per `key`; return it and whether it is new.

    Raises `IdempotencyMismatch` when the key was used for another, and what `costs.enter` does.
    """
    sight.require_places(actor, Permission.WRITE_COSTS, cost.placement)
    entry, is_new = costs.enter(session, cost=cost, by=actor.username or "", key=key, now=now)
    if entry.cost != cost:
        raise IdempotencyMismatch
    if is_new:
        audit.record(session, actor, "cost.entered", entry.number, _told(entry), now=now)
    return view(entry), is_new


def reverse(session: Session, actor: Actor, *, number: str, note: str, now: datetime) -> tuple[dict[str, Any], bool]:
    """Take a cost back, once; return the reversal and whether it is new. Raises `UnknownCost`, `CostIsReversal`."""
    sight.require_places(actor, Permission.WRITE_COSTS, costs.find(session, number=number).cost.placement)
    entry, is_new = costs.reverse(session, number=number, note=note, by=actor.username or "", now=now)
    if is_new:
        audit.record(session, actor, "cost.reversed", number, _told(entry) | {"reason": note}, now=now)
    return view(entry), is_new


def listing(
    session: Session,
    actor: Actor,
    *,
    under: str | None = None,
    sought: Sought = EVERY,
    cursor: str | None = None,
    limit: int = 20,
) -> dict[str, Any]:
    """Return a page of the entries at or below a placement, newest first. Raises `ListCursorInvalid`."""
    within = sight.part(actor, Permission.READ_REPORTS, under)
    if cursor is not None:
        try:
            costs.find(session, number=cursor)
        except UnknownCost:
            raise ListCursorInvalid from None
    found = costs.listing(session, within=within, sought=sought, after=cursor, limit=limit + 1)
    items = [view(entry) for entry in found[:limit]]
    return {"items": items, "next_cursor": items[-1]["number"] if len(found) > limit else None}


def shelf(
    session: Session, actor: Actor, *, under: str | None, sought: Sought, cursor: str | None, limit: int
) -> dict[str, Any]:
    """Return a `page` of costs, with the `branches` and `campaigns` that a new one can be entered for."""
    page = listing(session, actor, under=under, sought=sought, cursor=cursor, limit=limit)
    within = sight.branches(actor, Permission.READ_REPORTS)
    branches = sight.offered(session, within, listings.printable(session))
    return {"page": page, "branches": branches, "campaigns": listings.campaigns(session)}


def find(session: Session, actor: Actor, *, number: str) -> dict[str, Any]:
    """Return one cost. Raises `UnknownCost`."""
    found = view(costs.find(session, number=number))
    sight.require_places(actor, Permission.READ_REPORTS, found["placement"])
    return found


def estimate(
    session: Session, actor: Actor, *, wanted: Estimate, key: str, now: datetime
) -> tuple[dict[str, Any], bool]:
    """Write an estimate of impressions down once per `key`; return it and whether it is new.

    Raises `IdempotencyMismatch` when the key was used for another, and what `exposures.enter` does.
    """
    sight.require_places(actor, Permission.WRITE_COSTS, wanted.placement)
    entered, is_new = exposures.enter(session, estimate=wanted, by=actor.username or "", key=key, now=now)
    if entered.estimate != wanted:
        raise IdempotencyMismatch
    if is_new:
        values = {"placement": wanted.placement, "version": entered.version, "passers": wanted.passers}
        audit.record(session, actor, "exposure.estimated", entered.number, values, now=now)
    return estimate_view(entered), is_new


def estimates(session: Session, actor: Actor, *, placement: str) -> list[dict[str, Any]]:
    """Return the estimates at and below a placement, newest first. Raises `UnknownPlacement`."""
    sight.require_places(actor, Permission.READ_REPORTS, placement)
    listings.way(session, number=placement)
    return [estimate_view(entered) for entered in exposures.listing(session, under=placement)]


def yielded(
    session: Session, actor: Actor, *, placement: str, from_day: date, to_day: date, model: Model = Model.LAST
) -> dict[str, Any]:
    """Return what a placement cost and brought: `answer`, the `impressions` behind it, and the way `above` it.

    Must be the first thing in its transaction. Raises `PeriodTooLong`, `UnknownPlacement`, `ImpossiblePeriod`.
    """
    within = reports.reach(actor, placement)
    if to_day - from_day > reports.LONGEST:
        raise PeriodTooLong(days=reports.LONGEST.days)
    answer, impressions = yields.of_placement(
        session, placement=placement, from_day=from_day, to_day=to_day, model=model
    )
    return {
        "answer": asdict(answer),
        "impressions": impressions and asdict(impressions),
        "above": sight.inside(within, listings.way(session, number=placement)),
    }


def view(entry: Entry) -> dict[str, Any]:
    """Return an entry as pages, files and JSON show it."""
    own = {name: value for name, value in vars(entry).items() if name != "cost"}
    return own | vars(entry.cost) | {"kind": entry.cost.kind.value}


def estimate_view(entered: Entered) -> dict[str, Any]:
    """Return an estimate as pages and JSON show it."""
    own = {name: value for name, value in vars(entered).items() if name != "estimate"}
    return own | vars(entered.estimate) | {"method": entered.estimate.method.value}


def _told(entry: Entry) -> dict[str, Any]:
    return {"placement": entry.cost.placement, "kind": entry.cost.kind.value, "amount_fen": entry.cost.amount_fen}
