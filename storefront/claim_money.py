"""The money of after-sales claims: agreed on, asked for, arrived, or decided anew because it did not.

Invariant: never more is agreed on than was asked, and a refund is known to be a claim's by its key alone. The money
itself is the business of `proposals` and `aftersales`.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from storefront import claim_steps, errors, events, orders, proposals
from storefront.claim_lifecycle import ClaimState
from storefront.claim_models import Claim, ClaimLine


def agree(session: Session, claim: Claim, lines: Mapping[int, int] | None, freight_fen: int | None) -> None:
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


def pay(session: Session, claim: Claim, order: str, now: datetime) -> proposals.Asked:
    """Ask for the agreed money of a claim."""
    rows = session.execute(
        text("SELECT line_no, quantity, agreed_fen FROM claim_lines WHERE claim_id = :id AND agreed_fen > 0"),
        {"id": claim.id},
    ).all()
    claim_steps.move(session, claim, ClaimState.REFUNDING, now)
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


def settle(session: Session, *, order: str, refund: str, now: datetime) -> None:
    """End the claim whose money went back, if the refund was for one."""
    claim = _of_refund(session, order, refund)
    if claim is not None and claim.state is ClaimState.REFUNDING:
        claim_steps.move(session, claim, ClaimState.REFUNDED, now)


def reopen(session: Session, *, order: str, key: str, now: datetime) -> None:
    """Let staff decide anew on the claim whose refund under `key` came to nothing; publish `claim.filed`."""
    orders.lock(session, order)
    claim = session.scalar(select(Claim).where(Claim.number == _claim_of(key)).with_for_update())
    if claim is None or claim.state is not ClaimState.REFUNDING or key != _key(claim):
        return
    claim_steps.move(session, claim, ClaimState.FILED, now)
    claim.turn += 1
    claim_steps.publish(session, events.CLAIM_FILED, claim, order)


def reopen_failed(session: Session, *, order: str, refund: str, now: datetime) -> None:
    """Let staff decide anew on the claim whose refund WeChat closed, if it was for one."""
    key = _key_of_refund(session, refund)
    if key is not None:
        reopen(session, order=order, key=key, now=now)


def _of_refund(session: Session, order: str, refund: str) -> Claim | None:
    orders.lock(session, order)
    key = _key_of_refund(session, refund) or ""
    return session.scalar(select(Claim).where(Claim.number == _claim_of(key)).with_for_update())


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
