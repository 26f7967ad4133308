"""The table of states: nothing is unreachable, nothing is stuck, nobody acts out of seat."""

import pytest

from catalog import accreditation_lifecycle as lifecycle
from catalog.accreditation_lifecycle import STEPS, Act, Seat, State

ENDS = {State.REFUSED, State.WITHDRAWN, State.EXPIRED, State.REVOKED}


def test_every_state_is_reached_from_a_draft() -> None:
    met, front = {State.DRAFTED}, [State.DRAFTED]
    while front:
        for step in STEPS[front.pop()].values():
            if step.after not in met:
                met.add(step.after)
                front.append(step.after)
    assert met == set(State)


def test_only_the_ends_have_no_way_on() -> None:
    assert set(STEPS) == set(State)
    assert {state for state in State if not STEPS[state]} == ENDS
    assert set(State) - ENDS == lifecycle.STANDING


@pytest.mark.parametrize("state", sorted(State))
@pytest.mark.parametrize("seat", sorted(Seat))
def test_what_may_be_chosen_is_what_may_be_done(state: State, seat: Seat) -> None:
    for act in Act:
        assert (lifecycle.step(state, act, seat) is not None) == (act in lifecycle.choices(state, seat))


def test_nobody_is_published_without_county_notice_and_opinion() -> None:
    """Every way from a draft to the badge passes the township's opinion and the public notice."""

    def ways(state: State, passed: tuple[State, ...]) -> list[tuple[State, ...]]:
        if state is State.PUBLISHED:
            return [passed]
        return [
            way
            for step in STEPS[state].values()
            if step.after not in passed
            for way in ways(step.after, (*passed, step.after))
        ]

    found = ways(State.DRAFTED, (State.DRAFTED,))
    assert found
    assert all({State.SUBMITTED, State.OPINED, State.NOTICED} <= set(way) for way in found)


def test_a_badge_is_lost_by_leaving_published_only() -> None:
    assert lifecycle.is_lost(State.PUBLISHED, State.REVOKED)
    assert not lifecycle.is_lost(State.PUBLISHED, State.PUBLISHED)
    assert not lifecycle.is_lost(State.SUSPENDED, State.EXPIRED)
