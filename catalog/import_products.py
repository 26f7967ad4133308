"""Products and their SKUs as a sheet, one row a SKU: what its rows would change, the change, and what stands.

Invariant: a sheet puts nothing on the shelf and gives no badge: new goods wait off sale for their accreditation. What
a price or a stock was before is not this sheet's business: of a new SKU it says the first ones, of others it refuses.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text, update
from sqlalchemy.orm import Session

from catalog import categories, labels, models, sheets, stock
from catalog.sheets import Change, Fault, Meant, Verdict
from config import database

# The drawn plate of goods whose sheet names none.
PLATES = {
    "tea": "tea",
    "fruit": "fruit",
    "vegetable": "root",
    "grain": "grain",
    "meat": "meat",
    "fish": "fish",
    "bean": "tofu",
    "nut": "nut",
    "preserve": "jar",
    "herb": "herb",
    "craft": "textile",
    "wine": "jar",
}
_LABEL = "label_"
_FACTS = ("name", "category", "origin", "supplier", "warehouse", "licence_class", "return_class", "delivery_class",
          "description")  # fmt: skip
_VIEW = """
    SELECT s.number AS sku, s.spec, s.weight_g, p.slug, p.name, p.category, p.origin_code AS origin,
           u.number AS supplier, w.key AS warehouse, p.licence_class, p.return_class, p.delivery_class, p.description,
           p.label
    FROM skus s JOIN products p ON p.id = s.product_id JOIN suppliers u ON u.id = p.supplier_id
    JOIN warehouses w ON w.id = p.warehouse_id
"""
# By their ids: to look for numbers or slugs at once PostgreSQL reads all there are, 80 ms among 100,000 SKUs.
_STANDING = text(f"""
    {_VIEW} WHERE s.id = ANY (ARRAY(
        SELECT k.id FROM skus k WHERE k.number = ANY(:skus)
        UNION SELECT k.id FROM skus k JOIN products o ON o.id = k.product_id WHERE o.slug = ANY(:slugs)
    )) ORDER BY p.id, s.id
""")
_LOCK = text("SELECT id FROM products WHERE slug = ANY(:slugs) ORDER BY id FOR UPDATE")
_LISTING = text(f"""
    {_VIEW} WHERE s.number > :after AND (cast(:supplier AS text) IS NULL OR u.number = :supplier)
    ORDER BY s.number LIMIT :limit
""")
_PLACES = text("""
    SELECT c.code, c.name, c.full_name, d.name AS city, h.id AS hall_id FROM regions c
    JOIN regions d ON d.code = c.parent_code
    LEFT JOIN halls h ON h.region_code = c.code AND h.is_home WHERE c.level = 'county'
""")
_IDS = {
    "suppliers": text("SELECT number, id FROM suppliers"),
    "warehouses": text("SELECT key, id FROM warehouses"),
    "products": text("SELECT slug, id FROM products WHERE slug = ANY(:slugs)"),
    "skus": text("SELECT number, id FROM skus WHERE number = ANY(:skus)"),
}


@dataclass(frozen=True)
class _Known:
    """What a sheet may name, and what stands: SKUs by number, facts of products by slug."""

    skus: Mapping[str, Mapping[str, Any]]
    products: Mapping[str, Mapping[str, Any]]
    places: Mapping[str, Any]
    suppliers: Mapping[str, int]
    warehouses: Mapping[str, int]


def compare(session: Session, rows: Sequence[Meant], *, supplier: str | None) -> list[Verdict]:
    """Return what each row would change; the products that stand stay locked.

    Goods are entered for everybody's account or not at all: with a `supplier` every row is refused.
    """
    known = _known(session, rows)
    return [_verdict(row.values, known, supplier) for row in rows]


def _known(session: Session, rows: Sequence[Meant]) -> _Known:
    slugs = [row.values["slug"] for row in rows if row.values["slug"]]
    session.execute(_LOCK, {"slugs": slugs})
    found = session.execute(_STANDING, {"slugs": slugs, "skus": [row.values["sku"] for row in rows]})
    standing = [_flat(row._asdict()) for row in found]
    places = {place: row for row in session.execute(_PLACES) for place in (row.code, row.full_name)}
    return _Known(
        skus={row["sku"]: row for row in standing},
        products={row["slug"]: row for row in standing},
        places=places,
        suppliers={row[0]: row[1] for row in session.execute(_IDS["suppliers"])},
        warehouses={row[0]: row[1] for row in session.execute(_IDS["warehouses"])},
    )


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with a key for each field of the label."""
    label = row.pop("label")
    return row | {f"{_LABEL}{field.key}": label.get(field.key) for field in labels.fields()}


