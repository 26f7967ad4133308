"""Seeding: everything once, nothing false, and never over what staff did."""

from datetime import UTC, datetime

from catalog import (
    accreditation_models,
    categories,
    hall_models,
    models,
    plates,
    products,
    regions,
    seeding,
    stock,
    target_models,
)
from config import database
from tests.catalog.test_stock import books_balance, level

NOW = datetime(2026, 11, 21, tzinfo=UTC)
OURS = {models.__name__, accreditation_models.__name__, hall_models.__name__, target_models.__name__}
TABLES = [mapper.local_table.name for mapper in database.Base.registry.mappers if mapper.class_.__module__ in OURS]


def contents() -> dict[str, list[tuple[object, ...]]]:
    return {table: database.statement(f"SELECT t::text FROM {table} t ORDER BY 1") for table in TABLES}


def seed() -> list[tuple[str, int, int]]:
    steps: list[tuple[str, int, int]] = []
    seeding.seed(lambda what, done, total: steps.append((what, done, total)))
    return steps


def test_everything_is_there(seeded: None) -> None:
    counts = {table: len(rows) for table, rows in contents().items()}
    assert counts == {
        "regions": 121,
        "halls": 120,
        "hall_shelves": 0,
        "hall_shelf_items": 0,
        "targets": 14,
        "suppliers": 1,
        "warehouses": 16,
        "freight_zones": 34,
        "freight_rates": 80,
        "products": 110,
        "product_names": 110,
        "skus": 209,
        "sku_prices": 209,
        "certificates": 0,
        "stock_levels": 209,
        "reservations": 0,
        "stock_moves": 209,
        "townships": 1522,
        "accreditation_terms": 8,
        "accreditation_batches": 0,
        "accreditations": 0,
        "accreditation_steps": 0,
        "accreditation_evidence": 0,
        "accreditation_objections": 0,
        "accreditation_inspections": 0,
    }
    assert books_balance()


def test_progress_ends_at_the_whole(db: None) -> None:
    steps = seed()
    assert steps[-1] == ("products", 110, 110)
    assert all(done <= total for _, done, total in steps)


def test_seeding_twice_changes_nothing(seeded: None) -> None:
    before = contents()
    seed()
    assert contents() == before


def test_seeding_leaves_what_staff_changed(seeded: None) -> None:
    with database.transaction() as session:
        products.reprice(session, sku="AH001A", price_fen=1234, now=NOW)
        products.delist(session, slug="luanguapian")
        stock.hold(session, reference="O1", lines={"AH001A": 150}, now=NOW)
        stock.commit(session, reference="O1")
    database.statement("UPDATE products SET name = '改过的名字' WHERE slug = 'anch' OR slug = 'ancha'")
    database.statement("UPDATE halls SET story = '县里写的话' WHERE slug = 'dangshan-xian'")
    before = contents()
    seed()
    assert contents() == before
    assert level("AH001A") == (50, 0)


def test_nothing_false_is_seeded(seeded: None) -> None:
    assert database.statement("SELECT count(*) FROM products WHERE NOT is_illustrative") == [(0,)]
    assert database.statement("SELECT count(*) FROM warehouses WHERE NOT is_illustrative") == [(0,)]
    assert database.statement("SELECT count(*) FROM suppliers WHERE NOT is_illustrative") == [(0,)]
    for word in ("地理标志", "认定", "PGI", "国家地理", "有机", "疗效", "保健", "治"):
        texts = "SELECT slug FROM products WHERE strpos(description || label::text, %s) > 0"
        assert database.statement(texts, (word,)) == []


def test_every_product_has_its_shelf_its_plate_and_its_origin(seeded: None) -> None:
    rows = database.statement("SELECT DISTINCT category, plate FROM products")
    assert {category for category, _ in rows} == set(categories.NAMES)
    assert {plate for _, plate in rows} <= set(plates.names())
    for code, full_name in database.statement("SELECT code, full_name FROM regions WHERE level = 'county'"):
        assert "".join(regions.path(code)) == full_name


def test_regions_agree_with_the_address_book(seeded: None) -> None:
    for code, name, parent in database.statement("SELECT code, name, parent_code FROM regions"):
        division = regions.find(code)
        assert (division.code, division.name, division.parent_code) == (code, name, parent)
