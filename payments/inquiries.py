"""Asks WeChat how one payment stands, and records whatever the answer decides.

A payment is closed only when WeChat says so after having been asked again; silence decides nothing.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import text

from config import database, facts, logs
from payments import lifecycle, receipts
from payments.facts import PAYMENT_CLOSED
from payments.receipts import Verdict
from payments.wechatpay import answers, client

log = logs.get(__name__)


class Standing(StrEnum):
    """How a payment stands after WeChat was asked."""

    SUCCEEDED = "succeeded"
    CLOSED = "closed"
    UNPAID = "unpaid"
    MISSING = "missing"
    # WeChat says paid, but not what was asked for: a case waits for a person, and asking again helps nobody.
    DISPUTED = "disputed"
    UNKNOWN = "unknown"


def ask(*, number: str, now: datetime) -> Standing:
    """Query one payment and record what is final about it: money that arrived, or a close."""
    found = client.current().query(number)
    if isinstance(found, answers.Missing):
        _note_answer(number, now)
        return Standing.MISSING
    if not isinstance(found, answers.Transaction) or found.number != number:
        return Standing.UNKNOWN
    if found.is_paid:
        return _record(found, now)
    if found.is_closed:
        mark_closed(number=number, now=now)
        return Standing.CLOSED
    _note_answer(number, now)
    return Standing.UNPAID


def close(*, number: str, now: datetime) -> Standing:
    """Make sure that nobody can pay any more: query, close, query. Money that came meanwhile is recorded instead."""
    standing = ask(number=number, now=now)
    if standing is Standing.UNPAID:
        # Whatever WeChat answers to the close, even that the payment is paid, only a query is believed.
        client.current().close(number)
        standing = ask(number=number, now=now)
    if standing is Standing.MISSING:
        # Nobody holds a token for it. Should a prepay still be under way, its sender finds the payment closed on our
        # side and closes it at WeChat.
        mark_closed(number=number, now=now)
        standing = Standing.CLOSED
    return standing


def mark_closed(*, number: str, now: datetime) -> None:
    """Close a payment that is still open on our side and publish `payment.closed`; one last look at it is planned."""
    with database.transaction() as session:
        last_look_at = now + lifecycle.LAST_LOOK_AFTER_CLOSING
        row = session.execute(_CLOSE, {"number": number, "now": now, "last_look_at": last_look_at}).first()
        if row is not None:
            facts.publish(session, PAYMENT_CLOSED, key=number, values={"reference": row.reference, "payment": number})
            log.info("payment.closed", payment=number)


def _note_answer(number: str, now: datetime) -> None:
    with database.transaction() as session:
        session.execute(_ANSWERED, {"number": number, "now": now})


def _record(found: answers.Transaction, now: datetime) -> Standing:
    with database.transaction() as session:
        verdict = receipts.record(session, transaction=found, now=now)
    if verdict is Verdict.MISMATCHED:
        return Standing.DISPUTED
    return Standing.SUCCEEDED if verdict in (Verdict.RECORDED, Verdict.KNOWN) else Standing.UNKNOWN


_ANSWERED = text("UPDATE payments SET answered_at = :now WHERE number = :number")
_CLOSE = text("""
    UPDATE payments SET state = 'closed', closed_at = :now, next_check_at = :last_look_at
    WHERE number = :number AND state = 'open' RETURNING reference
""")
