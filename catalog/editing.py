"""What a supplier changes of its goods: accredited facts by way of the county, everything else at once.

Invariant: until a change is approved the published facts stand, and nobody approves a change of their own. A product
that is still a draft has nothing accredited, so its facts change at once. A change that was asked for before somebody
else changed the same facts is refused, not laid over them. A new pack of goods is such a change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import categories, change_errors, drafts, errors, import_products, labels, products, sheets
from catalog.change_models import ChangeState
from catalog.facts import PRODUCT_EDITED
from catalog.models import DISPLAY_ONLY, OffSale
from config import database, facts

REASON_LENGTHS = range(2, 501)
# What accreditation attests; every field of the label is among it. Prices, stock, the description, and how and from
# where goods are sent are not.
OF_PRODUCT = {"name": range(2, 61), "origin_code": range(6, 7)}
# What is chosen, not typed: fact → key → name in Chinese. The law says which goods may not be returned, so a seller
# alone widens nothing.
CHOICES: Mapping[str, Mapping[str, str]] = {
    "category": categories.NAMES,
    "licence_class": sheets.CLASSES["licence_class"],
    "return_class": sheets.CLASSES["return_class"],
}
_TITLES = {"category": "品类", "licence_class": "经营类别", "return_class": "退货"}
_LABEL_LENGTHS = range(201)
_DESCRIPTION_LENGTHS = range(2001)
# The fact of a change that adds a pack; beside what people read it keeps what was typed.
PACK = "pack"

_READ = """
    SELECT p.id, p.slug, p.name, p.origin_code, p.label, p.off_sale_for, u.number AS supplier, p.category,
           p.licence_class, p.return_class
    FROM products p JOIN suppliers u ON u.id = p.supplier_id WHERE p.slug = :slug
"""
_LOCK = text(f"{_READ} FOR NO KEY UPDATE OF p")
_PACKS = text("SELECT spec, price_fen FROM skus WHERE product_id = :id AND is_on_sale ORDER BY position")
_ASK = text("""
    INSERT INTO product_changes (number, product_id, facts, state, asked_by, asked_at)
    VALUES (:number, :product_id, cast(:facts AS jsonb), 'asked', :by, :now)
    ON CONFLICT (product_id) WHERE state = 'asked' DO NOTHING RETURNING id
""")
_HEAD = """
    SELECT c.number, c.facts, c.state, c.asked_by, c.asked_at, c.decided_by, c.reason, c.decided_at,
           p.slug AS product, p.name AS product_name, p.origin_code, r.full_name AS origin, u.number AS supplier,
           u.name AS supplier_name
    FROM product_changes c JOIN products p ON p.id = c.product_id JOIN suppliers u ON u.id = p.supplier_id
    JOIN regions r ON r.code = p.origin_code
"""
_FIND = text(f"{_HEAD} WHERE c.number = :number FOR NO KEY UPDATE OF c")
_OPEN = text(f"{_HEAD} WHERE p.slug = :slug AND c.state = 'asked'")
_QUEUE = text(f"""
    {_HEAD} WHERE c.state = 'asked' AND EXISTS (
        SELECT FROM unnest(cast(:areas AS text[])) AS s (area) WHERE starts_with(p.origin_code, coalesce(s.area, '')))
    ORDER BY c.id LIMIT 200
""")
_END = text("""
    UPDATE product_changes SET state = :state, decided_by = :by, reason = :reason, decided_at = :now
    WHERE number = :number
""")
# A product stands in the hall of the county that it comes from.
_WRITE = text("""
    UPDATE products p SET name = n.name, origin_code = n.origin_code, label = n.label,
        category = n.category, licence_class = :licence_class, return_class = :return_class,
        is_display_only = :is_display_only, plate = CASE WHEN p.category = n.category THEN p.plate ELSE :plate END,
        hall_id = coalesce((SELECT h.id FROM halls h WHERE h.region_code = n.origin_code AND h.is_home
                              AND p.origin_code <> n.origin_code), p.hall_id)
    FROM (SELECT cast(:name AS text) AS name, cast(:origin_code AS text) AS origin_code,
                 cast(:label AS jsonb) AS label, cast(:category AS text) AS category) n
    WHERE p.id = :id
""")
_DISPATCH = text("""
    UPDATE products SET warehouse_id = w.id, delivery_class = :delivery_class
    FROM warehouses w WHERE products.id = :id AND w.key = :warehouse RETURNING w.id
""")
_DESCRIBE = text("UPDATE products SET description = :description WHERE id = :id")
_IS_COUNTY = text("SELECT EXISTS (SELECT FROM regions WHERE code = :code AND level = 'county')")
_HELD_PRICE = text("""
    SELECT s.number FROM price_reviews v JOIN skus s ON s.id = v.sku_id JOIN products p ON p.id = s.product_id
    WHERE p.slug = :slug AND v.state = 'held' LIMIT 1
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What became of an edit: the change's number, or None when the facts changed at once."""

    change: str | None
    facts: dict[str, Any]


