"""Goods as their supplier keeps them, and the county's review of what was accredited.

Invariant: a supplier sees and changes its own goods only; what is out of sight is not found; every act is in the audit
trail. Prices and stock act at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import accreditation_lifecycle, editing, labels, offering, products, stock
from catalog.change_errors import ChangeReasonMissing, ChangeUnknown
from catalog.change_models import ChangeState
from catalog.errors import ProductUnknown, SkuUnknown
from storefront import audit, roles, tokens
from storefront.actors import Actor
from storefront.errors import NotPermitted
from storefront.roles import Permission, Scope
from storefront.staff import accounts, sight

_LISTING = text("""
    SELECT p.slug, p.name, p.is_on_sale, p.off_sale_for, p.is_display_only, u.name AS supplier_name,
           r.full_name AS origin, min(s.price_fen) AS price_fen, coalesce(sum(l.on_hand - l.reserved), 0) AS available,
           (SELECT a.state FROM accreditations a WHERE a.product_id = p.id ORDER BY a.id DESC LIMIT 1) AS accreditation,
           EXISTS (SELECT FROM product_changes c WHERE c.product_id = p.id AND c.state = 'asked') AS is_changing
    FROM products p JOIN suppliers u ON u.id = p.supplier_id JOIN regions r ON r.code = p.origin_code
    LEFT JOIN skus s ON s.product_id = p.id AND s.is_on_sale LEFT JOIN stock_levels l ON l.sku_id = s.id
    WHERE cast(:slugs AS text[]) IS NULL OR p.slug = ANY(:slugs)
    GROUP BY p.id, u.name, r.full_name ORDER BY p.position, p.slug LIMIT :limit OFFSET :offset
""")
_FIND = text("""
    SELECT p.id, p.slug, p.name, p.origin_code, r.full_name AS origin, p.label, p.description, p.is_on_sale,
           p.off_sale_for, p.is_display_only, p.category, p.licence_class, p.return_class, p.delivery_class,
           w.key AS warehouse, u.number AS supplier, u.name AS supplier_name,
           u.state AS supplier_state, (SELECT a.number FROM accreditations a WHERE a.product_id = p.id
                                       AND a.state = ANY(:standing)) AS accreditation
    FROM products p JOIN suppliers u ON u.id = p.supplier_id JOIN regions r ON r.code = p.origin_code
    JOIN warehouses w ON w.id = p.warehouse_id WHERE p.slug = :slug
""")
_SKUS = text("""
    SELECT s.number, s.spec, s.price_fen, s.price_version, s.is_on_sale, coalesce(l.on_hand, 0) AS on_hand,
           coalesce(l.reserved, 0) AS reserved
    FROM skus s LEFT JOIN stock_levels l ON l.sku_id = s.id WHERE s.product_id = :id ORDER BY s.position
""")

_LAST = text("""
    SELECT state, reason, decided_at FROM product_changes
    WHERE product_id = :id AND state IN ('approved', 'refused') ORDER BY id DESC LIMIT 1