def _verdict(values: Mapping[str, Any], known: _Known, supplier: str | None) -> Verdict:
    sku, product = known.skus.get(values["sku"]), known.products.get(values["slug"])
    faults = [Fault("SKU编号", "商品资料由管理员导入；价格和库存您可以自己导入")] if supplier is not None else []
    for name, title, among in (
        ("origin", "产地", known.places),
        ("supplier", "供应商编号", known.suppliers),
        ("warehouse", "发货仓", known.warehouses),
    ):
        if values[name] not in among:
            faults.append(Fault(title, f"没有“{values[name]}”"))
    if sku and sku["slug"] != values["slug"]:
        faults.append(Fault("商品编号", f"这个 SKU 属于商品 {sku['slug']}，不能改挂"))
    if sku and (values["first_price"] is not None or values["first_stock"] is not None):
        faults.append(Fault("新规格价格（元）", "这个规格已有价格和库存：请用价格表、库存表改，这里留空"))
    if not sku and values["first_price"] is None:
        faults.append(Fault("新规格价格（元）", "新规格必填"))
    if faults:
        return Verdict(faults=tuple(faults))
    return Verdict(changes=(*_changes(product, values, known), *_pack_changes(sku, values)))


def _changes(product: Mapping[str, Any] | None, values: Mapping[str, Any], known: _Known) -> list[Change]:
    if product is None:
        return [Change("新商品", "", values["name"])]
    wanted = dict(values) | {"origin": known.places[values["origin"]].code}
    names = [*_FACTS, *(f"{_LABEL}{field.key}" for field in labels.fields())]
    return [
        Change(sheets.title(sheets.ImportKind.PRODUCTS, name), _said(name, product[name]), _said(name, wanted[name]))
        for name in names
        if (product[name] or "") != (wanted[name] or "")
    ]


def _pack_changes(sku: Mapping[str, Any] | None, values: Mapping[str, Any]) -> list[Change]:
    if sku is None:
        return [Change("新规格", "", f"{values['spec']}，¥{sheets.yuan(values['first_price'])}")]
    return [
        Change(sheets.title(sheets.ImportKind.PRODUCTS, name), str(sku[name]), str(values[name]))
        for name in ("spec", "weight_g")
        if sku[name] != values[name]
    ]


def _said(name: str, value: Any) -> str:
    words = {"category": categories.NAMES, **sheets.CLASSES}.get(name, {})
    return str(words.get(value, value) or "")


def cells(session: Session, *, slug: str) -> dict[str, str] | None:
    """Return what a row of the sheet says of a product, whatever the pack; None when there is no such product."""
    found = session.execute(_STANDING, {"slugs": [slug], "skus": []}).first()
    if found is None:
        return None
    row = {name: value for name, value in _flat(found._asdict()).items() if name not in {"sku", "spec", "weight_g"}}
    return {name: str(value) for name, value in row.items() if value}


def apply(session: Session, rows: Sequence[Meant], *, key: str, now: datetime, is_heard: bool = True) -> None:
    """Write the goods of rows that `compare` called changed; `key` names the import in the ledger of stock.

    Unless they are heard, new goods are found by their sound only once `product.edited` had them indexed.
    """
    known = _known(session, rows)
    first = {row.values["slug"]: row.values for row in reversed(rows)}
    new = [_product(values, known, is_heard=is_heard) for slug, values in first.items() if slug not in known.products]
    top = session.scalar(text("SELECT coalesce(max(position), 0) FROM products")) or 0
    if new:
        placed = [each | {"position": top + 10 * at} for at, each in enumerate(new, start=1)]
        _insert(session, "products", placed)
    for slug, values in first.items():
        if slug in known.products and _changes(known.products[slug], values, known):
            changed = {name: value for name, value in _product(values, known).items() if name not in _ONCE}
            if known.places[values["origin"]].code == known.products[slug]["origin"]:
                # A hall is chosen by hand, too: it moves with the goods' county only.
                del changed["hall_id"]
            session.execute(update(models.Product).where(models.Product.slug == slug), changed)
    _write_packs(session, rows, known, key, now)


