"""Stock as a sheet: counts and deliveries, what they would change, the change itself, and the sheet of what stands.

Invariant: stock changes through `stock.count` and `stock.receive` alone. A count that does not say what was exported,
or was exported before an order took goods, is refused; a delivery is taken in once for each SKU, however often its
number comes.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import stock
from catalog.sheets import Change, Fault, Meant, Verdict
from config import database

_STANDING = """
    SELECT s.number, coalesce(l.on_hand, 0), coalesce(l.reserved, 0) FROM skus s
    JOIN products p ON p.id = s.product_id JOIN suppliers u ON u.id = p.supplier_id
    LEFT JOIN stock_levels l ON l.sku_id = s.id
    WHERE s.number = ANY(%(skus)s::text[]) AND (%(supplier)s::text IS NULL OR u.number = %(supplier)s)
"""
# In the order in which orders take them; whoever buys meanwhile waits for one chunk of rows.
_LOCK = """
    SELECT FROM stock_levels l WHERE l.sku_id = ANY (ARRAY(
        SELECT s.id FROM skus s JOIN products p ON p.id = s.product_id JOIN suppliers u ON u.id = p.supplier_id
        WHERE s.number = ANY(%(skus)s::text[]) AND (%(supplier)s::text IS NULL OR u.number = %(supplier)s)))
    ORDER BY l.sku_id FOR UPDATE OF l
"""
_TAKEN_IN = """
    SELECT s.number, m.key FROM stock_moves m JOIN skus s ON s.id = m.sku_id
    WHERE m.key = ANY(%(keys)s::text[]) AND s.number = ANY(%(skus)s::text[])
"""
_LISTING = text("""
    SELECT s.number AS sku, p.name AS product, s.spec, coalesce(l.on_hand, 0) AS seen, coalesce(l.on_hand, 0) AS counted
    FROM skus s JOIN products p ON p.id = s.product_id JOIN suppliers u ON u.id = p.supplier_id
    LEFT JOIN stock_levels l ON l.sku_id = s.id
    WHERE s.number > :after AND (cast(:supplier AS text) IS NULL OR u.number = :supplier)
    ORDER BY s.number LIMIT :limit
""")


@dataclass(frozen=True)
class _Level:
    on_hand: int
    reserved: int


def compare(session: Session, rows: Sequence[Meant], *, supplier: str | None) -> list[Verdict]:
    """Return what each row would change, of the goods of `supplier` only (None: everybody's); they stay locked."""
    connection = database.driver_connection(session)
    skus = database.dump_array(row.values["sku"] for row in rows if row.values["sku"])
    keys = database.dump_array(_key(row.values["delivery"]) for row in rows if row.values["delivery"])
    connection.execute(_LOCK, {"skus": skus, "supplier": supplier})
    found = connection.execute(_STANDING, {"skus": skus, "supplier": supplier}).fetchall()
    levels = {number: _Level(on_hand, reserved) for number, on_hand, reserved in found}
    taken_in = set(connection.execute(_TAKEN_IN, {"skus": skus, "keys": keys}).fetchall())
    return [_verdict(row, levels.get(row.values["sku"]), taken_in) for row in rows]


def _verdict(row: Meant, level: _Level | None, taken_in: set[tuple[str, str]]) -> Verdict:
    values = row.values
    if level is None:
        return Verdict(faults=(Fault("SKU编号", "没有这个规格，或者不是您的商品"),))
    seen, counted, received, delivery = (values[name] for name in ("seen", "counted", "received", "delivery"))
    is_counted = counted is not None and counted not in (seen, level.on_hand)
    if received is None:
        return _counted(level, seen, counted) if is_counted else Verdict()
    if is_counted:
        return Verdict(faults=(Fault("本次入库", "盘点和入库请分两次填：这一行两样都改了"),))
    if delivery is None:
        return Verdict(faults=(Fault("入库单号", "有本次入库时必填，同一单号只入一次"),))
    if (values["sku"], _key(delivery)) in taken_in:
        return Verdict()
    return Verdict(changes=(Change("在库", str(level.on_hand), str(level.on_hand + received)),))


def _counted(level: _Level, seen: int | None, counted: int) -> Verdict:
    if seen is None:
        return Verdict(faults=(Fault("导出时在库", "盘点时必填：没有它就不知道期间有没有卖出，请用导出的表"),))
    if seen != level.on_hand:
        message = f"导出之后在库已变为 {level.on_hand}（期间有订单或入库），请重新导出再盘"
        return Verdict(faults=(Fault("导出时在库", message),))
    if counted < level.reserved:
        return Verdict(faults=(Fault("盘点后在库", f"已有 {level.reserved} 件被订单占用，不能少于它"),))
    return Verdict(changes=(Change("在库", str(level.on_hand), str(counted)),))


def apply(session: Session, rows: Sequence[Meant], *, key: str, now: datetime) -> None:
    """Write the counts and deliveries of rows that `compare` called changed; `key` names the import in the ledger."""
    counted = [row.values for row in rows if row.values["received"] is None]
    if counted:
        seen = {values["sku"]: values["seen"] for values in counted}
        stock.count(session, lines={values["sku"]: values["counted"] for values in counted}, seen=seen, key=key)
    deliveries: dict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        if row.values["received"] is not None:
            deliveries[row.values["delivery"]][row.values["sku"]] = row.values["received"]
    for delivery, lines in deliveries.items():
        stock.receive(session, lines=lines, key=_key(delivery))


def listing(session: Session, *, supplier: str | None, after: str, limit: int) -> list[dict[str, Any]]:
    """Return the rows of the sheet as it stands, by SKU beyond `after`."""
    found = session.execute(_LISTING, {"supplier": supplier, "after": after, "limit": limit})
    return [row._asdict() for row in found]


def _key(delivery: str) -> str:
    return f"delivery:{delivery}"
