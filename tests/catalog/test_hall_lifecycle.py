"""A hall opens, closes and opens again, and nothing else."""

from itertools import product

from catalog import hall_lifecycle as lifecycle
from catalog.hall_lifecycle import Act, State


def test_the_table_is_whole() -> None:
    allowed = {(state, act): after for state, act in product(State, Act) if (after := lifecycle.step(state, act))}
    assert allowed == {
        (State.DRAFTED, Act.OPEN): State.OPEN,
        (State.OPEN, Act.CLOSE): State.CLOSED,
        (State.CLOSED, Act.OPEN): State.OPEN,
    }
    assert [lifecycle.choices(state) for state in State] == [[Act.OPEN], [Act.CLOSE], [Act.OPEN]]


def test_every_state_can_be_left() -> None:
    assert all(lifecycle.STEPS[state] for state in State)
