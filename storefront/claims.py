"""After-sales claims: filed by the shopper, decided by staff, goods sent back and received, money asked for.

Invariant: a claim moves under its order's row lock, along `claim_lifecycle` only, and what follows is published in the
same transaction; open and refunded claims never hold more pieces of a line than were bought. Goods return to the shelf
once, when they came back; money is the business of `proposals` and `aftersales`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, text, update
from sqlalchemy.orm import Session

from catalog import stock
from config import database, facts, logs
from config.facts import Fact
from storefront import (
    aftersales,
    checkout,
    claim_lifecycle,
    declarations,
    errors,
    events,
    orders,
    portions,
    proposals,
    return_rules,
    tokens,
)
from storefront.claim_lifecycle import HOLDS_PIECES, Cause, ClaimKind, ClaimState
from storefront.claim_models import Claim, ClaimLine
from storefront.order_lifecycle import OrderState

log = logs.get(__name__)

# Claims whose money has not been asked for: their pieces come before those of the next claim.
_UNPAID = claim_lifecycle.OPEN - {ClaimState.REFUNDING}
_CLAIMABLE = {OrderState.PAID, OrderState.SHIPPED, OrderState.RECEIVED}


def file(
    session: Session,
    *,
    shopper_id: int,
    order: str,
    kind: ClaimKind,
    lines: Mapping[int, int],
    cause: Cause,
    note: str,
    is_sealed: bool,
    key: str,
    now: datetime,
) -> tuple[str, bool]:
    """File a claim for `lines` (line number → pieces) and publish `claim.filed`; returns its number, and if it is new.

    Raises `OrderNotFound`, `OrderNotPaid`, `LinesInvalid`, `QuantityClaimed`, what `return_rules` object to, and
    `IdempotencyMismatch`.
    """
    orders.find(session, shopper_id=shopper_id, number=order)
    held = orders.lock(session, order)
    body = {"kind": kind, "lines": sorted(lines.items()), "cause": cause, "note": note, "sealed": is_sealed}
    fingerprint = checkout.fingerprint_of(body)
    earlier = session.scalar(select(Claim).where(Claim.order_id == held.id, Claim.idempotency_key == key))
    if earlier is not None:
        if bytes(earlier.fingerprint) != fingerprint:
            raise errors.IdempotencyMismatch
        return earlier.number, False
    if held.state not in _CLAIMABLE:
        raise errors.OrderNotPaid(state=held.state.value)
    left = aftersales.standing(session, held.id)
    pending = _claimed(session, held.id, _UNPAID)
    _require_pieces(session, held.id, lines, left, pending)
    _require_allowed(session, order, kind=kind, cause=cause, lines=lines, is_sealed=is_sealed, now=now)
    claim = Claim(
        number=tokens.number("A"),
        order_id=held.id,
        kind=kind,
        cause=cause,
        note=note,
        is_sealed=is_sealed,
        state=ClaimState.FILED,
        turn=0,
        idempotency_key=key,
        fingerprint=fingerprint,
        freight_fen=_freight_due(session, held.id, cause, lines, left, pending),
        filed_at=now,
        due_at=claim_lifecycle.due_at(ClaimState.FILED, now=now),
    )
    session.add(claim)
    session.flush()
    worth = {line: left[line].worth(count, pending=pending.get(line, 0)) for line, count in lines.items()}
    session.execute(
        insert(ClaimLine),
        [
            {
                "claim_id": claim.id,
                "line_no": line,
                "quantity": count,
                "asked_fen": worth[line],
                "agreed_fen": worth[line],
            }
            for line, count in lines.items()
        ],
    )
    _publish(session, events.CLAIM_FILED, claim, order)
    return claim.number, True


def withdraw(session: Session, *, shopper_id: int, number: str, now: datetime) -> None:
    """End a shopper's own claim before goods or money moved, and publish `claim.ended`; again, it does nothing.

    Raises `ClaimNotFound` and `ClaimMoved`.
    """
    claim, order = lock(session, number, shopper_id=shopper_id)
    if claim.state is ClaimState.WITHDRAWN:
        return
    if claim.received_at is not None:
        raise errors.ClaimMoved(state=claim.state.value)
    _move(session, claim, ClaimState.WITHDRAWN, now)
    _publish(session, events.CLAIM_ENDED, claim, order.number)


def approve(
    session: Session,
    *,
    number: str,
    by: str,
    answer: str = "",
    lines: Mapping[int, int] | None = None,
    freight_fen: int | None = None,
    return_address: str = "",
    now: datetime,
) -> proposals.Asked | None:
    """Agree to a claim, in part when `lines` (line number → fen) or `freight_fen` say less; publish `claim.approved`.

    The money is asked for at once, unless goods have to come back first. Returns what came of asking. Raises
    `ClaimNotFound`, `ClaimMoved`, `LinesInvalid` for sums that are none or above what was asked, `AddressMissing` for a
    return without one, and what `proposals.ask` does.
    """
    claim, order = lock(session, number)
    _require(claim, ClaimState.FILED)
    _agree(session, claim, lines, freight_fen)
    claim.decided_by, claim.decided_at, claim.answer = by, now, answer
    waits = claim.kind is ClaimKind.RETURN and claim.received_at is None
    if waits and not return_address:
        raise errors.AddressMissing
    claim.return_address = return_address or claim.return_address
    _publish(session, events.CLAIM_APPROVED, claim, order.number)
    if waits:
        _move(session, claim, ClaimState.APPROVED, now)
        return None
    return _pay(session, claim, order.number, now)


def refuse(session: Session, *, number: str, by: str, answer: str, now: datetime) -> None:
    """Refuse a claim with a reason for the shopper, before or after the goods came; publish `claim.refused`.

    Raises `ClaimNotFound` and `ClaimMoved`.
    """
    claim, order = lock(session, number)
    claim.decided_by, claim.decided_at, claim.answer = by, now, answer
    _move(session, claim, ClaimState.REFUSED, now)
    _publish(session, events.CLAIM_REFUSED, claim, order.number)


def send_back(
    session: Session, *, shopper_id: int, number: str, carrier: str, tracking_number: str, now: datetime
) -> None:
    """Note that the shopper sent the goods, and publish `claim.goods_sent`. Again, it corrects what was entered.

    Raises `ClaimNotFound` and `ClaimMoved`.
    """
    claim, order = lock(session, number, shopper_id=shopper_id)
    claim.carrier, claim.tracking_number = carrier, tracking_number
    if claim.state is ClaimState.SENT_BACK:
        return
    _move(session, claim, ClaimState.SENT_BACK, now)
    claim.sent_at = now
    _publish(session, events.CLAIM_GOODS_SENT, claim, order.number)


def take_back(session: Session, *, number: str, by: str, is_restocked: bool, now: datetime) -> proposals.Asked:
    """Note that the goods came back, return them to the shelf if they can be sold, and ask for the money.

    Publishes `claim.goods_received`. Raises `ClaimNotFound`, `ClaimMoved`, and what `proposals.ask` does.
    """
    claim, order = lock(session, number)
    _require(claim, ClaimState.SENT_BACK)
    claim.received_at, claim.received_by, claim.is_restocked = now, by, is_restocked
    _publish(session, events.CLAIM_GOODS_RECEIVED, claim, order.number)
    asked = _pay(session, claim, order.number, now)
    if is_restocked:
        back = session.execute(
            text("""
                SELECT l.sku, sum(c.quantity)::int AS quantity FROM claim_lines c
                JOIN order_lines l ON l.order_id = :order AND l.line_no = c.line_no
                WHERE c.claim_id = :claim GROUP BY l.sku
            """),
            {"order": order.id, "claim": claim.id},
        )
        # The claim's number names the return: however often this comes, the shelf gets it once.
        stock.restore(
            session, reference=order.stock_reference, lines={row.sku: row.quantity for row in back}, key=claim.number
        )
    return asked


def settle(session: Session, *, order: str, refund: str, now: datetime) -> None:
    """End the claim whose money went back, if the refund was for one."""
    claim = _of_refund(session, order, refund)
    if claim is not None and claim.state is ClaimState.REFUNDING:
        _move(session, claim, ClaimState.REFUNDED, now)


def reopen(session: Session, *, order: str, key: str, now: datetime) -> None:
    """Let staff decide anew on the claim whose refund under `key` came to nothing; publish `claim.filed`."""
    orders.lock(session, order)
    claim = session.scalar(select(Claim).where(Claim.number == _claim_of(key)).with_for_update())
    if claim is None or claim.state is not ClaimState.REFUNDING or key != _key(claim):
        return
    _move(session, claim, ClaimState.FILED, now)
    claim.turn += 1
    _publish(session, events.CLAIM_FILED, claim, order)


def reopen_failed(session: Session, *, order: str, refund: str, now: datetime) -> None:
    """Let staff decide anew on the claim whose refund WeChat closed, if it was for one."""
    key = _key_of_refund(session, refund)
    if key is not None:
        reopen(session, order=order, key=key, now=now)


def expire_due(*, now: datetime) -> int:
    """Act on the claims whose deadline passed: without the goods one lapses, for staff an alarm goes out, once.

    Returns how many.
    """
    with database.transaction() as session:
        due = session.scalars(
            text("SELECT number FROM claims WHERE due_at <= :now AND escalated_at IS NULL ORDER BY due_at LIMIT 500"),
            {"now": now},
        ).all()
    for number in due:
        with database.transaction() as session:
            claim, order = lock(session, number)
            if claim.due_at is None or claim.due_at > now or claim.escalated_at is not None:
                continue
            if claim.state is ClaimState.APPROVED:
                _move(session, claim, ClaimState.LAPSED, now)
                _publish(session, events.CLAIM_ENDED, claim, order.number)
            else:
                claim.escalated_at = now
                logs.alarm("aftersales.overdue", claim=number, order=order.number, state=claim.state)
    return len(due)


def lock(session: Session, number: str, *, shopper_id: int | None = None) -> tuple[Claim, orders.Standing]:
    """Lock a claim's order and the claim; with `shopper_id` only that shopper's own. Raises `ClaimNotFound`."""
    order = session.scalar(
        text("SELECT o.number FROM claims c JOIN orders o ON o.id = c.order_id WHERE c.number = :number"),
        {"number": number},
    )
    if order is None:
        raise errors.ClaimNotFound
    held = orders.lock(session, order)
    if shopper_id is not None and held.shopper_id != shopper_id:
        raise errors.ClaimNotFound
    return session.scalars(select(Claim).where(Claim.number == number).with_for_update()).one(), held


def _require(claim: Claim, *states: ClaimState) -> None:
    if claim.state not in states:
        raise errors.ClaimMoved(state=claim.state.value)


def _move(session: Session, claim: Claim, after: ClaimState, now: datetime) -> None:
    if not claim_lifecycle.may_follow(claim.state, after):
        raise errors.ClaimMoved(state=claim.state.value)
    claim.state, claim.due_at, claim.escalated_at = after, claim_lifecycle.due_at(after, now=now), None
    claim.ended_at = None if after in claim_lifecycle.OPEN else now
    session.flush()
    log.info("claim.moved", claim=claim.number, state=after)


def _publish(session: Session, fact: Fact, claim: Claim, order: str) -> None:
    # A claim that is decided anew tells its story again, under the number of its turn.
    facts.publish(
        session,
        fact,
        key=f"{claim.number}/{claim.turn}",
        values={"claim": claim.number, "order": order, "kind": claim.kind, "cause": claim.cause},
    )


def _agree(session: Session, claim: Claim, lines: Mapping[int, int] | None, freight_fen: int | None) -> None:
    """Write what staff agree to: never more than was asked."""
    if freight_fen is not None:
        if not 0 <= freight_fen <= claim.freight_fen:
            raise errors.LinesInvalid(freight_fen=claim.freight_fen)
        claim.freight_fen = freight_fen
    asked = {
        row.line_no: row.asked_fen
        for row in session.execute(select(ClaimLine).where(ClaimLine.claim_id == claim.id)).scalars()
    }
    agreed = asked if lines is None else {line: lines.get(line, 0) for line in asked}
    is_more = any(not 0 <= fen <= asked[line] for line, fen in agreed.items())
    if (
        (lines is not None and not lines.keys() <= asked.keys())
        or is_more
        or not sum(agreed.values()) + claim.freight_fen
    ):
        raise errors.LinesInvalid(lines=[{"line": line, "asked_fen": fen} for line, fen in sorted(asked.items())])
    for line, fen in agreed.items():
        session.execute(
            update(ClaimLine)
            .where(ClaimLine.claim_id == claim.id, ClaimLine.line_no == line)
            .values(agreed_fen=fen)
            .execution_options(synchronize_session=False)
        )


def _pay(session: Session, claim: Claim, order: str, now: datetime) -> proposals.Asked:
    """Ask for the agreed money of a claim."""
    rows = session.execute(
        text("SELECT line_no, quantity, agreed_fen FROM claim_lines WHERE claim_id = :id AND agreed_fen > 0"),
        {"id": claim.id},
    ).all()
    _move(session, claim, ClaimState.REFUNDING, now)
    return proposals.ask(
        session,
        number=order,
        lines={row.line_no: row.agreed_fen for row in rows},
        pieces={row.line_no: row.quantity for row in rows},
        freight_fen=claim.freight_fen,
        reason="售后退款",
        key=_key(claim),
        asked_by=claim.decided_by or "",
        now=now,
    )


def _key(claim: Claim) -> str:
    # No key of a client's holds a colon, so it can never be one of these.
    return f"claim:{claim.number}:{claim.turn}"


def _claim_of(key: str) -> str:
    parts = key.split(":")
    return parts[1] if len(parts) == 3 and parts[0] == "claim" else ""


def _key_of_refund(session: Session, refund: str) -> str | None:
    row = session.execute(
        text("SELECT idempotency_key FROM order_refunds WHERE refund_number = :refund"), {"refund": refund}
    ).first()
    return None if row is None else str(row.idempotency_key)


def _of_refund(session: Session, order: str, refund: str) -> Claim | None:
    orders.lock(session, order)
    key = _key_of_refund(session, refund) or ""
    return session.scalar(select(Claim).where(Claim.number == _claim_of(key)).with_for_update())


def _require_pieces(
    session: Session,
    order_id: int,
    lines: Mapping[int, int],
    left: Mapping[int, aftersales.Left],
    pending: Mapping[int, int],
) -> None:
    """Raise unless so many pieces of each line are neither claimed for nor given back."""
    if not lines or not lines.keys() <= left.keys() or min(lines.values()) < 1:
        raise errors.LinesInvalid(lines=sorted(left))
    claimed = _claimed(session, order_id, HOLDS_PIECES)
    free = {
        line: each.quantity - max(claimed.get(line, 0), each.gone + pending.get(line, 0)) if each.fen else 0
        for line, each in left.items()
    }
    if any(count > free[line] for line, count in lines.items()):
        raise errors.QuantityClaimed(lines=[{"line": line, "left": max(0, free[line])} for line in sorted(lines)])


def _claimed(session: Session, order_id: int, states: Iterable[ClaimState]) -> dict[int, int]:
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


def _require_allowed(
    session: Session,
    order: str,
    *,
    kind: ClaimKind,
    cause: Cause,
    lines: Mapping[int, int],
    is_sealed: bool,
    now: datetime,
) -> None:
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


def _freight_due(
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
