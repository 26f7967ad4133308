"""The first facts on the shelf: Anhui's regions and halls, 110 products, illustrative prices, stock and freight.

Invariant: seeding twice changes nothing, and what staff changed since is left alone: rows are only ever inserted. No
accreditation and no geographical indication is seeded; prices, weights, suppliers and warehouses are marked
illustrative. Each step is a short transaction of its own.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from importlib import resources
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from catalog import categories, models, pricing, romanise, search, stock
from catalog.accreditation_models import AccreditationTerm, Township
from catalog.hall_lifecycle import State
from catalog.supplier_lifecycle import State as SupplierState
from catalog.target_models import Target
from config import database

Row = Mapping[str, str]

OPENING_STOCK = 200
OPENING_KEY = "opening"
OPERATOR = "SUP0001"
_CHUNK = 22
_SUFFIXES = {"省": "sheng", "市": "shi", "县": "xian", "区": "qu"}

# Illustrative: first weight and price, step weight and price, goods that travel free from, fresh goods delivered.
_RATES = {
    "A": (3000, 800, 1000, 100, 6900, True),
    "B": (3000, 1000, 1000, 200, 9900, True),
    "C": (3000, 1200, 1000, 300, 12900, True),
    "D": (3000, 1500, 1000, 500, None, True),
    "E": (3000, 2000, 1000, 1000, None, False),
}


def seed(progress: Callable[[str, int, int], None]) -> None:
    """Insert whatever is missing and tell `progress` (what, done, total) after each step."""
    regions, goods = _rows("regions.csv"), _rows("products.csv")
    steps: list[tuple[str, Callable[[Session], None]]] = [
        ("regions", lambda session: _insert(session, models.Region, [_region(row) for row in regions])),
        ("halls", lambda session: _seed_halls(session, regions)),
        ("warehouses", lambda session: _seed_warehouses(session, regions)),
        ("freight", _seed_freight),
        ("accreditation", _seed_accreditation),
        ("targets", _seed_targets),
    ]
    for done, (name, step) in enumerate(steps, 1):
        with database.transaction() as session:
            step(session)
        progress(name, done, len(steps))
    for start in range(0, len(goods), _CHUNK):
        chunk = goods[start : start + _CHUNK]
        with database.transaction() as session:
            _seed_products(session, chunk, {row["code"]: row for row in regions})
        progress("products", start + len(chunk), len(goods))


def _rows(name: str) -> list[dict[str, str]]:
    text = (resources.files("catalog") / "data" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _insert(session: Session, model: type[database.Base], rows: Iterable[Mapping[str, Any]]) -> None:
    session.execute(insert(model).on_conflict_do_nothing(), list(rows))


def _ids(session: Session, model: Any, key: str) -> dict[str, int]:
    return {row[0]: row[1] for row in session.execute(select(getattr(model, key), model.id))}


def _region(row: Row) -> dict[str, Any]:
    return {
        "code": row["code"],
        "name": row["name"],
        "level": row["level"],
        "kind": row["kind"],
        "parent_code": row["parent_code"] or None,
        "full_name": row["full_name"],
        "pinyin": row["pinyin"],
        "initials": row["pinyin_initials"],
        "name_en": row["name_en"],
        "longitude": Decimal(row["lon"]),
        "latitude": Decimal(row["lat"]),
        "poverty_level": row["poverty_level"] or None,
        "poverty_exit": row["poverty_exit"] or None,
    }


def _stem(row: Row) -> str:
    """The pinyin of a region's name without the word for what it is."""
    return row["pinyin"].removesuffix(_SUFFIXES[row["name"][-1]])


def hall_slug(row: Row) -> str:
    """Return the slug of a region's hall, `dangshan-xian`: a city and a district may share the name before the word."""
    return f"{_stem(row)}-{_SUFFIXES[row['name'][-1]]}"


