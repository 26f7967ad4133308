"""New goods and new packs as their supplier enters them on a page.

Invariant: a supplier enters its own goods only; what it enters waits off sale for the county, and stands in the audit
trail.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import drafts, editing
from storefront import audit, roles, tokens
from storefront.actors import Actor
from storefront.roles import Permission, Scope
from storefront.staff import accounts, goods_desk

# Who recommends other firms' goods has none of its own.
_SUPPLIERS = text("""
    SELECT number, name, county_code FROM suppliers
    WHERE kind = 'supplier' AND state <> 'closed' AND (cast(:numbers AS text[]) IS NULL OR number = ANY(:numbers))
    ORDER BY number LIMIT 500
""")
_COUNTIES = text("SELECT code, full_name FROM regions WHERE level = 'county' ORDER BY code")
_WAREHOUSES = text("SELECT key, name, region_code FROM warehouses ORDER BY region_code, key")


def choices(session: Session, actor: Actor) -> dict[str, Any]:
    """Return the `suppliers` that the actor may enter goods of, and the `counties` and `warehouses` there are."""
    accounts.require(actor, Permission.KEEP_GOODS)
    scopes = roles.scopes(actor.grants, Permission.KEEP_GOODS)
    is_everybody = any(scope.supplier is None for scope in scopes)
    numbers = None if is_everybody else sorted({scope.supplier for scope in scopes if scope.supplier})
    return {
        "suppliers": [dict(row) for row in session.execute(_SUPPLIERS, {"numbers": numbers}).mappings()],
        "counties": [dict(row) for row in session.execute(_COUNTIES).mappings()],
        "warehouses": [dict(row) for row in session.execute(_WAREHOUSES).mappings()],
    }


def new_number() -> str:
    """Return the number of an empty form, under which it is entered once."""
    return tokens.number("N")


def enter(session: Session, actor: Actor, *, typed: Mapping[str, str], number: str, now: datetime) -> str:
    """Enter new goods; returns their slug. Raises `NotPermitted` and what `drafts.enter` does."""
    supplier, origin = typed.get("supplier", ""), typed.get("origin", "")
    accounts.require(actor, Permission.KEEP_GOODS, Scope(area=origin, supplier=supplier))
    slug = drafts.enter(session, typed=typed, number=number, now=now)
    audit.record(session, actor, "goods.entered", slug, {"sku": number, "supplier": supplier}, now=now)
    return slug


def ask_pack(
    session: Session, actor: Actor, *, slug: str, typed: Mapping[str, str], sku: str, now: datetime
) -> editing.Asked:
    """Ask for a new pack of a product, which a draft has at once. Raises what `editing.ask_pack` does."""
    goods_desk.require(session, actor, slug)
    change, by = tokens.number("E"), actor.username or ""
    asked = editing.ask_pack(session, slug=slug, typed=typed, sku=sku, number=change, by=by, now=now)
    act = "goods.pack_asked" if asked.change else "goods.pack_added"
    audit.record(session, actor, act, slug, {"change": asked.change, "sku": sku}, now=now)
    return asked