def _insert(session: Session, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of the same columns with one statement, which marks what the feed has to tell once for all of them."""
    columns = list(rows[0])
    sql = f"""
        INSERT INTO {table} ({", ".join(columns)}) SELECT {", ".join(f"r.{column}" for column in columns)}
        FROM jsonb_populate_recordset(CAST(NULL AS {table}), CAST(:rows AS jsonb)) r
    """
    session.execute(text(sql), {"rows": database.dump_json(rows)})


# What a sheet says of new goods only.
_ONCE = {"slug", "is_on_sale", "off_sale_for", "is_illustrative", "plate"}


def _product(values: Mapping[str, Any], known: _Known, *, is_heard: bool = True) -> dict[str, Any]:
    place = known.places[values["origin"]]
    label = {field.key: values[f"{_LABEL}{field.key}"] for field in labels.fields() if values[f"{_LABEL}{field.key}"]}
    return {
        "slug": values["slug"],
        "name": values["name"],
        "category": values["category"],
        "hall_id": place.hall_id,
        "origin_code": place.code,
        "supplier_id": known.suppliers[values["supplier"]],
        "warehouse_id": known.warehouses[values["warehouse"]],
        "description": values["description"] or "",
        "label": label,
        "licence_class": values["licence_class"],
        "return_class": values["return_class"],
        "delivery_class": values["delivery_class"],
        "plate": PLATES[values["category"]],
        "is_on_sale": False,
        "off_sale_for": models.OffSale.DRAFT,
        "is_display_only": values["licence_class"] in models.DISPLAY_ONLY,
        "is_illustrative": False,
        **(_entry(values, place, str(label.get("kind", ""))) if is_heard else _SILENT),
    }


# What is found by nothing yet; new goods are off sale, so nobody looks for them before the worker has indexed them.
_SILENT = {"name_key": "", "pinyin": "", "initials": "", "search_text": "", "search_vector": ""}


def _entry(values: Mapping[str, Any], place: Any, kind: str) -> dict[str, str]:
    # Only a sheet's worker pays for the dictionary of sounds.
    from catalog import seeding

    return seeding.search_entry(
        name=values["name"],
        county=place.name,
        city=place.city,
        origin=place.full_name,
        category=values["category"],
        spec=values["spec"],
        kind=kind,
    )


def _write_packs(session: Session, rows: Sequence[Meant], known: _Known, key: str, now: datetime) -> None:
    slugs = [row.values["slug"] for row in rows]
    products = {row[0]: row[1] for row in session.execute(_IDS["products"], {"slugs": slugs})}
    last = session.execute(
        text("SELECT product_id, max(position) FROM skus WHERE product_id = ANY(:ids) GROUP BY 1"),
        {"ids": list(products.values())},
    )
    positions = Counter({row[0]: row[1] for row in last})
    fresh: list[dict[str, Any]] = []
    for row in rows:
        values = row.values
        pack = {"spec": values["spec"], "weight_g": values["weight_g"]}
        if values["sku"] in known.skus:
            session.execute(update(models.Sku).where(models.Sku.number == values["sku"]), pack)
            continue
        product = products[values["slug"]]
        positions[product] += 1
        named = {"number": values["sku"], "product_id": product, "position": positions[product]}
        fresh.append(pack | named | {"price_fen": values["first_price"], "price_version": 1})
    if not fresh:
        return
    _insert(session, "skus", fresh)
    ids = {row[0]: row[1] for row in session.execute(_IDS["skus"], {"skus": [pack["number"] for pack in fresh]})}
    first = {"version": 1, "effective_at": now}
    prices = [{"sku_id": ids[pack["number"]], "price_fen": pack["price_fen"]} | first for pack in fresh]
    _insert(session, "sku_prices", prices)
    opening = {row.values["sku"]: row.values["first_stock"] for row in rows if row.values["first_stock"]}
    if opening:
        stock.receive(session, lines=opening, key=key)


def listing(session: Session, *, supplier: str | None, after: str, limit: int) -> list[dict[str, Any]]:
    """Return the rows of the sheet as it stands, by SKU beyond `after`."""
    found = session.execute(_LISTING, {"supplier": supplier, "after": after, "limit": limit})
    rows = [_flat(row._asdict()) for row in found]
    return [row | {name: _said(name, row[name]) for name in ("category", *sheets.CLASSES)} for row in rows]
