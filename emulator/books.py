"""The books: every order, refund, notification and message that this WeChat knows, and the rules of their states.

One lock guards all of it; each method is one atomic step, journalled before it returns. What it hands out is frozen.
"""

import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from emulator import fees, refunds
from emulator.clock import BEIJING
from emulator.journal import Journal
from emulator.records import PREPAY_LIFETIME, Attempt, Conflict, Notification, Order, Prepay, Refund, revive
from emulator.terms import Terms

# Makes the refund of an order, given its earlier ones and the request.
Accept = Callable[[Order, list[Refund], dict[str, Any]], Refund]


class Books:
    """All that is remembered, in memory and in the journal."""

    def __init__(self, journal: Journal) -> None:
        self._lock = threading.RLock()
        self._journal = journal
        self.orders: dict[str, Order] = {}
        self.refunds: dict[str, Refund] = {}
        self.notifications: dict[str, Notification] = {}
        self.messages: list[dict[str, Any]] = []
        self._by_prepay: dict[str, str] = {}
        self._by_transaction: dict[str, str] = {}
        self._refunds_of: dict[str, list[str]] = defaultdict(list)
        for (kind, _), row in journal.rows.items():
            match kind:
                case "order":
                    self._file_order(revive(Order, row))
                case "refund":
                    self._file_refund(revive(Refund, row))
                case "notification":
                    notification = revive(Notification, row)
                    self.notifications[notification.id] = notification
                case "message":
                    self.messages.append(row)

    # Orders

    def prepay(self, product: str, request: dict[str, Any], *, now: datetime) -> tuple[Order, Prepay]:
        """Open an order, or prepay an open one again when every parameter is the same.

        Raises Conflict: `paid`, `closed`, `different`.
        """
        number = request["out_trade_no"]
        prepay = Prepay(prepay_id=_prepay_id(now), issued_at=now)
        with self._lock:
            order = self.orders.get(number)
            if order is None:
                order = Order(out_trade_no=number, product=product, request=request, created_at=now, prepays=(prepay,))
            elif order.is_paid:
                raise Conflict("paid")
            elif order.state == "CLOSED":
                raise Conflict("closed")
            elif (order.product, order.request) != (product, request):
                raise Conflict("different")
            else:
                order = replace(order, prepays=(*order.prepays, prepay))
            return self._put_order(order), prepay

    def order_of_prepay(self, prepay_id: str) -> Order | None:
        """Return the order that a prepay id pays."""
        return self.orders.get(self._by_prepay.get(prepay_id, ""))

    def order_of_transaction(self, transaction_id: str) -> Order | None:
        """Return the order that a payment settled."""
        return self.orders.get(self._by_transaction.get(transaction_id, ""))

    def pay(
        self,
        number: str,
        *,
        openid: str,
        now: datetime,
        terms: Terms,
        payer_total: int | None = None,
        is_forced: bool = False,
    ) -> Order:
        """Take the money for an order, once, for the fee of the present terms.

        A forced payment ignores closing and expiry, as one does whose password screen was already open.
        Raises Conflict: `unknown`, `paid`, `closed`, `expired`.
        """
        with self._lock:
            order = self.orders.get(number)
            if order is None:
                raise Conflict("unknown")
            if order.is_paid:
                raise Conflict("paid")
            if not is_forced:
                _require_payable(order, now)
            paid = replace(
                order,
                state="SUCCESS",
                transaction_id=self._new_transaction_id(now),
                payer_openid=openid,
                payer_total=order.total if payer_total is None else payer_total,
                paid_at=now,
                fee_bp=terms.fee_bp,
                fee=fees.charge(order.total, rate_bp=terms.fee_bp, places=terms.fee_places),
            )
            return self._put_order(paid)

    def cancel(self, number: str) -> Order:
        """Note that the payer turned back at the sheet; the order stays as it was. Raises Conflict: `unknown`."""
        with self._lock:
            order = self.orders.get(number)
            if order is None:
                raise Conflict("unknown")
            return self._put_order(replace(order, cancellations=order.cancellations + 1))

    def close(self, number: str, *, now: datetime) -> Order | None:
        """Close an unpaid order; closing again, or closing what never existed, changes nothing (as observed live).

        Raises Conflict: `paid`.
        """
        with self._lock:
            order = self.orders.get(number)
            if order is None or order.state == "CLOSED":
                return order
            if order.is_paid:
                raise Conflict("paid")
            return self._put_order(replace(order, state="CLOSED", closed_at=now))

    def ship(self, number: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Order:
        """Replace an order's shipping record by what `change` makes of it, in one step."""
        with self._lock:
            order = self.orders[number]
            return self._put_order(replace(order, shipping=change(order.shipping or {})))

    # Refunds

    def refunds_of(self, number: str) -> list[Refund]:
        """Return an order's refunds in the order of their acceptance."""
        with self._lock:
            return [self.refunds[each] for each in self._refunds_of[number]]

    def refund(self, number: str, request: dict[str, Any], accept: Accept) -> tuple[Refund, bool]:
        """Accept a refund, or return the one already accepted under this number; the flag says whether it is new.

        Raises Conflict: `different`, and what `accept` raises.
        """
        with self._lock:
            order = self.orders[number]
            known = self.refunds.get(request["out_refund_no"])
            if known is not None:
                refunds.require_same(known, order, request)
                return known, False
            refund = accept(order, self.refunds_of(number), request)
            self._put_order(replace(order, state="REFUND"))
            return self._put_refund(refund), True

    def redirect_refund(self, number: str, *, now: datetime, wait: timedelta) -> Refund:
        """Send an abnormal refund on its way again. Raises Conflict `not_abnormal`."""
        with self._lock:
            return self._put_refund(refunds.redirect(self.refunds[number], now=now, wait=wait))

    def settle_refund(self, number: str, *, now: datetime, outcome: str | None = None) -> Refund | None:
        """Bring a refund to its outcome, or to another one; None when it is settled already."""
        with self._lock:
            refund = self.refunds[number]
            if refund.status != "PROCESSING":
                return None
            return self._put_refund(replace(refund, status=outcome or refund.outcome, settled_at=now))

    # Notifications and messages

    def announce(self, notification: Notification) -> Notification:
        """Enter a notification to be sent."""
        with self._lock:
            return self._put_notification(notification)

    def note_attempt(
        self, notification_id: str, attempt: Attempt | None, *, state: str, next_at: datetime | None
    ) -> Notification:
        """Add an attempt to a notification and say what follows; a delivered one stays delivered."""
        with self._lock:
            known = self.notifications[notification_id]
            attempts = known.attempts if attempt is None else (*known.attempts, attempt)
            if known.state == "delivered":
                state, next_at = "delivered", None
            return self._put_notification(replace(known, attempts=attempts, state=state, next_at=next_at))

    def message(self, row: dict[str, Any]) -> None:
        """Enter an accepted subscribe message."""
        with self._lock:
            self.messages.append(row)
            self._journal.write("message", str(len(self.messages)), row)

    # Filing

    def pending(self) -> tuple[Collection[Refund], Collection[Notification]]:
        """Return the refunds and notifications that still wait for something: what a restart must pick up."""
        with self._lock:
            waiting = [each for each in self.refunds.values() if each.status == "PROCESSING"]
            return waiting, [each for each in self.notifications.values() if each.state == "pending"]

    def snapshot(self) -> dict[str, list[Any]]:
        """Return everything at one instant."""
        with self._lock:
            return {
                "orders": list(self.orders.values()),
                "refunds": list(self.refunds.values()),
                "notifications": list(self.notifications.values()),
                "messages": list(self.messages),
            }

    def _new_transaction_id(self, now: datetime) -> str:
        while True:
            day = now.astimezone(BEIJING).strftime("%Y%m%d")
            candidate = f"4200{secrets.randbelow(10**6):06d}{day}{secrets.randbelow(10**10):010d}"
            if candidate not in self._by_transaction:
                return candidate

    def _put_order(self, order: Order) -> Order:
        self._journal.write("order", order.out_trade_no, order)
        self._file_order(order)
        return order

    def _file_order(self, order: Order) -> None:
        self.orders[order.out_trade_no] = order
        self._by_prepay |= {each.prepay_id: order.out_trade_no for each in order.prepays}
        if order.transaction_id:
            self._by_transaction[order.transaction_id] = order.out_trade_no

    def _put_refund(self, refund: Refund) -> Refund:
        self._journal.write("refund", refund.out_refund_no, refund)
        self._file_refund(refund)
        return refund

    def _file_refund(self, refund: Refund) -> None:
        if refund.out_refund_no not in self.refunds:
            self._refunds_of[refund.out_trade_no].append(refund.out_refund_no)
        self.refunds[refund.out_refund_no] = refund

    def _put_notification(self, notification: Notification) -> Notification:
        self._journal.write("notification", notification.id, notification)
        self.notifications[notification.id] = notification
        return notification


def _require_payable(order: Order, now: datetime) -> None:
    if order.state == "CLOSED":
        raise Conflict("closed")
    last_prepay = max(each.issued_at for each in order.prepays)
    if now - last_prepay > PREPAY_LIFETIME or (order.pay_until is not None and now > order.pay_until):
        raise Conflict("expired")


def _prepay_id(now: datetime) -> str:
    return f"wx{now.astimezone(BEIJING):%Y%m%d%H%M%S}{secrets.token_hex(10)}"
