"""Recognises money: the one compare-and-set by which a payment becomes `succeeded`.

Whoever brings the news, a notification or an answer, and however often, the money is recorded once and published once;
and nothing is recorded unless merchant, account, currency and amount are exactly those that were asked for.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database, facts, logs
from payments import books, cases, lifecycle
from payments.facts import PAYMENT_SUCCEEDED
from payments.lifecycle import PaymentState
from payments.models import CaseKind
from payments.wechatpay import answers, bodies

log = logs.get(__name__)


class Verdict(StrEnum):
    """What a paid transaction meant to us."""

    RECORDED = "recorded"
    KNOWN = "known"
    MISMATCHED = "mismatched"
    UNMATCHED = "unmatched"


_FACT_VALUES = """%(fact_values)s::jsonb || (
    SELECT jsonb_build_object('reference', reference, 'channel', channel, 'appid', appid, 'amount_fen', amount_fen)
    FROM known
)"""
# Locking the row first makes `known` the latest truth, so that the loser of a race sees the winner's transaction. The
# same statement publishes `payment.succeeded` and posts the money to the ledger.
TAKE = f"""
    known AS MATERIALIZED (
        SELECT id, reference, channel, mchid, appid, amount_fen, transaction_id, state = 'closed' AS was_closed
        FROM payments WHERE number = %(number)s FOR UPDATE
    ), paid AS (
        UPDATE payments SET
            state = 'succeeded', transaction_id = %(transaction_id)s, succeeded_at = %(succeeded_at)s,
            next_check_at = NULL
        FROM known
        WHERE payments.id = known.id AND payments.state = ANY(%(origins)s::text[]) AND %(is_complete)s
          AND known.mchid = %(mchid)s AND known.appid = %(appid)s AND known.amount_fen = %(total_fen)s
          AND NOT EXISTS (
              SELECT FROM payments other
              WHERE other.mchid = %(mchid)s AND other.transaction_id = %(transaction_id)s AND other.id <> known.id
          )
        RETURNING payments.id
    ), {books.RECEIVED}, {facts.publishing(PAYMENT_SUCCEEDED, "EXISTS (SELECT FROM paid)", _FACT_VALUES)}
"""
TAKEN = """
    SELECT known.id, known.reference, known.channel, known.mchid, known.appid, known.amount_fen, known.transaction_id,
           EXISTS (SELECT FROM paid), was_closed
    FROM known LEFT JOIN published ON true
"""
_TAKE_ALONE = f"WITH {TAKE} {TAKEN}"


@dataclass(frozen=True, slots=True)
class Taken:
    """The payment that a transaction names, as it was before, and whether this very statement recorded the money."""

    payment_id: int
    reference: str
    channel: str
    mchid: str
    appid: str
    amount_fen: int
    transaction_id: str | None
    is_recorded: bool
    was_closed: bool = False


def record(session: Session, *, transaction: answers.Transaction, now: datetime) -> Verdict:
    """Record a paid transaction that WeChat gave as an answer to us, and publish `payment.succeeded` if it was news.

    A mismatch in an answer is confirmed: it becomes a case, and WeChat is not asked about this payment again.
    """
    database.require_transaction(session)
    params = parameters(transaction, now=now)
    row = database.driver_connection(session).execute(_TAKE_ALONE, params, prepare=True).fetchone()
    taken = None if row is None else Taken(*row)
    verdict = judge(taken, transaction)
    if verdict is Verdict.RECORDED:
        log.info("payment.succeeded", payment=transaction.number)
    if taken is not None and has_rival(taken, verdict):
        hurry_rival(session, taken, now=now)
    if taken is not None and verdict is Verdict.MISMATCHED:
        cases.open(
            session,
            kind=CaseKind.MISMATCH,
            payment_id=taken.payment_id,
            number=str(transaction.number),
            evidence={"differs": differences(taken, transaction), "found": transaction},
            now=now,
        )
        session.execute(_STOP_ASKING, {"id": taken.payment_id})
    return verdict


_STOP_ASKING = text("UPDATE payments SET next_check_at = NULL WHERE id = :id")


def parameters(transaction: answers.Transaction, *, now: datetime) -> dict[str, Any]:
    """The parameters of `TAKE`."""
    at = transaction.succeeded_at
    return {
        "number": transaction.number,
        "mchid": transaction.mchid,
        "appid": transaction.appid,
        "total_fen": transaction.total_fen,
        "transaction_id": transaction.transaction_id,
        "succeeded_at": at,
        "is_complete": transaction.is_complete and transaction.currency == bodies.CURRENCY,
        "origins": database.dump_array(lifecycle.payment_origins(PaymentState.SUCCEEDED)),
        "now": now,
        **facts.publish_params(
            PAYMENT_SUCCEEDED,
            key=transaction.number or "",
            values={
                "payment": transaction.number,
                "paid_at": None if at is None else at.astimezone(UTC).isoformat(),
                "transaction_id": transaction.transaction_id,
            },
        ),
    }


def judge(taken: Taken | None, transaction: answers.Transaction) -> Verdict:
    """Say what the outcome of `TAKE` means."""
    if taken is None:
        return Verdict.UNMATCHED
    if taken.is_recorded:
        return Verdict.RECORDED
    if taken.transaction_id is not None and taken.transaction_id == transaction.transaction_id:
        return Verdict.KNOWN
    return Verdict.MISMATCHED


def has_rival(taken: Taken, verdict: Verdict) -> bool:
    """Tell whether another payment of the same thing may be open beside this one, whose money is there.

    It may when this one had been closed before. Of money that is known already nobody says any more what it came to, so
    that a death between the recording and the hurrying is made good when the news comes again.
    """
    return verdict is Verdict.KNOWN or (verdict is Verdict.RECORDED and taken.was_closed)


def hurry_rival(session: Session | None, taken: Taken, *, now: datetime) -> None:
    """Make an open rival of a paid payment due to be closed at once."""
    database.run(session, _HURRY_RIVAL, {"id": taken.payment_id, "reference": taken.reference, "now": now})


_HURRY_RIVAL = """
    UPDATE payments SET next_check_at = %(now)s WHERE reference = %(reference)s AND state = 'open' AND id <> %(id)s
"""


def differences(taken: Taken, transaction: answers.Transaction) -> list[str]:
    """Name what keeps a paid transaction from being the payment's money; empty when its transaction_id is another's."""
    compared = {
        "mchid": (taken.mchid, transaction.mchid),
        "appid": (taken.appid, transaction.appid),
        "amount": (taken.amount_fen, transaction.total_fen),
        "currency": (bodies.CURRENCY, transaction.currency),
        "completeness": (True, transaction.is_complete),
        "transaction_id": (taken.transaction_id or transaction.transaction_id, transaction.transaction_id),
    }
    return [name for name, (ours, theirs) in compared.items() if ours != theirs]
