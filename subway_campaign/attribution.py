"""Which touch earned an order: candidates → eligible → journey → weights, as the rules R3 to R12 and R16 to R18 say.

Invariant: pure; ineligible touches and touches after the cut-off change no weight, weights are exact and sum to 1,
and the same candidates in any order give the same decision.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from subway_campaign.lifecycle import Exclusion, Model, Outcome, Repeat, TouchKind

RULES_VERSION = 2
WINDOW = timedelta(days=7)
# What arrives later than this after an order was placed changes nothing any more (R21).
FREEZE = timedelta(hours=72)
# Scans of one code closer than this are one scan for counting and one journey for rates (R15).
SAME_SCAN = timedelta(minutes=30)
POSITION_ENDS = Fraction(2, 5)
# 2^-x is irrational; 32 binary places keep every machine's weights equal and every fen right.
_DECAY_UNIT = 2**32

# Came by way of somebody else's scan, or nobody can tell that it did not (R3).
_SECOND_HAND = (TouchKind.SHARE_OPEN, TouchKind.CONTINUED)
ELIGIBLE_KINDS = (TouchKind.SCAN, TouchKind.SCAN_ALBUM, TouchKind.TYPED)
# When nothing is eligible the order's reason is the one that came nearest to earning it (R28).
_REASONS = (
    "fraud_hold",
    "already_credited",
    "orphan_code",
    "expired_window",
    "shared_only",
    "continued_elsewhere",
    "late_touch_only",
)
_REASON_OF_VERDICT = {
    "fraud_hold": "fraud_hold",
    "already_credited": "already_credited",
    "orphan_code": "orphan_code",
    "expired_window": "expired_window",
    "share_open": "shared_only",
    "scan_longpress": "shared_only",
    "continued_elsewhere": "continued_elsewhere",
    "after_order": "late_touch_only",
}


@dataclass(frozen=True)
class Parameters:
    """What a decision depends on besides its touches; stored with it, so that deciding again means the same."""

    window: timedelta = WINDOW
    half_life: timedelta = WINDOW / 4
    repeat: Repeat = Repeat.EVERY

    def as_json(self) -> dict[str, Any]:
        """Return these as a decision stores them, times in seconds."""
        return {
            "window_s": int(self.window.total_seconds()),
            "half_life_s": int(self.half_life.total_seconds()),
            "repeat": self.repeat.value,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Parameters":
        """Return what a decision was made with; the first rules had a half-life of a quarter window, and no choice."""
        window = timedelta(seconds=stored["window_s"])
        half_life = timedelta(seconds=stored["half_life_s"]) if "half_life_s" in stored else window / 4
        return cls(window, half_life, Repeat(stored.get("repeat", Repeat.EVERY)))


DEFAULTS = Parameters()


@dataclass(frozen=True)
class Candidate:
    """One touch of the buyer. `placement` is its number; for a share, the placement that it came from.

    `held` says that it is under suspicion (R18), `used` that an earlier order was credited to it (R17).
    """

    touch: UUID
    occurred_at: datetime
    kind: TouchKind
    code: str | None
    binding_id: int | None
    placement_id: int | None
    placement: str | None
    confirmed: bool
    dropped: str | None
    excluded: str | None
    held: bool = False
    used: bool = False

    def as_evidence(self) -> dict[str, Any]:
        """Return this candidate as JSON."""
        return {**self.__dict__, "touch": str(self.touch), "occurred_at": self.occurred_at.isoformat()}

    @classmethod
    def from_evidence(cls, values: dict[str, Any]) -> "Candidate":
        """Return the candidate that `as_evidence` wrote."""
        known = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
        known |= {"touch": UUID(values["touch"]), "occurred_at": datetime.fromisoformat(values["occurred_at"])}
        return cls(**known | {"kind": TouchKind(values["kind"])})


@dataclass(frozen=True)
class Decision:
    """What became of one order. `verdicts` has None for an eligible touch, else the rule that dropped it."""

    outcome: Outcome
    reason: str
    verdicts: dict[UUID, str | None]
    journey: tuple[Candidate, ...]
    weights: dict[Model, tuple[Fraction, ...]]
    earned_via: Candidate | None

    @property
    def last(self) -> Candidate | None:
        """The latest eligible touch, which the counts of every report follow."""
        return self.journey[-1] if self.journey else None

    @property
    def flags(self) -> list[str]:
        """What a reader of the credit should know: here that its touch earned an earlier order, too (R17)."""
        return ["repeat_no_new_scan"] if self.last is not None and self.last.used else []

    @property
    def credit(self) -> tuple[Any, ...]:
        """All that money, counts and words follow from: two decisions with equal credit are one."""
        via = self.earned_via and self.earned_via.placement_id
        return self.outcome, self.reason, self.flags, via, self.shares

    @property
    def shares(self) -> dict[tuple[Model, UUID], Fraction]:
        """The weights that are not nothing, by model and touch."""
        return {
            (model, candidate.touch): weight
            for model, row in self.weights.items()
            for candidate, weight in zip(self.journey, row, strict=True)
            if weight
        }


def decide(
    candidates: Sequence[Candidate],
    *,
    placed_at: datetime,
    parameters: Parameters = DEFAULTS,
    excluded: Exclusion | None = None,
) -> Decision:
    """Return the decision on an order placed at `placed_at`; `excluded` says that its owner is never counted (R16)."""
    ordered = sorted(candidates, key=_moment)
    verdicts = {c.touch: verdict(c, placed_at=placed_at, parameters=parameters) for c in ordered}
    path = journey([c for c in ordered if verdicts[c.touch] is None])
    since = placed_at - parameters.window
    shares = [c for c in ordered if c.kind in _SECOND_HAND and not c.excluded and since <= c.occurred_at <= placed_at]
    earned_via = shares[-1] if shares and shares[-1].placement_id is not None else None
    if excluded is not None:
        return Decision(Outcome.EXCLUDED, excluded, verdicts, (), {}, None)
    if not path:
        return Decision(Outcome.UNATTRIBUTED, _unattributed(verdicts), verdicts, (), {}, earned_via)
    weights = {model: weigh(model, path, placed_at=placed_at, half_life=parameters.half_life) for model in Model}
    return Decision(Outcome.ATTRIBUTED, "eligible_touch", verdicts, path, weights, None)


def verdict(candidate: Candidate, *, placed_at: datetime, parameters: Parameters) -> str | None:  # noqa: PLR0911
    """Return the rule that keeps this touch from earning the order, or None when it is eligible.

    One return a rule, in the order in which they are asked.
    """
    if candidate.dropped:
        return candidate.dropped
    if candidate.excluded:
        return candidate.excluded
    if candidate.occurred_at > placed_at:
        return "after_order"
    if candidate.kind not in ELIGIBLE_KINDS:
        return "continued_elsewhere" if candidate.kind is TouchKind.CONTINUED else candidate.kind.value
    if not candidate.confirmed:
        return "unconfirmed"
    if candidate.placement_id is None:
        return "orphan_code"
    if candidate.occurred_at < placed_at - parameters.window:
        return "expired_window"
    if candidate.held:
        return "fraud_hold"
    return "already_credited" if candidate.used and parameters.repeat is Repeat.ONCE else None


def journey(eligible: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return eligible touches, oldest first, with neighbours of one placement collapsed to the latest (R10)."""
    path: list[Candidate] = []
    for candidate in eligible:
        if path and path[-1].placement_id == candidate.placement_id:
            path.pop()
        path.append(candidate)
    return tuple(path)


