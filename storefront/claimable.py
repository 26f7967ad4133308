"""What of an order can be claimed for: pieces, the rules of returning them, and the freight that goes with them.

Invariant: open and refunded claims never hold more pieces of a line than were bought; asked under the order's row lock.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from storefront import aftersales, declarations, errors, portions, return_rules
from storefront.claim_lifecycle import HOLDS_PIECES, Cause, ClaimKind, ClaimState


def require_pieces(
    session: Session,
    order_id: int,
    lines: Mapping[int, int],
    left: Mapping[int, aftersales.Left],
    pending: Mapping[int, int],
) -> None:
    """Raise unless so many pieces of each line are neither claimed for nor given back."""
    if not lines or not lines.keys() <= left.keys() or min(lines.values()) < 1:
        raise errors.LinesInvalid(lines=sorted(left))
    claimed = count(session, order_id, HOLDS_PIECES)
    free = {
        line: each.quantity - max(claimed.get(line, 0), each.gone + pending.get(line, 0)) if each.fen else 0
        for line, each in left.items()
    }
    if any(count > free[line] for line, count in lines.items()):
        raise errors.QuantityClaimed(lines=[{"line": line, "left": max(0, free[line])} for line in sorted(lines)])


def require_allowed(
    session: Session,
    order: str,
    *,
    kind: ClaimKind,
    cause: Cause,
    lines: Mapping[int, int],
    is_sealed: bool,
    now: datetime,
) -> None:
    """Raise what `return_rules` object to in any of these lines."""
    declared = declarations.listing(session, order=order)
    rows = session.execute(
        text("""
            SELECT l.line_no, l.return_class, c.shipped_at IS NOT NULL AS is_shipped, o.received_at
            FROM orders o JOIN order_lines l ON l.order_id = o.id
            JOIN consignments c ON c.order_id = o.id AND c.consignment_no = l.consignment_no
            WHERE o.number = :order AND l.line_no = ANY(:lines) ORDER BY l.line_no
        """),
        {"order": order, "lines": list(lines)},
    )
    for row in rows:
        piece = return_rules.Piece(*row)
        found = return_rules.objection(piece, kind=kind, cause=cause, is_sealed=is_sealed, declared=declared, now=now)
        if found is not None:
            raise found


def freight_due(
    session: Session,
    order_id: int,
    cause: Cause,
    lines: Mapping[int, int],
    left: Mapping[int, aftersales.Left],
    pending: Mapping[int, int],
) -> int:
    """Return the freight that goes back with these pieces: of what never left, or of what the shop answers for."""
    freight = _pairs(
        session.execute(
            text("SELECT consignment_no, freight_fen FROM consignments WHERE order_id = :id"), {"id": order_id}
        ).all()
    )
    total = 0
    for consignment, freight_fen in freight.items():
        inside = [line for line, each in left.items() if each.consignment == consignment]
        shares = portions.of_freight(freight_fen, [left[line].amount_fen for line in inside])
        for line, share in zip(inside, shares, strict=True):
            each = left[line]
            if line in lines and (cause.is_fault or not each.is_shipped):
                gone = each.gone + pending.get(line, 0)
                total += portions.of_pieces(share, quantity=each.quantity, gone=gone, wanted=lines[line])
    _, freight_left = aftersales.remaining(session, order_id)
    return min(total, freight_left)


def count(session: Session, order_id: int, states: Iterable[ClaimState]) -> dict[int, int]:
    """Return how many pieces of each line are claimed for in these states."""
    rows = session.execute(
        text("""
            SELECT l.line_no, sum(l.quantity)::int FROM claim_lines l JOIN claims c ON c.id = l.claim_id
            WHERE c.order_id = :id AND c.state = ANY(:states) GROUP BY l.line_no
        """),
        {"id": order_id, "states": [state.value for state in states]},
    )
    return _pairs(rows)


def _pairs(rows: Iterable[Any]) -> dict[int, int]:
    return {int(row[0]): int(row[1]) for row in rows}
