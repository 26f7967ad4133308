"""How sure a rate is: Jeffreys' interval, the quantiles of Beta(k + 1/2, n - k + 1/2).

Invariant: pure; 0 <= low <= k/n <= high <= 1 (Brown, Cai and DasGupta 2001; the ends are 0 at k = 0 and 1 at k = n).
"""

from functools import lru_cache
from math import exp, lgamma, log

_TAIL = 0.025
# Both loops end long before these; they only bound a loop that rounding might keep alive.
_FRACTION_TERMS = 300
_NEWTON_STEPS = 60
_PRECISION = 1e-7


@lru_cache(maxsize=65_536)
def jeffreys(successes: int, trials: int) -> tuple[float, float] | None:
    """Return the ends of the 95 % interval, or None when there were no trials. Needs 0 <= successes <= trials."""
    if trials == 0:
        return None
    low, high = beta(successes + 0.5, trials - successes + 0.5)
    return 0.0 if successes == 0 else low, 1.0 if successes == trials else high


def beta(a: float, b: float) -> tuple[float, float]:
    """Return the middle 95 % of Beta(a, b)."""
    return beta_quantile(_TAIL, a, b), beta_quantile(1 - _TAIL, a, b)


def beta_quantile(p: float, a: float, b: float) -> float:
    """Return the `p` quantile of Beta(a, b): Newton's method, kept inside a bracket that always holds the root."""
    low, high = 0.0, 1.0
    x = a / (a + b)
    constant = lgamma(a + b) - lgamma(a) - lgamma(b)
    for _ in range(_NEWTON_STEPS):
        miss = _beta_below(x, a, b) - p
        low, high = (x, high) if miss < 0 else (low, x)
        density = exp(constant + (a - 1) * log(x) + (b - 1) * log(1 - x))
        step = x - miss / density if density > 0 else -1.0
        following = step if low < step < high else (low + high) / 2
        if abs(following - x) < _PRECISION:
            return following
        x = following
    return x


def _beta_below(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1 - x))
    if x < (a + 1) / (a + b + 2):
        return front * _continued_fraction(x, a, b) / a
    return 1 - front * _continued_fraction(1 - x, b, a) / b


def _continued_fraction(x: float, a: float, b: float) -> float:
    """Lentz's evaluation of the continued fraction of I_x(a, b), which converges fast for x < (a+1)/(a+b+2)."""
    tiny = 1e-300
    c, d = 1.0, 1 / ((1 - (a + b) * x / (a + 1)) or tiny)
    value = d
    for m in range(1, _FRACTION_TERMS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / ((1 + term * d) or tiny)
            c = (1 + term / c) or tiny
            value *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return value