""")
_COUNTY_NAMES = text("SELECT code, full_name FROM regions WHERE code = ANY(:codes)")


def listing(session: Session, actor: Actor, *, offset: int = 0, limit: int = 50) -> list[dict[str, Any]]:
    """Return the goods in sight, on sale or not, with the reason of those that are not."""
    seen = sight.of(session, actor, Permission.KEEP_GOODS)
    slugs = None if seen.products is None else sorted(seen.products)
    rows = session.execute(_LISTING, {"slugs": slugs, "limit": limit, "offset": offset})
    return [dict(row) for row in rows.mappings()]


def find(session: Session, actor: Actor, *, slug: str) -> dict[str, Any]:
    """Return one product in sight with its SKUs, accredited facts and the change under review (None without one).

    Raises `ProductUnknown`, also for somebody else's.
    """
    require(session, actor, slug)
    row = session.execute(_FIND, {"slug": slug, "standing": list(accreditation_lifecycle.STANDING)}).mappings().one()
    change = editing.standing(session, slug=slug)
    label = {f"label.{key}": value for key, value in row["label"].items()}
    known = {"name": row["name"], "origin_code": row["origin_code"]} | label
    known |= {name: row[name] for name in editing.CHOICES}
    return {key: value for key, value in row.items() if key not in {"id", "label"}} | {
        "skus": [dict(sku) for sku in session.execute(_SKUS, {"id": row["id"]}).mappings()],
        "facts": [(key, title, known.get(key, "")) for key, title in editing.accredited_facts()],
        "missing": labels.missing(row["licence_class"], row["label"]),
        "change": _in_words(session, [change])[0] if change else None,
        "decided": dict(last) if (last := session.execute(_LAST, {"id": row["id"]}).mappings().first()) else None,
    }


def ask(session: Session, actor: Actor, *, slug: str, given: Mapping[str, str], now: datetime) -> editing.Asked:
    """Ask for other accredited facts. Raises `ProductUnknown` and what `editing.ask` does."""
    require(session, actor, slug)
    number = tokens.number("E")
    asked = editing.ask(session, slug=slug, given=given, number=number, by=actor.username or "", now=now)
    act = "goods.change_asked" if asked.change else "goods.edited"
    audit.record(session, actor, act, slug, {"change": asked.change, "facts": sorted(asked.facts)}, now=now)
    return asked


def withdraw(session: Session, actor: Actor, *, slug: str, now: datetime) -> None:
    """Take the change of a product back. Raises `ProductUnknown` and `ChangeUnknown`."""
    require(session, actor, slug)
    found = editing.standing(session, slug=slug)
    if found is None:
        raise ChangeUnknown
    by, number = actor.username or "", found["number"]
    editing.decide(session, number=number, state=ChangeState.WITHDRAWN, reason="", by=by, now=now)
    audit.record(session, actor, "goods.change_withdrawn", slug, {"change": number}, now=now)


def reprice(session: Session, actor: Actor, *, slug: str, sku: str, price_fen: int, now: datetime) -> None:
    """Set a price from now on. Raises `ProductUnknown`, `SkuUnknown` and `PriceInvalid`."""
    _require_sku(session, actor, slug, sku)
    products.reprice(session, sku=sku, price_fen=price_fen, now=now)
    audit.record(session, actor, "goods.repriced", slug, {"sku": sku, "price_fen": price_fen}, now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What somebody says of a SKU's stock: how many they counted who saw `seen` on hand, or with None how many came in.

    `key` names the form, so that one that is sent twice counts once.
    """

    sku: str
    quantity: int
    seen: int | None
    reason: str
    key: str


def count_stock(session: Session, actor: Actor, *, slug: str, counted: Counted, now: datetime) -> None:
    """Set what is on hand as it was counted, or add what came in.

    Raises `ProductUnknown`, `SkuUnknown`, `ChangeReasonMissing`, `StockMoved` when there was another number on hand
    than the one that was seen, and `CountTooLow` below what orders have spoken for.
    """
    _require_sku(session, actor, slug, counted.sku)
    if len(counted.reason.strip()) not in editing.REASON_LENGTHS:
        raise ChangeReasonMissing
    lines, key = {counted.sku: counted.quantity}, f"{slug}:{counted.key}:{counted.seen}:{counted.quantity}"
    if counted.seen is None:
        stock.receive(session, lines=lines, key=key)
    else:
        stock.count(session, lines=lines, seen={counted.sku: counted.seen}, key=key)
    act = "goods.stock_received" if counted.seen is None else "goods.stock_counted"
    values = {"sku": counted.sku, "quantity": counted.quantity, "reason": counted.reason.strip()}
    audit.record(session, actor, act, slug, values, now=now)


def describe(session: Session, actor: Actor, *, slug: str, description: str, now: datetime) -> None:
    """Write what a product's page says of it. Raises `ProductUnknown` and `FactInvalid`."""
    require(session, actor, slug)
    editing.describe(session, slug=slug, description=description)
    audit.record(session, actor, "goods.described", slug, {}, now=now)


