"""Collects money: opens a payment at WeChat, hands the payer what is needed to pay, and follows it until it is decided.

A reference has at most one open payment. Its number is stored before WeChat hears of it; a call whose outcome is
unknown is repeated word for word or asked about, and another number is used only after WeChat has closed the first.
"""

import ipaddress
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn

from sqlalchemy import Select, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from config import database, logs, settings
from payments import inquiries, lifecycle, numbers
from payments.errors import AlreadyPaid, BadPayer, PaymentExpired, PaymentPaused, PaymentRefused, PaymentUnavailable
from payments.inquiries import Standing
from payments.lifecycle import Channel, PaymentState
from payments.models import Payment
from payments.wechatpay import answers, bodies, client
from payments.wechatpay.breaker import REST_S

# WeChat honours a prepay_id and a code_url for two hours and an h5_url for five minutes; we stop a little earlier.
_TOKEN_LIVES = timedelta(hours=1, minutes=55)
_H5_TOKEN_LIVES = timedelta(minutes=4)
_ASK_AT_MOST_EVERY = timedelta(seconds=2)
# One number for the old channel, one for the new, one more if WeChat had closed that.
_MOST_NUMBERS_AT_ONCE = 3
_PAUSED_FOR_S = math.ceil(REST_S)
_INSIDE_WECHAT = (Channel.MINIPROGRAM, Channel.OFFICIAL)

