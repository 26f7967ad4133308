"""Benefit as those who work on it see it: groups, links and totals by area, households by their own county alone.

Invariant: what lies outside the reader's area is not found; names and phones of households are handed to a clerk whose
role is for exactly their county and who logged in with a second factor, and who read which of them is in the audit
trail in the same transaction.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from catalog import products, regions
from storefront import audit, benefit, benefit_links, households, roles
from storefront.actors import Actor
from storefront.benefit_errors import GroupUnknown, HouseholdUnknown, LinkUnknown, ProductUnlinkable
from storefront.benefit_links import Wanted
from storefront.benefit_models import GroupKind
from storefront.errors import NotPermitted
from storefront.households import Household
from storefront.roles import Permission, Scope
from storefront.staff import accounts

_PROVINCE = "340000"


def totals(session: Session, actor: Actor, *, since: datetime, before: datetime) -> list[dict[str, Any]]:
    """Return what moved in [since, before) by county, mode and month, within the reader's area."""
    return benefit.totals(session, areas=_areas(actor, Permission.READ_BENEFIT), since=since, before=before)


def groups(session: Session, actor: Actor, *, now: datetime) -> list[dict[str, Any]]:
    """Return the groups within the reader's area, with how many households and links each has now."""
    return benefit_links.groups(session, areas=_areas(actor, Permission.READ_BENEFIT), now=now)


def counties(actor: Actor) -> list[dict[str, str]]:
    """Return the counties, as code and name, in which the reader may open groups."""
    areas = tuple(_areas(actor, Permission.WRITE_BENEFIT))
    return [
        {"code": county.code, "name": county.name}
        for city in regions.children(_PROVINCE)
        for county in regions.children(city.code)
        if county.code.startswith(areas)
    ]


def find(session: Session, actor: Actor, *, number: str, now: datetime) -> dict[str, Any]:
    """Return a group with its `links`, and whether its households `are_own`. Raises `GroupUnknown`."""
    found = _group(session, actor, Permission.READ_BENEFIT, number, now)
    links = benefit_links.of_group(session, group=number)
    names = products.names(session, slugs={each["product"] for each in links})
    named = [each | {"product_name": names.get(each["product"], each["product"])} for each in links]
    may_write = accounts.allowed(actor, Permission.WRITE_BENEFIT, Scope(area=found["county_code"]))
    return found | {"links": named, "may_write": may_write, "are_own": _is_own(actor, found["county_code"])}


def linkable(session: Session, *, county: str) -> dict[str, str]:
    """Return the products that come from a county, slug → name."""
    return products.names(session, slugs=products.within(session, area=county, supplier=None))


def open_group(session: Session, actor: Actor, *, kind: GroupKind, name: str, county: str, now: datetime) -> str:
    """Open a group; returns its number. Raises `NotPermitted` outside the area, `CountyInvalid`, `GroupTaken`."""
    accounts.require(actor, Permission.WRITE_BENEFIT, Scope(area=county))
    by = actor.username or ""
    number = benefit_links.open_group(session, kind=kind, name=name, county=county, by=by, now=now)
    audit.record(session, actor, "benefit.group_opened", number, {"county": county, "kind": kind}, now=now)
    return number


def link(session: Session, actor: Actor, *, wanted: Wanted, now: datetime) -> str:
    """Link a product of the same county to a group; returns the link's number.

    Raises `GroupUnknown`, `ProductUnlinkable`, and what `benefit_links.link` does.
    """
    group = _group(session, actor, Permission.WRITE_BENEFIT, wanted.group, now)
    if wanted.product not in products.within(session, area=group["county_code"], supplier=None):
        raise ProductUnlinkable(product=wanted.product[:80])
    number = benefit_links.link(session, wanted=wanted, by=actor.username or "", now=now)
    values = {"product": wanted.product, "group": wanted.group, "mode": wanted.mode, "share_bp": wanted.share_bp}
    audit.record(session, actor, "benefit.linked", number, values, now=now)
    return number


def end(session: Session, actor: Actor, *, number: str, now: datetime) -> str:
    """End a link a minute from now; returns its group's number. Raises `LinkUnknown`, `LinkEnded`."""
    found = benefit_links.find(session, number=number)
    if not accounts.allowed(actor, Permission.WRITE_BENEFIT, Scope(area=found["county_code"])):
        raise LinkUnknown
    benefit_links.end(session, number=number, now=now)
    audit.record(session, actor, "benefit.link_ended", number, {"group": found["group"]}, now=now)
    return str(found["group"])


def read_households(session: Session, actor: Actor, *, group: str, now: datetime) -> list[Household]:
    """Return the households of a group with names and phones, and write down who read which.

    Raises `GroupUnknown`, `NotPermitted` for everybody but the county's own clerks, and `SecondFactorRequired`.
    """
    _require_own(session, actor, group, now)
    found = households.of_group(session, group=group)
    values = {"households": [household.number for household in found]}
    audit.record(session, actor, "households.read", group, values, now=now)
    return found


def add_household(
    session: Session, actor: Actor, *, group: str, name: str, phone: str, consented_on: date | None, now: datetime
) -> str:
    """Add a household to a group; returns its number.

    Raises `GroupUnknown`, `NotPermitted`, `SecondFactorRequired` and what `households.add` does.
    """
    _require_own(session, actor, group, now)
    number = households.add(
        session, group=group, name=name, phone=phone, consented_on=consented_on, by=actor.username or "", now=now
    )
    audit.record(session, actor, "household.added", number, {"group": group}, now=now)
    return number


def let_household_leave(session: Session, actor: Actor, *, number: str, now: datetime) -> str:
    """Let a household leave its group; returns the group's number. Raises `HouseholdUnknown`, also for another's."""
    group = _own_household(session, actor, number)
    if households.leave(session, number=number, now=now):
        audit.record(session, actor, "household.left", number, {"group": group}, now=now)
    return group


def forget_household(session: Session, actor: Actor, *, number: str, now: datetime) -> str:
    """Delete a household's name and phone; returns its group's number. Raises `HouseholdUnknown` as above."""
    group = _own_household(session, actor, number)
    if households.forget(session, number=number, now=now):
        audit.record(session, actor, "household.forgotten", number, {"group": group}, now=now)
    return group


def _areas(actor: Actor, permission: Permission) -> list[str]:
    """Return the beginnings of the county codes that are in sight; what is narrowed to a supplier has none."""
    return [scope.area or "" for scope in roles.scopes(actor.grants, permission) if scope.supplier is None]


def _group(session: Session, actor: Actor, permission: Permission, number: str, now: datetime) -> dict[str, Any]:
    found = benefit_links.group(session, number=number, now=now)
    if not accounts.allowed(actor, permission, Scope(area=found["county_code"])):
        raise GroupUnknown
    return found


def _is_own(actor: Actor, county: str) -> bool:
    """Tell whether the reader's role is for exactly this county: a city's clerk, or everybody's, is not its own."""
    return Scope(area=county) in roles.scopes(actor.grants, Permission.READ_HOUSEHOLDS)


def _require_own(session: Session, actor: Actor, group: str, now: datetime) -> None:
    found = _group(session, actor, Permission.READ_BENEFIT, group, now)
    if not _is_own(actor, found["county_code"]):
        raise NotPermitted(permission=Permission.READ_HOUSEHOLDS)
    accounts.require_second_factor(actor)


def _own_household(session: Session, actor: Actor, number: str) -> str:
    county, group = households.county_of(session, number=number)
    if not _is_own(actor, county):
        raise HouseholdUnknown
    accounts.require_second_factor(actor)
    return group
