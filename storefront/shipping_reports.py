"""Tells WeChat of what was shipped, so that it releases the money, and looks how far that is.

Invariant: WeChat is asked what it knows before it is told anything, one process at a time for each payment; so a
report whose answer was lost is found, never sent again, and a parcel is told of once.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from config import database, logs
from payments import cases, collect
from payments.models import CaseKind
from storefront import frozen_money, shipping
from storefront.fund_models import FrozenPayment
from storefront.shipping_lifecycle import (
    ALARM_AFTER,
    OVER,
    Answer,
    FundState,
    Known,
    Parcel,
    Upload,
    decide,
    next_look,
    next_try,
)
from storefront.wechat import trade
from storefront.wechat.trade import Done, Refused, Unknown

# Longer than a question with all its tokens can take; a killed worker keeps the payment waiting no longer than this.
TURN_LASTS = timedelta(seconds=45)
# Whoever was slower than this might not be alone any more, and tells nothing.
_FRESH_S = 25.0
# Already told, in WeChat's words; what it has is seen at the next look.
_ALREADY_TOLD = frozenset({10060002, 10060023})
# Not known there yet, refunded meanwhile, and too many calls: nobody's fault, and gone after a while.
_PASSING = frozenset({10060001, 10060004, 45009, 45011})

log = logs.get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """A payment that is ours alone until `TURN_LASTS` is over; `planned` is when it would be tried again."""

    payment: str
    order: str
    transaction_id: str
    planned: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """What came of a turn: what WeChat knows, whether it was told, and why not; `is_final` when a person must look."""

    known: Known | None = None
    is_told: bool = False
    is_settled: bool = False
    fault: str = ""
    is_final: bool = False


def report(*, order: str, now: datetime) -> None:
    """Tell WeChat of what has left of an order, if it was paid in the mini-program.

    What cannot be told now is told when it is due; so is what somebody else is just telling.
    """
    with database.transaction() as session:
        payment = session.scalar(text("SELECT payment_number FROM orders WHERE number = :n"), {"n": order})
        if payment is None or not _expect(session, payment):
            return
        frozen_money.make_due(session, payment=payment, now=now)
        turn = _take(session, now, payment=payment)
    if turn is not None:
        _go(turn, now)


def report_due(*, now: datetime, limit: int = 50) -> int:
    """Ask about every payment whose time has come and tell WeChat what it lacks; stops early when it does not answer.

    Returns how many were asked about. Money that waits for longer than 40 hours, and a report that WeChat refuses,
    become cases.
    """
    for asked in range(limit):
        with database.transaction() as session:
            turn = _take(session, now)
        if turn is None:
            return asked
        if not _go(turn, now):
            return asked + 1
    return limit


def _expect(session: Session, payment: str) -> bool:
    """Keep the payment in view although its own fact may still wait; False for one of another channel."""
    found = collect.find(session, number=payment)
    if found is None or found.transaction_id is None or found.succeeded_at is None:
        return False
    frozen_money.expect(
        session,
        payment=payment,
        order=found.reference,
        channel=found.channel,
        transaction_id=found.transaction_id,
        amount_fen=found.amount_fen,
        paid_at=found.succeeded_at,
    )
    return frozen_money.lock(session, payment=payment) is not None


def _take(session: Session, now: datetime, *, payment: str | None = None) -> _Turn | None:
    """Take one due payment that nobody is at, by planning its next try."""
    due = select(FrozenPayment).where(
        FrozenPayment.next_at <= now, (FrozenPayment.busy_until.is_(None)) | (FrozenPayment.busy_until <= now)
    )
    if payment is not None:
        due = due.where(FrozenPayment.payment_number == payment)
    row = session.scalar(due.order_by(FrozenPayment.next_at).limit(1).with_for_update(skip_locked=True))
    if row is None:
        return None
    row.tries += 1
    row.busy_until = now + TURN_LASTS
    planned = row.next_at = next_try(tries=row.tries, now=now)
    return _Turn(payment=row.payment_number, order=row.order_number, transaction_id=row.transaction_id, planned=planned)


def _go(turn: _Turn, now: datetime) -> bool:
    """Ask, tell, and write down what came of it; False when WeChat did not answer."""
    result = _ask_and_tell(turn, now)
    with database.transaction() as session:
        _write(session, turn, result, now)
    return result.is_settled or bool(result.fault)


def _ask_and_tell(turn: _Turn, now: datetime) -> _Result:
    started = time.monotonic()
    known = trade.find(turn.transaction_id)
    if isinstance(known, Unknown):
        return _Result()
    if isinstance(known, Refused):
        return _Result(fault=f"get_order {known.errcode}", is_final=known.errcode not in _PASSING)
    with database.transaction() as session:
        parcels, is_complete = _left(session, turn)
    told = decide(parcels=parcels, is_complete=is_complete, known=known)
    if told is Answer.EXHAUSTED:
        return _Result(known=known, is_told=True, is_settled=True, fault="reship_used", is_final=True)
    if not isinstance(told, Upload):
        return _Result(known=known, is_told=bool(known.parcels), is_settled=True)
    if time.monotonic() - started > _FRESH_S:
        return _Result(known=known)
    return _tell(turn, told, known, now)


def _tell(turn: _Turn, told: Upload, known: Known, now: datetime) -> _Result:
    answer = trade.upload(turn.transaction_id, told, openid=known.openid, now=now)
    if isinstance(answer, Done):
        log.info("shipping.reported", payment=turn.payment, order=turn.order, parcels=len(told.parcels))
        return _Result(known=known, is_told=True, is_settled=True)
    if isinstance(answer, Unknown):
        return _Result(known=known)
    is_final = answer.errcode not in _PASSING | _ALREADY_TOLD
    return _Result(known=known, fault=f"upload_shipping_info {answer.errcode}", is_final=is_final)


def _left(session: Session, turn: _Turn) -> tuple[list[Parcel], bool]:
    """Return what has left of the order that this payment paid for; nothing of one that another payment paid for."""
    payment = session.scalar(text("SELECT payment_number FROM orders WHERE number = :n"), {"n": turn.order})
    return shipping.parcels(session, number=turn.order) if payment == turn.payment else ([], False)


def _write(session: Session, turn: _Turn, result: _Result, now: datetime) -> None:
    row = frozen_money.lock(session, payment=turn.payment)
    assert row is not None
    row.busy_until = None
    if result.is_told and row.reported_at is None:
        row.reported_at = now
    if result.known is not None:
        frozen_money.note(row, result.known.state)
        if row.state in OVER:
            row.tries = 0
        elif result.is_settled and row.next_at == turn.planned:
            row.tries = 0
            row.next_at = next_look(paid_at=row.paid_at, is_reported=row.reported_at is not None, now=now)
    _open_case(session, row, result, now)


def _open_case(session: Session, row: FrozenPayment, result: _Result, now: datetime) -> None:
    """Let a person look at what was refused for good, or waits too long."""
    is_late = row.state is FundState.UNSHIPPED and row.reported_at is None and now >= row.paid_at + ALARM_AFTER
    if is_late or result.is_final:
        evidence = {
            "order": row.order_number,
            "transaction_id": row.transaction_id,
            "fault": result.fault or "unshipped",
            "paid_at": row.paid_at.isoformat(),
        }
        cases.open(session, kind=CaseKind.FROZEN, number=row.payment_number, evidence=evidence, now=now)