def accredited_facts() -> list[tuple[str, str]]:
    """Return every fact that goes back to review, as (key, name in Chinese): a label's are `label.<field>`."""
    # These two are said of the goods, too.
    said = {"kind": "标签上的品类", "spec": "标签上的规格"}
    of_label = [(f"label.{one.key}", said.get(one.key, one.name)) for one in labels.fields()]
    return [("name", "名称"), ("origin_code", "产地"), *_TITLES.items(), *of_label]


def shown(session: Session, *, slug: str) -> list[tuple[str, str]]:
    """Return (name in Chinese, what it is) of all that accreditation attests and is filled in, then of each pack.

    Where goods come from is not among it. Raises `ProductUnknown`.
    """
    held = session.execute(text(_READ), {"slug": slug}).one_or_none()
    if held is None:
        raise errors.ProductUnknown
    current = {key: CHOICES.get(key, {}).get(value, value) for key, value in _facts_of(held).items()}
    facts_of = [(title, current.get(key, "")) for key, title in accredited_facts() if key not in OF_PRODUCT]
    packs = [("规格", f"{spec}，¥{sheets.yuan(fen)}") for spec, fen in session.execute(_PACKS, {"id": held.id})]
    return [(title, value) for title, value in facts_of if value] + packs


def ask(session: Session, *, slug: str, given: Mapping[str, str], number: str, by: str, now: datetime) -> Asked:
    """Ask for other accredited facts (`accredited_facts` → text); what is not given stays.

    Raises `ProductUnknown`, `FactInvalid(field=)`, `ChangeEmpty` when nothing would change, and while another change
    is under review `ChangeStanding(number=)`. Publishes `product.edited` for a draft.
    """
    held = _lock(session, slug)
    known, current = {key for key, _ in accredited_facts()}, _facts_of(held)
    changed = {}
    for key, typed in given.items():
        if key not in known:
            raise change_errors.FactInvalid(field=key[:60])
        after = " ".join(typed.split())
        _require_possible(session, key, after)
        if after != current.get(key, ""):
            changed[key] = {"before": current.get(key, ""), "after": after}
    if not changed:
        raise change_errors.ChangeEmpty
    if held.off_sale_for == OffSale.DRAFT:
        _write(session, held, changed, key=number)
        return Asked(change=None, facts=changed)
    return _ask(session, held, changed, number=number, by=by, now=now)


def ask_pack(
    session: Session, *, slug: str, typed: Mapping[str, str], sku: str, number: str, by: str, now: datetime
) -> Asked:
    """Ask for a new pack (`drafts.PACK` → text) under the number `sku`, once; a draft has it at once.

    Raises what `drafts.add` does, `FactInvalid`, and while another change is under review `ChangeStanding(number=)`.
    """
    held = _lock(session, slug)
    if (known := drafts.entered(session, number=sku)) is not None:
        if known != slug:
            raise change_errors.FactInvalid(field="number")
        return Asked(change=None, facts={})
    kept = {name: typed.get(name, "") for name in drafts.PACK} | {"sku": sku}
    said = drafts.check(session, slug=slug, typed=kept, number=sku)
    changed = {PACK: {"before": "", "after": said, "typed": kept}}
    if held.off_sale_for == OffSale.DRAFT:
        drafts.add(session, slug=slug, typed=kept, number=sku, now=now)
        return Asked(change=None, facts=changed)
    return _ask(session, held, changed, number=number, by=by, now=now)


def describe(session: Session, *, slug: str, description: str) -> None:
    """Write what a product's page says of it, at once. Raises `ProductUnknown`, and `FactInvalid` above 2,000."""
    held = _lock(session, slug)
    if len(description.strip()) not in _DESCRIPTION_LENGTHS:
        raise change_errors.FactInvalid(field="description")
    session.execute(_DESCRIBE, {"id": held.id, "description": description.strip()})


def dispatch(session: Session, *, slug: str, warehouse: str, delivery_class: str) -> None:
    """Say from which warehouse (its key) and how goods are sent from the next order on.

    Raises `ProductUnknown`, and `FactInvalid` for a warehouse or a way that there is not.
    """
    held = _lock(session, slug)
    if delivery_class not in sheets.CLASSES["delivery_class"]:
        raise change_errors.FactInvalid(field="delivery_class")
    values = {"id": held.id, "warehouse": warehouse, "delivery_class": delivery_class}
    if session.execute(_DISPATCH, values).first() is None:
        raise change_errors.FactInvalid(field="warehouse")


