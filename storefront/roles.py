"""Who of the staff may do what, as one table.

Invariant: pure; a permission that no role lists is nobody's, and a scope only ever narrows a role.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """A job in the shop. A person may hold several, each with its own scope."""

    ANALYST = "analyst"
    CAMPAIGN = "campaign"
    FULFILMENT = "fulfilment"
    FINANCE = "finance"
    ADMIN = "admin"
    SUPPLIER = "supplier"
    TOWNSHIP = "township"
    COUNTY = "county"
    SUPERVISOR = "supervisor"
    CREW = "crew"


class Permission(StrEnum):
    """One thing that a member of staff may be allowed to do."""

    READ_REPORTS = "reports.read"
    READ_ATTRIBUTION = "attribution.read"
    READ_PLACEMENTS = "placements.read"
    WRITE_PLACEMENTS = "placements.write"
    WRITE_CODES = "codes.write"
    WRITE_COSTS = "costs.write"
    READ_ORDERS = "orders.read"
    SHIP_ORDERS = "orders.ship"
    REFUND_ORDERS = "orders.refund"
    READ_MONEY = "money.read"
    CLOSE_CASES = "cases.close"
    WRITE_CATALOG = "catalog.write"
    IMPORT_GOODS = "goods.import"
    MARK_PHONES = "phones.mark"
    MANAGE_STAFF = "staff.manage"
    MANAGE_PARTNERS = "partners.manage"
    READ_SUPPLIERS = "suppliers.read"
    MANAGE_SUPPLIERS = "suppliers.manage"
    KEEP_GOODS = "goods.keep"
    READ_ACCREDITATIONS = "accreditations.read"
    APPLY = "accreditations.apply"
    GIVE_OPINION = "accreditations.opine"
    DECIDE_ACCREDITATION = "accreditations.decide"
    SUPERVISE = "accreditations.supervise"
    WORK_FIELD = "field.work"
    READ_ALERTS = "alerts.read"
    CLOSE_ALERTS = "alerts.close"
    READ_BATCHES = "batches.read"
    WRITE_BATCHES = "batches.write"
    RECALL_BATCHES = "batches.recall"
    READ_PRICES = "prices.read"
    REVIEW_PRICES = "prices.review"
    READ_BENEFIT = "benefit.read"
    WRITE_BENEFIT = "benefit.write"
    READ_HOUSEHOLDS = "households.read"
    SETTLE = "settlement.write"
    READ_STATEMENTS = "statements.read"
    READ_HALLS = "halls.read"
    WRITE_HALLS = "halls.write"
    WRITE_TARGETS = "targets.write"


# The number of a placement: no region's code, which has digits only, is one.
BRANCH = re.compile(r"[A-Z][0-9A-Z]*(\.[0-9A-Z]+)*", re.ASCII)

# Whoever can move money or grant rights must show a second factor, whatever else they are.
TOTP_ROLES = frozenset({Role.FINANCE, Role.ADMIN})

# Who manages everything still has no business with the names of people whom a county looks after.
_NOT_EVEN_ADMIN = frozenset({Permission.READ_HOUSEHOLDS})

# Every role that opens staff pages may mark its own phone, so that a check of a poster never counts as a scan.
PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.ANALYST: frozenset(
        {
            Permission.READ_REPORTS,
            Permission.READ_ATTRIBUTION,
            Permission.READ_PLACEMENTS,
            Permission.MARK_PHONES,
            Permission.READ_ALERTS,
            Permission.READ_HALLS,
        }
    ),
    Role.CAMPAIGN: frozenset(
        {
            Permission.READ_REPORTS,
            Permission.READ_ATTRIBUTION,
            Permission.READ_PLACEMENTS,
            Permission.WRITE_PLACEMENTS,
            Permission.WRITE_CODES,
            Permission.WRITE_COSTS,
            Permission.MARK_PHONES,
            Permission.WORK_FIELD,
            Permission.READ_ALERTS,
            Permission.CLOSE_ALERTS,
            Permission.READ_HALLS,
        }
    ),
    Role.FULFILMENT: frozenset(
        {Permission.READ_ORDERS, Permission.SHIP_ORDERS, Permission.MARK_PHONES, Permission.READ_BATCHES}
    ),
    Role.FINANCE: frozenset(
        {
            Permission.READ_REPORTS,
            Permission.READ_ATTRIBUTION,
            Permission.READ_ORDERS,
            Permission.REFUND_ORDERS,
            Permission.READ_MONEY,
            Permission.CLOSE_CASES,
            Permission.SETTLE,
            Permission.MARK_PHONES,
        }
    ),
    Role.ADMIN: frozenset(Permission) - _NOT_EVEN_ADMIN,
    Role.SUPPLIER: frozenset(
        {
            Permission.READ_ACCREDITATIONS,
            Permission.APPLY,
            Permission.READ_BATCHES,
            Permission.WRITE_BATCHES,
            Permission.RECALL_BATCHES,
            Permission.READ_PRICES,
            Permission.IMPORT_GOODS,
            Permission.READ_SUPPLIERS,
            Permission.KEEP_GOODS,
            Permission.READ_ORDERS,
            Permission.SHIP_ORDERS,
            Permission.READ_STATEMENTS,
        }
    ),
    Role.TOWNSHIP: frozenset({Permission.READ_ACCREDITATIONS, Permission.GIVE_OPINION}),
    Role.COUNTY: frozenset(
        {
            Permission.READ_SUPPLIERS,
            Permission.READ_ACCREDITATIONS,
            Permission.DECIDE_ACCREDITATION,
            Permission.READ_BATCHES,
            Permission.RECALL_BATCHES,
            Permission.READ_PRICES,
            Permission.REVIEW_PRICES,
            Permission.READ_BENEFIT,
            Permission.WRITE_BENEFIT,
            Permission.READ_HOUSEHOLDS,
            Permission.READ_HALLS,
            Permission.WRITE_HALLS,
        }
    ),
    Role.SUPERVISOR: frozenset(
        {
            Permission.READ_SUPPLIERS,
            Permission.READ_ACCREDITATIONS,
            Permission.SUPERVISE,
            Permission.READ_BATCHES,
            Permission.RECALL_BATCHES,
            Permission.READ_BENEFIT,
            Permission.READ_HALLS,
        }
    ),
    Role.CREW: frozenset({Permission.WORK_FIELD, Permission.MARK_PHONES}),
}


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A part of the shop: the regions whose code starts with `area`, the goods of one `supplier`; None is all.

    For those who work at placements an `area` is a branch of these, by its number: METRO.HF.L1.
    """

    area: str | None = None
    supplier: str | None = None

    def covers(self, other: "Scope") -> bool:
        """Tell whether everything in `other` lies within this scope."""
        area = self.area is None or (other.area is not None and other.area.startswith(self.area))
        return area and self.supplier in (None, other.supplier)


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A role held within a scope."""

    role: Role
    scope: Scope = Scope()


def scopes(grants: tuple[Grant, ...], permission: Permission) -> list[Scope]:
    """Return the scopes in which `grants` hold `permission`; empty means nowhere. Listings filter by them."""
    return [grant.scope for grant in grants if permission in PERMISSIONS[grant.role]]


def branches(grants: tuple[Grant, ...], permission: Permission) -> list[str] | None:
    """Return the branches of placements in which `grants` hold `permission`: None everywhere, empty nowhere.

    None of them lies in another.
    """
    held = scopes(grants, permission)
    if Scope() in held:
        return None
    areas = {scope.area for scope in held if scope.area is not None and scope.supplier is None}
    found = {area for area in areas if BRANCH.fullmatch(area)}
    return sorted(area for area in found if not lies_in(area, [other for other in found if other != area]))


def lies_in(placement: str, within: Sequence[str]) -> bool:
    """Tell whether a placement is one of the branches `within`, or hangs below one."""
    return any(placement == branch or placement.startswith(f"{branch}.") for branch in within)


def permits(grants: tuple[Grant, ...], permission: Permission, scope: Scope | None = None) -> bool:
    """Tell whether `grants` hold `permission` over all of `scope`, or anywhere at all when `scope` is None."""
    held = scopes(grants, permission)
    return bool(held) if scope is None else any(own.covers(scope) for own in held)


def needs_totp(grants: tuple[Grant, ...]) -> bool:
    """Tell whether a holder of `grants` must log in with a second factor."""
    return any(grant.role in TOTP_ROLES for grant in grants)
