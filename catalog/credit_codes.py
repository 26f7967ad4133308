"""The unified social credit code (统一社会信用代码, GB 32100-2015) of a firm, and the character that checks it.

Invariant: pure; a code that passes has 18 characters of the standard's 31 and the check character that they demand.
"""

# The standard leaves out I, O, S, V and Z, which people misread.
_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_WEIGHTS = [3**place % 31 for place in range(17)]


def normalise(typed: str) -> str:
    """Return a code as typed by hand in the standard's spelling: upper case, without blanks and dashes."""
    return "".join(typed.split()).replace("-", "").upper()


def is_valid(code: str) -> bool:
    """Tell whether `code` is one, in the standard's spelling."""
    if len(code) != 18 or not set(code) <= set(_ALPHABET):
        return False
    return code[17] == check_character(code)


def check_character(code: str) -> str:
    """Return the 18th character for the first 17 of `code`, all of the standard's alphabet."""
    total = sum(_ALPHABET.index(character) * weight for character, weight in zip(code, _WEIGHTS, strict=False))
    return _ALPHABET[-total % 31]
