"""What stands on the shelf: prices for a checkout, the list and the page of a product, and the verbs that change them.

Invariant: list, page and checkout read a price from the same row, `skus.price_fen`; each change of a price adds one
row to its history; a product off sale is on no list and has no page.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy.orm import Session

from catalog import (
    absences,
    errors,
    finding,
    halls,
    identifiers,
    liquor,
    market_prices,
    offering,
    pricing,
    shelf,
    stock,
)
from catalog.cache import COUNTS_TTL_SECONDS, LANDING_TTL_SECONDS, Cache
from catalog.narrowing import Narrowing
from catalog.pricing import PricedLine
from config import database
from config.database import Question

# One array a line, not sixteen columns: psycopg picks a loader for each column of each answer.
_PRICE = f"""
SELECT json_build_array(
    s.number, p.slug, p.name, s.spec, s.price_fen, w.quantity, h.key,
    p.is_on_sale AND s.is_on_sale, p.is_display_only,
    greatest(coalesce(l.on_hand - l.reserved, 0), 0), s.weight_g, p.return_class, p.delivery_class,
    '/plates/' || p.plate || '.svg', p.licence_class = 'alcohol',
    CASE WHEN p.is_on_sale THEN 'pack' ELSE p.off_sale_for END)
FROM {stock.LINES} AS w (number, quantity, line)
JOIN skus s ON s.number = w.number
JOIN products p ON p.id = s.product_id
JOIN warehouses h ON h.id = p.warehouse_id
LEFT JOIN stock_levels l ON l.sku_id = s.id
ORDER BY w.line
"""

_REPRICE = """
WITH changed AS (
    UPDATE skus SET price_fen = %(price_fen)s, price_version = price_version + 1
    WHERE number = %(sku)s AND price_fen <> %(price_fen)s
    RETURNING id, price_version, price_fen
), noted AS (
    INSERT INTO sku_prices (sku_id, version, price_fen, effective_at)
    SELECT id, price_version, price_fen, %(now)s FROM changed
)
SELECT EXISTS (SELECT FROM skus WHERE number = %(sku)s), EXISTS (
    SELECT FROM changed JOIN deals d ON d.sku_id = changed.id
    WHERE d.voided_at IS NULL AND d.dealt_at >= %(since)s
)
"""

_STANDING = """
SELECT p.is_on_sale, h.slug FROM products p JOIN halls h ON h.id = p.hall_id WHERE p.slug = %(slug)s
"""

_pages: Cache[bytes] = Cache()
_bodies: Cache[bytes] = Cache()
_counts: Cache[bytes] = Cache(COUNTS_TTL_SECONDS)
_standings: Cache[tuple[bool, str]] = Cache(LANDING_TTL_SECONDS)


def price(session: Session | None, lines: Mapping[str, int]) -> list[PricedLine]:
    """Return what each line (SKU number → quantity) costs now and where it ships from, in the order given.

    Without a session the question is a transaction of its own.

    Raises what `priced` does.
    """
    return priced(lines, price_question(lines).ask(session))


def price_question(lines: Mapping[str, int]) -> Question:
    """Return the question whose answer `priced` reads, about those of the lines that can be there at all."""
    known = {
        number: quantity
        for number, quantity in lines.items()
        if identifiers.is_sku(number) and 1 <= quantity <= stock.MAX_QUANTITY
    }
    return Question(_PRICE, stock.line_params(known))


def priced(lines: Mapping[str, int], answer: Sequence[Sequence[Any]]) -> list[PricedLine]:
    """Return the lines as the answer to `price_question` says.

    Raises `SkuUnknown(skus=[...])` and `QuantityInvalid`; what is off sale or short comes back marked, not refused.
    """
    wrong = [number for number, quantity in lines.items() if not 1 <= quantity <= stock.MAX_QUANTITY]
    if wrong:
        raise errors.QuantityInvalid(skus=wrong)
    found = [PricedLine(*said) for said in answer]
    if len(found) < len(lines):
        raise errors.SkuUnknown(skus=sorted(lines.keys() - {line.sku for line in found}))
    return found


def refuse_unsellable(lines: list[PricedLine]) -> None:
    """Check that every line may be sold at all; whether enough is left is for `refuse_short` to say.

    Raises `NotForSale(lines=[{"sku", "because"}])`, in the words of the first, when any line is display-only, off sale,
    or liquor that we may not sell.
    """
    refused = [
        (line, absences.of_line(line) or "alcohol")
        for line in lines
        if line.is_display_only or not line.is_on_sale or (line.is_for_adults and not liquor.is_licensed())
    ]
    if refused:
        line, because = refused[0]
        lines_of = [{"sku": each.sku, "because": why} for each, why in refused]
        raise errors.NotForSale(f"“{line.title}”{absences.WORDS[because]}。", lines=lines_of)


def refuse_short(lines: Sequence[PricedLine]) -> None:
    """Check at a glance that there is enough of every line: whoever takes the goods may still find some gone by then.

    Raises `OutOfStock(lines=[{"sku", "available"}])`, in the order of the SKUs' numbers.
    """
    short = sorted((line.sku, line.available) for line in lines if line.available < line.quantity)
    if short:
        raise errors.OutOfStock(lines=[{"sku": sku, "available": available} for sku, available in short])


def page(
    *,
    q: str | None = None,
    hall: str | None = None,
    category: str | None = None,
    sort: str | None = None,
    cursor: str | None = None,
    limit: int = 20,
    county: str | None = None,
    certificate: str | None = None,
    price_from: int | None = None,
    price_to: int | None = None,
    month: int | None = None,
) -> bytes:
    """Return one page of the list as JSON bytes, `{"items": [...], "next_cursor"}`, at most half a second old.

    Without `sort` what was searched for comes in the order of its rank, all else in the shelf's order. An unknown hall,
    category, county or certificate gives an empty page. With `q` the answer also says how the words were taken, in
    `search`. Prices are fen, `month` is the one whose goods are in season. Raises `FilterInvalid`, `CursorInvalid`.
    """
    chosen = Narrowing(hall, category, county, certificate, price_from, price_to, month)
    key = (q, chosen, sort, cursor, limit)
    return _pages.get(key, lambda: finding.page(q=q, chosen=_placed(chosen), sort=sort, cursor=cursor, limit=limit))


def counts(*, q: str | None = None, chosen: Narrowing, month: int) -> bytes:
    """Return as JSON bytes how many goods each further choice would leave, at most ten seconds old.

    `month` says what is in season. Raises `FilterInvalid`.
    """
    return _counts.get((q, chosen, month), lambda: finding.counts(q=q, chosen=_placed(chosen), month=month))


def _placed(chosen: Narrowing) -> Narrowing:
    """Say whether the goods of the chosen hall are its own or stand on its shelves."""
    return chosen if chosen.hall is None else replace(chosen, is_shelved=halls.is_shelved(chosen.hall))


def body(slug: str) -> bytes:
    """Return the page of one product as JSON bytes, at most half a second old. Raises `ProductUnknown`."""
    if not identifiers.is_slug(slug):
        raise errors.ProductUnknown
    return _bodies.get(slug, lambda: shelf.body(slug))


def find(slug: str) -> dict[str, Any]:
    """Return the page of one product as a dictionary of its own, the same that `body` says. Raises `ProductUnknown`."""
    found: dict[str, Any] = orjson.loads(body(slug))
    return found


def is_on_sale(slug: str) -> bool:
    """Tell whether a product has a page, as of two seconds ago at most; a scan asks this before it leads there."""
    try:
        return _standing(slug)[0]
    except errors.ProductUnknown:
        return False


def home(slug: str) -> str:
    """Return the slug of the hall that a product belongs to, even while it is off sale. Raises `ProductUnknown`."""
    return _standing(slug)[1]


def _standing(slug: str) -> tuple[bool, str]:
    if not identifiers.is_slug(slug):
        raise errors.ProductUnknown
    return _standings.get(slug, lambda: _read_standing(slug))


def _read_standing(slug: str) -> tuple[bool, str]:
    rows = database.statement(_STANDING, {"slug": slug})
    if not rows:
        raise errors.ProductUnknown
    return rows[0][0], rows[0][1]


def exists(session: Session, *, slug: str) -> bool:
    """Tell whether there is such a product, on sale or not."""
    sql = "SELECT FROM products WHERE slug = %(slug)s"
    return database.driver_connection(session).execute(sql, {"slug": slug}).rowcount > 0


def within(session: Session, *, area: str | None, supplier: str | None) -> list[str]:
    """Return the slugs of the products of a region and of a supplier, None being all; those off sale are among them.

    `area` is the beginning of the region code of a product's origin, `supplier` a supplier's number.
    """
    sql = """
        SELECT p.slug FROM products p JOIN suppliers u ON u.id = p.supplier_id
        WHERE starts_with(p.origin_code, coalesce(%(area)s::text, ''))
          AND (%(supplier)s::text IS NULL OR u.number = %(supplier)s)
    """
    rows = database.driver_connection(session).execute(sql, {"area": area, "supplier": supplier}).fetchall()
    return [row[0] for row in rows]


def names(session: Session, *, slugs: Iterable[str]) -> dict[str, str]:
    """Return what products are called, slug → name in the order of the shelf, on sale or not; not unknown ones."""
    sql = "SELECT slug, name FROM products WHERE slug = ANY(%(slugs)s) ORDER BY position, slug"
    return dict(database.driver_connection(session).execute(sql, {"slugs": list(slugs)}).fetchall())


def of_hall(session: Session, *, hall: str) -> list[str]:
    """Return the slugs of the products of a hall and of the halls under it, on sale or not; none of an unknown one."""
    sql = """
        SELECT p.slug FROM products p WHERE p.hall_id = ANY (ARRAY(
            SELECT b.id FROM halls h JOIN halls b ON b.id = h.id OR b.parent_id = h.id WHERE h.slug = %(hall)s))
    """
    rows = database.driver_connection(session).execute(sql, {"hall": hall}).fetchall()
    return [row[0] for row in rows]


def reprice(session: Session, *, sku: str, price_fen: int, now: datetime) -> None:
    """Set the price of a SKU from now on and note it in the history; the same price again changes nothing.

    A market price that stood beside the old one is gone, and computed anew from what was dealt at.

    Raises `SkuUnknown(skus=[...])`, and `PriceInvalid` unless it lies between 1 and `pricing.MAX_PRICE_FEN`.
    """
    database.require_transaction(session)
    if not 1 <= price_fen <= pricing.MAX_PRICE_FEN:
        raise errors.PriceInvalid
    params = {"sku": sku, "price_fen": price_fen, "now": now, "since": now - market_prices.WINDOW}
    row = database.driver_connection(session).execute(_REPRICE, params).fetchone()
    if row is None or not row[0]:
        raise errors.SkuUnknown(skus=[sku])
    # Whoever imports ten thousand prices asks no second question for goods that nobody bought.
    if row[1]:
        market_prices.compute(session, skus=[sku], now=now)


def delist(session: Session, *, slug: str) -> None:
    """Take a product off sale because whoever sells it wants to. Raises `ProductUnknown`."""
    offering.end(session, slug=slug)


def relist(session: Session, *, slug: str) -> None:
    """Put a product on sale again. Raises what `offering.begin` does."""
    offering.begin(session, slug=slug)
