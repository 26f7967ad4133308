"""How sure a sum of orders is: Fay and Feuer's gamma interval for a sum of independent Poisson counts with weights.

Invariant: pure and exact in the same sense as Garwood's interval for a count, which it is when all weights are 1
(Fay and Feuer 1997, Statistics in Medicine 16:791-801). Nothing is drawn at random, so that the same orders always
give the same interval.
"""

from math import exp, inf, lgamma, log, sqrt
from statistics import NormalDist

_TAIL = 0.025
# Above this shape Wilson and Hilferty's cube differs from the quantile by less than a millionth of it.
_WILSON_HILFERTY = 10_000.0
_PRECISION = 1e-10
_STEPS = 200
_TERMS = 2_000


def interval(total: float, squares: float, largest: float) -> tuple[float, float]:
    """Return the 95 % interval of what a period like this brings, in the unit of `total`.

    `total` is the sum of what each order brought, `squares` the sum of its squares, `largest` the largest of them, or
    what one order might bring where there was none.
    """
    low = 0.0 if total <= 0 else squares / total * quantile(_TAIL, total * total / squares)
    if total + largest <= 0:
        return 0.0, 0.0
    scale = (squares + largest * largest) / (total + largest)
    return low, scale * quantile(1 - _TAIL, (total + largest) / scale)


def quantile(p: float, shape: float) -> float:
    """Return the `p` quantile of the gamma distribution with this shape and scale 1, by halving a bracket."""
    normal = NormalDist().inv_cdf(p)
    guess = shape * max(1 - 1 / (9 * shape) + normal / (3 * sqrt(shape)), 0.0) ** 3
    if shape > _WILSON_HILFERTY:
        return guess
    low, high = 0.0, max(2 * guess, 10.0 + 3 * shape)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle, shape) < p else (low, middle)
        if high - low < _PRECISION * high:
            break
    return (low + high) / 2


def below(x: float, shape: float) -> float:
    """Return the regularised incomplete gamma function P(shape, x): how likely less than `x` is."""
    if x <= 0:
        return 0.0
    front = exp(shape * log(x) - x - lgamma(shape))
    return front * _series(x, shape) if x < shape + 1 else 1 - front * _fraction(x, shape)


def _series(x: float, shape: float) -> float:
    term = total = 1 / shape
    for k in range(1, _TERMS):
        term *= x / (shape + k)
        total += term
        if term < total * 1e-15:
            break
    return total


def _fraction(x: float, shape: float) -> float:
    """Lentz's evaluation of the continued fraction, which converges fast for x > shape + 1."""
    b = x + 1 - shape
    c, d = inf, 1 / b
    value = d
    for k in range(1, _TERMS):
        a = -k * (k - shape)
        b += 2
        d = 1 / (a * d + b)
        c = b + a / c
        value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value
