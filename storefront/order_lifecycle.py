"""The states of an order, and what may follow what. Pure: no database, no clock.

Invariant: an order moves only along `TRANSITIONS`; a partly refunded order keeps its state.
"""

from enum import StrEnum


class OrderState(StrEnum):
    """Where an order stands."""

    PENDING = "pending"
    PAID = "paid"
    SHIPPED = "shipped"
    RECEIVED = "received"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


class CancelledBy(StrEnum):
    """Who ended an unpaid order. Late money revives only an expired one."""

    SHOPPER = "shopper"
    STAFF = "staff"
    EXPIRY = "expiry"


class MarkCause(StrEnum):
    """What whoever works on an open order must know."""

    ACCREDITATION_LOST = "accreditation_lost"
    BATCH_RECALLED = "batch_recalled"


TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    OrderState.PENDING: frozenset({OrderState.PAID, OrderState.CANCELLED}),
    OrderState.CANCELLED: frozenset({OrderState.PAID}),
    OrderState.PAID: frozenset({OrderState.SHIPPED, OrderState.REFUNDED}),
    OrderState.SHIPPED: frozenset({OrderState.RECEIVED, OrderState.REFUNDED}),
    OrderState.RECEIVED: frozenset({OrderState.REFUNDED}),
    OrderState.REFUNDED: frozenset(),
}

# Paid for and not given back whole: something of it can be claimed for.
CLAIMABLE = frozenset({OrderState.PAID, OrderState.SHIPPED, OrderState.RECEIVED})


def may_follow(before: OrderState, after: OrderState, *, cancelled_by: CancelledBy | None = None) -> bool:
    """Tell whether an order may go from `before` to `after`."""
    if before is OrderState.CANCELLED and cancelled_by is not CancelledBy.EXPIRY:
        return False
    return after in TRANSITIONS[before]
