"""What WeChat Pay says, as values: parsed once, typed, and never trusted to be complete.

A field that is absent or of the wrong type is None; whoever compares it with what was expected finds the difference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# A refund, even of one fen, turns SUCCESS into REFUND: both say that the money arrived.
_PAID_STATES = frozenset({"SUCCESS", "REFUND"})
_CLOSED_STATES = frozenset({"CLOSED", "REVOKED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One payment as WeChat sees it, from a query or a notification; amounts in fen."""

    number: str | None
    mchid: str | None
    appid: str | None
    transaction_id: str | None
    trade_state: str | None
    total_fen: int | None
    currency: str | None
    succeeded_at: datetime | None

    @property
    def is_paid(self) -> bool:
        """Whether the money arrived."""
        return self.trade_state in _PAID_STATES

    @property
    def is_complete(self) -> bool:
        """Whether it is paid and says under which number and when."""
        return self.is_paid and self.transaction_id is not None and self.succeeded_at is not None

    @property
    def is_closed(self) -> bool:
        """Whether no money can arrive any more."""
        return self.trade_state in _CLOSED_STATES


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundReport:
    """One refund as WeChat sees it, from an answer or a notification; amounts in fen."""

    number: str | None
    mchid: str | None
    refund_id: str | None
    transaction_id: str | None
    status: str | None
    refund_fen: int | None
    total_fen: int | None
    succeeded_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SharePart:
    """What one receiver of a divided payment got: `result` PENDING, SUCCESS, or CLOSED, which is nothing."""

    kind: str | None
    account: str | None
    amount_fen: int | None
    result: str | None
    fail_reason: str | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareReport:
    """How a payment was divided. The `state` FINISHED says that nothing more happens, not that anybody got anything."""

    number: str | None
    transaction_id: str | None
    state: str | None
    parts: tuple[SharePart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnReport:
    """How a part of a share came back: `result` PROCESSING, SUCCESS or FAILED."""

    number: str | None
    share: str | None
    amount_fen: int | None
    result: str | None
    fail_reason: str | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Added:
    """WeChat lets somebody receive."""


@dataclass(frozen=True, slots=True)
class Prepaid:
    """The payment waits for its payer; `token` is a prepay_id, an h5_url or a code_url, as the channel has it."""

    token: str


@dataclass(frozen=True, slots=True)
class BillAddress:
    """Where a bill can be downloaded for five minutes, and the SHA-1 of it, in hex."""

    url: str
    sha1: str


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file came, whole as far as the connection tells; whether it is the right one only its hash does."""


@dataclass(frozen=True, slots=True)
class Closed:
    """WeChat accepted the close. Whether the payment is closed only a query tells."""


@dataclass(frozen=True, slots=True)
class Missing:
    """WeChat does not know the number."""


@dataclass(frozen=True, slots=True)
class Refused:
    """WeChat understood and declined; `code` is stable, its text is not."""

    status: int
    code: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """What happened is not known: the call may have taken effect or not. Only asking tells."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotSent(Unknown):
    """The call was not made, because its operation rests after failures. It says nothing about any money."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One verified and decrypted notification."""

    id: str
    event_type: str
    resource: Mapping[str, Any]


def transaction(body: Mapping[str, Any]) -> Transaction:
    """Read a payment from a query's answer or from a notification's resource."""
    amount = _mapping(body.get("amount"))
    return Transaction(
        number=_text(body.get("out_trade_no")),
        mchid=_text(body.get("mchid")),
        appid=_text(body.get("appid")),
        transaction_id=_text(body.get("transaction_id")),
        trade_state=_text(body.get("trade_state")),
        # `total`, never `payer_total`: a coupon lowers what the payer gave, not what we are owed.
        total_fen=_fen(amount.get("total")),
        currency=_text(amount.get("currency")),
        succeeded_at=_instant(body.get("success_time")),
    )


def refund_report(body: Mapping[str, Any]) -> RefundReport:
    """Read a refund from an answer or from a notification's resource."""
    amount = _mapping(body.get("amount"))
    return RefundReport(
        number=_text(body.get("out_refund_no")),
        mchid=_text(body.get("mchid")),
        refund_id=_text(body.get("refund_id")),
        transaction_id=_text(body.get("transaction_id")),
        # A notification says refund_status, an answer says status.
        status=_text(body.get("refund_status")) or _text(body.get("status")),
        refund_fen=_fen(amount.get("refund")),
        total_fen=_fen(amount.get("total")),
        succeeded_at=_instant(body.get("success_time")),
    )


def share_report(body: Mapping[str, Any]) -> ShareReport:
    """Read how a payment was divided."""
    receivers = body.get("receivers")
    parts = [_mapping(each) for each in receivers] if isinstance(receivers, list) else []
    return ShareReport(
        number=_text(body.get("out_order_no")),
        transaction_id=_text(body.get("transaction_id")),
        state=_text(body.get("state")),
        parts=tuple(
            SharePart(
                kind=_text(part.get("type")),
                account=_text(part.get("account")),
                amount_fen=_fen(part.get("amount")),
                result=_text(part.get("result")),
                fail_reason=_text(part.get("fail_reason")),
                finished_at=_instant(part.get("finish_time")),
            )
            for part in parts
        ),
    )


def return_report(body: Mapping[str, Any]) -> ReturnReport:
    """Read how a part of a share came back."""
    return ReturnReport(
        number=_text(body.get("out_return_no")),
        share=_text(body.get("out_order_no")),
        amount_fen=_fen(body.get("amount")),
        result=_text(body.get("result")),
        fail_reason=_text(body.get("fail_reason")),
        finished_at=_instant(body.get("finish_time")),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 128 and value.isprintable() else None


def _fen(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _instant(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None
