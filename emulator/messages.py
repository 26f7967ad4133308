"""What a subscribe message may say: the template's own keys, each value in the form of its kind."""

import re
from collections.abc import Collection
from typing import Any

from emulator.accounts import Refused

_CLOCK = r"\d{1,2}:\d{2}(:\d{2})?"
_DAY = r"\d{4}[年/-]\d{1,2}[月/-]\d{1,2}日?"
# The name of a key is its kind and a number.
_FORMS = {
    "thing": r".{1,20}",
    "number": r"-?\d{1,32}(\.\d{1,32})?",
    "letter": r"[A-Za-z]{1,32}",
    "symbol": r"[^\w\s]{1,5}",
    "character_string": r"[ -~]{1,32}",
    "time": rf"({_DAY} )?{_CLOCK}(~({_DAY} )?{_CLOCK})?",
    "date": rf"{_DAY}( {_CLOCK})?(~{_DAY}( {_CLOCK})?)?",
    "amount": r"[¥￥$]?\d{1,10}(\.\d{1,2})?元?",
    "phone_number": r"[\d+\-() ]{1,17}",
    "car_number": r".{1,8}",
    "name": r"[一-鿿·]{1,10}|[A-Za-z ]{1,20}",
    "phrase": r"[一-鿿]{1,5}",
}


def check(data: Any, keys: Collection[str] | None) -> None:
    """Refuse (47003) data that lacks a key of the template, has another one, or says it in another form.

    `keys` is None for a template that nobody described: then any keys of a known kind will do.
    """
    if not isinstance(data, dict) or not data:
        raise Refused(47003, "argument invalid! data empty")
    for name in keys or ():
        if name not in data:
            raise Refused(47003, f"argument invalid! data.{name}.value is empty")
    for name, item in data.items():
        value = item.get("value") if isinstance(item, dict) else None
        form = _FORMS.get(name.rstrip("0123456789"), r".{1,64}")
        is_known = keys is None or name in keys
        if not is_known or not isinstance(value, str) or not re.fullmatch(form, value):
            raise Refused(47003, f"argument invalid! data.{name}.value invalid")