def _story(row: Row, regions: Sequence[Row]) -> str:
    """What can truthfully be said of a region from the data at hand."""
    if row["level"] == models.RegionLevel.PREFECTURE:
        kinds = Counter(below["kind"] for below in regions if below["parent_code"] == row["code"])
        parts = "、".join(f"{count}个{kind}" for kind, count in sorted(kinds.items()))
        return f"{row['name']}线上地方馆。{row['name']}下辖{parts}。"
    text = f"{row['name']}线上地方馆。{row['name']}是{row['parent_name']}下辖的{row['kind']}。"
    if row["poverty_level"]:
        year, month = row["poverty_exit"][:7].split("-")
        level = {"national": "国家级", "provincial": "省级"}[row["poverty_level"]]
        text += f"曾列入{level}贫困县名单，{year}年{int(month)}月退出。"
    return text


def _hall(row: Row, regions: Sequence[Row], parent_id: int | None) -> dict[str, Any]:
    return {
        "slug": hall_slug(row),
        "kind": models.HallKind.LOCAL,
        "presence": models.HallPresence.ONLINE,
        "state": State.OPEN,
        "is_home": True,
        "name": f"{row['name']}地方馆",
        "region_code": row["code"],
        "parent_id": parent_id,
        "story": _story(row, regions),
    }


def _seed_halls(session: Session, regions: Sequence[Row]) -> None:
    cities = [row for row in regions if row["level"] == models.RegionLevel.PREFECTURE]
    counties = [row for row in regions if row["level"] == models.RegionLevel.COUNTY]
    _insert(session, models.Hall, [_hall(row, regions, None) for row in cities])
    ids = _ids(session, models.Hall, "slug")
    parents = {row["code"]: ids[hall_slug(row)] for row in cities}
    _insert(session, models.Hall, [_hall(row, regions, parents[row["parent_code"]]) for row in counties])


def _seed_warehouses(session: Session, regions: Sequence[Row]) -> None:
    supplier = {
        "number": OPERATOR,
        "name": "平台自营（示意供应商）",
        "is_illustrative": True,
        "state": SupplierState.ADMITTED,
    }
    _insert(session, models.Supplier, [supplier])
    supplier_id = _ids(session, models.Supplier, "number")[OPERATOR]
    _insert(
        session,
        models.Warehouse,
        [
            {
                "key": _stem(row),
                "name": f"{row['name'][:-1]}示意仓",
                "region_code": row["code"],
                "supplier_id": supplier_id,
                "is_illustrative": True,
            }
            for row in regions
            if row["level"] == models.RegionLevel.PREFECTURE
        ],
    )


def _seed_freight(session: Session) -> None:
    provinces = [row for row in _rows("china_regions.csv") if row["level"] == models.RegionLevel.PROVINCE]
    zones = [{"province_code": row["code"], "zone": row["illustrative_freight_zone"][0]} for row in provinces]
    _insert(session, models.FreightZone, zones)
    columns = ("first_weight_g", "first_fen", "step_weight_g", "step_fen", "free_over_fen", "delivers_fresh")
    rates = [
        {"warehouse_id": warehouse_id, "zone": zone, **dict(zip(columns, rate, strict=True))}
        for warehouse_id in _ids(session, models.Warehouse, "key").values()
        for zone, rate in _RATES.items()
    ]
    _insert(session, models.FreightRate, rates)


def _seed_accreditation(session: Session) -> None:
    _insert(session, Township, _rows("townships.csv"))
    _insert(session, AccreditationTerm, [{**row, "days": int(row["days"])} for row in _rows("accreditation_terms.csv")])


def _seed_targets(session: Session) -> None:
    dated = [
        row | {"amount": int(row["amount"]), "due_on": date.fromisoformat(row["due_on"])}
        for row in _rows("targets.csv")
    ]
    _insert(session, Target, dated)


