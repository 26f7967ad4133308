"""How a supplier is admitted: the states, who may do what in which, and which papers each permit needs. Pure.

Invariant: a supplier moves only along `STEPS`; goods are on sale only while their supplier is admitted.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Kind(StrEnum):
    """Whom we buy from, or who sells for us elsewhere and is paid a commission (第三方推广)."""

    SUPPLIER = "supplier"
    SELLER = "seller"


class PermitClass(StrEnum):
    """What a food business needs: nothing for farm produce, a filing for prepackaged food only, else a permit."""

    EXEMPT = "exempt"
    FILING = "filing"
    PERMIT = "permit"


class State(StrEnum):
    """Where a supplier stands. Lapsed is whose licence or permit ran out."""

    DRAFTED = "drafted"
    APPLIED = "applied"
    ADMITTED = "admitted"
    REFUSED = "refused"
    SUSPENDED = "suspended"
    LAPSED = "lapsed"
    CLOSED = "closed"


class Seat(StrEnum):
    """In whose place somebody acts. The clock acts when a paper has run out."""

    APPLICANT = "applicant"
    OPERATOR = "operator"
    CLOCK = "clock"


class Act(StrEnum):
    """One step."""

    APPLY = "apply"
    ADMIT = "admit"
    REFUSE = "refuse"
    SUSPEND = "suspend"
    REINSTATE = "reinstate"
    LAPSE = "lapse"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Step:
    """What an act leads to, and in whose seat one may do it."""

    after: State
    seats: frozenset[Seat]


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """What a supplier has shown: until when the licence holds (None: for good), and the food permit."""

    licence_until: date | None = None
    permit_class: PermitClass | None = None
    permit_number: str = ""
    permit_until: date | None = None


def _step(after: State, *seats: Seat) -> Step:
    return Step(after, frozenset(seats))


_APPLICATION = _step(State.APPLIED, Seat.APPLICANT)
_CLOSING = _step(State.CLOSED, Seat.OPERATOR)
_SUSPENSION = _step(State.SUSPENDED, Seat.OPERATOR)
_REINSTATEMENT = _step(State.ADMITTED, Seat.OPERATOR)

STEPS: dict[State, dict[Act, Step]] = {
    State.DRAFTED: {Act.APPLY: _APPLICATION, Act.CLOSE: _CLOSING},
    State.APPLIED: {
        Act.ADMIT: _step(State.ADMITTED, Seat.OPERATOR),
        Act.REFUSE: _step(State.REFUSED, Seat.OPERATOR),
    },
    # A refused supplier completes the papers and applies again.
    State.REFUSED: {Act.APPLY: _APPLICATION, Act.CLOSE: _CLOSING},
    State.ADMITTED: {
        Act.SUSPEND: _SUSPENSION,
        Act.LAPSE: _step(State.LAPSED, Seat.CLOCK),
        Act.CLOSE: _CLOSING,
    },
    State.SUSPENDED: {Act.REINSTATE: _REINSTATEMENT, Act.CLOSE: _CLOSING},
    State.LAPSED: {Act.REINSTATE: _REINSTATEMENT, Act.SUSPEND: _SUSPENSION, Act.CLOSE: _CLOSING},
    State.CLOSED: {},
}

EDITABLE = frozenset({State.DRAFTED, State.REFUSED})
NEEDS_REASON = frozenset({Act.REFUSE, Act.SUSPEND, Act.REINSTATE, Act.CLOSE})
# Nobody sells on papers that ran out, whoever says so.
NEEDS_VALID_PAPERS = frozenset({Act.APPLY, Act.ADMIT, Act.REINSTATE})


def step(state: State, act: Act, seat: Seat) -> Step | None:
    """Return what `act` does in `state` from `seat`; None when it may not be done."""
    found = STEPS[state].get(act)
    return found if found is not None and seat in found.seats else None


def choices(state: State, seat: Seat) -> list[Act]:
    """Return what may be done in `state` from `seat`, in the order of the table."""
    return [act for act, found in STEPS[state].items() if seat in found.seats]


def missing(papers: Papers) -> list[str]:
    """Return which fields a food permit of this class lacks: a filing has a number, a permit also an end."""
    if papers.permit_class is None:
        return ["permit_class"]
    lacks_number = papers.permit_class is not PermitClass.EXEMPT and not papers.permit_number
    lacks_end = papers.permit_class is PermitClass.PERMIT and papers.permit_until is None
    return ["permit_number"] * lacks_number + ["permit_until"] * lacks_end


def lacking(filled: Mapping[str, object], papers: Papers, shown: Collection[str]) -> tuple[list[str], list[str]]:
    """Return which fields an application lacks, of `filled` and `papers`, and photographs of which kinds of paper."""
    fields = [name for name in ("entity_kind", "county_code", "credit_code") if not filled[name]]
    wanted = {"licence", "food_permit"} if papers.permit_class is PermitClass.PERMIT else {"licence"}
    return fields + missing(papers), sorted(wanted - set(shown))


def expired(papers: Papers, *, today: date) -> list[str]:
    """Return which papers ran out before `today`: each holds to the end of its last day, in Beijing."""
    ends = {"licence": papers.licence_until, "food_permit": papers.permit_until}
    return [name for name, until in ends.items() if until is not None and until < today]
