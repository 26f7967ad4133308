"""The facts that payments publishes, each exactly once per payment or refund.

A fact is published in the transaction that made it true.
"""

from config import facts

PAYMENT_SUCCEEDED = facts.declare(
    "payment.succeeded",
    "Money arrived for a reference, also when it came after the payment had been closed.",
)
PAYMENT_CLOSED = facts.declare(
    "payment.closed",
    "A payment ended without its money: WeChat Pay confirmed the close, or a person ended the case of a mismatch.",
)
REFUND_REQUESTED = facts.declare(
    "refund.requested",
    "A refund was recorded and waits to be sent to WeChat Pay.",
)
REFUND_SUCCEEDED = facts.declare(
    "refund.succeeded",
    "Money went back to the payer.",
)
SHARE_ENDED = facts.declare(
    "share.ended",
    "A divided payment has no receiver left that waits: each got its part or nothing, and the rest is released.",
)
REFUND_FAILED = facts.declare(
    "refund.failed",
    "WeChat Pay closed a refund without paying it, or refused it for good; the amount is refundable again.",
)
