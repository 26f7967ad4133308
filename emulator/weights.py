"""How the rules share a sale among adverts, worked out a second time for the simulation.

It shares no code with the shop, so an error of the shop's cannot hide in the expectation.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

MODELS = ("last", "first", "linear", "position", "decay")
WINDOW_SECONDS = 7 * 24 * 3600
# Powers of a half are irrational: they are rounded to so many parts before they are compared.
_PARTS = 2**32


def shares(model: str, ages: Sequence[float]) -> list[Fraction]:
    """Return the part of each advert of a journey, oldest first; `ages` are seconds before the order."""
    count, one = len(ages), Fraction(1)
    if model == "last":
        return [one * (at == count - 1) for at in range(count)]
    if model == "first":
        return [one * (at == 0) for at in range(count)]
    if model == "linear" or (model == "position" and count < 3):
        return [one / count] * count
    if model == "position":
        return [Fraction(2, 5), *[Fraction(1, 5) / (count - 2)] * (count - 2), Fraction(2, 5)]
    half_lives = [Decimal(round(age * 1_000_000)) / (WINDOW_SECONDS * 250_000) for age in ages]
    parts = [int((Decimal(2) ** -lives * _PARTS).to_integral_value()) for lives in half_lives]
    return [Fraction(part, sum(parts)) for part in parts]


def split(fen: int, weights: Sequence[Fraction]) -> list[int]:
    """Return whole fen by weight that sum to `fen`; the largest remainders get one more, of equals the earlier."""
    exact = [fen * weight for weight in weights]
    whole = [int(each) for each in exact]
    order = sorted(range(len(exact)), key=lambda at: (whole[at] - exact[at], at))
    for at in order[: fen - sum(whole)]:
        whole[at] += 1
    return whole
