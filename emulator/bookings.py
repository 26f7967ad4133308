"""What a day's bills are made of: each payment, refund and shared part as one booking, from the books or in bulk.

A payment belongs to the day of its success, a refund in the trade bill to the day of its acceptance and in the
account's statement to the day of its success; days are UTC+8. A trade bill shows a refund as it stood at nine the next
morning, however late it is asked for. What went to receivers, and came back of them, moves the account alone.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from emulator import fees
from emulator.books import Books
from emulator.clock import BEIJING
from emulator.sharing import Sharing
from emulator.views import TRADE_TYPES, payer_share

# How a refund's state reads in a bill; a closed one failed, an abnormal one went another way.
_BILL_STATES = {"SUCCESS": "SUCCESS", "PROCESSING": "PROCESSING", "CLOSED": "FAIL", "ABNORMAL": "CHANGE"}
_DRAWN_AT = time(9, 0)


class Booking(NamedTuple):
    """One row of a bill: a payment, a refund when it has a `refund_id`, or what was shared, by its `share_id`.

    Amounts in fen, fees in 1e-5 yuan.
    """

    at: datetime
    appid: str
    transaction_id: str
    out_trade_no: str
    openid: str
    trade_type: str
    total: int
    payer_total: int
    description: str
    attach: str
    fee: int
    fee_bp: int
    refund_id: str = ""
    out_refund_no: str = ""
    refund: int = 0
    payer_refund: int = 0
    refund_state: str = ""
    succeeded_at: datetime | None = None
    reason: str = ""
    share_id: str = ""
    out_share_no: str = ""
    # What came back from a receiver, negative for what it got.
    shared: int = 0

    @property
    def number(self) -> str:
        """The merchant's own number for what was booked."""
        return self.out_share_no or self.out_refund_no or self.out_trade_no

    @property
    def business_id(self) -> str:
        """WeChat's number for what was booked."""
        return self.share_id or self.refund_id or self.transaction_id


@dataclass(frozen=True, kw_only=True)
class Fabrication:
    """A day that never was: so many payments, some of them refunded, always the same for the same seed."""

    day: date
    payments: int
    refunds: int = 0
    seed: int = 0
    fee_bp: int = 60

    def __post_init__(self) -> None:
        if not 0 < self.payments <= 10**6 or not 0 <= self.refunds <= self.payments:
            raise ValueError("1 to 1,000,000 payments, and no more refunds than those")


def fabricate(plan: Fabrication, *, appid: str, openid: str) -> Iterator[Booking]:
    """Yield the bookings of a fabricated day in the order of their time, each refund right behind its payment."""
    # Not for secrets: the same day must come out again.
    dice = random.Random(f"{plan.seed} {plan.day}")
    start, stamp = datetime.combine(plan.day, time(), BEIJING), f"{plan.day:%Y%m%d}"
    refunded = 0
    for number in range(plan.payments):
        total = 100 + dice.randrange(20_000)
        payment = Booking(
            at=start + timedelta(seconds=number * 86_400 // plan.payments),
            appid=appid,
            transaction_id=f"4200{plan.seed % 10**6:06d}{stamp}{number:010d}",
            out_trade_no=f"FAB{stamp}{number:08d}",
            openid=openid,
            trade_type="JSAPI",
            total=total,
            payer_total=total,
            description="砀山酥梨 5斤",
            attach="",
            fee=fees.charge(total, rate_bp=plan.fee_bp, places=2),
            fee_bp=plan.fee_bp,
        )
        yield payment
        # Spread evenly: after n payments, n * refunds / payments refunds.
        if (number + 1) * plan.refunds // plan.payments > refunded:
            refunded += 1
            yield payment._replace(
                refund_id=f"50{plan.seed % 10**6:06d}{stamp}{number:013d}",
                out_refund_no=f"FAB{stamp}{number:08d}R",
                refund=total,
                payer_refund=total,
                refund_state="SUCCESS",
                succeeded_at=payment.at,
                reason="坏果",
            )


def trade(books: Books, day: date) -> list[Booking]:
    """Return the bookings of a day's trade bill in the order of their time."""
    drawn_at = datetime.combine(day + timedelta(days=1), _DRAWN_AT, BEIJING)
    kept = books.snapshot()
    rows = [_payment(order) for order in kept["orders"] if _is_on(order.paid_at, day)]
    rows += [
        _refund(books.orders[refund.out_trade_no], refund, at=refund.created_at, seen_at=drawn_at)
        for refund in kept["refunds"]
        if _is_on(refund.created_at, day)
    ]
    return sorted(rows, key=lambda row: row.at)


def account(books: Books, sharing: Sharing, *, until: date) -> list[Booking]:
    """Return everything that moved the account up to the end of a day, in the order of its time."""
    kept = books.snapshot()
    rows = [_payment(order) for order in kept["orders"] if order.paid_at and _day(order.paid_at) <= until]
    for refund in kept["refunds"]:
        at = refund.settled_at
        if refund.status == "SUCCESS" and at and _day(at) <= until:
            rows.append(_refund(books.orders[refund.out_trade_no], refund, at=at, seen_at=at))
    rows += [row for row in _shared(books, sharing) if _day(row.at) <= until]
    return sorted(rows, key=lambda row: row.at)


def is_on(booking: Booking, day: date) -> bool:
    """Tell whether a booking is of a day."""
    return _day(booking.at) == day


def _payment(order: Any) -> Booking:
    return Booking(
        at=order.paid_at,
        appid=order.appid,
        transaction_id=order.transaction_id,
        out_trade_no=order.out_trade_no,
        openid=order.payer_openid,
        trade_type=TRADE_TYPES[order.product],
        total=order.total,
        payer_total=order.payer_total,
        description=order.description,
        attach=order.request.get("attach", ""),
        fee=order.fee,
        fee_bp=order.fee_bp,
    )


def _refund(order: Any, refund: Any, *, at: datetime, seen_at: datetime) -> Booking:
    is_settled = refund.settled_at is not None and refund.settled_at <= seen_at
    return _payment(order)._replace(
        at=at,
        fee=refund.fee,
        refund_id=refund.refund_id,
        out_refund_no=refund.out_refund_no,
        refund=refund.amount,
        payer_refund=payer_share(refund, order),
        refund_state=_BILL_STATES[refund.status if is_settled else "PROCESSING"],
        succeeded_at=refund.settled_at if is_settled and refund.status == "SUCCESS" else None,
        reason=refund.request.get("reason", ""),
    )


def _shared(books: Books, sharing: Sharing) -> Iterator[Booking]:
    """Yield each part that a receiver got or will have got when its time has come, and each that came back."""
    kept = sharing.snapshot()
    payments = {order.transaction_id: order for order in books.snapshot()["orders"] if order.paid_at}
    divided = {row["out_order_no"]: row for row in kept["orders"]}
    moved = [
        (row, row["out_order_no"], part["detail_id"], part, -part["amount"])
        for row in kept["orders"]
        for part in row["receivers"]
    ]
    moved += [(row, row["out_return_no"], row["return_id"], row, row["amount"]) for row in kept["returns"]]
    for row, number, share_id, told, fen in moved:
        if not told["fail_reason"]:
            order = payments[divided[row["out_order_no"]]["transaction_id"]]
            at = datetime.fromisoformat(row["due"])
            yield _payment(order)._replace(at=at, fee=0, share_id=share_id, out_share_no=number, shared=fen)


def _is_on(instant: datetime | None, day: date) -> bool:
    return instant is not None and _day(instant) == day


def _day(instant: datetime) -> date:
    return instant.astimezone(BEIJING).date()
