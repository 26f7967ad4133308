"""Prices as a sheet: what its rows would change, the change itself, and the sheet that says what stands.

Invariant: a price changes through `products.reprice` alone; a row that was exported before somebody else changed the
price is refused, and one that says what it said when it was exported changes nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import products
from catalog.sheets import Change, Fault, Meant, Verdict, yuan
from config import database

_STANDING = """
    SELECT s.number, s.price_fen FROM skus s
    JOIN products p ON p.id = s.product_id JOIN suppliers u ON u.id = p.supplier_id
    WHERE s.number = ANY(%(skus)s::text[]) AND (%(supplier)s::text IS NULL OR u.number = %(supplier)s)
    ORDER BY s.id FOR NO KEY UPDATE OF s
"""
_LISTING = text("""
    SELECT s.number AS sku, p.name AS product, s.spec, s.price_fen AS seen, s.price_fen AS price FROM skus s
    JOIN products p ON p.id = s.product_id JOIN suppliers u ON u.id = p.supplier_id
    WHERE s.number > :after AND (cast(:supplier AS text) IS NULL OR u.number = :supplier)
    ORDER BY s.number LIMIT :limit
""")


def compare(session: Session, rows: Sequence[Meant], *, supplier: str | None) -> list[Verdict]:
    """Return what each row would change, of the goods of `supplier` only (None: everybody's); they stay locked."""
    skus = [row.values["sku"] for row in rows if row.values["sku"]]
    params = {"skus": database.dump_array(skus), "supplier": supplier}
    standing: dict[str, int] = dict(database.driver_connection(session).execute(_STANDING, params).fetchall())
    return [_verdict(row.values, standing.get(row.values["sku"])) for row in rows]


def _verdict(values: Mapping[str, Any], standing: int | None) -> Verdict:
    if standing is None:
        return Verdict(faults=(Fault("SKU编号", "没有这个规格，或者不是您的商品"),))
    seen, wanted = values["seen"], values["price"]
    if wanted in (standing, seen):
        return Verdict()
    if seen not in (None, standing):
        return Verdict(faults=(Fault("导出时价格（元）", f"导出之后价格已改为 {yuan(standing)}，请重新导出再改"),))
    return Verdict(changes=(Change("价格（元）", yuan(standing), yuan(wanted)),))


def apply(session: Session, rows: Sequence[Meant], *, key: str, now: datetime) -> None:
    """Change the prices of rows that `compare` called changed; their history says when, and needs no `key`."""
    for row in rows:
        products.reprice(session, sku=row.values["sku"], price_fen=row.values["price"], now=now)


def listing(session: Session, *, supplier: str | None, after: str, limit: int) -> list[dict[str, Any]]:
    """Return the rows of the sheet as it stands, by SKU beyond `after`; amounts are fen."""
    found = session.execute(_LISTING, {"supplier": supplier, "after": after, "limit": limit})
    return [row._asdict() for row in found]
