"""When a third-party seller's commission is asked of WeChat, how much it is, and why it may be nothing. Pure.

Invariant: integer fen, never more than WeChat's ratio of the payment over all sellers of an order; nothing before the
shopper's time to return is over, on a seller's own purchase, or under a suspicion.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from storefront.claim_lifecycle import no_reason_until


class ClaimState(StrEnum):
    """Where a seller's claim to commission stands."""

    EARNED = "earned"
    ASKED = "asked"
    PAID = "paid"
    CLOSED = "closed"
    BARRED = "barred"


class Barred(StrEnum):
    """Why a claim earns nothing."""

    OWN_PURCHASE = "own_purchase"
    SUSPICION = "suspicion"
    REFUNDED = "refunded"
    # The payment was not opened for sharing, or its thirty days at WeChat are over.
    NOT_SHAREABLE = "not_shareable"
    # A later look at the order found that another advert had brought it.
    CREDIT_MOVED = "credit_moved"
    # WeChat will not let the seller receive.
    RECEIVER = "receiver"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of an order when commission is due: `sold_fen` is what was paid for goods and did not go back."""

    received_at: datetime | None
    is_disputed: bool
    is_suspected: bool
    is_confirmed_fraud: bool
    sold_fen: int


def barred(standing: Standing, *, is_own: bool, is_moved: bool = False) -> Barred | None:
    """Return why a claim will never earn anything, or None; `is_moved` when another advert has the credit."""
    if is_own:
        return Barred.OWN_PURCHASE
    if standing.is_confirmed_fraud:
        return Barred.SUSPICION
    if is_moved:
        return Barred.CREDIT_MOVED
    return Barred.REFUNDED if standing.sold_fen == 0 else None


def is_ripe(standing: Standing, *, now: datetime) -> bool:
    """Tell whether an order can no longer be returned without a reason, and nobody disputes or suspects it."""
    is_past = standing.received_at is not None and now >= no_reason_until(standing.received_at)
    return is_past and not standing.is_disputed and not standing.is_suspected


def amounts(basis_points: Mapping[str, int], *, sold_fen: int, most_fen: int) -> dict[str, int]:
    """Return what each seller gets of `sold_fen`, together at most `most_fen`: each gives way in proportion."""
    wanted = {seller: sold_fen * points // 10_000 for seller, points in basis_points.items()}
    total = sum(wanted.values())
    if total > most_fen:
        wanted = {seller: fen * most_fen // total for seller, fen in wanted.items()}
    return {seller: fen for seller, fen in wanted.items() if fen > 0}
