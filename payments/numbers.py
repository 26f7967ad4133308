"""The numbers under which WeChat Pay knows our payments and refunds.

A number is random, never derived from input, and matches the one pattern that survives WeChat, the library's
unencoded paths and a CSV file.
"""

import re
import secrets

_ALPHABET = (
    "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: a person may have to read one out to WeChat's support.
)
_RANDOM_CHARACTERS = 25  # 125 bits, so that numbers neither collide nor can be guessed.
_PATTERN = re.compile(r"[0-9A-Za-z_-]{6,32}")


def payment() -> str:
    """Make a new out_trade_no."""
    return "P" + _random()


def refund() -> str:
    """Make a new out_refund_no."""
    return "R" + _random()


def payout() -> str:
    """Make a new number of a payout, which stands on the bank's transfer."""
    return "T" + _random()


def share() -> str:
    """Make a new out_order_no of a divided payment."""
    return "S" + _random()


def share_return() -> str:
    """Make a new out_return_no."""
    return "V" + _random()


def is_valid(number: str) -> bool:
    """Whether `number` may stand in a path that the library signs and sends without encoding it."""
    return _PATTERN.fullmatch(number) is not None


def _random() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_CHARACTERS))
