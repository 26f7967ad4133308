"""One step of an after-sales claim: its rows locked, its state moved, and what happened told.

Invariant: a claim moves under its order's row lock, along `claim_lifecycle` only.
"""

from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from config import facts, logs
from config.facts import Fact
from storefront import claim_lifecycle, errors, orders
from storefront.claim_lifecycle import ClaimState
from storefront.claim_models import Claim

log = logs.get(__name__)


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


def require(claim: Claim, *states: ClaimState) -> None:
    """Raise `ClaimMoved` unless a claim is in one of these states."""
    if claim.state not in states:
        raise errors.ClaimMoved(state=claim.state.value)


def move(session: Session, claim: Claim, after: ClaimState, now: datetime) -> None:
    """Let a claim enter `after`, with the deadline of that state. Raises `ClaimMoved` where no way leads."""
    if not claim_lifecycle.may_follow(claim.state, after):
        raise errors.ClaimMoved(state=claim.state.value)
    claim.state, claim.due_at, claim.escalated_at = after, claim_lifecycle.due_at(after, now=now), None
    claim.ended_at = None if after in claim_lifecycle.OPEN else now
    session.flush()
    log.info("claim.moved", claim=claim.number, state=after)


def publish(session: Session, fact: Fact, claim: Claim, order: str) -> None:
    """Publish what happened to a claim, under the number of its turn."""
    # A claim that is decided anew tells its story again, under the number of its turn.
    facts.publish(
        session,
        fact,
        key=f"{claim.number}/{claim.turn}",
        values={"claim": claim.number, "order": order, "kind": claim.kind, "cause": claim.cause},
    )
