"""Gives money back: records what is owed to the payer, sends it to WeChat, and follows it until it has arrived.

What is promised back never exceeds what was paid, and one key of the caller's is one refund, however often it comes.
Refunds of one payment go to WeChat one at a time and apart, as WeChat demands: each waits its turn.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from config import database, facts, logs, settings
from payments import books, cases, lifecycle, numbers
from payments.errors import NothingToRefund, RefundKeyReused, RefundTooLarge, RefundTooLate, TooManyRefunds
from payments.facts import REFUND_FAILED, REFUND_REQUESTED, REFUND_SUCCEEDED
from payments.lifecycle import PaymentState, RefundState
from payments.models import CaseKind, Payment, Refund
from payments.receipts import Verdict
from payments.wechatpay import answers, bodies, client

_STATES: Mapping[str | None, RefundState] = {
    "PROCESSING": RefundState.PROCESSING,
    "SUCCESS": RefundState.SUCCEEDED,
    "CLOSED": RefundState.CLOSED,
    "ABNORMAL": RefundState.ABNORMAL,
}
# What WeChat may still change by itself or by hand.
_UNDECIDED = frozenset({RefundState.PROCESSING, RefundState.ABNORMAL})
# What a person need not look at any longer once WeChat speaks of the refund.
_KNOWN_AGAIN = (CaseKind.REFUND_REFUSED, CaseKind.REFUND_VANISHED)

log = logs.get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundView:
    """A refund as others see it; `payment` is the number of the payment that it comes from."""

    number: str
    payment: str
    reference: str
    key: str
    amount_fen: int
    reason: str
    state: RefundState
    requested_at: datetime
    succeeded_at: datetime | None


def request(
    session: Session,
    *,
    reference: str,
    amount_fen: int,
    reason: str,
    key: str,
    now: datetime,
    payment: str | None = None,
) -> RefundView:
    """Record a refund of `amount_fen` of the reference's money and publish `refund.requested` {number}.

    Should a reference have been paid twice, `payment` names the payment meant; otherwise the first with enough left is
    taken. The same key again returns the refund that it made. Raises `NothingToRefund`, `RefundTooLate` a year after
    paying, `RefundTooLarge` with `refundable_fen`, `TooManyRefunds` after WeChat's most, and `RefundKeyReused` for
    another amount under the same key.
    """
    database.require_transaction(session)
    if amount_fen < 1:
        raise ValueError("the amount must be positive")
    paid = [found for found in _lock_paid(session, reference) if payment in (None, found.number)]
    if not paid:
        raise NothingToRefund
    earlier = session.scalar(select(Refund).where(Refund.reference == reference, Refund.key == key))
    if earlier is not None:
        if earlier.amount_fen != amount_fen:
            raise RefundKeyReused
        return _view(session, earlier)
    source = _source(session, paid, amount_fen, now)
    refund = _new(source, amount_fen, reason, key, now)
    session.add(refund)
    session.flush()
    books.promised_back(session, refund=refund.number, amount_fen=amount_fen, at=now)
    facts.publish(session, REFUND_REQUESTED, key=refund.number, values={"number": refund.number})
    log.info("refund.requested", refund=refund.number, payment=source.number)
    return _view(session, refund)


def send(*, number: str, now: datetime) -> None:
    """Send a requested refund to WeChat, word for word as it was recorded, and record the answer.

    May be called again: the same number is one refund. Without an answer that counts it stays requested and is sent
    again later. So does one that WeChat refuses, with an alarm and a case: a person removes the cause, or gives the
    refund up by closing the case, or pays it out by transfer.
    """
    database.refuse_transaction()
    _send(number, now)


def _send(number: str, now: datetime) -> bool:
    """Send one refund when it is its turn; False when there was no answer."""
    body = _take_turn(number, now)
    if body is None:
        return True
    sent = client.current().refund(body)
    found = sent if isinstance(sent, answers.RefundReport) else client.current().query_refund(number)
    if isinstance(found, answers.RefundReport):
        record_answer(found, number, now)
    elif isinstance(sent, answers.Refused) and isinstance(found, answers.Missing):
        logs.alarm("payments.refund_refused", refund=number, code=sent.code)
        _hand_over(number, CaseKind.REFUND_REFUSED, {"code": sent.code}, now)
    return not isinstance(found, answers.Unknown)


def _hand_over(number: str, kind: CaseKind, evidence: Mapping[str, Any], now: datetime) -> None:
    """Open a case about a refund of which WeChat, asked at `now`, says that it does not know it.

    Not if it has said more of it meanwhile.
    """
    before = {RefundState.REQUESTED} if kind is CaseKind.REFUND_REFUSED else _UNDECIDED
    with database.transaction() as session:
        refund = _lock(session, number)
        if refund is not None and refund.state in before:
            refund.refused_at = now
            _open_case(session, refund, kind, evidence, now)


def _open_case(session: Session, refund: Refund, kind: CaseKind, evidence: Mapping[str, Any], now: datetime) -> None:
    cases.open(session, kind=kind, payment_id=refund.payment_id, number=refund.number, evidence=dict(evidence), now=now)


def _take_turn(number: str, now: datetime) -> Mapping[str, Any] | None:
    """Return what to send of a requested refund, and note that it is sent now.

    None when it has been answered, or when another of its payment went too short a while ago: then it is due later.
    """
    with database.transaction() as session:
        _lock_payment(session, number)
        refund = session.scalars(select(Refund).where(Refund.number == number).with_for_update()).one()
        if refund.state is not RefundState.REQUESTED:
            return None
        turn = _turn(session, refund)
        if turn is not None and now < turn:
            refund.next_check_at = turn
            log.info("refund.waits_its_turn", refund=number)
            return None
        refund.sent_at = now
        return refund.request


def _lock_payment(session: Session, number: str) -> None:
    """Lock the payment of a refund, so that of two refunds only one finds the way free."""
    session.execute(
        select(Payment.id)
        .join(Refund, Refund.payment_id == Payment.id)
        .where(Refund.number == number)
        .with_for_update(of=Payment)
    )


def _turn(session: Session, refund: Refund) -> datetime | None:
    """Return when a refund may be sent at the earliest; None when no other of its payment was."""
    others = select(func.max(Refund.sent_at)).where(Refund.payment_id == refund.payment_id, Refund.id != refund.id)
    last = session.scalars(others).one()
    return None if last is None else last + lifecycle.REFUNDS_APART


def check_due(*, now: datetime, limit: int = 50) -> int:
    """Send the refunds that were not sent, and ask about those that are under way, when their time has come.

    Returns how many were looked at; stops early when WeChat does not answer.
    """
    for looked in range(limit):
        due = _take_due(now)
        if due is None:
            return looked
        number, state = due
        if not (_send if state is RefundState.REQUESTED else _ask)(number, now):
            return looked + 1
    return limit


def listing(session: Session, *, reference: str) -> list[RefundView]:
    """Return every refund of a reference, oldest first."""
    refunds = session.scalars(select(Refund).where(Refund.reference == reference).order_by(Refund.id)).all()
    return [_view(session, refund) for refund in refunds]


def record(session: Session, *, report: answers.RefundReport, now: datetime) -> Verdict:
    """Record what WeChat says about a refund and publish `refund.succeeded` or `refund.failed` if that was news.

    News that does not belong to the refund, or that contradicts its end, is a mismatch and changes nothing.
    """
    database.require_transaction(session)
    refund = _lock(session, report.number)
    if refund is None:
        return Verdict.UNMATCHED
    payment = session.get_one(Payment, refund.payment_id)
    target = _STATES.get(report.status)
    if target is None or _differences(refund, payment, report):
        return Verdict.MISMATCHED
    refund.refused_at = None
    _end_cases(session, refund.number, _KNOWN_AGAIN, "微信支付已受理该退款", now)
    if target not in lifecycle.REFUND_MOVES[refund.state]:
        # What was given up because WeChat did not know it must never be under way there.
        is_old_news = refund.state is not RefundState.REFUSED and target in (
            refund.state,
            RefundState.PROCESSING,
            RefundState.ABNORMAL,
        )
        return Verdict.KNOWN if is_old_news else Verdict.MISMATCHED
    refund.state, refund.refund_id = target, report.refund_id
    refund.succeeded_at = report.succeeded_at if target is RefundState.SUCCEEDED else None
    refund.next_check_at = (
        lifecycle.next_refund_check(requested_at=refund.requested_at, now=now) if target in _UNDECIDED else None
    )
    _tell(session, refund, now)
    return Verdict.RECORDED


def _tell(session: Session, refund: Refund, now: datetime) -> None:
    values = {
        "reference": refund.reference,
        "refund": refund.number,
        "key": refund.key,
        "amount_fen": refund.amount_fen,
    }
    if refund.state is RefundState.SUCCEEDED and refund.succeeded_at is not None:
        values["refunded_at"] = refund.succeeded_at.astimezone(UTC).isoformat()
        books.paid_back(session, refund=refund.number, amount_fen=refund.amount_fen, at=refund.succeeded_at)
        # It may have waited for a person who sent it on to a card, or who repaired it at the merchant platform.
        _end_cases(session, refund.number, (CaseKind.REFUND_ABNORMAL,), "微信支付已退款成功", now)
        facts.publish(session, REFUND_SUCCEEDED, key=refund.number, values=values)
    if refund.state is RefundState.CLOSED:
        logs.alarm("payments.refund_closed", refund=refund.number)
        books.kept_after_all(session, refund=refund.number, amount_fen=refund.amount_fen, at=now)
        _end_cases(session, refund.number, (CaseKind.REFUND_ABNORMAL,), "微信支付已关闭该退款", now)
        _open_case(session, refund, CaseKind.REFUND_CLOSED, _evidence(refund), now)
        facts.publish(session, REFUND_FAILED, key=refund.number, values=values)
    if refund.state is RefundState.ABNORMAL:
        _open_case(session, refund, CaseKind.REFUND_ABNORMAL, _evidence(refund), now)
    log.info("refund.moved", refund=refund.number, state=refund.state)


def _evidence(refund: Refund) -> dict[str, Any]:
    return {"refund_id": refund.refund_id, "our_amount_fen": refund.amount_fen}


def _end_cases(session: Session, number: str, kinds: Iterable[CaseKind], reason: str, now: datetime) -> None:
    for kind in kinds:
        cases.repaired(session, kind=kind, number=number, reason=reason, by="微信支付", now=now)


def _lock_paid(session: Session, reference: str) -> Sequence[Payment]:
    """Lock the received payments of a reference, so that two refunds cannot promise the same money."""
    received = select(Payment).where(Payment.reference == reference, Payment.state == PaymentState.SUCCEEDED)
    return session.scalars(received.order_by(Payment.id).with_for_update()).all()


def _lock(session: Session, number: str | None) -> Refund | None:
    """Lock a refund, so that of two bearers of the same news only one finds it new."""
    return session.scalar(select(Refund).where(Refund.number == number).with_for_update())


def _held_fen(session: Session, payment: Payment) -> int:
    held = select(func.coalesce(func.sum(Refund.amount_fen), 0)).where(
        Refund.payment_id == payment.id, Refund.state.in_(lifecycle.REFUND_HOLDS_MONEY)
    )
    return int(session.scalars(held).one())


def _source(session: Session, paid: Sequence[Payment], amount_fen: int, now: datetime) -> Payment:
    """Return the first of these locked payments that the amount can come from."""
    fresh = [found for found in paid if found.succeeded_at and now <= found.succeeded_at + lifecycle.REFUND_WITHIN]
    if not fresh:
        raise RefundTooLate
    refundable = {found.id: found.amount_fen - _held_fen(session, found) for found in fresh}
    rich = [found for found in fresh if refundable[found.id] >= amount_fen]
    if not rich:
        raise RefundTooLarge(refundable_fen=max(refundable.values()))
    source = next((found for found in rich if _count(session, found) < lifecycle.MOST_REFUNDS), None)
    if source is None:
        raise TooManyRefunds(most=lifecycle.MOST_REFUNDS)
    return source


def _count(session: Session, payment: Payment) -> int:
    """How many refunds WeChat has heard or will hear of: one that it closed counts like any other."""
    return session.scalars(select(func.count()).where(Refund.payment_id == payment.id)).one()


def _new(payment: Payment, amount_fen: int, reason: str, key: str, now: datetime) -> Refund:
    number = numbers.refund()
    body = bodies.refund(
        number=number,
        transaction_id=payment.transaction_id or "",
        amount_fen=amount_fen,
        paid_fen=payment.amount_fen,
        reason=reason,
        notify_url=f"{settings.current().public_base_url}/wechatpay/notifications/refunds",
    )
    return Refund(
        number=number,
        payment_id=payment.id,
        reference=payment.reference,
        key=key,
        amount_fen=amount_fen,
        reason=body.get("reason", ""),
        state=RefundState.REQUESTED,
        request=body,
        requested_at=now,
        next_check_at=lifecycle.next_refund_check(requested_at=now, now=now),
    )


def _differences(refund: Refund, payment: Payment, report: answers.RefundReport) -> list[str]:
    compared = {
        # An answer names no merchant; it came over the merchant's own connection.
        "mchid": (payment.mchid, report.mchid or payment.mchid),
        "transaction_id": (payment.transaction_id, report.transaction_id),
        "refund": (refund.amount_fen, report.refund_fen),
        "total": (payment.amount_fen, report.total_fen),
        "refund_id": (refund.refund_id or report.refund_id, report.refund_id),
        "completeness": (True, report.status != "SUCCESS" or report.succeeded_at is not None),
    }
    return [name for name, (ours, theirs) in compared.items() if ours != theirs]


def _ask(number: str, now: datetime) -> bool:
    """Query one refund and record the answer; False when there was none."""
    found = client.current().query_refund(number)
    if isinstance(found, answers.RefundReport):
        record_answer(found, number, now)
    elif isinstance(found, answers.Missing):
        logs.alarm("payments.refund_vanished", refund=number)
        _hand_over(number, CaseKind.REFUND_VANISHED, {}, now)
    return not isinstance(found, answers.Unknown)


def record_answer(found: answers.RefundReport, number: str, now: datetime) -> None:
    """Record an answer of WeChat's. A mismatch in it is confirmed: it becomes a case, and nothing is asked again."""
    with database.transaction() as session:
        verdict = record(session, report=found, now=now)
        if verdict in (Verdict.MISMATCHED, Verdict.UNMATCHED):
            refund = session.scalars(select(Refund).where(Refund.number == number)).one()
            refund.next_check_at = None
            _open_case(session, refund, CaseKind.REFUND_MISMATCH, {"found": found}, now)


def _take_due(now: datetime) -> tuple[str, RefundState] | None:
    """Take one due refund by planning its next check, so that no other job takes it."""
    with database.transaction() as session:
        refund = session.scalar(
            select(Refund)
            .where(Refund.next_check_at <= now)
            .order_by(Refund.next_check_at, Refund.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if refund is None:
            return None
        refund.next_check_at = lifecycle.next_refund_check(requested_at=refund.requested_at, now=now)
        return refund.number, refund.state


def _view(session: Session, refund: Refund) -> RefundView:
    return RefundView(
        number=refund.number,
        payment=session.get_one(Payment, refund.payment_id).number,
        reference=refund.reference,
        key=refund.key,
        amount_fen=refund.amount_fen,
        reason=refund.reason,
        state=refund.state,
        requested_at=refund.requested_at,
        succeeded_at=refund.succeeded_at,
    )
