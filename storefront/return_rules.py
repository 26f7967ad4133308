"""Whether a line of an order may be claimed for: the law's seven days and return classes, and the shop's own terms.

Invariant: pure. What the shop has to answer for is never refused for its class or its day.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from config.errors import AppError
from storefront import claim_lifecycle, errors
from storefront.claim_lifecycle import Cause, ClaimKind
from storefront.declaration_models import DeclarationKind

PERISHABLE, SEALED = "excluded_perishable", "sealed_only"


@dataclass(frozen=True, slots=True)
class Piece:
    """What the rules need to know of a line: its class, whether it left, and when it was signed for."""

    line: int
    return_class: str
    is_shipped: bool
    received_at: datetime | None


def objection(
    piece: Piece,
    *,
    kind: ClaimKind,
    cause: Cause,
    is_sealed: bool,
    declared: Collection[DeclarationKind],
    now: datetime,
) -> AppError | None:
    """Return why a line cannot be claimed for like this, or None.

    `is_sealed` is the shopper's word that the package is unopened: the law asks for it only of goods whose buyer
    confirmed at the purchase that they cannot be returned once opened. Perishable goods are outside the law's seven
    days altogether.
    """
    if kind is ClaimKind.RETURN and not piece.is_shipped:
        return errors.NothingToReturn(line=piece.line)
    if cause.is_fault or not piece.is_shipped:
        return None
    if kind is ClaimKind.REFUND:
        return errors.ReturnRequired(line=piece.line)
    return _without_reason(piece, is_sealed=is_sealed, declared=declared, now=now)


def _without_reason(
    piece: Piece, *, is_sealed: bool, declared: Collection[DeclarationKind], now: datetime
) -> AppError | None:
    """Return why goods that were sent cannot be returned without a reason, or None."""
    if piece.return_class == PERISHABLE:
        return errors.NotReturnable(line=piece.line)
    if piece.received_at is not None and now >= claim_lifecycle.no_reason_until(piece.received_at):
        return errors.ReturnWindowOver(
            line=piece.line, until=claim_lifecycle.no_reason_until(piece.received_at).isoformat()
        )
    if piece.return_class == SEALED and DeclarationKind.RETURNS_SEALED in declared and not is_sealed:
        return errors.SealRequired(line=piece.line)
    return None
