"""Takes back from a merchant what it received of a payment, when the payer's money went back.

Invariant: no more comes back of a part than it was, one key of the caller's is one return, and only its own result says
that it came; the ledger moves then, once. From a person nothing can be taken back: that is the caller's to carry.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from config import database, logs
from payments import books, ledger, lifecycle, numbers, sharing
from payments.errors import NothingToTakeBack
from payments.lifecycle import PartState
from payments.sharing import MERCHANT
from payments.sharing_models import Share, SharedPart, ShareReturn
from payments.wechatpay import answers, bodies, client

log = logs.get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a part: why WeChat closed it, and what of it came back, is on its way back or did not come."""

    closed_for: str | None
    returned_fen: int
    returning_fen: int
    unreturned_fen: int
    unreturned_for: str | None


def request(session: Session, *, part_id: int, amount_fen: int, key: str, now: datetime) -> str:
    """Record that `amount_fen` of a part is taken back; the same key again is the same return. Returns its number.

    Raises `NothingToTakeBack` for more than is left of it, for a person's part, and after 180 days.
    """
    database.require_transaction(session)
    part = session.scalars(select(SharedPart).where(SharedPart.id == part_id).with_for_update()).one()
    earlier = session.scalar(select(ShareReturn).where(ShareReturn.part_id == part_id, ShareReturn.key == key))
    if earlier is not None:
        return earlier.number
    share = session.get_one(Share, part.share_id)
    is_late = part.ended_at is None or now > part.ended_at + lifecycle.RETURN_WITHIN
    if part.state is not PartState.SUCCEEDED or part.kind != MERCHANT or is_late:
        raise NothingToTakeBack
    if not 0 < amount_fen <= part.amount_fen - _back_fen(session, part_id):
        raise NothingToTakeBack
    number = numbers.share_return()
    session.add(
        ShareReturn(
            number=number,
            part_id=part_id,
            key=key,
            amount_fen=amount_fen,
            state=PartState.PENDING,
            request=bodies.share_return(number=number, share=share.number, mchid=part.account, amount_fen=amount_fen),
            requested_at=now,
            next_check_at=now,
        )
    )
    session.flush()
    return number


def asked_fen(session: Session, *, part_id: int | None = None) -> int:
    """Return how much was ever taken back of a part, or of all: what is on its way and what failed among it."""
    asked = select(func.coalesce(func.sum(ShareReturn.amount_fen), 0))
    return int(session.scalars(asked if part_id is None else asked.where(ShareReturn.part_id == part_id)).one())


def outcomes(session: Session, *, references: Collection[str]) -> dict[tuple[str, str], Outcome]:
    """Return (reference, payee) → what became of the latest part that was to be the payee's."""
    rows = session.execute(_OUTCOMES, {"references": list(references)}).all()
    return {(row.reference, row.payee): Outcome(**row.outcome) for row in rows}


def check_due(*, now: datetime, limit: int = 50) -> int:
    """Send the returns that are due, which asks about them as well, since the same number is the same return.

    Returns how many were looked at; stops early when WeChat does not answer.
    """
    database.refuse_transaction()
    for looked in range(limit):
        due = _take_due(now)
        if due is None:
            return looked
        number, body = due
        found: Any = client.current().query_return(number, share=body["out_order_no"])
        if isinstance(found, answers.Missing):
            found = client.current().return_share(body)
        if isinstance(found, answers.ReturnReport):
            _record(found, number, now)
        elif isinstance(found, answers.Refused):
            logs.alarm("payments.share_return_refused", share_return=number, code=found.code)
        if isinstance(found, answers.Unknown):
            return looked + 1
    return limit


def _back_fen(session: Session, part_id: int) -> int:
    """Return how much of a part came back, or is on its way."""
    back = select(func.coalesce(func.sum(ShareReturn.amount_fen), 0)).where(
        ShareReturn.part_id == part_id, ShareReturn.state != PartState.CLOSED
    )
    return int(session.scalars(back).one())


def _take_due(now: datetime) -> tuple[str, dict[str, Any]] | None:
    """Take one return that is due, by planning its next look: no other job takes it."""
    with database.transaction() as session:
        row = session.scalar(
            select(ShareReturn)
            .where(ShareReturn.next_check_at <= now)
            .order_by(ShareReturn.next_check_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if row is None:
            return None
        row.next_check_at = lifecycle.next_refund_check(requested_at=row.requested_at, now=now)
        return row.number, dict(row.request)


def _record(report: answers.ReturnReport, number: str, now: datetime) -> None:
    with database.transaction() as session:
        row = session.scalars(select(ShareReturn).where(ShareReturn.number == number).with_for_update()).one()
        if row.state is not PartState.PENDING or report.result not in {"SUCCESS", "FAILED"}:
            return
        if (report.number, report.amount_fen) != (number, row.amount_fen):
            logs.alarm("payments.share_mismatch", share=number)
            sharing.open_case(session, number=number, told={"amount_fen": report.amount_fen}, now=now)
            return
        row.next_check_at, row.ended_at = None, report.finished_at or now
        row.state = PartState.SUCCEEDED if report.result == "SUCCESS" else PartState.CLOSED
        if row.state is PartState.CLOSED:
            row.fail_reason = report.fail_reason
            logs.alarm("payments.share_not_returned", share_return=number, reason=report.fail_reason)
            sharing.open_case(session, number=number, told={"not_returned_for": report.fail_reason}, now=now)
            return
        share = session.scalars(
            select(Share).join(SharedPart, SharedPart.share_id == Share.id).where(SharedPart.id == row.part_id)
        ).one()
        ledger.transfer(
            session,
            debit=books.RECEIVABLE,
            credit=share.account,
            amount_fen=row.amount_fen,
            source=f"share.returned/{number}",
            at=row.ended_at,
        )


_OUTCOMES = text("""
    SELECT s.reference, p.payee, jsonb_build_object(
        'closed_for', p.fail_reason,
        'returned_fen', coalesce(sum(r.amount_fen) FILTER (WHERE r.state = 'succeeded'), 0),
        'returning_fen', coalesce(sum(r.amount_fen) FILTER (WHERE r.state = 'pending'), 0),
        'unreturned_fen', coalesce(sum(r.amount_fen) FILTER (WHERE r.state = 'closed'), 0),
        'unreturned_for', max(r.fail_reason)) AS outcome
    FROM payment_shares s JOIN payment_share_parts p ON p.share_id = s.id
    LEFT JOIN payment_share_returns r ON r.part_id = p.id
    WHERE s.reference = ANY(:references)
    GROUP BY p.id, s.reference ORDER BY p.id
""")