def dispatch(session: Session, actor: Actor, *, slug: str, warehouse: str, delivery_class: str, now: datetime) -> None:
    """Say from where and how goods are sent. Raises `ProductUnknown` and `FactInvalid`."""
    require(session, actor, slug)
    editing.dispatch(session, slug=slug, warehouse=warehouse, delivery_class=delivery_class)
    values = {"warehouse": warehouse, "delivery_class": delivery_class}
    audit.record(session, actor, "goods.dispatch_set", slug, values, now=now)


def offer(session: Session, actor: Actor, *, slug: str, is_on_sale: bool, now: datetime) -> None:
    """Put goods on sale or take them off. Raises `ProductUnknown` and what `editing.offer` does."""
    require(session, actor, slug)
    if is_on_sale:
        editing.offer(session, slug=slug)
    else:
        products.delist(session, slug=slug)
    audit.record(session, actor, "goods.offered" if is_on_sale else "goods.taken_off", slug, {}, now=now)


def offer_pack(session: Session, actor: Actor, *, slug: str, sku: str, is_on_sale: bool, now: datetime) -> None:
    """Put one pack on sale or take it off. Raises `ProductUnknown` and what `offering.set_pack` does."""
    require(session, actor, slug)
    offering.set_pack(session, slug=slug, sku=sku, is_on_sale=is_on_sale)
    act = "goods.pack_offered" if is_on_sale else "goods.pack_taken_off"
    audit.record(session, actor, act, slug, {"sku": sku}, now=now)


def queue(session: Session, actor: Actor) -> list[dict[str, Any]]:
    """Return the changes that wait for a county in which the actor decides."""
    accounts.require(actor, Permission.DECIDE_ACCREDITATION)
    scopes = roles.scopes(actor.grants, Permission.DECIDE_ACCREDITATION)
    return _in_words(session, editing.queue(session, areas=[scope.area for scope in scopes]))


def decide(session: Session, actor: Actor, *, number: str, is_approved: bool, reason: str, now: datetime) -> None:
    """Approve or refuse a change of a product of one's own county.

    Raises `ChangeUnknown`, also for another county's, `NotPermitted`, and what `editing.decide` does.
    """
    accounts.require(actor, Permission.DECIDE_ACCREDITATION)
    found = editing.find(session, number=number)
    where = Scope(area=found["origin_code"], supplier=found["supplier"])
    if not accounts.allowed(actor, Permission.DECIDE_ACCREDITATION, where):
        raise ChangeUnknown
    state = ChangeState.APPROVED if is_approved else ChangeState.REFUSED
    editing.decide(session, number=number, state=state, reason=reason, by=actor.username or "", now=now)
    act = "goods.change_approved" if is_approved else "goods.change_refused"
    audit.record(session, actor, act, found["product"], {"change": number, "reason": reason.strip()}, now=now)


def _in_words(session: Session, changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return changes with the counties in them, and all that is chosen, by name, as people read them."""
    for change in changes:
        for name in change["facts"].keys() & editing.CHOICES.keys():
            words = editing.CHOICES[name]
            change["facts"][name] = {when: words.get(key, key) for when, key in change["facts"][name].items()}
        moved = change["facts"].get("origin_code")
        if moved:
            names: dict[str, str] = dict(
                session.execute(_COUNTY_NAMES, {"codes": [moved["before"], moved["after"]]}).all()
            )
            change["facts"]["origin_code"] = {when: names.get(code, code) for when, code in moved.items()}
    return changes


def require(session: Session, actor: Actor, slug: str) -> None:
    """Raise `ProductUnknown` unless a product is there and in sight of who keeps it."""
    try:
        seen = sight.of(session, actor, Permission.KEEP_GOODS)
    except NotPermitted:
        raise ProductUnknown from None
    if not seen.sees(slug) or not products.exists(session, slug=slug):
        raise ProductUnknown


def _require_sku(session: Session, actor: Actor, slug: str, sku: str) -> None:
    found = find(session, actor, slug=slug)
    if sku not in {each["number"] for each in found["skus"]}:
        raise SkuUnknown(skus=[sku[:40]])
