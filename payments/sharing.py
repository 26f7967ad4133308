"""Divides payments at WeChat: who receives how much, what each of them got, and what of the rest is released.

Invariant: a payment that was opened for sharing is divided once, never by more than WeChat's ratio, and is released
even when nobody receives anything. The number is stored first and a call whose outcome is unknown is asked about; only
a receiver's own result says that it got its part. The ledger moves with each part, once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from config import database, facts, logs
from payments import books, cases, ledger, lifecycle, numbers
from payments.errors import NotShareable, ShareStands, ShareTooLarge
from payments.facts import SHARE_ENDED
from payments.lifecycle import PartState, PaymentState, ShareState
from payments.models import CaseKind, Payment
from payments.sharing_models import Share, SharedPart
from payments.wechatpay import answers, bodies, client

MERCHANT, PERSON = "MERCHANT_ID", "PERSONAL_OPENID"
_RESULTS = {"SUCCESS": PartState.SUCCEEDED, "CLOSED": PartState.CLOSED}
# WeChat says the same code of a payment that is too young or whose goods are not received, and of some that never will
# be divided: it is asked again until its time is over.
_PERHAPS_LATER = frozenset({"INVALID_REQUEST"})

log = logs.get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Who is to receive: a merchant by its number and full name, or a person by an openid of the payment's account."""

    kind: str
    account: str = field(repr=False)
    name: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """So much for one receiver, whom the caller knows as `payee`."""

    payee: str
    receiver: Receiver
    amount_fen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartView:
    """What became of one part."""

    id: int
    payee: str
    kind: str
    amount_fen: int
    state: PartState
    fail_reason: str | None


def admit(*, receiver: Receiver, appid: str) -> bool:
    """Tell WeChat that somebody may receive; False when it did not say yes, and may be asked again."""
    database.refuse_transaction()
    found = client.current().add_receiver(appid=appid, kind=receiver.kind, account=receiver.account, name=receiver.name)
    if isinstance(found, answers.Refused):
        logs.alarm("payments.receiver_refused", code=found.code)
    return isinstance(found, answers.Added)


def request(session: Session, *, payment: str, parts: Sequence[Part], account: str, now: datetime) -> str:
    """Record how a payment is to be divided among `parts`, or that it is to be released; returns the number.

    The ledger's `account` owes the parts. Asked again it returns what stands. Raises `NotShareable`, `ShareTooLarge`,
    and `ShareStands` for another way to divide.
    """
    database.require_transaction(session)
    paid = session.scalar(select(Payment).where(Payment.number == payment).with_for_update())
    if paid is None or not _is_shareable(paid, now):
        raise NotShareable
    stands = session.scalar(select(Share).where(Share.payment_id == paid.id, Share.state != ShareState.REFUSED))
    wanted = {each.payee: each.amount_fen for each in parts}
    if stands is not None:
        if wanted != {each.payee: each.amount_fen for each in _parts(session, stands)}:
            raise ShareStands
        return stands.number
    most_fen = paid.amount_fen * lifecycle.MOST_SHARED_BP // 10_000
    if sum(wanted.values()) > most_fen:
        raise ShareTooLarge(most_fen=most_fen)
    share = _new(paid, parts, account, now)
    session.add(share)
    session.flush()
    session.add_all(
        SharedPart(
            share_id=share.id,
            payee=each.payee,
            kind=each.receiver.kind,
            account=each.receiver.account,
            amount_fen=each.amount_fen,
            state=PartState.PENDING,
        )
        for each in parts
    )
    log.info("share.requested", share=share.number, payment=payment, parts=len(parts))
    return share.number


def check_due(*, now: datetime, limit: int = 50) -> int:
    """Send what was not sent, and ask about what is under way, when its time has come.

    Returns how many were looked at; stops early when WeChat does not answer.
    """
    database.refuse_transaction()
    for looked in range(limit):
        number = _take_due(now)
        if number is None:
            return looked
        if not follow(number=number, now=now):
            return looked + 1
    return limit


