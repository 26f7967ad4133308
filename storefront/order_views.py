"""Orders as others read them: the shopper's view, the staff's view, and lists of both.

Invariant: every figure is read in one statement with its order, so a view never mixes two moments; a shopper's view
holds that shopper's own orders only.
"""

import base64
import binascii
from collections.abc import Collection
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row
from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database
from payments import collect, refunds
from payments.lifecycle import REFUND_ARRIVED, REFUND_HOLDS_MONEY, PaymentState
from storefront import errors
from storefront.order_lifecycle import OrderState

_VIEW = """
    SELECT o.id, o.number, o.state, o.cancelled_by, o.goods_fen, o.freight_fen, o.payable_fen, o.address, o.remark,
           o.placed_at, o.pay_until, o.paid_at, o.shipped_at, o.received_at, o.cancelled_at, o.shopper_id,
           o.payment_number,
           (SELECT json_agg(json_build_object(
                'line', l.line_no, 'sku', l.sku, 'product', l.product_slug, 'title', l.title, 'spec', l.spec,
                'image', l.image, 'price_fen', l.price_fen, 'quantity', l.quantity, 'amount_fen', l.amount_fen,
                'consignment', l.consignment_no,
                'batch', (SELECT b.batch FROM order_line_batches b WHERE b.order_id = o.id AND b.line_no = l.line_no),
                'refunded_fen', (SELECT coalesce(sum(rl.amount_fen), 0) FROM order_refund_lines rl
                                 JOIN order_refunds r ON r.id = rl.refund_id
                                 WHERE r.order_id = o.id AND rl.line_no = l.line_no AND r.refunded_at IS NOT NULL)
            ) ORDER BY l.line_no) FROM order_lines l WHERE l.order_id = o.id) AS lines,
           (SELECT json_agg(json_build_object(
                'consignment', c.consignment_no, 'ship_from', c.ship_from, 'freight_fen', c.freight_fen,
                'carrier', c.carrier, 'tracking_number', c.tracking_number, 'shipped_at', c.shipped_at
            ) ORDER BY c.consignment_no) FROM consignments c WHERE c.order_id = o.id) AS consignments,
           (SELECT coalesce(json_agg(json_build_object(
                'refund', r.refund_number, 'amount_fen', r.amount_fen, 'freight_fen', r.freight_fen,
                'reason', r.reason, 'asked_by', r.asked_by, 'asked_at', r.asked_at, 'refunded_at', r.refunded_at,
                'failed_at', r.failed_at
            ) ORDER BY r.id), '[]') FROM order_refunds r WHERE r.order_id = o.id) AS refunds
    FROM orders o
"""


# In the order in which they are shown; what is stored has lost it.
_DESTINATION = ("name", "phone", "region_code", "region", "detail")
_SOLD = (
    *("line", "sku", "product", "title", "spec", "image"),
    *("price_fen", "quantity", "amount_fen", "consignment"),
)
_YET_TO_COME = dict.fromkeys(("cancelled_by", "paid_at", "shipped_at", "received_at", "cancelled_at"))
_NOT_SENT = dict.fromkeys(("carrier", "tracking_number", "shipped_at"))


def find(session: Session, *, shopper_id: int, number: str) -> dict[str, Any]:
    """Return a shopper's own order as the API shows it. Raises `OrderNotFound`, also for somebody else's."""
    row = _read(session, number)
    if row is None or row["shopper_id"] != shopper_id:
        raise errors.OrderNotFound
    return _for_shopper(row, collect.current(session, reference=number), _way_back(session, row))


def of_new(*, lines: list[dict[str, Any]], consignments: list[dict[str, Any]], **columns: Any) -> dict[str, Any]:
    """Return an order that has just been placed as `find` will, from the values that were written and without asking.

    `columns` are those of the order's row, `lines` and `consignments` rows with the names under which they are shown.
    """
    row = {
        **columns,
        **_YET_TO_COME,
        "state": OrderState.PENDING,
        "lines": [{**{name: line[name] for name in _SOLD}, "batch": None, "refunded_fen": 0} for line in lines],
        "consignments": [consignment | _NOT_SENT for consignment in consignments],
    }
    return _for_shopper(row, None, (0, 0))


def listing(
    session: Session, *, shopper_id: int, state: OrderState | None = None, cursor: str | None = None, limit: int = 20
) -> dict[str, Any]:
    """Return a page of a shopper's orders, newest first: `{"items": [...], "next_cursor": str | None}`."""
    rows = _page(session, "o.shopper_id = :shopper_id", {"shopper_id": shopper_id}, state, cursor, limit)
    views = collect.currents(session, references=[row["number"] for row in rows])
    items = [_for_shopper(row, views.get(row["number"]), _way_back(session, row)) for row in rows[:limit]]
    return {"items": items, "next_cursor": _next(rows, limit)}


def staff_find(session: Session, *, number: str) -> dict[str, Any]:
    """Return an order with everything that staff may see: address, refunds, payment. Raises `OrderNotFound`."""
    row = _read(session, number)
    if row is None:
        raise errors.OrderNotFound
    return _for_staff(row, collect.current(session, reference=number), _way_back(session, row))


