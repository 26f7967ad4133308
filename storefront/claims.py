"""After-sales claims: filed by the shopper, decided by staff, goods sent back and received, money asked for.

Invariant: a claim moves by `claim_steps` only, and what follows is published in the same transaction. `claimable` says
what can be claimed for, `claim_money` asks for money. Goods return to the shelf once, when they came back.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from catalog import stock
from config import database, logs
from storefront import (
    aftersales,
    checkout,
    claim_lifecycle,
    claim_money,
    claim_photos,
    claim_steps,
    claimable,
    errors,
    events,
    orders,
    proposals,
    tokens,
)
from storefront.claim_lifecycle import Cause, ClaimKind, ClaimState
from storefront.claim_models import Claim, ClaimLine
from storefront.order_lifecycle import CLAIMABLE

# Claims whose money has not been asked for: their pieces come before those of the next claim.
_UNPAID = claim_lifecycle.OPEN - {ClaimState.REFUNDING}


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
    photos: Sequence[str] = (),
    key: str,
    now: datetime,
) -> tuple[str, bool]:
    """File a claim for `lines` (line number → pieces) and publish `claim.filed`; returns its number, and if it is new.

    Raises `OrderNotFound`, `OrderNotPaid`, `LinesInvalid`, `QuantityClaimed`, what `return_rules` object to,
    `IdempotencyMismatch`, and what `claim_photos.show` does.
    """
    orders.find(session, shopper_id=shopper_id, number=order)
    held = orders.lock(session, order)
    body = {"kind": kind, "lines": sorted(lines.items()), "cause": cause, "note": note, "sealed": is_sealed}
    fingerprint = checkout.fingerprint_of(body | ({"photos": list(photos)} if photos else {}))
    earlier = session.scalar(select(Claim).where(Claim.order_id == held.id, Claim.idempotency_key == key))
    if earlier is not None:
        if bytes(earlier.fingerprint) != fingerprint:
            raise errors.IdempotencyMismatch
        return earlier.number, False
    if held.state not in CLAIMABLE:
        raise errors.OrderNotPaid(state=held.state.value)
    left = aftersales.standing(session, held.id)
    pending = claimable.count(session, held.id, _UNPAID)
    claimable.require_pieces(session, held.id, lines, left, pending)
    claimable.require_allowed(session, order, kind=kind, cause=cause, lines=lines, is_sealed=is_sealed, now=now)
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
        freight_fen=claimable.freight_due(session, held.id, cause, lines, left, pending),
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
    claim_photos.show(session, claim, photos, now=now)
    claim_steps.publish(session, events.CLAIM_FILED, claim, order)
    return claim.number, True


def withdraw(session: Session, *, shopper_id: int, number: str, now: datetime) -> None:
    """End a shopper's own claim before goods or money moved, and publish `claim.ended`; again, it does nothing.

    Raises `ClaimNotFound` and `ClaimMoved`.
    """
    claim, order = claim_steps.lock(session, number, shopper_id=shopper_id)
    if claim.state is ClaimState.WITHDRAWN:
        return
    if claim.received_at is not None:
        raise errors.ClaimMoved(state=claim.state.value)
    claim_steps.move(session, claim, ClaimState.WITHDRAWN, now)
    claim_steps.publish(session, events.CLAIM_ENDED, claim, order.number)


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
    claim, order = claim_steps.lock(session, number)
    claim_steps.require(claim, ClaimState.FILED)
    claim_money.agree(session, claim, lines, freight_fen)
    claim.decided_by, claim.decided_at, claim.answer = by, now, answer
    waits = claim.kind is ClaimKind.RETURN and claim.received_at is None
    if waits and not return_address:
        raise errors.AddressMissing
    claim.return_address = return_address or claim.return_address
    claim_steps.publish(session, events.CLAIM_APPROVED, claim, order.number)
    if waits:
        claim_steps.move(session, claim, ClaimState.APPROVED, now)
        return None
    return claim_money.pay(session, claim, order.number, now)


def refuse(session: Session, *, number: str, by: str, answer: str, now: datetime) -> None:
    """Refuse a claim with a reason for the shopper, before or after the goods came; publish `claim.refused`.

    Raises `ClaimNotFound` and `ClaimMoved`.
    """
    claim, order = claim_steps.lock(session, number)
    claim.decided_by, claim.decided_at, claim.answer = by, now, answer
    claim_steps.move(session, claim, ClaimState.REFUSED, now)
    claim_steps.publish(session, events.CLAIM_REFUSED, claim, order.number)


def send_back(
    session: Session, *, shopper_id: int, number: str, carrier: str, tracking_number: str, now: datetime
) -> None:
    """Note that the shopper sent the goods, and publish `claim.goods_sent`. Again, it corrects what was entered.

    Raises `ClaimNotFound` and `ClaimMoved`.
    """
    claim, order = claim_steps.lock(session, number, shopper_id=shopper_id)
    claim.carrier, claim.tracking_number = carrier, tracking_number
    if claim.state is ClaimState.SENT_BACK:
        return
    claim_steps.move(session, claim, ClaimState.SENT_BACK, now)
    claim.sent_at = now
    claim_steps.publish(session, events.CLAIM_GOODS_SENT, claim, order.number)


def take_back(session: Session, *, number: str, by: str, is_restocked: bool, now: datetime) -> proposals.Asked:
    """Note that the goods came back, return them to the shelf if they can be sold, and ask for the money.

    Publishes `claim.goods_received`. Raises `ClaimNotFound`, `ClaimMoved`, and what `proposals.ask` does.
    """
    claim, order = claim_steps.lock(session, number)
    claim_steps.require(claim, ClaimState.SENT_BACK)
    claim.received_at, claim.received_by, claim.is_restocked = now, by, is_restocked
    claim_steps.publish(session, events.CLAIM_GOODS_RECEIVED, claim, order.number)
    asked = claim_money.pay(session, claim, order.number, now)
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
            claim, order = claim_steps.lock(session, number)
            if claim.due_at is None or claim.due_at > now or claim.escalated_at is not None:
                continue
            if claim.state is ClaimState.APPROVED:
                claim_steps.move(session, claim, ClaimState.LAPSED, now)
                claim_steps.publish(session, events.CLAIM_ENDED, claim, order.number)
            else:
                claim.escalated_at = now
                logs.alarm("aftersales.overdue", claim=number, order=order.number, state=claim.state)
    return len(due)