def follow(*, number: str, now: datetime) -> bool:
    """Ask WeChat how a share stands, send it if WeChat has never heard of it, and record what is known.

    False when WeChat did not answer. May be called any number of times.
    """
    database.refuse_transaction()
    with database.transaction() as session:
        share = session.scalars(select(Share).where(Share.number == number)).one()
        body, state = dict(share.request), share.state
    found: Any = answers.Missing()
    if state is ShareState.PROCESSING:
        found = client.current().query_share(number, transaction_id=body["transaction_id"])
    elif state is ShareState.REQUESTED:
        sent = client.current().share(body)
        found = sent
        if not isinstance(sent, answers.ShareReport):
            # Whatever it was, WeChat may have carried it out.
            found = client.current().query_share(number, transaction_id=body["transaction_id"])
        if isinstance(found, answers.Missing) and isinstance(sent, answers.Refused):
            found = sent
    if isinstance(found, answers.ShareReport):
        _record(found, number, now)
    elif isinstance(found, answers.Refused):
        _refuse(number, found.code, now)
    return not isinstance(found, answers.Unknown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undivided:
    """A payment that was opened for sharing, arrived, and is neither divided nor released."""

    number: str
    reference: str
    appid: str
    amount_fen: int
    succeeded_at: datetime


def undivided(session: Session, *, now: datetime, limit: int) -> list[Undivided]:
    """Return the payments that wait to be divided or released, those first that waited longest.

    What WeChat has released by itself, because its thirty days are over, is none of them.
    """
    rows = session.execute(_UNDIVIDED, {"since": now - lifecycle.SHARE_WITHIN, "limit": limit})
    return [
        Undivided(
            number=row.number,
            reference=row.reference,
            appid=row.appid,
            amount_fen=row.amount_fen,
            succeeded_at=row.succeeded_at,
        )
        for row in rows
    ]


def shareable(session: Session, *, payments: Sequence[str], now: datetime) -> set[str]:
    """Return which of these payments were opened for sharing, and can still be divided."""
    asked = {"numbers": list(payments), "since": now - lifecycle.SHARE_WITHIN}
    return set(session.scalars(_SHAREABLE, asked))


def paid_fen(session: Session, *, account: str) -> int:
    """Return how much receivers got out of what an account of the ledger owes, less what came back."""
    return int(session.execute(_PAID, {"account": account}).scalar_one())


def parts_of(session: Session, *, reference: str) -> list[PartView]:
    """Return every part of the payments of a reference, oldest first."""
    rows = session.scalars(
        select(SharedPart)
        .join(Share, Share.id == SharedPart.share_id)
        .where(Share.reference == reference)
        .order_by(SharedPart.id)
    )
    return [
        PartView(
            id=row.id,
            payee=row.payee,
            kind=row.kind,
            amount_fen=row.amount_fen,
            state=row.state,
            fail_reason=row.fail_reason,
        )
        for row in rows
    ]


def _is_shareable(paid: Payment, now: datetime) -> bool:
    return (
        paid.state is PaymentState.SUCCEEDED
        and "settle_info" in paid.request
        and paid.succeeded_at is not None
        and now <= paid.succeeded_at + lifecycle.SHARE_WITHIN
    )


def _new(paid: Payment, parts: Sequence[Part], account: str, now: datetime) -> Share:
    number = numbers.share()
    receivers = [
        {"type": each.receiver.kind, "account": each.receiver.account, "amount": each.amount_fen} for each in parts
    ]
    body = bodies.share(number=number, appid=paid.appid, transaction_id=paid.transaction_id or "", receivers=receivers)
    return Share(
        number=number,
        payment_id=paid.id,
        reference=paid.reference,
        account=account,
        state=ShareState.REQUESTED,
        request=body,
        requested_at=now,
        next_check_at=now,
    )


def _parts(session: Session, share: Share) -> list[SharedPart]:
    return list(session.scalars(select(SharedPart).where(SharedPart.share_id == share.id).order_by(SharedPart.id)))


def _take_due(now: datetime) -> str | None:
    """Take one share that is due, by planning its next look: no other job takes it."""
    with database.transaction() as session:
        share = session.scalar(
            select(Share)
            .where(Share.next_check_at <= now)
            .order_by(Share.next_check_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if share is None:
            return None
        share.next_check_at = lifecycle.next_refund_check(requested_at=share.requested_at, now=now)
        return share.number


def _record(report: answers.ShareReport, number: str, now: datetime) -> None:
    """Record what WeChat says of each receiver; finished is what it says once nobody waits any more."""
    with database.transaction() as session:
        share = session.scalars(select(Share).where(Share.number == number).with_for_update()).one()
        if share.state in (ShareState.FINISHED, ShareState.REFUSED):
            return
        if (report.number, report.transaction_id) != (number, share.request["transaction_id"]):
            logs.alarm("payments.share_mismatch", share=number)
            open_case(session, number=number, told={"transaction_id": report.transaction_id}, now=now)
            return
        share.state = ShareState.PROCESSING
        parts = _parts(session, share)
        told = {(each.kind, each.account): each for each in report.parts}
        for part in parts:
            _settle(session, share, part, told.get((part.kind, part.account)), now)
        if report.state == "FINISHED" and all(part.state is not PartState.PENDING for part in parts):
            _end(session, share, ShareState.FINISHED, parts, now)


def open_case(session: Session, *, number: str, told: dict[str, Any], now: datetime) -> None:
    """Open the case of a share or return that did not go as asked; of several faults of one the first is kept."""
    cases.open(session, kind=CaseKind.SHARE, number=number, evidence={"told": told}, now=now)


def _settle(session: Session, share: Share, part: SharedPart, told: answers.SharePart | None, now: datetime) -> None:
    """Note what one receiver got, once, and post it."""
    result = _RESULTS.get(told.result or "") if told is not None else None
    if told is None or result is None or part.state is not PartState.PENDING:
        return
    if told.amount_fen != part.amount_fen:
        logs.alarm("payments.share_mismatch", share=share.number)
        open_case(session, number=share.number, told={"payee": part.payee, "amount_fen": told.amount_fen}, now=now)
        return
    part.state, part.fail_reason, part.ended_at = result, told.fail_reason, told.finished_at or now
    if result is PartState.SUCCEEDED:
        ledger.transfer(
            session,
            debit=share.account,
            credit=books.RECEIVABLE,
            amount_fen=part.amount_fen,
            source=f"share.succeeded/{share.number}/{part.payee}",
            at=told.finished_at or now,
        )
    else:
        logs.alarm("payments.share_closed", share=share.number, payee=part.payee, reason=part.fail_reason)
        open_case(session, number=share.number, told={"payee": part.payee, "closed_for": part.fail_reason}, now=now)


def _refuse(number: str, code: str, now: datetime) -> None:
    """Give a share up that WeChat will not carry out, and have the payment released under a number of its own."""
    with database.transaction() as session:
        share = session.scalars(select(Share).where(Share.number == number).with_for_update()).one()
        paid = session.get_one(Payment, share.payment_id)
        if share.state is not ShareState.REQUESTED or (code in _PERHAPS_LATER and _is_shareable(paid, now)):
            return
        logs.alarm("payments.share_refused", share=number, code=code)
        open_case(session, number=number, told={"code": code}, now=now)
        parts = _parts(session, share)
        for part in parts:
            part.state, part.fail_reason, part.ended_at = PartState.CLOSED, code[:64], now
        _end(session, share, ShareState.REFUSED, parts, now)
        session.flush()
        # After thirty days WeChat releases what is left by itself.
        if parts and _is_shareable(paid, now):
            session.add(_new(paid, (), share.account, now))


def _end(session: Session, share: Share, state: ShareState, parts: Sequence[SharedPart], now: datetime) -> None:
    share.state, share.ended_at, share.next_check_at = state, now, None
    values = {
        "reference": share.reference,
        "parts": {part.payee: {"state": part.state.value, "amount_fen": part.amount_fen} for part in parts},
    }
    facts.publish(session, SHARE_ENDED, key=share.number, values=values)
    log.info("share.ended", share=share.number, state=state.value)


_UNDIVIDED = text("""
    SELECT p.number, p.reference, p.appid, p.amount_fen, p.succeeded_at FROM payments p
    WHERE p.state = 'succeeded' AND p.request ? 'settle_info' AND p.succeeded_at >= :since
      AND NOT EXISTS (SELECT FROM payment_shares s WHERE s.payment_id = p.id)
    ORDER BY p.succeeded_at LIMIT :limit
""")
_SHAREABLE = text("""
    SELECT number FROM payments
    WHERE number = ANY(cast(:numbers AS text[])) AND request ? 'settle_info' AND succeeded_at >= :since
""")
_PAID = text("""
    SELECT (SELECT coalesce(sum(p.amount_fen), 0) FROM payment_share_parts p JOIN payment_shares s ON s.id = p.share_id
            WHERE s.account = :account AND p.state = 'succeeded')::bigint
         - (SELECT coalesce(sum(r.amount_fen), 0) FROM payment_share_returns r
            JOIN payment_share_parts p ON p.id = r.part_id JOIN payment_shares s ON s.id = p.share_id
            WHERE s.account = :account AND r.state = 'succeeded')::bigint
""")
