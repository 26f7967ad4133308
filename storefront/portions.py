"""What a part of an order line is worth: so many of its pieces, and their share of the freight.

Invariant: pure, integer fen, by largest remainder; pieces given back one by one, in any parts, always sum to exactly
what was paid for all of them.
"""

from collections.abc import Sequence

from catalog import pricing


def of_pieces(total_fen: int, *, quantity: int, gone: int, wanted: int) -> int:
    """Return what `wanted` of `quantity` pieces that cost `total_fen` together are worth, after `gone` went before.

    Raises `ValueError` for more pieces than there are.
    """
    if wanted < 0 or gone < 0 or gone + wanted > quantity:
        raise ValueError("there are not so many pieces")
    each = pricing.split(total_fen, [1] * quantity)
    return sum(each[gone : gone + wanted])


def of_freight(freight_fen: int, amounts_fen: Sequence[int]) -> list[int]:
    """Return each line's share of the freight of the consignment that they travel in, by what they cost."""
    return pricing.split(freight_fen, amounts_fen)
