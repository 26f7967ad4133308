"""Which goods a member of staff may see and act on, and at which placements: the scope of a role, as what lies in it.

Invariant: a scope only ever narrows; what is shop-wide (money, the wall, artworks' changes) asks for a role without any
scope. What is about placements (reports, codes, costs, alerts, work in the field) is narrowed to branches of these, by
`branches` alone: a scope of a region or a supplier is no branch and opens none of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from catalog import products
from catalog.cache import Cache
from config import database
from storefront import roles
from storefront.actors import Actor
from storefront.errors import NotPermitted, OutsideArea
from storefront.roles import Permission, Scope
from storefront.staff import accounts
from subway_campaign import listings

WHOLE = Scope()
_NAME = """
SELECT name FROM townships WHERE code = %(scope)s UNION ALL SELECT name FROM suppliers WHERE number = %(scope)s
"""
# It stands at the head of every page of who works within a scope.
_names: Cache[str] = Cache(60.0)


@dataclass(frozen=True)
class Sight:
    """The slugs of the products in sight; None is every product."""

    products: frozenset[str] | None

    def covers(self, slugs: Iterable[str]) -> bool:
        """Tell whether all of `slugs` are in sight."""
        return self.products is None or self.products.issuperset(slugs)

    def sees(self, slug: str) -> bool:
        """Tell whether one product is in sight."""
        return self.products is None or slug in self.products


def of(session: Session, actor: Actor, permission: Permission) -> Sight:
    """Return what `actor` may use `permission` on. Raises `NotPermitted` when that is nothing at all."""
    accounts.require(actor, permission)
    scopes = roles.scopes(actor.grants, permission)
    if WHOLE in scopes:
        return Sight(None)
    found = [products.within(session, area=scope.area, supplier=scope.supplier) for scope in scopes]
    return Sight(frozenset().union(*found))


def name_of(scope: str) -> str:
    """Return what a township or supplier is called, by its code or number; that itself when there is no such."""
    return _names.get(scope, lambda: next((name for (name,) in database.statement(_NAME, {"scope": scope})), scope))


def require_whole(actor: Actor, permission: Permission) -> None:
    """Raise `NotPermitted` unless `actor` holds `permission` over the whole shop."""
    if not accounts.allowed(actor, permission, WHOLE):
        raise NotPermitted(permission=permission)


def branches(actor: Actor, permission: Permission) -> list[str] | None:
    """Return the branches of placements in which `actor` may use `permission`, None for all. Raises `NotPermitted`."""
    found = roles.branches(actor.grants, permission)
    if found == []:
        raise NotPermitted(permission=permission)
    return found


def narrowed(within: list[str] | None, under: str | None) -> list[str | None]:
    """Return what of `under` (None: everything) lies `within` somebody's branches. Raises `OutsideArea` for nothing."""
    if within is None:
        return [under]
    if under is None:
        return list(within)
    if roles.lies_in(under, within):
        return [under]
    found = [branch for branch in within if roles.lies_in(branch, [under])]
    if not found:
        raise OutsideArea(placement=under)
    return list(found)


def part(actor: Actor, permission: Permission, under: str | None = None) -> list[str] | None:
    """Return the branches that a list is of: what of `under` is in `actor`'s sight, None for everything.

    Raises `NotPermitted`, and `OutsideArea` for nothing.
    """
    within = branches(actor, permission)
    if within is None and under is None:
        return None
    return [each for each in narrowed(within, under) if each is not None]


def require_places(actor: Actor, permission: Permission, *places: str | None) -> None:
    """Raise `OutsideArea` unless `actor` may use `permission` at all of `places`; `NotPermitted` for nowhere."""
    within = branches(actor, permission)
    for place in places:
        require_place(within, place)


def offered(session: Session, within: Sequence[str] | None, nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those of `nodes` that lie in somebody's branches, and the branches themselves; all of them for None."""
    if within is None:
        return nodes
    known = {node["number"] for node in nodes}
    named = listings.names(session, numbers=[number for number in within if number not in known])
    tops = [{"number": number, "name": name} for number, name in named.items()]
    return sorted([*tops, *inside(within, nodes)], key=lambda node: str(node["number"]))


def inside(within: Sequence[str] | None, nodes: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those of `nodes` (by their number) that lie in somebody's branches; all of them for None."""
    return [node for node in nodes if within is None or roles.lies_in(node["number"], within)]


def require_place(within: list[str] | None, placement: str | None) -> None:
    """Raise `OutsideArea` for a placement outside of somebody's branches; what hangs nowhere is everybody's."""
    if within is not None and placement is not None and not roles.lies_in(placement, within):
        raise OutsideArea(placement=placement)
