"""Every fault at one rate: the weather in which a whole run must end with equal books.

A storm never falsifies what a query or a bill says, so whoever asks learns the truth; everything else may go wrong.
"""

from typing import Any

from emulator import faults
from emulator.faults import Faults, Rule

# These strike before or after a call took effect; the others have a moment of their own.
_EITHER_WAY = ("error", "limited", "timeout", "reset", "api_error", "api_timeout", "api_reset")
# A bill of rows that never were is a difference to be found, not weather.
_FALSE_BOOKS = ("row_missing", "row_doubled", "row_amount")


def raise_storm(
    rules: Faults,
    *,
    rate: float,
    seed: int = 0,
    only: list[str] | None = None,
    spare: list[str] | None = None,
    seconds: dict[str, float] | None = None,
) -> list[Rule]:
    """Lay down a rule for every fault at `rate`, drawn from `seed`; `seconds` says how long those that last do.

    Raises ValueError for a rate that is none and for faults that do not exist.
    """
    if not 0 < rate <= 1:
        raise ValueError("a rate is above 0 and at most 1")
    unknown = {*(only or ()), *(spare or ()), *(seconds or ())} - faults.ALL.keys()
    if unknown:
        raise ValueError(f"no such fault: {sorted(unknown)}")
    names = [name for name in only or faults.ALL if name not in (*_FALSE_BOOKS, *(spare or ()))]
    laid: list[Rule] = []
    for name in names:
        options: dict[str, Any] = {"seconds": seconds[name]} if seconds and name in seconds else {}
        moments = ("before", "after") if name in _EITHER_WAY else ("before",)
        laid += [rules.add(fault=name, when=when, probability=rate, seed=seed, options=options) for when in moments]
    return laid
