"""How a product is accredited: the states, who may do what in which, and what each step leaves behind. Pure.

Invariant: an accreditation moves only along `STEPS`; whoever has to act next has a deadline, and the lengths of all
deadlines are data (`accreditation_terms`), never written here.
"""

from dataclasses import dataclass
from enum import StrEnum


class EntityKind(StrEnum):
    """The market entities that may apply (市场主体)."""

    COMPANY = "company"
    COOPERATIVE = "cooperative"
    FAMILY_FARM = "family_farm"
    SOLE_TRADER = "sole_trader"


class State(StrEnum):
    """Where an accreditation stands."""

    DRAFTED = "drafted"
    SUBMITTED = "submitted"
    OPINED = "opined"
    RETURNED = "returned"
    NOTICED = "noticed"
    PUBLISHED = "published"
    SUSPENDED = "suspended"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Seat(StrEnum):
    """In whose place somebody acts. The clock acts when a deadline has passed."""

    APPLICANT = "applicant"
    TOWNSHIP = "township"
    COUNTY = "county"
    SUPERVISOR = "supervisor"
    CLOCK = "clock"


class Act(StrEnum):
    """One step."""

    SUBMIT = "submit"
    WITHDRAW = "withdraw"
    ENDORSE = "endorse"
    OPPOSE = "oppose"
    RETURN = "return"
    APPROVE = "approve"
    REFUSE = "refuse"
    PUBLISH = "publish"
    RECHECK = "recheck"
    SUSPEND = "suspend"
    REINSTATE = "reinstate"
    REVOKE = "revoke"
    LAPSE = "lapse"
    EXPIRE = "expire"


class Term(StrEnum):
    """What a length of time is for."""

    OPINION = "opinion"
    DECISION = "decision"
    COMPLETION = "completion"
    NOTICE = "notice"
    ANSWER = "answer"
    VALIDITY = "validity"
    RECHECK = "recheck"
    RECTIFICATION = "rectification"


@dataclass(frozen=True, slots=True)
class Step:
    """What an act leads to, and in whose seat one may do it."""

    after: State
    seats: frozenset[Seat]


def _step(after: State, *seats: Seat) -> Step:
    return Step(after, frozenset(seats))


_WITHDRAWAL = _step(State.WITHDRAWN, Seat.APPLICANT)
_REVOCATION = _step(State.REVOKED, Seat.COUNTY, Seat.SUPERVISOR)
_EXPIRY = _step(State.EXPIRED, Seat.CLOCK)

STEPS: dict[State, dict[Act, Step]] = {
    State.DRAFTED: {Act.SUBMIT: _step(State.SUBMITTED, Seat.APPLICANT), Act.WITHDRAW: _WITHDRAWAL},
    # The township gives its opinion, for or against; the county decides either way.
    State.SUBMITTED: {
        Act.ENDORSE: _step(State.OPINED, Seat.TOWNSHIP),
        Act.OPPOSE: _step(State.OPINED, Seat.TOWNSHIP),
        Act.RETURN: _step(State.RETURNED, Seat.TOWNSHIP),
        Act.WITHDRAW: _WITHDRAWAL,
    },
    State.OPINED: {
        Act.APPROVE: _step(State.NOTICED, Seat.COUNTY),
        Act.REFUSE: _step(State.REFUSED, Seat.COUNTY),
        Act.RETURN: _step(State.RETURNED, Seat.COUNTY),
        Act.WITHDRAW: _WITHDRAWAL,
    },
    State.RETURNED: {
        Act.SUBMIT: _step(State.SUBMITTED, Seat.APPLICANT),
        Act.WITHDRAW: _WITHDRAWAL,
        Act.LAPSE: _step(State.WITHDRAWN, Seat.CLOCK),
    },
    # Publication waits for the end of the notice and for an answer to every objection; one that is upheld refuses.
    State.NOTICED: {
        Act.PUBLISH: _step(State.PUBLISHED, Seat.COUNTY),
        Act.REFUSE: _step(State.REFUSED, Seat.COUNTY),
        Act.WITHDRAW: _WITHDRAWAL,
    },
    State.PUBLISHED: {
        Act.RECHECK: _step(State.PUBLISHED, Seat.COUNTY),
        Act.SUSPEND: _step(State.SUSPENDED, Seat.COUNTY, Seat.SUPERVISOR),
        Act.LAPSE: _step(State.SUSPENDED, Seat.CLOCK),
        Act.REVOKE: _REVOCATION,
        Act.EXPIRE: _EXPIRY,
    },
    # Who suspended is not who reinstates by himself: the county looks again, the supervisor may too.
    State.SUSPENDED: {
        Act.REINSTATE: _step(State.PUBLISHED, Seat.COUNTY, Seat.SUPERVISOR),
        Act.REVOKE: _REVOCATION,
        Act.EXPIRE: _EXPIRY,
    },
    State.REFUSED: {},
    State.WITHDRAWN: {},
    State.EXPIRED: {},
    State.REVOKED: {},
}

# One product has at most one of these at a time.
STANDING = frozenset(state for state, steps in STEPS.items() if steps)
EDITABLE = frozenset({State.DRAFTED, State.RETURNED})
# Acts that a person must give reasons for: they go against somebody.
NEEDS_REASON = frozenset({Act.OPPOSE, Act.RETURN, Act.REFUSE, Act.SUSPEND, Act.REVOKE, Act.REINSTATE, Act.WITHDRAW})
# How long whoever has to act next may take.
WAITS = {
    State.SUBMITTED: Term.OPINION,
    State.OPINED: Term.DECISION,
    State.RETURNED: Term.COMPLETION,
    State.NOTICED: Term.NOTICE,
}


def step(state: State, act: Act, seat: Seat) -> Step | None:
    """Return what `act` does in `state` from `seat`; None when it may not be done."""
    found = STEPS[state].get(act)
    return found if found is not None and seat in found.seats else None


def choices(state: State, seat: Seat) -> list[Act]:
    """Return what may be done in `state` from `seat`, in the order of the table."""
    return [act for act, found in STEPS[state].items() if seat in found.seats]


def is_lost(before: State, after: State) -> bool:
    """Tell whether a step takes the badge away: then the product leaves the shelf at once."""
    return before is State.PUBLISHED and after is not State.PUBLISHED
