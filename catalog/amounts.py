"""How much of it people say they want: left out of what is looked for, and used to choose between what was found.

Invariant: pure; an amount is the same in the letters of its unit and in the Chinese word for it.
"""

import re

_UNITS = "公斤|千克|毫升|厘米|斤|两|克|升|米|元|块|瓶|罐|盒|箱|袋|只|个|枚|件|包|桶|条|份|张|片|套|对|头|颗|粒|捆|筐"
_AMOUNT = re.compile(
    rf"(?:\d+ ?(?:kg|ml|g|l|gongjin|jin|he|dai|ping|xiang|{_UNITS})?|[一二两三四五六七八九十百半几]+(?:{_UNITS}))"
    "(?:钱|装|以内|以下|以上|之内|左右|上下|内|起|的)*(?![a-z])"
)
_MEASURE = re.compile(rf"(\d{{1,6}}) ?(kg|ml|g|l|gongjin|jin|(?!元|块)(?:{_UNITS}))")
_IN_CHINESE = {"g": "克", "kg": "千克", "公斤": "千克", "gongjin": "千克", "ml": "毫升", "l": "升", "jin": "斤"}


def without(plain: str) -> str:
    """Return normalised text with a space instead of every amount."""
    return _AMOUNT.sub(" ", plain)


def pattern(plain: str) -> str:
    """Return the pattern for specs that say one of the amounts in normalised text; one for any spec when it has none.

    In normalised text a decimal point is a space, and one stands before each unit.
    """
    said = dict.fromkeys(f"{number} {_IN_CHINESE.get(unit, unit)}" for number, unit in _MEASURE.findall(plain))
    return rf"(?<!\d)(?:{'|'.join(said)})" if said else ""