def decide(session: Session, *, number: str, state: ChangeState, reason: str, by: str, now: datetime) -> None:
    """Approve a change, which then stands, refuse it with a reason, or take it back as who asked.

    Raises `ChangeUnknown`, `ChangeMoved` for one that was decided or whose facts somebody changed since,
    `ChangeReasonMissing`, and `ChangeOwn` for who would approve their own. Publishes `product.edited` when approved.
    """
    database.require_transaction(session)
    found, reason = find(session, number=number), reason.strip()
    if found["state"] is not ChangeState.ASKED or state is ChangeState.ASKED:
        raise change_errors.ChangeMoved(state=found["state"].value)
    if state is ChangeState.REFUSED and len(reason) not in REASON_LENGTHS:
        raise change_errors.ChangeReasonMissing
    if state is not ChangeState.WITHDRAWN and found["asked_by"] == by:
        raise change_errors.ChangeOwn
    if state is ChangeState.APPROVED:
        held = _lock(session, found["product"])
        current = _facts_of(held)
        if any(current.get(key, "") != fact["before"] for key, fact in found["facts"].items()):
            raise change_errors.ChangeMoved(state=found["state"].value)
        pack = found["facts"].pop(PACK, None)
        if pack:
            drafts.add(session, slug=held.slug, typed=pack["typed"], number=pack["typed"]["sku"], now=now)
        _write(session, held, found["facts"], key=number)
    session.execute(_END, {"number": number, "state": state, "by": by, "reason": reason[:500], "now": now})


def find(session: Session, *, number: str) -> dict[str, Any]:
    """Return one change, under its row lock. Raises `ChangeUnknown`."""
    row = session.execute(_FIND, {"number": number}).mappings().first()
    if row is None:
        raise change_errors.ChangeUnknown
    return dict(row) | {"state": ChangeState(row["state"])}


def standing(session: Session, *, slug: str) -> dict[str, Any] | None:
    """Return the change of a product that is under review, if there is one."""
    row = session.execute(_OPEN, {"slug": slug}).mappings().first()
    return dict(row) if row else None


def queue(session: Session, *, areas: list[str | None]) -> list[dict[str, Any]]:
    """Return the changes under review of products from these places (None: all), the oldest first."""
    return [dict(row) for row in session.execute(_QUEUE, {"areas": areas}).mappings()]


def offer(session: Session, *, slug: str) -> None:
    """Put goods on sale for their supplier. Raises `PriceHeld` while the county holds a price, and as `relist` does."""
    if session.execute(_HELD_PRICE, {"slug": slug}).first() is not None:
        raise change_errors.PriceHeld
    products.relist(session, slug=slug)


def _ask(
    session: Session, held: Any, changed: dict[str, dict[str, Any]], *, number: str, by: str, now: datetime
) -> Asked:
    values = {"number": number, "product_id": held.id, "facts": orjson.dumps(changed).decode(), "by": by, "now": now}
    if session.execute(_ASK, values).first() is None:
        raise change_errors.ChangeStanding(number=standing(session, slug=held.slug)["number"])  # type: ignore[index]
    return Asked(change=number, facts=changed)


def _lock(session: Session, slug: str) -> Any:
    database.require_transaction(session)
    held = session.execute(_LOCK, {"slug": slug}).one_or_none()
    if held is None:
        raise errors.ProductUnknown
    return held


def _facts_of(held: Any) -> dict[str, str]:
    label = {f"label.{key}": str(value) for key, value in held.label.items()}
    chosen = {name: str(getattr(held, name)) for name in CHOICES}
    return {"name": held.name, "origin_code": held.origin_code} | chosen | label


def _require_possible(session: Session, key: str, after: str) -> None:
    if after not in CHOICES[key] if key in CHOICES else len(after) not in OF_PRODUCT.get(key, _LABEL_LENGTHS):
        raise change_errors.FactInvalid(field=key)
    if key == "origin_code" and not session.scalar(_IS_COUNTY, {"code": after}):
        raise change_errors.FactInvalid(field=key)


def _write(session: Session, held: Any, changed: Mapping[str, Mapping[str, str]], *, key: str) -> None:
    after = _facts_of(held) | {name: fact["after"] for name, fact in changed.items()}
    label = {name.removeprefix("label."): value for name, value in after.items() if name.startswith("label.") and value}
    values = {"id": held.id, "is_display_only": after["licence_class"] in DISPLAY_ONLY}
    values |= {name: after[name] for name in ("name", "origin_code", *CHOICES)}
    values |= {"plate": import_products.PLATES[after["category"]]}
    session.execute(_WRITE, values | {"label": orjson.dumps(label).decode()})
    facts.publish(session, PRODUCT_EDITED, key=key, values={"product": held.slug})
