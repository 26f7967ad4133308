"""How a hall opens and closes: its states, and which act leads from one to the next. Pure.

Invariant: a hall moves only along `STEPS`; nobody but staff sees a draft, and what is closed can be opened again.
"""

from enum import StrEnum


class State(StrEnum):
    """Where a hall stands."""

    DRAFTED = "drafted"
    OPEN = "open"
    CLOSED = "closed"


class Act(StrEnum):
    """One step."""

    OPEN = "open"
    CLOSE = "close"


STEPS: dict[State, dict[Act, State]] = {
    State.DRAFTED: {Act.OPEN: State.OPEN},
    State.OPEN: {Act.CLOSE: State.CLOSED},
    State.CLOSED: {Act.OPEN: State.OPEN},
}


def step(state: State, act: Act) -> State | None:
    """Return what `act` leads to from `state`; None when it may not be done."""
    return STEPS[state].get(act)


def choices(state: State) -> list[Act]:
    """Return what may be done in `state`."""
    return list(STEPS[state])
