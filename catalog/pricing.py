"""The priced line and the arithmetic of prices.

Invariant: pure, integer fen; parts of a whole always sum to the whole, and no part is rounded by floats.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

# 60 亿 yuan is 6e11 fen, the programme's whole target: nothing on a shelf costs more than a ten-thousandth of it.
MAX_PRICE_FEN = 60_000_000


@dataclass(frozen=True, slots=True)
class PricedLine:
    """One line as it would be sold now. `available` counts what is free of this SKU, whatever this line asks for."""

    sku: str
    product_slug: str
    title: str
    spec: str
    price_fen: int
    quantity: int
    ship_from: str
    is_on_sale: bool
    is_display_only: bool
    available: int
    weight_g: int
    return_class: str
    delivery_class: str
    image: str
    # Alcohol: sold with a licence only, and to whom declares to be of age for that very order.
    is_for_adults: bool = False
    off_sale_for: str | None = None

    @property
    def is_available(self) -> bool:
        """Whether this line can be ordered now."""
        return self.is_on_sale and not self.is_display_only and self.available >= self.quantity

    @property
    def amount_fen(self) -> int:
        """The price of the whole line."""
        return self.price_fen * self.quantity


def split(total_fen: int, weights: Sequence[int]) -> list[int]:
    """Share `total_fen` out in proportion to `weights` by largest remainder, so that the shares sum to it exactly.

    Equal remainders go to the earlier share; when all weights are zero the shares are as equal as can be. Raises
    `ValueError` for no weights, a negative weight or a negative total.
    """
    if not weights or total_fen < 0 or min(weights) < 0:
        raise ValueError("a split needs a total and weights that are not negative")
    parts = weights if any(weights) else [1] * len(weights)
    whole = sum(parts)
    shares = [total_fen * part // whole for part in parts]
    by_remainder = sorted(range(len(parts)), key=lambda at: (-(total_fen * parts[at] % whole), at))
    for at in by_remainder[: total_fen - sum(shares)]:
        shares[at] += 1
    return shares


def percent(amount_fen: int, rate: Decimal) -> int:
    """Return `rate` per cent of `amount_fen`, half a fen rounded up. Raises `ValueError` below 0 or above 100."""
    if not 0 <= rate <= 100:
        raise ValueError("a percentage lies between 0 and 100")
    return int((amount_fen * rate / 100).quantize(Decimal(1), ROUND_HALF_UP))