def journey_start(candidates: Sequence[Candidate], last: Candidate) -> Candidate:
    """Return the scan with which the journey of `last` began: the first of its code's scans without a 30-minute gap."""
    start = last
    for candidate in sorted((c for c in candidates if c.code == last.code), key=_moment, reverse=True):
        countable = (
            candidate.kind in ELIGIBLE_KINDS and candidate.confirmed and not candidate.dropped and not candidate.held
        )
        if not countable or _moment(candidate) >= _moment(start):
            continue
        if start.occurred_at - candidate.occurred_at >= SAME_SCAN:
            break
        start = candidate
    return start


def weigh(
    model: Model, path: Sequence[Candidate], *, placed_at: datetime, half_life: timedelta = DEFAULTS.half_life
) -> tuple[Fraction, ...]:
    """Return each touch's exact share of the order under `model` (R9); `path` is a journey of at least one touch."""
    n = len(path)
    if model is Model.LAST:
        return (*[Fraction(0)] * (n - 1), Fraction(1))
    if model is Model.FIRST:
        return (Fraction(1), *[Fraction(0)] * (n - 1))
    if model is Model.LINEAR or (model is Model.POSITION and n <= 2):
        return (Fraction(1, n),) * n
    if model is Model.POSITION:
        middle = (1 - 2 * POSITION_ENDS) / (n - 2)
        return (POSITION_ENDS, *[middle] * (n - 2), POSITION_ENDS)
    return decay([placed_at - c.occurred_at for c in path], half_life=half_life)


def decay(ages: Sequence[timedelta], *, half_life: timedelta) -> tuple[Fraction, ...]:
    """Return weights that halve with every `half_life` of age; decimal arithmetic makes them equal everywhere."""
    halvings = [Decimal(age // timedelta(microseconds=1)) / (half_life // timedelta(microseconds=1)) for age in ages]
    units = [max(1, int((Decimal(2) ** -halving * _DECAY_UNIT).to_integral_value())) for halving in halvings]
    return tuple(Fraction(unit, sum(units)) for unit in units)


def _moment(candidate: Candidate) -> tuple[datetime, UUID]:
    return candidate.occurred_at, candidate.touch


def _unattributed(verdicts: dict[UUID, str | None]) -> str:
    found = {_REASON_OF_VERDICT.get(v or "") for v in verdicts.values()}
    return next((reason for reason in _REASONS if reason in found), "no_touch")
