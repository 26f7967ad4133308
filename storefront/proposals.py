"""Refunds that one person may not grant alone: asked for by one account, approved by another.

Invariant: of an order, no more than the limit (`REFUND_SECOND_PERSON_FEN`) goes back on the word of single persons,
however it is parted; nobody approves what they asked for (a CHECK holds it too), and neither of the two chooses another
account for it; what waits keeps its money promised.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, text, update
from sqlalchemy.orm import Session

from config import facts, settings
from storefront import aftersales, errors, events, orders, tokens
from storefront.claim_models import ProposalState, RefundProposal


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking: a refund, or a proposal that waits for a second person; `is_new` is False for a replay."""

    amount_fen: int
    is_new: bool
    refund: str | None = None
    proposal: str | None = None


def ask(
    session: Session,
    *,
    number: str,
    lines: Mapping[int, int],
    pieces: Mapping[int, int] | None = None,
    freight_fen: int = 0,
    reason: str,
    key: str,
    asked_by: str,
    now: datetime,
) -> Asked:
    """Ask for money of an order to go back, once per `key`; above the limit it waits for a second person.

    Raises what `aftersales.request` does.
    """
    order = orders.lock(session, number)
    earlier = session.scalar(
        select(RefundProposal).where(RefundProposal.order_id == order.id, RefundProposal.idempotency_key == key)
    )
    fingerprint = aftersales.fingerprint_of(lines, freight_fen, reason)
    if earlier is not None:
        if bytes(earlier.fingerprint) != fingerprint:
            raise errors.IdempotencyMismatch
        return Asked(earlier.amount_fen, is_new=False, refund=earlier.refund_number, proposal=earlier.number)
    amount_fen = sum(lines.values()) + freight_fen
    known = session.scalar(
        text("SELECT true FROM order_refunds WHERE order_id = :id AND idempotency_key = :key"),
        {"id": order.id, "key": key},
    )
    if known or _alone_fen(session, order.id) + amount_fen <= settings.current().refund_second_person_fen:
        made = aftersales.request(
            session,
            number=number,
            lines=lines,
            pieces=pieces,
            freight_fen=freight_fen,
            reason=reason,
            key=key,
            asked_by=asked_by,
            now=now,
        )
        return Asked(made.amount_fen, is_new=made.is_new, refund=made.number)
    aftersales.check(session, order, lines, freight_fen)
    proposal = tokens.number("B")
    session.execute(
        insert(RefundProposal).values(
            number=proposal,
            order_id=order.id,
            amount_fen=amount_fen,
            freight_fen=freight_fen,
            fens={str(line): fen for line, fen in lines.items()},
            pieces={str(line): count for line, count in (pieces or {}).items()},
            reason=reason,
            idempotency_key=key,
            fingerprint=fingerprint,
            asked_by=asked_by,
            asked_at=now,
            state=ProposalState.WAITING,
        )
    )
    return Asked(amount_fen, is_new=True, proposal=proposal)


def approve(session: Session, *, number: str, by: str, now: datetime) -> str:
    """Let a waiting refund go to WeChat, by another account than the one that asked; returns the refund's number.

    Raises `ProposalNotFound`, `SecondPersonRequired`, `ProposalDecided`, and what `aftersales.request` does.
    """
    proposal, order = _lock(session, number, by)
    # From here on the money is no longer promised to the proposal, but to the refund that it becomes.
    session.execute(
        update(RefundProposal)
        .where(RefundProposal.id == proposal.id)
        .values(state=ProposalState.APPROVED, decided_by=by, decided_at=now)
    )
    made = aftersales.request(
        session,
        number=order,
        lines={int(line): fen for line, fen in proposal.fens.items()},
        pieces={int(line): count for line, count in proposal.pieces.items()},
        freight_fen=proposal.freight_fen,
        reason=proposal.reason,
        key=proposal.idempotency_key,
        asked_by=proposal.asked_by,
        now=now,
    )
    session.execute(update(RefundProposal).where(RefundProposal.id == proposal.id).values(refund_number=made.number))
    return made.number


def reject(session: Session, *, number: str, by: str, now: datetime) -> None:
    """Say no to a waiting refund, and publish `order.refund_rejected`: its money may be asked for again.

    Raises `ProposalNotFound`, `SecondPersonRequired` and `ProposalDecided`.
    """
    proposal, order = _lock(session, number, by)
    session.execute(
        update(RefundProposal)
        .where(RefundProposal.id == proposal.id)
        .values(state=ProposalState.REJECTED, decided_by=by, decided_at=now)
    )
    facts.publish(session, events.REFUND_REJECTED, key=number, values={"order": order, "key": proposal.idempotency_key})


def require_other(session: Session, *, refund: str, by: str) -> None:
    """Raise `SecondPersonRequired` if `by` asked for or approved this refund and it took two persons, or would now.

    Who said how much goes back does not also say to which account, when WeChat could not pay it out: the two who
    granted it could each lead it to an account of their own.
    """
    granted = session.execute(_GRANTED, {"refund": refund}).first()
    if granted is None or by not in (granted.asked_by, granted.decided_by):
        return
    if granted.decided_by is not None or granted.amount_fen > settings.current().refund_second_person_fen:
        raise errors.SecondPersonRequired


_GRANTED = text("""
    SELECT r.amount_fen, r.asked_by, p.decided_by FROM order_refunds r
    LEFT JOIN refund_proposals p ON p.refund_number = r.refund_number WHERE r.refund_number = :refund
""")
_LISTING = text("""
    SELECT p.number, o.number AS "order", p.amount_fen, p.freight_fen, p.reason, p.asked_by, p.asked_at, p.fens,
           (SELECT jsonb_agg(jsonb_build_object('line', l.line_no, 'title', l.title, 'product', l.product_slug))
            FROM order_lines l WHERE l.order_id = o.id AND (p.fens ? l.line_no::text OR p.freight_fen > 0)) AS lines
    FROM refund_proposals p JOIN orders o ON o.id = p.order_id
    WHERE p.state = 'waiting' AND (cast(:number AS varchar) IS NULL OR p.number = :number)
    ORDER BY p.asked_at, p.id LIMIT 200
""")


def listing(session: Session, *, number: str | None = None) -> list[dict[str, Any]]:
    """Return the refunds that wait for a second person, oldest first, or only the one under `number`."""
    return [dict(row) for row in session.execute(_LISTING, {"number": number}).mappings()]


def _alone_fen(session: Session, order_id: int) -> int:
    """Return how much of an order goes or went back on the word of single persons."""
    alone = session.execute(
        text("""
            SELECT coalesce(sum(r.amount_fen), 0) FROM order_refunds r
            WHERE r.order_id = :id AND r.failed_at IS NULL
              AND NOT EXISTS (SELECT FROM refund_proposals p WHERE p.refund_number = r.refund_number)
        """),
        {"id": order_id},
    ).scalar_one()
    return int(alone)


def _lock(session: Session, number: str, by: str) -> tuple[Row[Any], str]:
    """Lock the order of a proposal, and return what was proposed, and the order's number."""
    order = session.scalar(
        text("SELECT o.number FROM refund_proposals p JOIN orders o ON o.id = p.order_id WHERE p.number = :number"),
        {"number": number},
    )
    if order is None:
        raise errors.ProposalNotFound
    orders.lock(session, order)
    proposal = session.execute(text("SELECT * FROM refund_proposals WHERE number = :number"), {"number": number}).one()
    if proposal.asked_by == by:
        raise errors.SecondPersonRequired
    if proposal.state != ProposalState.WAITING:
        raise errors.ProposalDecided(state=proposal.state)
    return proposal, order