def _seed_products(session: Session, rows: Sequence[Row], regions: Mapping[str, Row]) -> None:
    halls, warehouses = _ids(session, models.Hall, "slug"), _ids(session, models.Warehouse, "key")
    supplier_id = _ids(session, models.Supplier, "number")[OPERATOR]
    products = []
    for row in rows:
        county = regions[row["county_code"]]
        places = {
            "hall_id": halls[hall_slug(county)],
            "warehouse_id": warehouses[_stem(regions[county["parent_code"]])],
            "supplier_id": supplier_id,
        }
        products.append(_product(row, county) | places)
    _insert(session, models.Product, products)
    ids = _ids(session, models.Product, "slug")
    packs = [pack | {"product_id": ids[row["slug"]]} for row in rows for pack in _packs(row)]
    _insert(session, models.Sku, packs)
    numbers = _ids(session, models.Sku, "number")
    opened = {"version": 1, "effective_at": session.execute(select(func.now())).scalar_one()}
    history = [opened | {"sku_id": numbers[pack["number"]], "price_fen": pack["price_fen"]} for pack in packs]
    _insert(session, models.SkuPrice, history)
    stock.receive(session, lines={pack["number"]: OPENING_STOCK for pack in packs}, key=OPENING_KEY)


def _product(row: Row, county: Row) -> dict[str, Any]:
    origin = county["full_name"]
    facts = {"spec": row["spec"], "storage": row["storage"], "season": row["season"], "shipping": row["shipping"]}
    said = [f"{row['name']}，产自{origin}。", f"规格：{row['spec']}。"]
    said += [f"上市时节：{row['season']}。"] * bool(row["season"]) + [f"贮存：{row['storage']}。"] * bool(
        row["storage"]
    )
    return {
        "slug": row["slug"],
        "name": row["name"],
        "category": row["category_key"],
        "origin_code": county["code"],
        "description": "".join(said) + "本页的价格、规格与贮存信息为演示数据，以实际录入为准。",
        "label": {"kind": row["category"]} | {key: value for key, value in facts.items() if value},
        "licence_class": row["licence_key"],
        "return_class": row["return_class"],
        "delivery_class": row["delivery_class"],
        "plate": row["plate"],
        "position": int(row["no"]) * 10,
        "is_display_only": row["licence_key"] in models.DISPLAY_ONLY,
        "is_illustrative": True,
        **search_entry(
            name=row["name"],
            county=county["name"],
            city=county["parent_name"],
            origin=origin,
            category=row["category_key"],
            spec=row["spec"],
            kind=row["category"],
        ),
    }


def search_entry(
    *, name: str, county: str, city: str, origin: str, category: str, spec: str, kind: str
) -> dict[str, str]:
    """Return the columns by which goods of this name, kind and origin are found."""
    entry = search.entry(
        name=name,
        sounds=[romanise.syllables(each) for each in (name, county[:-1], city[:-1])],
        texts=[origin, f"{city[:-1]}{county[:-1]}", kind, categories.NAMES[category], spec],
    )
    return {
        "name_key": entry.name_key,
        "pinyin": entry.pinyin,
        "initials": entry.initials,
        "search_text": entry.text,
        "search_vector": entry.vector,
    }


def _packs(row: Row) -> list[dict[str, Any]]:
    """One pack of everything; of what is eaten or drunk also a double one, a little cheaper: both illustrative."""
    single_fen, weight_g = int(row["unit_price_fen_ILLUSTRATIVE"]), int(row["ship_weight_g_ILLUSTRATIVE"])
    double_fen = pricing.percent(2 * single_fen, Decimal(95)) // 10 * 10
    packs = [(1, row["spec"], single_fen, weight_g), (2, f"{row['spec']} 双份装", double_fen, 2 * weight_g)]
    return [
        {
            "number": f"AH{int(row['no']):03}{'AB'[position - 1]}",
            "position": position,
            "spec": spec,
            "price_fen": price_fen,
            "price_version": 1,
            "weight_g": weight_g,
        }
        for position, spec, price_fen, weight_g in packs[: 1 if row["licence_key"] == "non_food" else 2]
    ]
