"""What an address of the report says, and that it is read back as the same."""

from datetime import date
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storefront.staff.pages import choices
from subway_campaign.lifecycle import Level, Model, View

TODAY = date(2026, 11, 22)


def read(**asked: str) -> choices.Choice:
    return choices.read(asked, today=TODAY)


@pytest.mark.parametrize(
    ("span", "first", "last"),
    [
        ("today", 22, 22),
        ("yesterday", 21, 21),
        ("7d", 16, 22),
        ("month", 1, 22),
        ("", 16, 22),
        ("nonsense", 16, 22),
    ],
)
def test_a_word_is_days_that_end_today(span: str, first: int, last: int) -> None:
    choice = read(span=span)
    assert (choice.from_day, choice.last_day) == (date(2026, 11, first), date(2026, 11, last))
    assert choices.read(dict(parse_qsl(choice.query())), today=TODAY) == choice


def test_days_that_were_typed_are_no_word() -> None:
    choice = read(**{"span": "7d", "from": "2026-11-02", "to": "2026-11-03"})
    assert (choice.span, choice.days) == ("", 2)
    assert choice.query() == "from=2026-11-02&to=2026-11-03"
    assert read(to="2026-11-03").from_day == date(2026, 10, 28)


@given(
    asked=st.dictionaries(
        st.sampled_from(
            ["from", "to", "span", "model", "view", "under", "level", "sort", "campaign", "hall", "product"]
        ),
        st.one_of(
            st.text(max_size=12),
            st.sampled_from(
                [*choices.SPANS, *Model, *View, *Level, "2026-11-01", "1999-01-01", "-net_fen", "METRO.HF"]
            ),
        ),
    )
)
def test_any_address_is_a_choice_and_is_read_back_as_it(asked: dict[str, str]) -> None:
    choice = choices.read(asked, today=TODAY)
    assert choice.from_day <= choice.last_day
    assert choices.read(dict(parse_qsl(choice.query())), today=TODAY) == choice


def test_what_a_period_is_compared_with() -> None:
    choice = read(**{"from": "2026-11-09", "to": "2026-11-15"})
    before, year = choices.previous(choice), choices.a_year_before(choice)
    assert (before.from_day, before.last_day) == (date(2026, 11, 2), date(2026, 11, 8))
    assert (year.from_day.weekday(), year.last_day) == (choice.from_day.weekday(), date(2025, 11, 16))
