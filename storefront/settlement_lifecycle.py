"""What a supplier is owed for what was sold, when it is settled, and how a statement may move. Pure.

Invariant: integer fen. What is taken back of a line in any parts sums to exactly what it was owed, and a line is
settled only once its shopper's time to return it is over.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Self

from config import clock
from storefront.claim_lifecycle import NO_REASON_DAYS

WHOLE_BP = 10_000
_FORM = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")


class StatementState(StrEnum):
    """Where a statement stands."""

    DRAFTED = "drafted"
    APPROVED = "approved"
    INVOICED = "invoiced"
    PAID_OUT = "paid_out"
    # Approved with nothing to pay: what the supplier owes us is on the next statement.
    CARRIED = "carried"


TRANSITIONS: Mapping[StatementState, frozenset[StatementState]] = {
    StatementState.DRAFTED: frozenset({StatementState.APPROVED, StatementState.CARRIED}),
    StatementState.APPROVED: frozenset({StatementState.INVOICED}),
    # A payout that is called back before the bank hears of it leaves the statement without its invoice again.
    StatementState.INVOICED: frozenset({StatementState.PAID_OUT, StatementState.APPROVED}),
    # A bank sends a transfer back days later: the supplier is owed the money again.
    StatementState.PAID_OUT: frozenset({StatementState.INVOICED}),
    StatementState.CARRIED: frozenset(),
}
# The states in which a statement is in the ledger.
STANDS = frozenset(StatementState) - {StatementState.DRAFTED}


class LineKind(StrEnum):
    """What a line of a statement says."""

    GOODS = "goods"
    GOODS_BACK = "goods_back"
    GOODS_AGAIN = "goods_again"
    FREIGHT = "freight"
    FREIGHT_BACK = "freight_back"
    FREIGHT_AGAIN = "freight_again"
    CARRIED = "carried"


def may_follow(before: StatementState, after: StatementState) -> bool:
    """Tell whether a statement may go from `before` to `after`."""
    return after in TRANSITIONS[before]


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar month in Beijing, written like 2026-11."""

    key: str

    def __post_init__(self) -> None:
        """Raise `ValueError` for what is no month."""
        if not _FORM.fullmatch(self.key):
            raise ValueError(f"{self.key} is no month")

    @classmethod
    def of(cls, instant: datetime) -> Self:
        """Return the month in which an instant lies."""
        return cls(instant.astimezone(clock.SHANGHAI).strftime("%Y-%m"))

    @property
    def ends_at(self) -> datetime:
        """The first instant after it."""
        first = date.fromisoformat(f"{self.key}-01")
        return datetime.combine((first + timedelta(days=32)).replace(day=1), time(), tzinfo=clock.SHANGHAI)

    @property
    def before(self) -> "Period":
        """The month before it."""
        return Period.of(datetime.combine(date.fromisoformat(f"{self.key}-01"), time(), clock.SHANGHAI) - timedelta(1))


def received_before(end: datetime) -> datetime:
    """Return before when goods must have been received for their time to be returned to be over at `end`, a midnight.

    It is the inverse of `claim_lifecycle.no_reason_until`.
    """
    day = end.astimezone(clock.SHANGHAI).date() - timedelta(days=NO_REASON_DAYS)
    return datetime.combine(day, time(), tzinfo=clock.SHANGHAI)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What we agreed with a supplier: a price per piece in fen, or a share of the selling price in basis points.

    `fee_bp` of the selling price are the supplier's part of what taking the money costs, 0 when we bear it.
    `freight_is_theirs` says that the supplier pays the courier, and so is owed what the shopper paid for it.
    """

    price_fen: int | None = None
    share_bp: int | None = None
    fee_bp: int = 0
    freight_is_theirs: bool = False

    def __post_init__(self) -> None:
        """Raise `ValueError` for terms that say nothing, two things, or more than there is."""
        if (self.price_fen is None) == (self.share_bp is None):
            raise ValueError("either a price or a share")
        if (self.price_fen or 0) < 0 or not 0 <= (self.share_bp or 0) <= WHOLE_BP or not 0 <= self.fee_bp <= WHOLE_BP:
            raise ValueError("a price is not negative, a share not more than everything")


@dataclass(frozen=True, slots=True)
class Sums:
    """What was sold, what is owed for it, and what of that is kept as fee; all in fen."""

    gross_fen: int = 0
    owed_fen: int = 0
    fee_fen: int = 0

    @property
    def net_fen(self) -> int:
        """What the supplier gets."""
        return self.owed_fen - self.fee_fen

    def __add__(self, other: "Sums") -> "Sums":
        """Return both together."""
        return Sums(self.gross_fen + other.gross_fen, self.owed_fen + other.owed_fen, self.fee_fen + other.fee_fen)

    def __neg__(self) -> "Sums":
        """Return what takes it back."""
        return Sums(-self.gross_fen, -self.owed_fen, -self.fee_fen)

    def taken(self, gross_fen: int) -> "Sums":
        """Return, as negative sums, what goes back when `gross_fen` of what was sold goes back to the shopper.

        The rest of it takes the rest of everything, so nothing is left when all went back.
        """
        if gross_fen >= self.gross_fen:
            return -Sums(gross_fen, self.owed_fen, self.fee_fen)
        owed, fee = (part * gross_fen // self.gross_fen for part in (self.owed_fen, self.fee_fen))
        return -Sums(gross_fen, owed, fee)


def goods(terms: Terms, *, quantity: int, amount_fen: int) -> Sums:
    """Return what a line of `quantity` pieces that sold for `amount_fen` together is worth to its supplier."""
    share_fen = amount_fen * (terms.share_bp or 0) // WHOLE_BP
    owed = share_fen if terms.price_fen is None else terms.price_fen * quantity
    return Sums(amount_fen, owed, amount_fen * terms.fee_bp // WHOLE_BP)


def freight(terms: Terms, *, freight_fen: int) -> Sums:
    """Return what the freight of a consignment is worth to the supplier who sent it: all of it or nothing."""
    return Sums(freight_fen, freight_fen if terms.freight_is_theirs else 0)
