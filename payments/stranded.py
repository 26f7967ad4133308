"""Refunds that WeChat Pay could not pay out (ABNORMAL), would not take or has forgotten: their queue, and the ways out.

Either WeChat sends an abnormal one on to a bank card of the payer's, or a person pays it out by transfer and says so
here. One that WeChat does not know can also be given up, by closing its case.
What leaves the queue never comes back by itself, and the money stays promised to the payer throughout. A card's number
and its holder's name pass through to WeChat, encrypted, and are neither kept nor logged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import and_, or_, select, text
from sqlalchemy.orm import Session

from config import database, facts, logs
from payments import books, cases, lifecycle, refunds
from payments.errors import (
    BankReferenceTaken,
    PaymentUnavailable,
    RefundDeclined,
    RefundNotAbnormal,
    RefundNotFound,
    RefundUnderWay,
)
from payments.facts import REFUND_SUCCEEDED
from payments.lifecycle import RefundState
from payments.models import CaseKind, Payment, Refund
from payments.wechatpay import answers, client

log = logs.get(__name__)

# How long after its last sending WeChat must say that it does not know a refund for it to be unknown.
_PATIENCE = {RefundState.REQUESTED: timedelta(0), RefundState.PROCESSING: lifecycle.FORGOTTEN_AFTER}
# WeChat's word for a refund that it cannot pay out.
_ABNORMAL = "ABNORMAL"
# WeChat said that it does not know it as it was last sent, so nothing of it is under way.
_IS_UNKNOWN = or_(
    *(and_(Refund.state == state, Refund.refused_at >= Refund.sent_at + least) for state, least in _PATIENCE.items())
)


@dataclass(frozen=True, slots=True)
class Stranded:
    """A refund that waits for a person; `refund_id` is WeChat's own number, which one that it refused has not.

    WeChat would not take one that `is_refused`, and knows nothing any more of one that `is_vanished`: no card helps.
    """

    number: str
    reference: str
    payment: str
    transaction_id: str | None
    refund_id: str | None
    amount_fen: int
    reason: str
    requested_at: datetime
    is_refused: bool
    is_vanished: bool


def listing(session: Session) -> Sequence[Stranded]:
    """Return every refund that waits for a person, oldest first."""
    rows = session.execute(
        select(Refund, Payment.number, Payment.transaction_id)
        .join(Payment, Payment.id == Refund.payment_id)
        .where(or_(Refund.state == RefundState.ABNORMAL, _IS_UNKNOWN))
        .order_by(Refund.requested_at, Refund.id)
    )
    return [
        Stranded(
            number=refund.number,
            reference=refund.reference,
            payment=payment,
            transaction_id=transaction_id,
            refund_id=refund.refund_id,
            amount_fen=refund.amount_fen,
            reason=refund.reason,
            requested_at=refund.requested_at,
            is_refused=refund.state is RefundState.REQUESTED,
            is_vanished=refund.state is RefundState.PROCESSING,
        )
        for refund, payment, transaction_id in rows
    ]


def send_to_card(*, number: str, bank_type: str, account: str, holder: str, now: datetime) -> RefundState:
    """Ask WeChat to send an abnormal refund on to the payer's bank card, and record its answer.

    Returns how the refund then stands. Raises `RefundNotFound`, `RefundNotAbnormal`, `RefundDeclined` when WeChat says
    no, and `PaymentUnavailable` when its answer is not known: the refund is asked about again by itself, and nobody can
    pay it out by transfer before WeChat has said that it is abnormal still.
    """
    database.refuse_transaction()
    with database.transaction() as session:
        refund = _set_out(session, number, now)
        refund_id = refund.refund_id or ""
    sent = client.current().refund_to_card(
        number, refund_id=refund_id, bank_type=bank_type, account=account, holder=holder
    )
    found = sent if isinstance(sent, answers.RefundReport) else client.current().query_refund(number)
    if not isinstance(found, answers.RefundReport):
        raise PaymentUnavailable
    refunds.record_answer(found, number, now)
    with database.transaction() as session:
        refund = session.scalars(select(Refund).where(Refund.number == number).with_for_update()).one()
        if isinstance(sent, answers.Refused) and found.status == _ABNORMAL and refund.state is RefundState.PROCESSING:
            # Whatever else of the answer does not fit, no card was taken.
            refund.state = RefundState.ABNORMAL
        state = refund.state
    if state is RefundState.ABNORMAL:
        if isinstance(sent, answers.Refused):
            raise RefundDeclined(code=sent.code)
        raise PaymentUnavailable
    log.info("refund.sent_to_card", refund=number, state=state)
    return state


def mark_transferred(
    session: Session, *, number: str, bank_reference: str, note: str, paid_by: str, paid_at: datetime, now: datetime
) -> bool:
    """Write that a person paid a stranded refund out by transfer, post it, and publish `refund.succeeded`.

    Its case ends with it. `bank_reference` is the evidence, of this refund alone: the transfer's number at the bank.
    False when the same was written before. Raises `RefundNotFound`, `RefundNotAbnormal`, `BankReferenceTaken`, and
    `RefundUnderWay` for one that WeChat did not know and that was sent again. Should WeChat pay after all, that is a
    mismatch and becomes a case.
    """
    database.require_transaction(session)
    refund = session.scalar(select(Refund).where(Refund.number == number).with_for_update())
    if refund is not None and refund.transfer is not None and refund.transfer["bank_reference"] == bank_reference:
        return False
    if refund is None:
        raise RefundNotFound
    _require_stranded(refund)
    if _is_taken(session, bank_reference):
        raise BankReferenceTaken
    refund.state, refund.transferred_at, refund.next_check_at = RefundState.TRANSFERRED, paid_at, None
    refund.transfer = {
        "bank_reference": bank_reference,
        "note": note,
        "paid_by": paid_by,
        "marked_at": now.astimezone(UTC).isoformat(),
    }
    books.paid_by_transfer(session, refund=number, amount_fen=refund.amount_fen, at=paid_at)
    for kind in (CaseKind.REFUND_ABNORMAL, CaseKind.REFUND_REFUSED, CaseKind.REFUND_VANISHED):
        reason = f"已转账退款，银行流水 {bank_reference}"
        cases.repaired(session, kind=kind, number=number, reason=reason, by=paid_by, now=now)
    facts.publish(
        session,
        REFUND_SUCCEEDED,
        key=number,
        values={
            "reference": refund.reference,
            "refund": number,
            "key": refund.key,
            "amount_fen": refund.amount_fen,
            "refunded_at": paid_at.astimezone(UTC).isoformat(),
            "by_transfer": True,
        },
    )
    log.info("refund.transferred", refund=number)
    return True


def _require_stranded(refund: Refund) -> None:
    if refund.state is RefundState.ABNORMAL:
        return
    patience = _PATIENCE.get(refund.state)
    if patience is None or refund.refused_at is None or refund.sent_at is None:
        raise RefundNotAbnormal(state=refund.state.value)
    if refund.refused_at < refund.sent_at + patience:
        raise RefundUnderWay


def _set_out(session: Session, number: str, now: datetime) -> Refund:
    """Note that an abnormal refund is on its way, whatever is heard of it, so that nothing else sets out beside it."""
    session.execute(select(Refund.id).where(Refund.number == number).with_for_update())
    refund = _find(session, number)
    refund.state, refund.sent_at = RefundState.PROCESSING, now
    refund.next_check_at = lifecycle.next_refund_check(requested_at=refund.requested_at, now=now)
    return refund


def _is_taken(session: Session, bank_reference: str) -> bool:
    """Tell whether a transfer is the evidence of another refund or a payout; its next claimant waits for this one."""
    session.execute(_TAKE_TURN, {"reference": bank_reference})
    return bool(session.scalar(_TAKEN, {"reference": bank_reference}))


_TAKE_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended('bank_reference/' || :reference, 0))")
_TAKEN = text("""
    SELECT EXISTS (SELECT FROM payment_refunds WHERE transfer->>'bank_reference' = :reference)
        OR EXISTS (SELECT FROM payouts WHERE bank_reference = :reference)
""")


def _find(session: Session, number: str) -> Refund:
    refund = session.scalar(select(Refund).where(Refund.number == number))
    if refund is None:
        raise RefundNotFound
    if refund.state is not RefundState.ABNORMAL:
        raise RefundNotAbnormal(state=refund.state.value)
    return refund
