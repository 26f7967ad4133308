"""What goods may cost at least and at most, as people write it: 50元以内, 一百块以下, 不超过60元, 200元以上.

Invariant: pure; an amount of anything but money, 5斤以内, is no price.
"""

import re

_NUMBER = r"(\d{1,6}|[一二两三四五六七八九十百千]{1,6})"
_MONEY = "(?:元|块)钱?"
_MOST = re.compile(
    rf"{_NUMBER} ?(?:{_MONEY})? ?(?:以内|以下|之内)|{_NUMBER}{_MONEY}内|(?:不超过|低于|少于) ?{_NUMBER} ?{_MONEY}"
)
_LEAST = re.compile(rf"{_NUMBER} ?(?:{_MONEY})? ?以上|{_NUMBER}{_MONEY}起")
_DIGITS = {digit: at for at, digit in enumerate("一二三四五六七八九", 1)} | {"两": 2}
_TENS = {"十": 10, "百": 100, "千": 1_000}


def bounds(plain: str) -> tuple[int | None, int | None]:
    """Return the least and the most in fen that normalised text tells, None for what it does not, and for nonsense."""
    least, most = (_fen(pattern.search(plain)) for pattern in (_LEAST, _MOST))
    return (None, None) if least is not None and most is not None and least > most else (least, most)


def _fen(found: re.Match[str] | None) -> int | None:
    number = next(filter(None, found.groups()), "") if found else ""
    if number.isdigit():
        return int(number) * 100 or None
    yuan, digit, place = 0, 0, 1
    for character in number:
        digit = _DIGITS.get(character, digit)
        if character in _TENS:
            yuan, digit = yuan + (digit or 1) * _TENS[character], 0
            # 一百五 is 150: what comes last counts the next smaller unit.
            place = _TENS[character] // 10
    return (yuan + digit * place) * 100 or None
