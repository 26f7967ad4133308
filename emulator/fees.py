"""What WeChat keeps of a payment and gives back with a refund, in hundred-thousandths of a yuan, as bills print it.

A fee is rounded half up; the shares that refunds give back add up to the fee exactly when everything went back.
"""

# A bill prints five decimals of a yuan, so a fen is a thousand of these.
PER_FEN = 1000


def charge(total_fen: int, *, rate_bp: int, places: int) -> int:
    """Return the fee of a payment at `rate_bp` hundredths of a percent, rounded half up to `places` of a yuan."""
    unit = _unit(places)
    return (2 * total_fen * rate_bp + 10 * unit) // (20 * unit) * unit


def give_back(fee: int, *, total_fen: int, refunded_fen: int, returned: int, places: int) -> int:
    """Return a refund's share of a fee, when `refunded_fen` is back with it and `returned` of the fee was before."""
    unit = _unit(places)
    due = (2 * fee * refunded_fen + total_fen * unit) // (2 * total_fen * unit) * unit
    return max(0, min(due, fee) - returned)


def fen(amount: int) -> int:
    """Return an amount of hundred-thousandths in whole fen, as an account's statement books it."""
    return (2 * amount + PER_FEN) // (2 * PER_FEN)


def yuan(amount: int) -> str:
    """Return an amount of hundred-thousandths with five decimals."""
    sign = "-" if amount < 0 else ""
    return f"{sign}{abs(amount) // 100_000}.{abs(amount) % 100_000:05d}"


def rate(rate_bp: int) -> str:
    """Return a rate as a bill prints it."""
    return f"{rate_bp // 100}.{rate_bp % 100:02d}%"


def _unit(places: int) -> int:
    return int(10 ** (5 - places))