log = logs.get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """Who pays and where: `openid` is of the channel's account, `client_ip` the browser's address for H5."""

    channel: Channel
    openid: str | None = None
    client_ip: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A payment that waits for its payer; `client` is what the page needs to start the cashier."""

    number: str
    state: PaymentState
    client: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentView:
    """A payment as others see it. `is_confirming`: somebody asked, and WeChat has not yet said for certain.

    `is_disputed`: it is open, and stays so, until a person has closed its case.
    """

    number: str
    reference: str
    channel: Channel
    appid: str
    amount_fen: int
    state: PaymentState
    is_confirming: bool
    is_disputed: bool
    opened_at: datetime
    pay_until: datetime
    succeeded_at: datetime | None
    transaction_id: str | None


def open(  # noqa: A001 - a payment is opened
    *,
    reference: str,
    amount_fen: int,
    payer: Payer,
    description: str,
    pay_until: datetime,
    now: datetime,
    is_shared: bool = False,
) -> Opened:
    """Open the payment of `amount_fen` for a reference, or hand out again the one that is open.

    What `is_shared` stays frozen until `sharing` divides or releases it.
    When payer, channel or amount have changed, the open payment is closed first. Raises `BadPayer`, `PaymentExpired`,
    `AlreadyPaid`, `PaymentRefused`, `PaymentUnavailable` when WeChat's answer is unknown, and `PaymentPaused` when
    nothing was sent because it keeps failing: the same call may then be made again.
    """
    database.refuse_transaction()
    if amount_fen < 1:
        raise ValueError("the amount must be positive")
    _check_payer(payer)
    if pay_until <= now:
        raise PaymentExpired
    for _ in range(_MOST_NUMBERS_AT_ONCE):
        payment = _take_number(reference, amount_fen, payer, description, pay_until, now, is_shared=is_shared)
        if payment is None:
            continue
        if _is_for(payment, payer, amount_fen, is_shared=is_shared):
            token = _fresh_token(payment, now) or _prepay(payment, now)
            if token is not None:
                return Opened(number=payment.number, state=PaymentState.OPEN, client=_for_page(payment, token, now))
        else:
            _expect_closed(inquiries.close(number=payment.number, now=now))
    raise PaymentUnavailable


def check(*, reference: str, now: datetime) -> PaymentView | None:
    """Ask WeChat now about the open payment of a reference, at most once in two seconds, and return how it stands."""
    with database.transaction() as session:
        row = session.execute(_ASK, {"reference": reference, "now": now, "before": now - _ASK_AT_MOST_EVERY}).first()
    if row is not None:
        inquiries.ask(number=row.number, now=now)
    return _current(reference)


def close(*, reference: str, now: datetime) -> PaymentView | None:
    """Close the open payment of a reference at WeChat and return how it stands then.

    That is closed, succeeded, or still open when WeChat did not answer. Without an open payment nothing is called.
    """
    with database.transaction() as session:
        number = session.scalar(_open_payment(reference).with_only_columns(Payment.number))
    if number is not None:
        inquiries.close(number=number, now=now)
    return _current(reference)


def check_due(*, now: datetime, limit: int = 50) -> int:
    """Ask WeChat about the payments whose time to be asked about has come; close those that expired or have a rival.

    A rival is another payment of the same reference that succeeded.

    Returns how many were asked about; stops early when WeChat does not answer.
    """
    for asked in range(limit):
        due = _take_due(now)
        if due is None:
            return asked
        number, is_over = due
        standing = (inquiries.close if is_over else inquiries.ask)(number=number, now=now)
        if standing is Standing.UNKNOWN:
            return asked + 1
    return limit


def current(session: Session, *, reference: str) -> PaymentView | None:
    """Return the payment that matters for a reference: the one that succeeded, else the open one, else the last."""
    return currents(session, references=[reference]).get(reference)


def currents(session: Session, *, references: Sequence[str]) -> dict[str, PaymentView]:
    """Return the payment that matters for each reference that has any, as `current` does."""
    session.flush()
    views = map(_view, database.run(session, _CURRENTS, (list(references),)))
    return {view.reference: view for view in views}


def find(session: Session, *, number: str) -> PaymentView | None:
    """Return one payment by its own number."""
    session.flush()
    return next(map(_view, database.run(session, _FIND, (number,))), None)


def _view(row: tuple[Any, ...]) -> PaymentView:
    number, reference, channel, appid, amount_fen, state, is_confirming, is_disputed, opened_at, pay_until, *paid = row
    return PaymentView(
        number=number,
        reference=reference,
        channel=Channel(channel),
        appid=appid,
        amount_fen=amount_fen,
        state=PaymentState(state),
        is_confirming=is_confirming,
        is_disputed=is_disputed,
        opened_at=opened_at,
        pay_until=pay_until,
        succeeded_at=paid[0],
        transaction_id=paid[1],
    )


def _current(reference: str) -> PaymentView | None:
    with database.transaction() as session:
        return current(session, reference=reference)


def _check_payer(payer: Payer) -> None:
    if payer.channel in _INSIDE_WECHAT and not payer.openid:
        raise BadPayer
    if payer.channel is Channel.H5:
        try:
            ipaddress.ip_address(payer.client_ip or "")
        except ValueError:
            raise BadPayer from None


def _take_number(
    reference: str,
    amount_fen: int,
    payer: Payer,
    description: str,
    pay_until: datetime,
    now: datetime,
    *,
    is_shared: bool = False,
) -> Payment | None:
    """Store an open payment unless the reference has one; return the open one, or None if it was closed meanwhile."""
    config = settings.current()
    number = numbers.payment()
    appid = _appid(payer.channel)
    request = bodies.prepay(
        channel=payer.channel,
        number=number,
        mchid=config.wechatpay_mchid,
        appid=appid,
        amount_fen=amount_fen,
        description=description,
        pay_until=pay_until,
        notify_url=f"{config.public_base_url}/wechatpay/notifications/payments",
        openid=payer.openid,
        client_ip=payer.client_ip,
        is_shared=is_shared,
    )
    with database.transaction() as session:
        session.execute(
            insert(Payment)
            .values(
                number=number,
                reference=reference,
                channel=payer.channel,
                mchid=config.wechatpay_mchid,
                appid=appid,
                amount_fen=amount_fen,
                state=PaymentState.OPEN,
                request=request,
                pay_until=pay_until,
                opened_at=now,
                next_check_at=lifecycle.next_payment_check(opened_at=now, pay_until=pay_until, now=now),
            )
            .on_conflict_do_nothing(index_elements=["reference"], index_where=text("state = 'open'"))
        )
        # Looked up after the insert, which waited for whoever was just recording money on the open payment.
        if _is_paid(session, reference):
            raise AlreadyPaid
        return session.scalar(_open_payment(reference))


def _open_payment(reference: str) -> Select[Payment]:
    return select(Payment).where(Payment.reference == reference, Payment.state == PaymentState.OPEN)


def _appid(channel: Channel) -> str:
    """H5 and native belong to no account of WeChat's, but must name one that is bound to the merchant."""
    config = settings.current()
    return config.wechat_miniprogram_appid if channel is Channel.MINIPROGRAM else config.wechat_official_appid


def _is_for(payment: Payment, payer: Payer, amount_fen: int, *, is_shared: bool) -> bool:
    """Whether the kept request still says who pays what from where; WeChat refuses its number with anything else."""
    openid = payment.request.get("payer", {}).get("openid")
    client_ip = payment.request.get("scene_info", {}).get("payer_client_ip")
    return (
        payment.channel is payer.channel
        and payment.amount_fen == amount_fen
        and ("settle_info" in payment.request) is is_shared
        and (payment.mchid, payment.appid) == (settings.current().wechatpay_mchid, _appid(payer.channel))
        and (payer.channel not in _INSIDE_WECHAT or openid == payer.openid)
        and (payer.channel is not Channel.H5 or client_ip == payer.client_ip)
    )


