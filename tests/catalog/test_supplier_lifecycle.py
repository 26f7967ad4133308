"""The table of a supplier's states, walked in every direction."""

from datetime import date

import pytest

from catalog import supplier_lifecycle as lifecycle
from catalog.supplier_lifecycle import Act, Papers, PermitClass, Seat, State

DAY = date(2026, 11, 21)


def test_every_state_is_reached_and_only_closed_is_an_end() -> None:
    reached = {step.after for steps in lifecycle.STEPS.values() for step in steps.values()} | {State.DRAFTED}
    assert reached == set(State)
    assert [state for state, steps in lifecycle.STEPS.items() if not steps] == [State.CLOSED]


def test_only_the_operator_lets_anybody_sell() -> None:
    for steps in lifecycle.STEPS.values():
        for step in steps.values():
            if step.after is State.ADMITTED:
                assert step.seats == {Seat.OPERATOR}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("seat", Seat)
def test_choices_are_what_step_allows(state: State, seat: Seat) -> None:
    assert set(lifecycle.choices(state, seat)) == {act for act in Act if lifecycle.step(state, act, seat)}


@pytest.mark.parametrize(
    ("papers", "lacking"),
    [
        (Papers(), ["permit_class"]),
        (Papers(permit_class=PermitClass.EXEMPT), []),
        (Papers(permit_class=PermitClass.FILING), ["permit_number"]),
        (Papers(permit_class=PermitClass.FILING, permit_number="YB1"), []),
        (Papers(permit_class=PermitClass.PERMIT), ["permit_number", "permit_until"]),
        (Papers(permit_class=PermitClass.PERMIT, permit_number="JY1", permit_until=DAY), []),
    ],
)
def test_each_class_needs_its_own_fields(papers: Papers, lacking: list[str]) -> None:
    assert lifecycle.missing(papers) == lacking


@pytest.mark.parametrize(
    ("licence", "permit", "ended"),
    [
        (None, None, []),
        (DAY, DAY, []),
        (date(2026, 11, 20), None, ["licence"]),
        (None, date(2026, 11, 20), ["food_permit"]),
        (date(2020, 1, 1), date(2020, 1, 1), ["licence", "food_permit"]),
    ],
)
def test_a_paper_holds_to_the_end_of_its_last_day(licence: date | None, permit: date | None, ended: list[str]) -> None:
    assert lifecycle.expired(Papers(licence_until=licence, permit_until=permit), today=DAY) == ended
