"""Money that leaves our bank account for whom we owe it: asked for, released by another person, marked as sent.

Invariant: one thing (`reference`) is paid out once, with exactly the sum that was asked for; the ledger moves when the
bank did. The bank is told by a person with the list of transfers: nothing here can move money.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from config import database, logs
from payments import books, ledger, numbers
from payments.errors import (
    BankReferenceTaken,
    PayoutAmountDiffers,
    PayoutMoved,
    PayoutNeedsAnother,
    PayoutNotFound,
    PayoutStands,
)
from payments.lifecycle import PAYOUT_MOVES, PAYOUT_STANDS, PayoutState
from payments.payout_models import Payout

log = logs.get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutView:
    """A payout as others see it; `ended_by` and `reason` say who called it back or that it bounced, and why."""

    number: str
    payee: str
    reference: str
    amount_fen: int
    state: PayoutState
    requested_by: str
    requested_at: datetime
    released_by: str | None
    released_at: datetime | None
    sent_by: str | None
    sent_at: datetime | None
    bank_reference: str | None
    ended_by: str | None
    bounced_at: datetime | None
    reason: str | None


def request(
    session: Session, *, payee: str, amount_fen: int, reference: str, account: str, by: str, now: datetime
) -> str:
    """Ask that `amount_fen` be paid to a payee, out of what the ledger's `account` owes; returns the payout's number.

    The same again returns the one that stands. Raises `PayoutStands` when that one is another.
    """
    database.require_transaction(session)
    if amount_fen < 1:
        raise ValueError("the amount must be positive")
    made: str | None = session.scalar(
        insert(Payout)
        .values(
            number=numbers.payout(),
            payee=payee,
            account=account,
            reference=reference,
            amount_fen=amount_fen,
            state=PayoutState.REQUESTED,
            requested_by=by,
            requested_at=now,
        )
        .on_conflict_do_nothing()
        .returning(Payout.number)
    )
    if made is not None:
        log.info("payout.requested", payout=made)
        return made
    there = _standing(session, reference)
    if there is None or (there.payee, there.amount_fen, there.account) != (payee, amount_fen, account):
        raise PayoutStands
    return there.number


def release(session: Session, *, number: str, by: str, now: datetime) -> PayoutView:
    """Let a payout go to the bank, by another person than the one who asked for it.

    Raises `PayoutNotFound`, `PayoutMoved`, `PayoutNeedsAnother`.
    """
    payout = _lock(session, number, PayoutState.RELEASED)
    if payout.requested_by == by:
        raise PayoutNeedsAnother
    payout.state, payout.released_by, payout.released_at = PayoutState.RELEASED, by, now
    return _view(payout)


def withdraw(session: Session, *, number: str, by: str, reason: str, now: datetime) -> PayoutView:
    """Call back what the bank has not moved yet. Raises `PayoutNotFound`, `PayoutMoved`."""
    payout = _lock(session, number, PayoutState.WITHDRAWN)
    payout.state, payout.ended_by, payout.reason = PayoutState.WITHDRAWN, by, reason
    log.info("payout.withdrawn", payout=number, at=now.isoformat())
    return _view(payout)


def mark_sent(
    session: Session, *, number: str, amount_fen: int, bank_reference: str, by: str, now: datetime
) -> PayoutView:
    """Note that the bank moved exactly this sum, under its reference, and post it.

    Raises `PayoutNotFound`, `PayoutMoved`, `PayoutAmountDiffers`, `BankReferenceTaken`.
    """
    payout = _lock(session, number, PayoutState.SENT)
    if payout.amount_fen != amount_fen:
        raise PayoutAmountDiffers(amount_fen=payout.amount_fen)
    payout.state, payout.sent_by, payout.sent_at = PayoutState.SENT, by, now
    payout.bank_reference = bank_reference
    try:
        with session.begin_nested():
            session.flush()
    except IntegrityError:
        raise BankReferenceTaken from None
    source = f"payout.sent/{number}"
    ledger.transfer(session, debit=payout.account, credit=books.BANK, amount_fen=amount_fen, source=source, at=now)
    return _view(payout)


def mark_bounced(session: Session, *, number: str, reason: str, by: str, now: datetime) -> PayoutView:
    """Note that the bank sent the money back, and post it: it is owed again, and may be asked for anew.

    Raises `PayoutNotFound`, `PayoutMoved`.
    """
    payout = _lock(session, number, PayoutState.BOUNCED)
    payout.state, payout.bounced_at, payout.ended_by, payout.reason = PayoutState.BOUNCED, now, by, reason
    source, fen = f"payout.bounced/{number}", payout.amount_fen
    ledger.transfer(session, debit=books.BANK, credit=payout.account, amount_fen=fen, source=source, at=now)
    return _view(payout)


def find(session: Session, *, number: str) -> PayoutView:
    """Return one payout. Raises `PayoutNotFound`."""
    payout = session.scalar(select(Payout).where(Payout.number == number))
    if payout is None:
        raise PayoutNotFound
    return _view(payout)


def of_reference(session: Session, *, reference: str) -> list[PayoutView]:
    """Return every payout for one thing, oldest first."""
    rows = session.scalars(select(Payout).where(Payout.reference == reference).order_by(Payout.id))
    return [_view(row) for row in rows]


def listing(session: Session, *, state: PayoutState | None = None, limit: int = 1000) -> list[PayoutView]:
    """Return payouts in a state, or in any, newest first."""
    chosen = select(Payout).order_by(Payout.id.desc()).limit(limit)
    rows = session.scalars(chosen if state is None else chosen.where(Payout.state == state))
    return [_view(row) for row in rows]


def paid_fen(session: Session, *, account: str) -> int:
    """Return how much left the bank, and stayed away, out of what an account of the ledger owes."""
    paid = select(func.coalesce(func.sum(Payout.amount_fen), 0)).where(
        Payout.account == account, Payout.state == PayoutState.SENT
    )
    return int(session.scalars(paid).one())


def _standing(session: Session, reference: str) -> Payout | None:
    return session.scalar(select(Payout).where(Payout.reference == reference, Payout.state.in_(PAYOUT_STANDS)))


def _lock(session: Session, number: str, after: PayoutState) -> Payout:
    """Lock a payout that may go on to `after`, so that of two clicks one finds it moved."""
    database.require_transaction(session)
    payout = session.scalar(select(Payout).where(Payout.number == number).with_for_update())
    if payout is None:
        raise PayoutNotFound
    if after not in PAYOUT_MOVES[payout.state]:
        raise PayoutMoved(state=payout.state.value)
    return payout


def _view(payout: Payout) -> PayoutView:
    fields: dict[str, Any] = {name: getattr(payout, name) for name in PayoutView.__slots__}
    return PayoutView(**fields)
