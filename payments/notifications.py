"""Receives what WeChat tells us by itself: verified outside, then kept and applied at once.

Every notification that WeChat signed leaves a row. A repeated one is applied again unless it has been applied; that
money is recorded once is the business of `receipts` and `refunds`, not of the notification's id.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database, logs
from payments import cases, receipts, refunds
from payments.errors import UnknownPayment
from payments.models import CaseKind, Outcome
from payments.receipts import Taken, Verdict
from payments.wechatpay import answers, client

_PAID = "TRANSACTION.SUCCESS"
_REFUND_EVENTS = frozenset({"REFUND.SUCCESS", "REFUND.CLOSED", "REFUND.ABNORMAL"})

log = logs.get(__name__)


def receive(*, headers: client.Headers, body: bytes, now: datetime) -> None:
    """Verify one notification, keep it and apply it; when this returns, it is committed and WeChat may forget it.

    A mismatch or an unknown kind of event is kept and accepted; a mismatch also raises an alarm, and WeChat is asked at
    the next check. Raises `NotificationTooLarge`, `BadSignature`, `MalformedNotification`,
    `UndecryptableNotification`, and, after keeping it, `UnknownPayment`. Publishes what `receipts` and `refunds` do.
    """
    database.refuse_transaction()
    notification = client.current().read_notification(headers, body, now=now)
    if notification.event_type == _PAID:
        outcome, number = _apply_payment(notification, now)
    else:
        with database.transaction() as session:
            if notification.event_type in _REFUND_EVENTS:
                outcome, number = _apply_refund(session, notification, now)
            else:
                outcome, number = Outcome.IGNORED, None
                _keep(session, notification, outcome, number, notification.resource, now)
    if outcome is Outcome.IGNORED:
        log.warning("notification.ignored", notification=notification.id, event_type=notification.event_type)
    if outcome is Outcome.MISMATCHED:
        logs.alarm("payments.notification_mismatch", notification=notification.id, number=number)
    if outcome is Outcome.UNMATCHED:
        # A death before this is made good when WeChat sends it again, as it will until it is applied.
        with database.transaction() as session:
            _open_case(session, notification, number, now)
        logs.alarm("payments.unknown_number", notification=notification.id, number=number)
        raise UnknownPayment


def _apply_payment(notification: answers.Notification, now: datetime) -> tuple[Outcome, str | None]:
    """Take the money, publish it and keep the notification in one statement; this is the hot path of paying.

    Should its connection die, it may be sent twice: the second time the money is known, and the delivery counts twice.
    """
    transaction = answers.transaction(notification.resource)
    rows = database.statement(
        _TAKE_AND_KEEP,
        {
            **receipts.parameters(transaction, now=now),
            "notification_id": notification.id,
            "event_type": notification.event_type,
            "content": database.dump_json(transaction),
        },
    )
    taken = Taken(*rows[0]) if rows else None
    verdict = receipts.judge(taken, transaction)
    if verdict is Verdict.RECORDED:
        log.info("payment.succeeded", payment=transaction.number)
    # Nobody but a few need more than the statement; whoever dies before that gets the news again, having said no 204.
    if taken is not None and receipts.has_rival(taken, verdict):
        receipts.hurry_rival(None, taken, now=now)
    if taken is not None and verdict is Verdict.MISMATCHED:
        database.statement(_ASK_PAYMENT_NOW, {"id": taken.payment_id, "now": now})
    return _OUTCOMES[verdict], transaction.number


def _apply_refund(session: Session, notification: answers.Notification, now: datetime) -> tuple[Outcome, str | None]:
    report = answers.refund_report(notification.resource)
    outcome = _OUTCOMES[refunds.record(session, report=report, now=now)]
    _keep(session, notification, outcome, report.number, report, now)
    if outcome is Outcome.MISMATCHED:
        session.execute(_ASK_REFUND_NOW, {"number": report.number, "now": now})
    return outcome, report.number


def _keep(
    session: Session,
    notification: answers.Notification,
    outcome: Outcome,
    number: str | None,
    content: Any,
    now: datetime,
) -> None:
    session.execute(
        _KEEP,
        {
            "notification_id": notification.id,
            "event_type": notification.event_type,
            "number": number,
            "content": database.dump_json(content),
            "outcome": outcome,
            "now": now,
            "applied_at": now if outcome is Outcome.APPLIED else None,
        },
    )


def _open_case(session: Session, notification: answers.Notification, number: str | None, now: datetime) -> None:
    evidence = {"notification": notification.id, "event_type": notification.event_type}
    cases.open(session, kind=CaseKind.UNMATCHED, number=number or notification.id, evidence=evidence, now=now)


_OUTCOMES = {
    Verdict.RECORDED: Outcome.APPLIED,
    Verdict.KNOWN: Outcome.APPLIED,
    Verdict.MISMATCHED: Outcome.MISMATCHED,
    Verdict.UNMATCHED: Outcome.UNMATCHED,
}

_ON_REPEAT = """
    ON CONFLICT (notification_id) DO UPDATE SET
        deliveries = payment_notifications.deliveries + 1,
        outcome = CASE WHEN payment_notifications.applied_at IS NULL
                       THEN excluded.outcome ELSE payment_notifications.outcome END,
        applied_at = coalesce(payment_notifications.applied_at, excluded.applied_at)
"""
_TAKE_AND_KEEP = f"""
    WITH {receipts.TAKE}, judged AS (
        SELECT CASE
            WHEN NOT EXISTS (SELECT FROM known) THEN 'unmatched'
            WHEN EXISTS (SELECT FROM paid) OR EXISTS (SELECT FROM known WHERE transaction_id = %(transaction_id)s)
            THEN 'applied' ELSE 'mismatched' END AS outcome
    ), kept AS (
        INSERT INTO payment_notifications
            (notification_id, event_type, number, content, outcome, received_at, applied_at)
        SELECT %(notification_id)s, %(event_type)s, %(number)s, %(content)s::jsonb, outcome, %(now)s,
               CASE WHEN outcome = 'applied' THEN %(now)s::timestamptz END
        FROM judged {_ON_REPEAT}
    )
    {receipts.TAKEN}
"""
_ASK_PAYMENT_NOW = "UPDATE payments SET next_check_at = %(now)s, asked_at = %(now)s WHERE id = %(id)s"
_KEEP = text(f"""
    INSERT INTO payment_notifications
        (notification_id, event_type, number, content, outcome, received_at, applied_at)
    VALUES (:notification_id, :event_type, :number, cast(:content AS jsonb), :outcome, :now, :applied_at)
    {_ON_REPEAT}
""")
_ASK_REFUND_NOW = text("UPDATE payment_refunds SET next_check_at = :now WHERE number = :number")