def staff_listing(
    session: Session,
    *,
    state: OrderState | None = None,
    q: str | None = None,
    cursor: str | None = None,
    limit: int = 20,
    products: Collection[str] | None = None,
) -> dict[str, Any]:
    """Return a page of all orders, newest first; `q` is the beginning of an order's number.

    With `products` only orders in which one of them (by slug) was bought.
    """
    digits = "".join(character for character in q or "" if character.isdigit())
    owned = "o.number LIKE :prefix"
    params: dict[str, Any] = {"prefix": f"{digits}%"}
    if products is not None:
        owned += " AND EXISTS (SELECT FROM order_lines l WHERE l.order_id = o.id AND l.product_slug = ANY(:products))"
        params["products"] = list(products)
    rows = _page(session, owned, params, state, cursor, limit)
    views = collect.currents(session, references=[row["number"] for row in rows])
    items = [_for_staff(row, views.get(row["number"]), _way_back(session, row)) for row in rows[:limit]]
    return {"items": items, "next_cursor": _next(rows, limit)}


def count(session: Session, *, state: OrderState, products: Collection[str] | None = None) -> int:
    """Return how many orders are in `state`; with `products` those in which one of them (by slug) was bought."""
    found = session.execute(
        text("""
            SELECT count(*) FROM orders o
            WHERE o.state = :state AND (cast(:products AS text[]) IS NULL OR EXISTS (
                SELECT FROM order_lines l WHERE l.order_id = o.id AND l.product_slug = ANY(:products)))
        """),
        {"state": state.value, "products": None if products is None else list(products)},
    )
    return int(found.scalar_one())


def _read(session: Session, number: str) -> dict[str, Any] | None:
    session.flush()
    with database.driver_connection(session).cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_VIEW + " WHERE o.number = %(number)s", {"number": number}, prepare=True).fetchone()


def _page(
    session: Session, owned: str, params: dict[str, Any], state: OrderState | None, cursor: str | None, limit: int
) -> list[Any]:
    where = [owned, "(cast(:state AS text) IS NULL OR o.state = :state)", "o.id < :below"]
    query = _VIEW + f" WHERE {' AND '.join(where)} ORDER BY o.id DESC LIMIT :limit"
    below = 2**63 - 1 if cursor is None else _decoded(cursor)
    bound = {**params, "state": state.value if state else None, "below": below, "limit": limit + 1}
    return list(session.execute(text(query), bound).mappings())


def _decoded(cursor: str) -> int:
    try:
        return int.from_bytes(base64.b32decode(cursor.upper() + "=" * (-len(cursor) % 8)))
    except (binascii.Error, ValueError):
        raise errors.CursorInvalid from None


def _next(rows: list[Any], limit: int) -> str | None:
    if len(rows) <= limit:
        return None
    # Eight bytes, base 32: opaque, and it says nothing that the reader could not count.
    return base64.b32encode(rows[limit - 1]["id"].to_bytes(8)).decode().rstrip("=").lower()


def _payment_state(view: collect.PaymentView | None, state: OrderState) -> str:
    """Return open, confirming, succeeded or closed: what a page may say about the money."""
    if view is None:
        return "closed" if state is OrderState.CANCELLED else "open"
    if view.state is PaymentState.OPEN and view.is_confirming:
        return "confirming"
    return view.state.value


def _way_back(session: Session, row: Any) -> tuple[int, int]:
    """Return how many fen are on their way back, and how many have arrived.

    A cancelled order has no lines to refund: what came for it all the same goes back as it came.
    """
    if row["state"] == OrderState.CANCELLED:
        found = refunds.listing(session, reference=row["number"])
        back = sum(each.amount_fen for each in found if each.state in REFUND_ARRIVED)
        return sum(each.amount_fen for each in found if each.state in REFUND_HOLDS_MONEY) - back, back
    asked = row["refunds"]
    going = sum(each["amount_fen"] for each in asked if not each["refunded_at"] and not each["failed_at"])
    return going, sum(each["amount_fen"] for each in asked if each["refunded_at"])


def _common(row: Any, way_back: tuple[int, int]) -> dict[str, Any]:
    refunding_fen, refunded_fen = way_back
    return {
        "number": row["number"],
        "state": row["state"],
        "cancelled_by": row["cancelled_by"],
        "goods_fen": row["goods_fen"],
        "freight_fen": row["freight_fen"],
        "payable_fen": row["payable_fen"],
        "refunding_fen": refunding_fen,
        "refunded_fen": refunded_fen,
        "placed_at": _instant(row["placed_at"]),
        "pay_until": _instant(row["pay_until"]),
        "paid_at": _instant(row["paid_at"]),
        "shipped_at": _instant(row["shipped_at"]),
        "received_at": _instant(row["received_at"]),
        "cancelled_at": _instant(row["cancelled_at"]),
        "address": {field: row["address"][field] for field in _DESTINATION if field in row["address"]},
        "remark": row["remark"],
        "lines": row["lines"],
        "consignments": row["consignments"],
    }


def _for_shopper(row: Any, view: collect.PaymentView | None, way_back: tuple[int, int]) -> dict[str, Any]:
    return {**_common(row, way_back), "payment": {"state": _payment_state(view, OrderState(row["state"]))}}


def _for_staff(row: Any, view: collect.PaymentView | None, way_back: tuple[int, int]) -> dict[str, Any]:
    payment = {
        "number": view.number if view else None,
        "state": _payment_state(view, OrderState(row["state"])),
        "channel": view.channel.value if view else None,
        "transaction_id": view.transaction_id if view else None,
        "succeeded_at": _instant(view.succeeded_at) if view else None,
    }
    return {**_common(row, way_back), "refunds": row["refunds"], "payment": payment}


def _instant(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
