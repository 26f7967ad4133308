"""What WeChat remembers of a payment: frozen rows, replaced and never edited, so that a reader needs no lock.

Instants are aware UTC; amounts are fen.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

PREPAY_LIFETIME = timedelta(hours=2)
H5_LIFETIME = timedelta(minutes=5)
# WeChat silently raises an earlier time_expire to this, so a payment is never born dead.
SHORTEST_TIME_TO_PAY = timedelta(minutes=1)


class Conflict(Exception):
    """The books do not allow this step; `reason` names why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Prepay:
    """One answer to a prepay call: an id to pay by, for a while."""

    prepay_id: str
    issued_at: datetime


@dataclass(frozen=True, kw_only=True)
class Order:
    """A merchant's order, keyed by out_trade_no, with the parameters of its first prepay frozen in `request`."""

    out_trade_no: str
    product: str
    request: dict[str, Any]
    created_at: datetime
    prepays: tuple[Prepay, ...]
    state: str = "NOTPAY"
    transaction_id: str | None = None
    payer_openid: str | None = None
    payer_total: int | None = None
    paid_at: datetime | None = None
    closed_at: datetime | None = None
    cancellations: int = 0
    shipping: dict[str, Any] | None = None
    # Hundredths of a percent, and what that made, in hundred-thousandths of a yuan.
    fee_bp: int = 0
    fee: int = 0

    @property
    def appid(self) -> str:
        """The account that the order was placed with."""
        return str(self.request["appid"])

    @property
    def description(self) -> str:
        """What the payer reads on the sheet."""
        return str(self.request["description"])

    @property
    def notify_url(self) -> str:
        """Where success is announced."""
        return str(self.request["notify_url"])

    @property
    def total(self) -> int:
        """The order's amount, fen."""
        return int(self.request["amount"]["total"])

    @property
    def is_paid(self) -> bool:
        """Money was taken, whether or not some of it went back."""
        return self.paid_at is not None

    @property
    def pay_until(self) -> datetime | None:
        """The last moment to pay that the merchant asked for, if it asked."""
        text = self.request.get("time_expire")
        return max(datetime.fromisoformat(text), self.created_at + SHORTEST_TIME_TO_PAY) if text else None


@dataclass(frozen=True, kw_only=True)
class Refund:
    """Money on its way back, keyed by out_refund_no."""

    out_refund_no: str
    refund_id: str
    out_trade_no: str
    request: dict[str, Any]
    created_at: datetime
    settle_at: datetime
    outcome: str
    status: str = "PROCESSING"
    settled_at: datetime | None = None
    # The part of the payment's fee that comes back with it, in hundred-thousandths of a yuan.
    fee: int = 0

    @property
    def amount(self) -> int:
        """What goes back, fen."""
        return int(self.request["amount"]["refund"])

    @property
    def notify_url(self) -> str | None:
        """Where the outcome is announced; without it nobody is told."""
        return self.request.get("notify_url")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One sending of a notification and what came back: an HTTP status, or the error that stood in its place."""

    at: datetime
    status: int | None
    error: str | None
    fault: str | None
    milliseconds: int


@dataclass(frozen=True, kw_only=True)
class Notification:
    """An announcement to the merchant: pending until it is delivered, exhausted, or lost by order."""

    id: str
    kind: str
    reference: str
    url: str
    event_type: str
    summary: str
    resource: dict[str, Any]
    created_at: datetime
    state: str = "pending"
    next_at: datetime | None = None
    attempts: tuple[Attempt, ...] = ()


Record = TypeVar("Record", Order, Refund, Notification)


def revive(kind: type[Record], row: dict[str, Any]) -> Record:
    """Build a record from its journal line, instants and nested rows included."""
    values = _instants(row)
    if "prepays" in values:
        values["prepays"] = tuple(Prepay(**_instants(item)) for item in values["prepays"])
    if "attempts" in values:
        values["attempts"] = tuple(Attempt(**_instants(item)) for item in values["attempts"])
    return kind(**values)


def _instants(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _instant(value) if name == "at" or name.endswith("_at") else value for name, value in row.items()}


def _instant(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)
