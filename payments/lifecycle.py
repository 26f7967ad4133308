"""How payments and refunds may move, and when WeChat is asked about them; pure.

Money that arrived is never un-received: nothing leads out of `succeeded`, and even a closed payment may still succeed.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum


class Channel(StrEnum):
    """Where the payer stands when paying."""

    MINIPROGRAM = "miniprogram"
    OFFICIAL = "official"
    H5 = "h5"
    NATIVE = "native"


class PaymentState(StrEnum):
    """Where a payment stands."""

    OPEN = "open"
    SUCCEEDED = "succeeded"
    CLOSED = "closed"


class RefundState(StrEnum):
    """Where a refund stands."""

    REQUESTED = "requested"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    CLOSED = "closed"
    ABNORMAL = "abnormal"
    TRANSFERRED = "transferred"
    REFUSED = "refused"


class ShareState(StrEnum):
    """Where the dividing of a payment stands."""

    REQUESTED = "requested"
    PROCESSING = "processing"
    FINISHED = "finished"
    REFUSED = "refused"


class PartState(StrEnum):
    """What one receiver of a divided payment got, or what became of a return."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    CLOSED = "closed"


# WeChat's own limits: so much of a payment, in basis points, from a minute to thirty days after paying (then it is
# released by itself); taken back within 180 days. We stay a day away from the ends.
MOST_SHARED_BP = 3_000
SHARE_WITHIN = timedelta(days=29)
RETURN_WITHIN = timedelta(days=179)


class PayoutState(StrEnum):
    """Where a payout stands."""

    REQUESTED = "requested"
    RELEASED = "released"
    SENT = "sent"
    BOUNCED = "bounced"
    WITHDRAWN = "withdrawn"


PAYOUT_MOVES: Mapping[PayoutState, frozenset[PayoutState]] = {
    PayoutState.REQUESTED: frozenset({PayoutState.RELEASED, PayoutState.WITHDRAWN}),
    PayoutState.RELEASED: frozenset({PayoutState.SENT, PayoutState.WITHDRAWN}),
    # A bank takes days to find that an account does not exist.
    PayoutState.SENT: frozenset({PayoutState.BOUNCED}),
    PayoutState.BOUNCED: frozenset(),
    PayoutState.WITHDRAWN: frozenset(),
}
# The states that keep another payout for the same thing away.
PAYOUT_STANDS = frozenset({PayoutState.REQUESTED, PayoutState.RELEASED, PayoutState.SENT})

PAYMENT_MOVES: Mapping[PaymentState, frozenset[PaymentState]] = {
    PaymentState.OPEN: frozenset({PaymentState.SUCCEEDED, PaymentState.CLOSED}),
    # WeChat has been seen to complete a payment after confirming its close: the payer sat in the password dialog.
    PaymentState.CLOSED: frozenset({PaymentState.SUCCEEDED}),
    PaymentState.SUCCEEDED: frozenset(),
}

REFUND_MOVES: Mapping[RefundState, frozenset[RefundState]] = {
    # What WeChat would not take, or knows nothing of any more, a person gives up or pays out by transfer.
    RefundState.REQUESTED: frozenset(
        {
            RefundState.PROCESSING,
            RefundState.SUCCEEDED,
            RefundState.CLOSED,
            RefundState.ABNORMAL,
            RefundState.REFUSED,
            RefundState.TRANSFERRED,
        }
    ),
    RefundState.PROCESSING: frozenset(
        {
            RefundState.SUCCEEDED,
            RefundState.CLOSED,
            RefundState.ABNORMAL,
            RefundState.REFUSED,
            RefundState.TRANSFERRED,
        }
    ),
    # An abnormal refund is sent on to a bank card and then goes on, or a person pays it out by transfer.
    RefundState.ABNORMAL: frozenset(
        {
            RefundState.PROCESSING,
            RefundState.SUCCEEDED,
            RefundState.CLOSED,
            RefundState.REFUSED,
            RefundState.TRANSFERRED,
        }
    ),
    RefundState.SUCCEEDED: frozenset(),
    RefundState.CLOSED: frozenset(),
    RefundState.TRANSFERRED: frozenset(),
    RefundState.REFUSED: frozenset(),
}

# The states whose amount cannot be promised to another refund. An abnormal one may still reach the payer at any time.
REFUND_HOLDS_MONEY = frozenset(
    {
        RefundState.REQUESTED,
        RefundState.PROCESSING,
        RefundState.SUCCEEDED,
        RefundState.ABNORMAL,
        RefundState.TRANSFERRED,
    }
)
# The states in which the payer has the money.
REFUND_ARRIVED = frozenset({RefundState.SUCCEEDED, RefundState.TRANSFERRED})

# WeChat's own limits: so many refunds of one payment, a minute apart, within a year of paying.
MOST_REFUNDS = 50
REFUND_WITHIN = timedelta(days=365)
# The minute counts from when WeChat took the one before, which may be as late as our call can last.
REFUNDS_APART = timedelta(seconds=90)
# What WeChat took and then does not know may only be hard to find for it just now; after so long it is gone.
FORGOTTEN_AFTER = timedelta(days=1)

# WeChat recommends these instants after opening for a payment of which no notification came.
_CHECKS_AFTER_OPENING = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=3),
    timedelta(minutes=5),
    timedelta(minutes=10),
    timedelta(minutes=30),
)
# A payer who tapped in the last second needs some time for the password; after this the payment is closed.
GRACE_AFTER_EXPIRY = timedelta(seconds=90)
# While closing cannot be confirmed, WeChat is asked again this often.
_CHECK_OVERDUE_EVERY = timedelta(minutes=1)
# One more look at a closed payment, long after a password dialog must have ended.
LAST_LOOK_AFTER_CLOSING = timedelta(minutes=10)

_REFUND_CHECK_AT_LEAST = timedelta(seconds=30)
_REFUND_CHECK_AT_MOST = timedelta(hours=1)


def payment_origins(target: PaymentState) -> list[PaymentState]:
    """The states from which a payment may move to `target`, for the compare-and-set."""
    return [state for state, targets in PAYMENT_MOVES.items() if target in targets]


def next_payment_check(*, opened_at: datetime, pay_until: datetime, now: datetime) -> datetime:
    """When to ask next about an open payment: at the first planned instant after `now`, in the end every minute."""
    expiry = pay_until + GRACE_AFTER_EXPIRY
    planned = [opened_at + after for after in _CHECKS_AFTER_OPENING if opened_at + after < expiry]
    return next((at for at in [*planned, expiry] if at > now), now + _CHECK_OVERDUE_EVERY)


def next_refund_check(*, requested_at: datetime, now: datetime) -> datetime:
    """When to ask next about an undecided refund: after as long again as it has taken, between 30 s and one hour."""
    return now + min(max(now - requested_at, _REFUND_CHECK_AT_LEAST), _REFUND_CHECK_AT_MOST)
