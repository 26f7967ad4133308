"""Money divided by exact weights: largest remainder, ties to the earlier (R13, R14).

Invariant: pure; the parts always sum to the whole, and refunds always sum back to nothing.
"""

from collections.abc import Sequence
from fractions import Fraction


def split(total_fen: int, weights: Sequence[Fraction]) -> list[int]:
    """Return `total_fen` (not negative) divided by `weights`, which sum to 1, in whole fen."""
    quotas = [total_fen * weight for weight in weights]
    parts = [quota.numerator // quota.denominator for quota in quotas]
    by_remainder = sorted(range(len(parts)), key=lambda i: (parts[i] - quotas[i], i))
    for i in by_remainder[: total_fen - sum(parts)]:
        parts[i] += 1
    return parts


def reversal(*, before_fen: int, after_fen: int, weights: Sequence[Fraction]) -> list[int]:
    """Return what each part must move by when the net falls from `before_fen` to `after_fen` (R14)."""
    before, after = split(before_fen, weights), split(after_fen, weights)
    return [new - old for old, new in zip(before, after, strict=True)]