def _fresh_token(payment: Payment, now: datetime) -> str | None:
    return payment.token if payment.token_until is not None and now < payment.token_until else None


def _prepay(payment: Payment, now: datetime) -> str | None:
    """Send the kept request and keep the token; None when the payment turned out to be closed."""
    answer = client.current().prepay(payment.channel, payment.request)
    if isinstance(answer, answers.NotSent):
        raise PaymentPaused(retry_after=_PAUSED_FOR_S)
    if not isinstance(answer, answers.Prepaid):
        if not _may_send_again(payment, answer, now):
            return None
        answer = client.current().prepay(payment.channel, payment.request)
    if not isinstance(answer, answers.Prepaid):
        raise PaymentUnavailable
    lives = _H5_TOKEN_LIVES if payment.channel is Channel.H5 else _TOKEN_LIVES
    with database.transaction() as session:
        kept = session.execute(_KEEP, {"number": payment.number, "token": answer.token, "until": now + lives}).first()
    if kept is None:
        _give_up_token(payment)
    return answer.token


def _give_up_token(payment: Payment) -> NoReturn:
    """The payment was paid or closed while WeChat was answering: nobody has seen its token, and nobody shall."""
    found = _current(payment.reference)
    if found is not None and found.state is PaymentState.SUCCEEDED:
        raise AlreadyPaid
    client.current().close(payment.number)
    raise PaymentUnavailable


def _may_send_again(payment: Payment, answer: answers.Refused | answers.Unknown, now: datetime) -> bool:
    """Find out by asking what a prepay without a token means; False when the payment is closed."""
    standing = inquiries.ask(number=payment.number, now=now)
    if standing is Standing.SUCCEEDED:
        raise AlreadyPaid
    if standing is Standing.CLOSED:
        return False
    if standing is Standing.UNKNOWN:
        raise PaymentUnavailable
    if isinstance(answer, answers.Refused):
        # A request that WeChat refused without ever taking its number is given up, so that a corrected one can follow.
        if standing is Standing.MISSING:
            inquiries.mark_closed(number=payment.number, now=now)
        raise PaymentRefused
    return True


def _expect_closed(standing: Standing) -> None:
    if standing is Standing.SUCCEEDED:
        raise AlreadyPaid
    if standing is not Standing.CLOSED:
        raise PaymentUnavailable


def _for_page(payment: Payment, token: str, now: datetime) -> dict[str, str]:
    if payment.channel in _INSIDE_WECHAT:
        return client.current().page_parameters(appid=payment.appid, prepay_id=token, now=now)
    return {"h5_url": token} if payment.channel is Channel.H5 else {"code_url": token}


def _take_due(now: datetime) -> tuple[str, bool] | None:
    """Take one due payment, (number, whether it must be closed), by planning its next check: no other job takes it."""
    with database.transaction() as session:
        payment = session.scalar(
            select(Payment)
            .where(Payment.next_check_at <= now)
            .order_by(Payment.next_check_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if payment is None:
            return None
        is_open = payment.state is PaymentState.OPEN
        payment.next_check_at = (
            lifecycle.next_payment_check(opened_at=payment.opened_at, pay_until=payment.pay_until, now=now)
            if is_open
            else None
        )
        is_expired = now >= payment.pay_until + lifecycle.GRACE_AFTER_EXPIRY
        return payment.number, is_open and (is_expired or _is_paid(session, payment.reference))


def _is_paid(session: Session, reference: str) -> bool:
    is_paid = select(Payment.id).where(Payment.reference == reference, Payment.state == PaymentState.SUCCEEDED)
    return session.scalar(is_paid.limit(1)) is not None


# The columns of `PaymentView`, in its order.
_COLUMNS = """
    number, reference, channel, appid, amount_fen, state,
    state = 'open' AND asked_at IS NOT NULL AND (answered_at IS NULL OR answered_at < asked_at),
    state = 'open' AND next_check_at IS NULL,
    opened_at, pay_until, succeeded_at, transaction_id
"""
_FIND = f"SELECT {_COLUMNS} FROM payments WHERE number = %s"
_CURRENTS = f"""
    SELECT DISTINCT ON (reference) {_COLUMNS} FROM payments WHERE reference = ANY(%s::text[])
    ORDER BY reference, CASE state WHEN 'succeeded' THEN 0 WHEN 'open' THEN 1 ELSE 2 END, id DESC
"""
_ASK = text("""
    UPDATE payments SET asked_at = :now
    WHERE reference = :reference AND state = 'open' AND (asked_at IS NULL OR asked_at <= :before) RETURNING number
""")
_KEEP = text("""
    UPDATE payments SET token = :token, token_until = :until WHERE number = :number AND state = 'open' RETURNING id
""")
