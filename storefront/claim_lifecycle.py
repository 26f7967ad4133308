"""The states of an after-sales claim, what may follow what, and how long each may wait. Pure: no database, no clock.

Invariant: a claim moves only along `TRANSITIONS`; whoever it waits for has until the deadline of its state.
"""

from datetime import datetime, time, timedelta
from enum import StrEnum

from config import clock


class ClaimKind(StrEnum):
    """What the shopper wants: the money alone, or to send goods back for it."""

    REFUND = "refund"
    RETURN = "return"


class Cause(StrEnum):
    """Why."""

    NO_REASON = "no_reason"
    DAMAGED = "damaged"
    QUALITY = "quality"
    WRONG_ITEM = "wrong_item"
    NOT_RECEIVED = "not_received"

    @property
    def is_fault(self) -> bool:
        """Whether the shop has to answer for it: then freight goes back too, and no return class stands in the way."""
        return self is not Cause.NO_REASON


class ClaimState(StrEnum):
    """Where a claim stands."""

    FILED = "filed"
    APPROVED = "approved"
    SENT_BACK = "sent_back"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


TRANSITIONS: dict[ClaimState, frozenset[ClaimState]] = {
    # An approved refund goes on at once; an approved return waits for the goods.
    ClaimState.FILED: frozenset({ClaimState.APPROVED, ClaimState.REFUNDING, ClaimState.REFUSED, ClaimState.WITHDRAWN}),
    ClaimState.APPROVED: frozenset({ClaimState.SENT_BACK, ClaimState.WITHDRAWN, ClaimState.LAPSED}),
    # Goods that are not what was agreed go back to the shopper: the claim is refused.
    ClaimState.SENT_BACK: frozenset({ClaimState.REFUNDING, ClaimState.REFUSED}),
    # WeChat closed the refund, or a second person said no: staff decide again.
    ClaimState.REFUNDING: frozenset({ClaimState.REFUNDED, ClaimState.FILED}),
    ClaimState.REFUNDED: frozenset(),
    ClaimState.REFUSED: frozenset(),
    ClaimState.WITHDRAWN: frozenset(),
    ClaimState.LAPSED: frozenset(),
}

# What is not over, and what took its pieces: neither leaves them to another claim.
OPEN = frozenset({ClaimState.FILED, ClaimState.APPROVED, ClaimState.SENT_BACK, ClaimState.REFUNDING})
HOLDS_PIECES = OPEN | {ClaimState.REFUNDED}
# Where staff have to act.
WAITS_FOR_STAFF = frozenset({ClaimState.FILED, ClaimState.SENT_BACK})

# 48 hours to answer are the shop's promise. A week to send is as long as the law gives to change one's mind. Money is
# due a week after the goods came (消费者权益保护法 art. 25); three days are what a parcel takes.
_WAITS = {
    ClaimState.FILED: timedelta(hours=48),
    ClaimState.APPROVED: timedelta(days=7),
    ClaimState.SENT_BACK: timedelta(days=10),
}
NO_REASON_DAYS = 7


def may_follow(before: ClaimState, after: ClaimState) -> bool:
    """Tell whether a claim may go from `before` to `after`."""
    return after in TRANSITIONS[before]


def due_at(state: ClaimState, *, now: datetime) -> datetime | None:
    """Return until when somebody has to act on a claim that enters `state` now; None when nobody has to."""
    wait = _WAITS.get(state)
    return None if wait is None else now + wait


def no_reason_until(received_at: datetime) -> datetime:
    """Return the end of the seven days to return goods without a reason.

    They begin the day after the goods were signed for, in Beijing (网络购买商品七日无理由退货暂行办法 art. 10).
    """
    last = received_at.astimezone(clock.SHANGHAI).date() + timedelta(days=NO_REASON_DAYS)
    return datetime.combine(last + timedelta(days=1), time(), tzinfo=clock.SHANGHAI)
