"""What the stand is filled with: SKUs, scans, shoppers with sessions, sales, and the same for the reference.

Invariant: everything is made up from counters, so that two runs load the same rows; the rows of the product pass its
own constraints. Filling a stand again does nothing.
"""

import base64
import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from benchmarks.stand import Stand
from config import database
from subway_campaign import partitions

DAYS = 30
STOCK = 1_000_000
# Each may change things 120 times a minute: enough of them for the fastest checkout.
SHOPPERS = 20_000
# Numbers far above what the identity column gives, so that both can go on.
FIRST_SHOPPER = 10**9
# The SKUs that one round sells to everybody, and that runs out; random orders leave both alone.
HOT_SKU, SCARCE_SKU = "BENCH00001A", "BENCH00002A"
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Size:
    """How much to load."""

    skus: int
    touches: int


FULL = Size(skus=10_000, touches=1_000_000)
QUICK = Size(skus=1_000, touches=50_000)


def token(shopper: int) -> str:
    """Return the session token of a shopper of the bench."""
    return base64.urlsafe_b64encode(hashlib.sha256(f"session {shopper}".encode()).digest()).decode().rstrip("=")


def visitor(number: int) -> uuid.UUID:
    """Return the cookie of a visitor of the bench."""
    return uuid.UUID(int=(number << 80) | (0x4 << 76) | (0b10 << 62) | number)


# PostgreSQL reads a table that it was told is empty from end to end, in every plan made until it has looked once more:
# thousands of orders, at each foreign key of the next. Nobody tells it so in a new shop.
_FILLED = """
    SELECT string_agg(cast(cast(oid AS regclass) AS text), ', ') FROM pg_class
    WHERE relnamespace IN (cast('public' AS regnamespace), cast('reference' AS regnamespace)) AND NOT relispartition
      AND (relkind = 'p' OR relkind = 'r' AND pg_relation_size(oid) > 0)
"""


def fill(stand: Stand, size: Size) -> None:
    """Load `size`, unless the stand is loaded already."""
    with stand.connect() as connection:
        if connection.execute("SELECT to_regclass('reference.skus')").fetchone() != (None,):
            return
        _goods(connection, size)
        _shoppers(connection)
        database.configure(stand.engines.database_url, pool_size=1)
        partitions.ensure(now=datetime.now(UTC) - timedelta(days=DAYS + 1))
        database.engine().dispose()
        _touches(connection, size)
        connection.execute((_HERE / "sales.sql").read_text())
        connection.execute((_HERE / "reference.sql").read_text())
        [(filled,)] = connection.execute(_FILLED).fetchall()
        connection.execute(f"VACUUM ANALYZE {filled}")
        connection.execute("CHECKPOINT")


def _goods(connection: psycopg.Connection, size: Size) -> None:
    """Copy the seeded goods that may be sold under new names until there are `size.skus` SKUs of two packs each."""
    connection.execute(
        """
        CREATE TEMP TABLE models AS
            SELECT row_number() OVER (ORDER BY p.id) - 1 AS place, count(*) OVER () AS places, p.*
            FROM products p WHERE NOT p.is_display_only
              AND (SELECT count(*) FROM skus s WHERE s.product_id = p.id) = 2
        """
    )
    products = (size.skus - connection.execute("SELECT count(*) FROM skus").fetchone()[0]) // 2
    columns = """category, hall_id, origin_code, supplier_id, warehouse_id, description, label, licence_class,
                 return_class, delivery_class, plate, is_on_sale, is_display_only, is_illustrative, name_key, pinyin,
                 initials, search_text, search_vector"""
    connection.execute(
        f"""
        INSERT INTO products (slug, name, position, {columns})
        SELECT 'bench-' || g, name || g, 10000 + 10 * g, {columns}
        FROM generate_series(1, {products}) g JOIN models ON place = g % places
        """
    )
    connection.execute(
        """
        WITH packed AS (
            INSERT INTO skus (number, product_id, position, spec, price_fen, price_version, weight_g)
            SELECT 'BENCH' || lpad(substr(p.slug, 7), 5, '0') || (ARRAY['A', 'B'])[s.position], p.id,
                   s.position, s.spec, s.price_fen, 1, s.weight_g
            FROM products p JOIN models ON place = substr(p.slug, 7)::int % places
            JOIN skus s ON s.product_id = models.id WHERE p.slug LIKE 'bench-%'
            RETURNING id, price_fen
        )
        INSERT INTO sku_prices (sku_id, version, price_fen, effective_at) SELECT id, 1, price_fen, now() FROM packed
        """
    )
    connection.execute(
        f"""
        WITH noted AS (
            INSERT INTO stock_moves (sku_id, kind, on_hand_delta, reserved_delta, key)
            SELECT id, 'received', {STOCK}, 0, 'bench' FROM skus RETURNING sku_id, on_hand_delta
        )
        INSERT INTO stock_levels AS l (sku_id, on_hand) SELECT sku_id, on_hand_delta FROM noted
        ON CONFLICT (sku_id) DO UPDATE SET on_hand = l.on_hand + excluded.on_hand
        """
    )


def _shoppers(connection: psycopg.Connection) -> None:
    now = datetime.now(UTC)
    with connection.cursor().copy("COPY shoppers (id, number, person, created_at, logged_in_at) FROM STDIN") as copy:
        for at in range(SHOPPERS):
            copy.write_row((FIRST_SHOPPER + at, f"BENCH{at}", visitor(FIRST_SHOPPER + at), now, now))
    sql = "COPY sessions (token_digest, kind, shopper_id, created_at, expires_at) FROM STDIN"
    with connection.cursor().copy(sql) as copy:
        for at in range(SHOPPERS):
            digest = hashlib.sha256(token(at).encode()).digest()
            copy.write_row((digest, "guest", FIRST_SHOPPER + at, now, now + timedelta(days=90)))


def _touches(connection: psycopg.Connection, size: Size) -> None:
    """Spread scans of all codes evenly over the last 30 days; three of four visitors come once, most are confirmed."""
    hung = connection.execute("SELECT code_id, id, placement_id FROM code_bindings ORDER BY id").fetchall()
    until = datetime.now(UTC)
    step = timedelta(days=DAYS) / size.touches
    sql = """COPY touches (id, occurred_at, received_at, kind, surface, clock, visitor_id, code_id, binding_id,
                           placement_id, network) FROM STDIN"""
    with connection.cursor().copy(sql) as copy:
        for number in range(size.touches):
            at = (until - (size.touches - number) * step).isoformat()
            code, binding, placement = hung[number * 7919 % len(hung)]
            seen = visitor(number * 3 // 4)
            copy.write(
                f"{_touch_id(number)}\t{at}\t{at}\tscan\th5\tserver\t{seen}\t{code}\t{binding}\t{placement}\t10.0.0.0/24\n"
            )
    connection.execute(
        """
        INSERT INTO touch_confirmations (touch_id, confirmed_at)
        SELECT id, occurred_at + interval '2 s' FROM touches WHERE get_byte(uuid_send(id), 15) % 10 < 7
        """
    )


def _touch_id(number: int) -> uuid.UUID:
    return uuid.UUID(int=(0x19A << 116) | (number << 80) | (0x7 << 76) | (0b10 << 62) | number)
