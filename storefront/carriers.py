"""The codes under which WeChat knows carriers by what people call them. Pure.

Invariant: a name that is not listed is passed on as it was written, for WeChat to judge.
"""

# What a name contains → the code of WeChat's list of carriers; the first that fits counts.
_CODES = {
    "顺丰": "SF",
    "中通": "ZTO",
    "圆通": "YTO",
    "申通": "STO",
    "韵达": "YD",
    "EMS": "EMS",
    "邮政": "YZPY",
    "京东": "JD",
    "极兔": "JTSD",
    "德邦": "DBL",
}
# Carriers for which WeChat wants a masked telephone of either side.
_WANTS_CONTACT = frozenset({"SF"})


def code(name: str) -> str:
    """Return WeChat's code of a carrier."""
    return next((code for word, code in _CODES.items() if word in name.upper()), name)


def wants_contact(code: str) -> bool:
    """Tell whether a parcel of this carrier must come with a masked telephone."""
    return code in _WANTS_CONTACT


def masked(phone: str) -> str:
    """Return a mainland telephone as WeChat takes it: first three and last four digits."""
    return f"+86-{phone[:3]}****{phone[-4:]}"
