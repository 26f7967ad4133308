"""What WeChat is still to be told, for every way that what left and what WeChat knows can differ."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storefront.shipping_lifecycle import (
    ALARM_AFTER,
    MOST_PARCELS,
    REPORT_WITHIN,
    Answer,
    FundState,
    Known,
    Mode,
    Parcel,
    Upload,
    advance,
    decide,
    next_look,
    next_try,
)

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


def parcel(number: str) -> Parcel:
    return Parcel(tracking_number=number, company="ZTO", goods=f"梨{number}*1")


def known(*numbers: str, state: FundState = FundState.UNSHIPPED, **more: int) -> Known:
    return Known(
        state=state,
        openid="o",
        is_complete=bool(more.get("completions")),
        completions=more.get("completions", 0),
        parcels=frozenset(("ZTO", number) for number in numbers),
    )


A, B = parcel("A"), parcel("B")


def test_one_parcel_for_everything_is_told_at_once() -> None:
    assert decide(parcels=[A], is_complete=True, known=known()) == Upload(
        mode=Mode.UNIFIED, parcels=(A,), is_complete=True
    )
    assert decide(parcels=[A], is_complete=True, known=known("A", completions=1)) is Answer.NOTHING


def test_parcels_are_told_of_as_they_leave() -> None:
    first = decide(parcels=[A], is_complete=False, known=known())
    assert first == Upload(mode=Mode.SPLIT, parcels=(A,), is_complete=False)
    assert decide(parcels=[A], is_complete=False, known=known("A")) is Answer.NOTHING
    second = decide(parcels=[A, B], is_complete=True, known=known("A"))
    assert second == Upload(mode=Mode.SPLIT, parcels=(B,), is_complete=True)


def test_what_is_refunded_instead_of_sent_ends_the_list_in_other_words() -> None:
    told = decide(parcels=[A], is_complete=True, known=known("A"))
    assert isinstance(told, Upload)
    assert (told.mode, told.is_complete, told.parcels[0].key) == (Mode.SPLIT, True, A.key)
    assert told.parcels[0].goods != A.goods


def test_the_one_correction_and_no_second() -> None:
    corrected = decide(parcels=[B], is_complete=True, known=known("A", completions=1))
    assert corrected == Upload(mode=Mode.UNIFIED, parcels=(B,), is_complete=True)
    assert decide(parcels=[B], is_complete=True, known=known("A", completions=2)) is Answer.EXHAUSTED


def test_nothing_is_told_of_what_was_refunded_or_stayed() -> None:
    assert decide(parcels=[A], is_complete=True, known=known(state=FundState.REFUNDED)) is Answer.NOTHING
    assert decide(parcels=[], is_complete=False, known=known()) is Answer.NOTHING


NUMBERS = st.lists(st.sampled_from("ABCDEFGHIJKLMNOPQRST"), unique=True, max_size=20)


@given(left=NUMBERS, told=NUMBERS, is_complete=st.booleans(), completions=st.integers(0, 2))
def test_no_parcel_is_told_of_twice_unless_the_record_is_corrected(
    left: list[str], told: list[str], is_complete: bool, completions: int
) -> None:
    parcels = [parcel(number) for number in left]
    there = known(*told, completions=completions if told else 0)
    upload = decide(parcels=parcels, is_complete=is_complete, known=there)
    if not isinstance(upload, Upload):
        return
    assert 0 < len(upload.parcels) <= MOST_PARCELS
    assert (upload.mode is Mode.UNIFIED) <= (len(upload.parcels) == 1)
    again = [each for each in upload.parcels if each.key in there.parcels]
    assert not again or there.is_complete or again == list(upload.parcels)


@given(st.lists(st.sampled_from(FundState)))
def test_news_in_any_order_end_in_the_same_state(news: list[FundState]) -> None:
    state, forth = FundState.UNSHIPPED, FundState.UNSHIPPED
    for each in news:
        state = advance(state, each)
    for each in reversed(news):
        forth = advance(forth, each)
    assert state is forth


@pytest.mark.parametrize(("tries", "seconds"), [(1, 10), (2, 20), (4, 80), (9, 2560), (10, 3600), (500, 3600)])
def test_tries_come_further_and_further_apart(tries: int, seconds: int) -> None:
    assert next_try(tries=tries, now=NOW) == NOW + timedelta(seconds=seconds)


def test_an_unreported_payment_is_looked_at_before_it_is_too_late() -> None:
    assert next_look(paid_at=NOW, is_reported=False, now=NOW) == NOW + ALARM_AFTER < NOW + REPORT_WITHIN
    assert next_look(paid_at=NOW, is_reported=True, now=NOW) > NOW + REPORT_WITHIN
