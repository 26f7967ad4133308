"""Profit sharing: who may receive, what was divided of a payment, what came back, and when the rest was released.

At most thirty percent of a payment ever leaves it, each request number acts once, and a finished request may still have
receivers who got nothing. Rows are journalled dictionaries in WeChat's own words; instants are RFC 3339, UTC+8.
"""

import secrets
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from emulator import fees
from emulator.clock import beijing
from emulator.journal import Journal
from emulator.records import Conflict, Order

Row = dict[str, Any]
MOST_RATIO_BP = 3000
MOST_REQUESTS = 50
EARLIEST, LATEST, RETURNABLE = timedelta(minutes=1), timedelta(days=30), timedelta(days=180)


class Sharing:
    """What was divided, in memory and in the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.RLock()
        self.receivers: dict[str, Row] = {}
        self.orders: dict[str, Row] = {}
        self.returns: dict[str, Row] = {}
        for (kind, key), row in journal.rows.items():
            if kind.startswith("sharing_") and row is not None:
                getattr(self, kind.removeprefix("sharing_"))[key] = row

    def add_receiver(self, receiver: Row) -> None:
        """Let somebody receive; again is the same as once."""
        self._put("receivers", _receiver_key(receiver), receiver)

    def delete_receiver(self, receiver: Row) -> None:
        """Let somebody receive no more. Raises Conflict `no_receiver`."""
        with self._lock:
            if self.receivers.pop(_receiver_key(receiver), None) is None:
                raise Conflict("no_receiver")
            self._journal.write("sharing_receivers", _receiver_key(receiver), None)

    def divide(
        self,
        order: Order,
        request: Row,
        *,
        free_fen: int,
        now: datetime,
        wait: float,
        reason: Callable[[Row], str | None],
    ) -> Row:
        """Divide a part of what is free of a payment, or return what was divided under this number before.

        `reason` says why a receiver gets nothing, if so. Raises Conflict: `different`, `unfrozen`, `too_late`,
        `too_many`, `ratio`, `not_enough`.
        """
        with self._lock:
            known = self.orders.get(request["out_order_no"])
            if known is not None:
                if known["request"] != request:
                    raise Conflict("different")
                return known
            earlier = self.of(order)
            amount = sum(each["amount"] for each in request["receivers"])
            if any(each["unfreezes"] for each in earlier):
                raise Conflict("unfrozen")
            if order.paid_at is None or now - order.paid_at > LATEST:
                raise Conflict("too_late")
            if len(earlier) >= MOST_REQUESTS:
                raise Conflict("too_many")
            if (self.shared_fen(order) + amount) * 10_000 > order.total * MOST_RATIO_BP:
                raise Conflict("ratio")
            if amount > free_fen - self.shared_fen(order):
                raise Conflict("not_enough")
            return self._enter(order, request, now=now, wait=wait, reason=reason)

    def release(self, order: Order, request: Row, *, now: datetime, wait: float) -> Row:
        """Release what was not divided; a number that was used before answers well and releases nothing."""
        with self._lock:
            known = self.orders.get(request["out_order_no"])
            if known is not None:
                return known
            whole = request | {"receivers": [], "unfreeze_unsplit": True}
            return self._enter(order, whole, now=now, wait=wait, reason=lambda _: None)

    def take_back(self, request: Row, *, now: datetime, wait: float, reason: str | None) -> Row:
        """Take back from a merchant what it received, or return what was taken back under this number before.

        Raises Conflict: `no_order`, `different`, `no_receiver`, `too_late`, `exceeded`.
        """
        with self._lock:
            known = self.returns.get(request["out_return_no"])
            if known is not None:
                if known["request"] != request:
                    raise Conflict("different")
                return known
            divided = self.find(request)
            parts = [
                each for each in divided["receivers"] if _receiver_key(each) == f"MERCHANT_ID {request['return_mchid']}"
            ]
            if not parts or parts[0]["fail_reason"]:
                raise Conflict("no_receiver")
            if now - datetime.fromisoformat(divided["created"]) > RETURNABLE:
                raise Conflict("too_late")
            back = [
                each
                for each in self.returns.values()
                if each["order_id"] == divided["order_id"] and not each["fail_reason"]
            ]
            if sum(each["amount"] for each in back) + request["amount"] > parts[0]["amount"]:
                raise Conflict("exceeded")
            row = {name: request[name] for name in ("out_return_no", "return_mchid", "amount", "description")}
            row |= {"order_id": divided["order_id"], "out_order_no": divided["out_order_no"]}
            row |= {"return_id": f"30{secrets.randbelow(10**26):026d}", "fail_reason": reason, "request": request}
            row |= {"created": beijing(now), "due": (now + timedelta(seconds=wait)).isoformat()}
            return self._put("returns", request["out_return_no"], row)

    def find(self, request: Row) -> Row:
        """Return what was divided, by either number. Raises Conflict `no_order`."""
        with self._lock:
            for row in self.orders.values():
                if request.get("out_order_no") == row["out_order_no"] or request.get("order_id") == row["order_id"]:
                    return row
        raise Conflict("no_order")

    def of(self, order: Order) -> list[Row]:
        """Return the requests of a payment."""
        with self._lock:
            return [row for row in self.orders.values() if row["transaction_id"] == order.transaction_id]

    def shared_fen(self, order: Order) -> int:
        """Return what left a payment for its receivers, fen."""
        parts = [part for row in self.of(order) for part in row["receivers"] if not part["fail_reason"]]
        return sum(part["amount"] for part in parts)

    def snapshot(self) -> dict[str, list[Row]]:
        """Return everything at one instant."""
        with self._lock:
            return {name: list(getattr(self, name).values()) for name in ("receivers", "orders", "returns")}

    def _enter(
        self, order: Order, request: Row, *, now: datetime, wait: float, reason: Callable[[Row], str | None]
    ) -> Row:
        parts = [
            {name: each[name] for name in ("type", "account", "amount", "description")}
            | {"fail_reason": self._refusal(each) or reason(each), "detail_id": f"36{secrets.randbelow(10**26):026d}"}
            for each in request["receivers"]
        ]
        row = {
            "transaction_id": order.transaction_id,
            "out_order_no": request["out_order_no"],
            "order_id": f"30{secrets.randbelow(10**26):026d}",
            "receivers": parts,
            "unfreezes": bool(request.get("unfreeze_unsplit")),
            "created": beijing(now),
            "due": (now + timedelta(seconds=wait)).isoformat(),
            "request": request,
        }
        return self._put("orders", request["out_order_no"], row)

    def _refusal(self, receiver: Row) -> str | None:
        return None if _receiver_key(receiver) in self.receivers else "NO_RELATION"

    def _put(self, kind: str, key: str, row: Row) -> Row:
        with self._lock:
            getattr(self, kind)[key] = row
            self._journal.write(f"sharing_{kind}", key, row)
            return row


def view(row: Row, now: datetime) -> Row:
    """Return a request as a query answers it: finished when its time has come, each receiver with a result."""
    is_due = now >= datetime.fromisoformat(row["due"])
    finish = {"finish_time": beijing(datetime.fromisoformat(row["due"]))} if is_due else {}
    receivers = [
        {name: value for name, value in part.items() if name != "fail_reason"}
        | {"result": _result(part, is_due=is_due, failed="CLOSED", pending="PENDING"), "create_time": row["created"]}
        | ({"fail_reason": part["fail_reason"]} if is_due and part["fail_reason"] else {})
        | finish
        for part in row["receivers"]
    ]
    known = {name: row[name] for name in ("transaction_id", "out_order_no", "order_id")}
    return known | {"state": "FINISHED" if is_due else "PROCESSING", "receivers": receivers}


def view_return(row: Row, now: datetime) -> Row:
    """Return a return as a query answers it."""
    is_due = now >= datetime.fromisoformat(row["due"])
    known = {name: value for name, value in row.items() if name not in ("created", "due", "request", "fail_reason")}
    known |= {
        "result": _result(row, is_due=is_due, failed="FAILED", pending="PROCESSING"),
        "create_time": row["created"],
    }
    if is_due:
        known["finish_time"] = beijing(datetime.fromisoformat(row["due"]))
    return known | ({"fail_reason": row["fail_reason"]} if is_due and row["fail_reason"] else {})


def free_fen(order: Order, refunded_fen: int) -> int:
    """Return what could be divided of a payment before anything was: its amount less the fee and what went back."""
    return order.total - fees.fen(order.fee) - refunded_fen


def _result(row: Row, *, is_due: bool, failed: str, pending: str) -> str:
    return (failed if row["fail_reason"] else "SUCCESS") if is_due else pending


def _receiver_key(receiver: Row) -> str:
    return f"{receiver['type']} {receiver['account']}"
