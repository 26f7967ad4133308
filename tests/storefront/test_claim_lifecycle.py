"""A claim moves forward only, and every wait has its end."""

from datetime import UTC, datetime, timedelta

import pytest

from storefront import claim_lifecycle
from storefront.claim_lifecycle import HOLDS_PIECES, OPEN, TRANSITIONS, Cause, ClaimState, may_follow

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


def test_every_state_has_its_row() -> None:
    assert set(TRANSITIONS) == set(ClaimState)


def test_what_is_over_stays_over_and_what_is_open_can_end() -> None:
    for state in ClaimState:
        assert bool(TRANSITIONS[state]) is (state in OPEN)


def test_money_goes_back_only_after_a_decision() -> None:
    assert [state for state in ClaimState if may_follow(state, ClaimState.REFUNDED)] == [ClaimState.REFUNDING]
    assert not may_follow(ClaimState.APPROVED, ClaimState.REFUNDING)
    assert not may_follow(ClaimState.SENT_BACK, ClaimState.LAPSED)


def test_a_refused_claim_gives_its_pieces_free() -> None:
    assert {ClaimState.REFUSED, ClaimState.WITHDRAWN, ClaimState.LAPSED} == set(ClaimState) - HOLDS_PIECES


@pytest.mark.parametrize("state", ClaimState)
def test_whoever_is_waited_for_has_a_deadline(state: ClaimState) -> None:
    due = claim_lifecycle.due_at(state, now=NOW)
    somebody = {ClaimState.FILED, ClaimState.APPROVED, ClaimState.SENT_BACK}
    assert (due is not None) is (state in somebody)


def test_only_the_shoppers_own_mind_is_no_fault() -> None:
    assert [cause for cause in Cause if not cause.is_fault] == [Cause.NO_REASON]


def test_seven_days_begin_the_day_after_the_goods_came_and_end_with_the_day_in_beijing() -> None:
    # 23:59 in Beijing on 1 March: the days are 2 to 8 March.
    received = datetime(2026, 3, 1, 15, 59, tzinfo=UTC)
    until = claim_lifecycle.no_reason_until(received)
    assert until == datetime(2026, 3, 8, 16, 0, tzinfo=UTC)
    assert claim_lifecycle.no_reason_until(received + timedelta(minutes=1)) == until + timedelta(days=1)
