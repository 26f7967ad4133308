"""Likeness: each slip at its price, from any syllable on, and nothing beyond the budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import likeness, sounds

SULI = ("砀山酥梨", "dangshansuli")


@pytest.mark.parametrize(
    ("typed", "far"),
    [
        ("dangshansuli", 0.0),
        ("shansuli", 0.0),
        ("dangshnsuli", 1.0),
        ("dangshansulli", 0.0 + 1.0),
        ("dangshasnuli", 1.0),
        ("dangsansuli", 0.3),
        ("baojiangmian", likeness.FAR),
        ("砀山苏梨", 0.15),
        ("砀山梨酥", 0.5),
        ("山酥梨", 0.0),
        ("黄山毛峰", likeness.FAR),
    ],
)
def test_each_slip_has_its_price(typed: str, far: float) -> None:
    assert likeness.distance(typed, *SULI) == pytest.approx(far)


@given(st.text(alphabet="adghilnsuz", max_size=9))
def test_what_is_spelled_is_what_splits_into_syllables(letters: str) -> None:
    neighbours = sounds.mistyped(letters) | sounds.misheard(letters)
    assert all(sounds.split(each) is not None for each in neighbours)


@given(st.text(alphabet="abdghilnsu", min_size=4, max_size=14))
def test_what_is_typed_wholly_otherwise_is_no_guess(letters: str) -> None:
    assert likeness.distance(letters, "", "") in (likeness.FAR, *(float(n) for n in range(4)))


@pytest.mark.parametrize(
    ("typed", "name", "part"),
    [
        ("砀山苏梨", "老王家砀山酥梨特级", "砀山酥梨"),
        ("苏梨", "砀山酥梨", "酥梨"),
        ("dangshansulli", "砀山酥梨老王家", "砀山酥梨"),
        ("砀山梨", "砀山酥梨", "砀山酥梨"),
        ("茭白", "茭白", "茭白"),
    ],
)
def test_the_part_of_a_name_is_as_near_as_the_whole(typed: str, name: str, part: str) -> None:
    assert likeness.part(typed, name, likeness.distance(typed, name)) == part
