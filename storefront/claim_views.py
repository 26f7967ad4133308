"""After-sales claims as others read them: the shopper's own, and the queue of the staff.

Invariant: each is read in one statement with its lines and its money; a shopper sees own claims only.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from storefront import errors
from storefront.claim_lifecycle import ClaimState

_VIEW = """
    SELECT c.number, o.number AS "order", c.kind, c.cause, c.note, c.is_sealed, c.state, c.freight_fen, c.answer,
           c.return_address, c.carrier, c.tracking_number, c.decided_by, c.received_by, c.is_restocked,
           c.filed_at, c.due_at, c.escalated_at, c.decided_at, c.sent_at, c.received_at, c.ended_at,
           (SELECT jsonb_agg(jsonb_build_object(
                'line', l.line_no, 'sku', l.sku, 'product', l.product_slug, 'title', l.title, 'spec', l.spec,
                'image', l.image, 'quantity', cl.quantity, 'asked_fen', cl.asked_fen, 'agreed_fen', cl.agreed_fen,
                'ship_from', p.ship_from
            ) ORDER BY l.line_no)
            FROM claim_lines cl JOIN order_lines l ON l.order_id = c.order_id AND l.line_no = cl.line_no
            JOIN consignments p ON p.order_id = c.order_id AND p.consignment_no = l.consignment_no
            WHERE cl.claim_id = c.id) AS lines,
           (SELECT coalesce(jsonb_agg(f.picture ORDER BY f.id), '[]') FROM claim_photos f
            WHERE f.claim_id = c.id) AS photos,
           (SELECT coalesce(sum(r.amount_fen), 0)::bigint FROM order_refunds r
            WHERE r.order_id = c.order_id AND r.refunded_at IS NOT NULL
              AND r.idempotency_key = 'claim:' || c.number || ':' || c.turn) AS refunded_fen,
           EXISTS (SELECT FROM refund_proposals w WHERE w.order_id = c.order_id AND w.state = 'waiting'
              AND w.idempotency_key = 'claim:' || c.number || ':' || c.turn) AS waits_for_second
    FROM claims c JOIN orders o ON o.id = c.order_id
"""
_INSTANTS = ("filed_at", "due_at", "decided_at", "sent_at", "received_at", "ended_at")
_FOR_STAFF_ONLY = ("decided_by", "received_by", "is_restocked", "escalated_at", "waits_for_second")


def of_order(session: Session, *, shopper_id: int, order: str) -> list[dict[str, Any]]:
    """Return the claims for a shopper's own order, newest first. Raises `OrderNotFound`, also for somebody else's."""
    owner = session.scalar(text("SELECT shopper_id FROM orders WHERE number = :order"), {"order": order})
    if owner != shopper_id:
        raise errors.OrderNotFound
    rows = session.execute(text(_VIEW + " WHERE o.number = :order ORDER BY c.id DESC"), {"order": order})
    return [_for_shopper(row) for row in rows.mappings()]


def find(session: Session, *, shopper_id: int, order: str, number: str) -> dict[str, Any]:
    """Return one of a shopper's own claims. Raises `OrderNotFound` and `ClaimNotFound`."""
    for claim in of_order(session, shopper_id=shopper_id, order=order):
        if claim["number"] == number:
            return claim
    raise errors.ClaimNotFound


def staff_find(session: Session, *, number: str) -> dict[str, Any]:
    """Return a claim with everything that staff may see. Raises `ClaimNotFound`."""
    row = session.execute(text(_VIEW + " WHERE c.number = :number"), {"number": number}).mappings().first()
    if row is None:
        raise errors.ClaimNotFound
    return _for_staff(row)


def queue(
    session: Session,
    *,
    states: Collection[ClaimState],
    products: Collection[str] | None = None,
    order: str | None = None,
    offset: int = 0,
    limit: int = 20,
) -> list[dict[str, Any]]:
    """Return claims in these states, what is due first before what is due later or never.

    With `products` (slugs) only those for one of them, with `order` only that order's.
    """
    rows = session.execute(
        text(
            _VIEW
            + """
            WHERE c.state = ANY(:states) AND (cast(:order AS varchar) IS NULL OR o.number = :order)
              AND (cast(:products AS varchar[]) IS NULL OR EXISTS (
                  SELECT FROM claim_lines cl JOIN order_lines l ON l.order_id = c.order_id AND l.line_no = cl.line_no
                  WHERE cl.claim_id = c.id AND l.product_slug = ANY(:products)))
            ORDER BY c.due_at NULLS LAST, c.id DESC OFFSET :offset LIMIT :limit
            """
        ),
        {
            "states": [state.value for state in states],
            "products": None if products is None else list(products),
            "order": order,
            "offset": offset,
            "limit": limit,
        },
    )
    return [_for_staff(row) for row in rows.mappings()]


def _for_shopper(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {name: value for name, value in _for_staff(row).items() if name not in {*_FOR_STAFF_ONLY, "is_overdue"}}


def _for_staff(row: Mapping[Any, Any]) -> dict[str, Any]:
    view = {name: value for name, value in row.items() if name != "escalated_at"}
    view |= {name: _instant(row[name]) for name in _INSTANTS}
    view["amount_fen"] = sum(line["agreed_fen"] for line in row["lines"]) + row["freight_fen"]
    view["is_overdue"] = row["escalated_at"] is not None
    return view


def _instant(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
