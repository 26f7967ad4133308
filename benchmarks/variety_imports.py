"""How many rows a second a sheet of new goods brings to the shop, from what was compared to what stands.

Invariant: what the sheet brought is taken out again, so that a stand can be measured once more.
"""

import secrets
import time
from datetime import UTC, datetime

from benchmarks import variety_names
from benchmarks.stand import Stand
from catalog import importing, sheets
from catalog.sheets import ImportKind
from config import database

ROWS = 10_000
LEAST_ROWS = 1_000
_GOODS = {
    "category": "新鲜水果",
    "origin": "安徽省宿州市砀山县",
    "supplier": "SUP0001",
    "warehouse": "suzhou",
    "licence_class": "食用农产品",
    "return_class": "鲜活易腐不退",
    "delivery_class": "生鲜速递",
    "label_storage": "0-5℃冷藏",
    "spec": "净重5斤",
    "weight_g": "2900",
    "first_price": "39.9",
    "first_stock": "7",
}
_OUT = """
    CREATE TEMP TABLE brought AS
        SELECT s.id, s.product_id, p.name_key FROM skus s JOIN products p ON p.id = s.product_id
        WHERE starts_with(p.slug, 'sheet-');
    DELETE FROM sku_prices WHERE sku_id IN (SELECT id FROM brought);
    DELETE FROM stock_moves WHERE sku_id IN (SELECT id FROM brought);
    DELETE FROM stock_levels WHERE sku_id IN (SELECT id FROM brought);
    DELETE FROM skus WHERE id IN (SELECT id FROM brought);
    DELETE FROM products WHERE id IN (SELECT product_id FROM brought);
    DELETE FROM product_names WHERE name_key IN (SELECT name_key FROM brought);
    DELETE FROM import_rows;
    DELETE FROM imports;
"""


def rate(place: Stand) -> tuple[float, float]:
    """Return how many new goods one worker brings into the shop in a second, and in a second of processor time."""
    database.configure(place.engines.database_url, pool_size=1)
    number = f"BENCH{secrets.token_hex(6)}"
    try:
        with database.transaction() as session:
            importing.begin(session, number=number, given=_given(number), supplier=None, by="bench", now=_now())
        importing.work(number=number, now=_now())
        with database.transaction() as session:
            importing.confirm(session, number=number, supplier=None)
        begun, used = time.perf_counter(), time.process_time() + place.cpu()
        importing.work(number=number, now=_now())
        return ROWS / (time.perf_counter() - begun), ROWS / (time.process_time() + place.cpu() - used)
    finally:
        database.engine().dispose()
        with place.connect() as connection:
            # The ledger of stock refuses to be shortened.
            connection.execute("SET session_replication_role = replica")
            connection.execute(_OUT)
            connection.execute("VACUUM ANALYZE")


def _now() -> datetime:
    return datetime.now(UTC)


def _given(number: str) -> importing.Given:
    """Return a sheet of as many goods, each with a name of its own."""
    rows = [
        sheets.Row(line, _GOODS | {"slug": f"sheet-{line}", "sku": f"SHEET-{line}", "name": _name(line)})
        for line in range(2, ROWS + 2)
    ]
    return importing.Given(ImportKind.PRODUCTS, number, rows)


def _name(line: int) -> str:
    return f"{variety_names.of('砀山酥梨', line)}{line}号"
