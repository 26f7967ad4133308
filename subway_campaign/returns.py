"""What money spent on a placement brought back: cost per scan and order, return, rate, and how sure each is.

Invariant: pure. Every answer carries `CAVEAT`, and none says more than its data can: below ten orders there is no
return, below the sample that a comparison needs there is no ranking, and both say how long to wait.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import NormalDist

from subway_campaign import gammas, intervals

CAVEAT = "归因结果，不代表因果"
# With ten equal orders the interval already spans a factor of four (Garwood: 4.8 to 18.4); with fewer it says nothing.
ENOUGH_ORDERS = 10
# A placement is called better when it converts a third more often: 4 % against 3 %.
WORTH_KNOWING = 4 / 3
_TWO_SIDED = NormalDist().inv_cdf(0.975)
# So many siblings, and paid journeys among them, before their own spread says more than the prior of the design.
_ENOUGH_SIBLINGS = 8
_ENOUGH_PAID = 20


@dataclass(frozen=True)
class Range:
    """A value and the ends of its 95 % interval, or of its estimate."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Prior:
    """What is believed of a rate before its own data: Beta(a, b); `is_fitted` when the medium's siblings said so."""

    a: float
    b: float
    is_fitted: bool = False

    @property
    def mean(self) -> float:
        """The rate that is expected where nothing is known yet."""
        return self.a / (self.a + self.b)


# Five in a hundred, with the weight of a hundred journeys.
DEFAULT_PRIOR = Prior(5.0, 95.0)


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Why there is no answer yet: what is needed, what is there, and the days at the pace so far, None without any."""

    needed: int
    have: int
    days: int | None


@dataclass(frozen=True, kw_only=True)
class Sales:
    """What orders brought, each net of refunds: how many, their sum, the sum of their squares, the largest, in fen."""

    orders: int = 0
    net_fen: int = 0
    squares: int = 0
    largest_fen: int = 0


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a placement cost and brought in a period of `days`; `siblings` are (paid, journeys) of its medium's like."""

    days: int
    cost_fen: int
    scans: int
    journeys: int
    paid_journeys: int
    paid_orders: int
    sales: Sales
    siblings: Sequence[tuple[int, int]] = ()
    impressions: Range | None = None


@dataclass(frozen=True, kw_only=True)
class Return:
    """The answer for one placement. Where something is None the data, or the cost, is missing.

    `roi` is (net sales - cost) / cost; `roi_wait` and `ranking_wait` say why there is none, and no ranking.
    """

    cost_fen: int
    net_fen: int
    scans: int
    journeys: int
    paid_orders: int
    cost_per_scan_fen: int | None
    cost_per_order_fen: int | None
    cost_per_mille_fen: Range | None
    roi: Range | None
    roi_wait: Wait | None
    rate: Range
    prior: Prior
    ranking_wait: Wait | None
    caveat: str = CAVEAT


def judge(figures: Figures) -> Return:
    """Return what the figures allow to be said."""
    prior = fitted(figures.siblings)
    roi_wait = _wait(ENOUGH_ORDERS, effective_orders(figures.sales), figures.days)
    needed = journeys_needed(prior.mean, min(prior.mean * WORTH_KNOWING, 1.0))
    return Return(
        cost_fen=figures.cost_fen,
        net_fen=figures.sales.net_fen,
        scans=figures.scans,
        journeys=figures.journeys,
        paid_orders=figures.paid_orders,
        cost_per_scan_fen=each_fen(figures.cost_fen, figures.scans),
        cost_per_order_fen=each_fen(figures.cost_fen, figures.paid_orders),
        cost_per_mille_fen=per_mille_fen(figures.cost_fen, figures.impressions),
        roi=roi(figures.cost_fen, figures.sales) if roi_wait is None else None,
        roi_wait=roi_wait,
        rate=shrunk(figures.paid_journeys, figures.journeys, prior),
        prior=prior,
        ranking_wait=_wait(needed, figures.journeys, figures.days),
    )


def each_fen(cost_fen: int, count: int) -> int | None:
    """Return the cost of one of `count`, rounded half up to a fen; None without any, or without a cost."""
    return (2 * cost_fen + count) // (2 * count) if count > 0 and cost_fen > 0 else None


def per_mille_fen(cost_fen: int, impressions: Range | None) -> Range | None:
    """Return the cost of 1,000 impressions in fen; many impressions make the low end. None where none are known."""
    if impressions is None or impressions.low <= 0 or cost_fen <= 0:
        return None
    value, low, high = (1000 * cost_fen / count for count in (impressions.value, impressions.high, impressions.low))
    return Range(value, low, high)


def roi(cost_fen: int, sales: Sales) -> Range | None:
    """Return (net - cost) / cost with Fay and Feuer's interval of the net sales; None without a cost.

    The cost is taken as known; the interval is about how many orders of which size a period like this brings.
    """
    if cost_fen <= 0:
        return None
    low, high = gammas.interval(sales.net_fen, sales.squares, sales.largest_fen)
    value, low, high = ((net - cost_fen) / cost_fen for net in (sales.net_fen, low, high))
    return Range(value, low, high)


def effective_orders(sales: Sales) -> int:
    """Return how many equal orders would be as uncertain as these: one big order among small ones counts for little."""
    return sales.net_fen**2 // sales.squares if sales.squares > 0 else 0


def shrunk(paid: int, journeys: int, prior: Prior = DEFAULT_PRIOR) -> Range:
    """Return the rate of a placement drawn towards its siblings', as far as its own journeys leave it open."""
    a, b = prior.a + paid, prior.b + journeys - paid
    low, high = intervals.beta(a, b)
    return Range(a / (a + b), low, high)


def fitted(siblings: Sequence[tuple[int, int]]) -> Prior:
    """Return the prior that siblings' (paid, journeys) speak for, by moments of the beta-binomial (Kleinman 1973).

    With fewer than eight siblings or twenty paid journeys it is `DEFAULT_PRIOR`. It never weighs more than all the
    journeys that it was made of.
    """
    seen = [(paid, journeys) for paid, journeys in siblings if journeys > 0]
    paid, total, groups = sum(k for k, _ in seen), sum(n for _, n in seen), len(seen)
    if groups < _ENOUGH_SIBLINGS or paid < _ENOUGH_PAID or paid == total:
        return DEFAULT_PRIOR
    mean = paid / total
    expected = mean * (1 - mean)
    spread = sum(n * (k / n - mean) ** 2 for k, n in seen)
    room = total - sum(n * n for _, n in seen) / total - (groups - 1)
    alike = (spread - expected * (groups - 1)) / (expected * room) if room > 0 else 0.0
    weight = min((1 - alike) / alike if alike > 0 else float(total), float(total))
    # Siblings that have nothing in common still leave one journey's worth of belief.
    weight = max(weight, 1.0)
    return Prior(mean * weight, (1 - mean) * weight, is_fitted=True)


def journeys_needed(rate: float, other: float, *, power: float = 0.8) -> int:
    """Return the journeys per arm that tell two rates apart, two-sided at 5 %: 3 % and 4 % need 5,298."""
    noise = rate * (1 - rate) + other * (1 - other)
    return ceil((_TWO_SIDED + NormalDist().inv_cdf(power)) ** 2 * noise / (rate - other) ** 2)


def _wait(needed: int, have: int, days: int) -> Wait | None:
    if have >= needed:
        return None
    return Wait(needed=needed, have=have, days=ceil((needed - have) * days / have) if have > 0 else None)
