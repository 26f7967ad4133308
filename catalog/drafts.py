"""New goods, and new packs of goods, as their supplier types them in: a row of the sheet of goods without the sheet.

Invariant: what was typed is read, compared and written by what a sheet is read, compared and written by, so neither way
can do what the other cannot: new goods wait off sale for their accreditation. The number of a form becomes the number
of its pack, so a form that is sent twice enters it once.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import change_errors, errors, import_products, sheets
from catalog.facts import PRODUCT_EDITED
from catalog.sheets import Fault, ImportKind, Meant, Row
from config import database, facts

# What a form says of a pack; all else is said of the product.
PACK = ("spec", "weight_g", "first_price", "first_stock")
NUMBER = re.compile(r"N[0-9A-Z]{12}", re.ASCII)

# Whoever sends two forms at once waits here for the first, whose product the second then finds.
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('goods:' || :supplier, 0))")
_ENTERED = text("SELECT p.slug FROM skus s JOIN products p ON p.id = s.product_id WHERE s.number = :sku")
_SUPPLIER = text("SELECT u.number FROM products p JOIN suppliers u ON u.id = p.supplier_id WHERE p.slug = :slug")
_SAME_NAME = text("""
    SELECT p.slug FROM products p JOIN suppliers u ON u.id = p.supplier_id JOIN regions r ON r.code = p.origin_code
    WHERE u.number = :supplier AND p.name = :name AND :origin IN (r.code, r.full_name) LIMIT 1
""")
_HOME = text("""
    SELECT h.slug FROM regions r JOIN halls h ON h.region_code = r.code AND h.is_home
    WHERE r.level = 'county' AND :origin IN (r.code, r.full_name)
""")
_SAME_SPEC = text("""
    SELECT s.number FROM skus s JOIN products p ON p.id = s.product_id WHERE p.slug = :slug AND s.spec = :spec
""")


def enter(session: Session, *, typed: Mapping[str, str], number: str, now: datetime) -> str:
    """Enter new goods with their first pack, off sale, and return their slug; `typed` is by the columns of the sheet.

    `number` is the form's. Raises `EntryInvalid(faults=[{"field", "title", "message"}])`, and `EntryTaken(slug=)` for a
    second product of one name from one county. Publishes `product.edited`, for search.
    """
    database.require_transaction(session)
    cells = _cells(typed)
    session.execute(_ONE_AT_A_TIME, {"supplier": cells.get("supplier", "")})
    known = entered(session, number=number)
    if known is not None:
        return _of_supplier(session, known, cells.get("supplier", ""))
    slug = _slug(session, cells.get("origin", ""), number)
    meant = _meant(cells | {"slug": slug, "sku": number})
    named = {name: meant.values[name] for name in ("supplier", "name", "origin")}
    if (same := session.scalar(_SAME_NAME, named)) is not None:
        raise change_errors.EntryTaken(slug=same)
    _write(session, meant, now)
    facts.publish(session, PRODUCT_EDITED, key=number, values={"product": slug})
    return slug


def entered(session: Session, *, number: str) -> str | None:
    """Return the slug of the product that a form's pack is in, None before it was entered.

    Raises `FactInvalid` for what cannot be the number of a form.
    """
    if not NUMBER.fullmatch(number):
        raise change_errors.FactInvalid(field="number")
    found = session.scalar(_ENTERED, {"sku": number})
    return str(found) if found else None


def check(session: Session, *, slug: str, typed: Mapping[str, str], number: str) -> str:
    """Return in words what a new pack of a product would be. Raises as `add` does."""
    values = _pack(session, slug, typed, number).values
    stock = f" · 库存 {values['first_stock']:,}" if values["first_stock"] else ""
    return f"{values['spec']} · 毛重 {values['weight_g']:,} 克 · ¥{sheets.yuan(values['first_price'])}{stock}"


def add(session: Session, *, slug: str, typed: Mapping[str, str], number: str, now: datetime) -> None:
    """Add a pack to a product; it has a price, and may have stock.

    Raises `ProductUnknown` and `EntryInvalid(faults=)`.
    """
    _write(session, _pack(session, slug, typed, number), now)


def _pack(session: Session, slug: str, typed: Mapping[str, str], number: str) -> Meant:
    database.require_transaction(session)
    facts_of = import_products.cells(session, slug=slug)
    if facts_of is None:
        raise errors.ProductUnknown
    packed = {name: typed.get(name, "") for name in PACK}
    meant = _meant(facts_of | _cells(packed) | {"slug": slug, "sku": number})
    _require_faultless(import_products.compare(session, [meant], supplier=None)[0].faults)
    if session.execute(_SAME_SPEC, {"slug": slug, "spec": meant.values["spec"]}).first() is not None:
        _require_faultless((Fault(sheets.title(ImportKind.PRODUCTS, "spec"), "这个商品已有同样的规格"),))
    return meant


def _write(session: Session, meant: Meant, now: datetime) -> None:
    _require_faultless(import_products.compare(session, [meant], supplier=None)[0].faults)
    import_products.apply(session, [meant], key=f"entry:{meant.values['sku']}", now=now, is_heard=False)


def _of_supplier(session: Session, slug: str, supplier: str) -> str:
    """Return the slug again. Raises `FactInvalid` when the product is another supplier's."""
    if session.scalar(_SUPPLIER, {"slug": slug}) != supplier:
        raise change_errors.FactInvalid(field="number")
    return slug


def _slug(session: Session, origin: str, number: str) -> str:
    """Return the name in addresses: the county's hall and a few letters, because only the worker knows pinyin."""
    hall = session.scalar(_HOME, {"origin": origin}) or "hall"
    return f"{hall}-{number[1:].lower()}"


def _cells(typed: Mapping[str, str]) -> dict[str, str]:
    """Return what was typed as a sheet would hold it: no white space around, and none of what was left empty."""
    return {name: kept for name, value in typed.items() if (kept := " ".join(value.split()))}


def _meant(cells: Mapping[str, str]) -> Meant:
    meant = sheets.meant(ImportKind.PRODUCTS, Row(1, dict(cells)))
    faults = list(meant.faults)
    if "first_price" not in cells:
        faults.append(Fault(sheets.title(ImportKind.PRODUCTS, "first_price"), "必填"))
    _require_faultless(tuple(faults))
    return meant


def _require_faultless(faults: tuple[Fault, ...]) -> None:
    if faults:
        fields: dict[str, Any] = {column.title: column.name for column in sheets.COLUMNS[ImportKind.PRODUCTS]}
        raise change_errors.EntryInvalid(
            faults=[{"field": fields[each.column], "title": each.column, "message": each.message} for each in faults]
        )
