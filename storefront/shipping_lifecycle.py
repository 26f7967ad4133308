"""What becomes of a mini-program payment's money at WeChat, and what WeChat is still to be told of its shipping; pure.

Invariant: money moves forward only; what WeChat already has is never sent again, and of the one correction that it
allows only a difference in a complete record makes use.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, IntEnum, StrEnum

# WeChat takes no more parcels for one payment.
MOST_PARCELS = 15
# WeChat wants to be told within 48 hours of paying; a person who hears of it now still has a working day's end.
REPORT_WITHIN = timedelta(hours=48)
ALARM_AFTER = timedelta(hours=40)
_RETRY_AT_LEAST = timedelta(seconds=10)
_RETRY_AT_MOST = timedelta(hours=1)
_LOOK_AGAIN = timedelta(days=3)


class FundState(StrEnum):
    """Where the money of a payment stands: with WeChat until it is `settled` or `refunded`."""

    UNSHIPPED = "unshipped"
    SHIPPED = "shipped"
    RECEIVED = "received"
    SETTLED = "settled"
    REFUNDED = "refunded"


# In the order in which it moves.
_RANKS = list(FundState)
OVER = frozenset({FundState.SETTLED, FundState.REFUNDED})
# WeChat's order_state; 6 is 资金待结算, after the receipt.
STATES = {
    1: FundState.UNSHIPPED,
    2: FundState.SHIPPED,
    3: FundState.RECEIVED,
    4: FundState.SETTLED,
    5: FundState.REFUNDED,
    6: FundState.RECEIVED,
}


class Mode(IntEnum):
    """WeChat's delivery_mode: one parcel for everything, or several that may be told of one after the other."""

    UNIFIED = 1
    SPLIT = 2


class Answer(Enum):
    """What there is to tell when it is not an upload."""

    NOTHING = "nothing"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What left under one tracking number; `contact` is a masked telephone, for carriers that want one."""

    tracking_number: str
    company: str
    goods: str
    contact: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What WeChat knows a parcel by."""
        return self.company, self.tracking_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What WeChat says of a payment: its state, whose it is, and the parcels that it was told of."""

    state: FundState
    openid: str
    is_complete: bool = False
    completions: int = 0
    parcels: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What to send; `is_complete` when no more parcels follow."""

    mode: Mode
    parcels: tuple[Parcel, ...]
    is_complete: bool


def advance(before: FundState, after: FundState) -> FundState:
    """Return the later of two states: news that were overtaken change nothing."""
    return max(before, after, key=_RANKS.index)


def decide(*, parcels: Sequence[Parcel], is_complete: bool, known: Known) -> Upload | Answer:
    """Return what WeChat must be told so that it knows of `parcels`, and that they are all when `is_complete`.

    `EXHAUSTED` means that its record is complete, wrong, and was corrected before.
    """
    ours = tuple(parcels[:MOST_PARCELS])
    if not ours or known.state is FundState.REFUNDED:
        return Answer.NOTHING
    new = tuple(parcel for parcel in ours if parcel.key not in known.parcels)
    if known.is_complete:
        if not new:
            return Answer.NOTHING
        return Answer.EXHAUSTED if known.completions > 1 else _whole(ours, is_complete)
    if not known.parcels:
        return _whole(ours, is_complete)
    if new:
        return Upload(mode=Mode.SPLIT, parcels=new, is_complete=is_complete)
    # All that leaves has been told of, but not that it is all: the rest was refunded instead. WeChat refuses the same
    # list twice, so the last parcel is told of in other words.
    return Upload(mode=Mode.SPLIT, parcels=(_reworded(ours[-1]),), is_complete=True) if is_complete else Answer.NOTHING


def next_try(*, tries: int, now: datetime) -> datetime:
    """When to try again what could not be told for the `tries`-th time: 10 s, 20 s, 40 s … at most an hour later."""
    return now + min(_RETRY_AT_LEAST * (1 << min(tries - 1, 12)), _RETRY_AT_MOST)


def next_look(*, paid_at: datetime, is_reported: bool, now: datetime) -> datetime:
    """When to look next at a payment about which nothing is to be told just now."""
    alarm_at = paid_at + ALARM_AFTER
    return alarm_at if not is_reported and now < alarm_at else now + _LOOK_AGAIN


def _whole(parcels: tuple[Parcel, ...], is_complete: bool) -> Upload:
    is_one = len(parcels) == 1 and is_complete
    return Upload(mode=Mode.UNIFIED if is_one else Mode.SPLIT, parcels=parcels, is_complete=is_complete)


def _reworded(parcel: Parcel) -> Parcel:
    return Parcel(
        tracking_number=parcel.tracking_number,
        company=parcel.company,
        goods=f"{parcel.goods[:100]}（其余已退款）",
        contact=parcel.contact,
    )
