"""The text printed in a code: seven random Crockford base-32 symbols and one check symbol.

Invariant: a code says nothing about where it hangs (bindings do), and any single misread symbol and any swap of two
symbols is noticed, because the check is a weighted sum in the field of 32 elements with distinct weights.
"""

from random import Random

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 8
_VALUES = {symbol: value for value, symbol in enumerate(ALPHABET)}
_MISREAD = str.maketrans("ILO", "110")
# x^5 + x^2 + 1 is primitive: its powers give 31 distinct weights, more than the code has symbols.
_POLYNOMIAL = 0b100101


def normalize(text: str) -> str:
    """Return `text` as we would have printed it: upper case, I and L read as 1, O as 0. It may still be no code."""
    return text.upper().translate(_MISREAD)


def typed(text: str) -> str:
    """Return what a person typed, with or without spaces and hyphens, as we would have printed it."""
    return normalize("".join(text.split()).replace("-", ""))


def check(body: str) -> str:
    """Return the check symbol of seven symbols. Raises `KeyError` for a symbol outside the alphabet."""
    total = 0
    for symbol in body:
        total = (total ^ _VALUES[symbol]) << 1
        if total & 0b100000:
            total ^= _POLYNOMIAL
    return ALPHABET[total]


def is_code(slug: str) -> bool:
    """Tell whether `slug`, already normalized, could be one of our codes."""
    return len(slug) == LENGTH and _VALUES.keys() >= set(slug) and check(slug[:-1]) == slug[-1]


def mint(rng: Random) -> str:
    """Return a new code drawn from `rng` (`secrets.SystemRandom()` in earnest). The database refuses a repeated one."""
    body = "".join(rng.choices(ALPHABET, k=LENGTH - 1))
    return body + check(body)
