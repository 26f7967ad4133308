"""Amounts in what people type: left out of what is looked for, and found again in specs."""

import re

import pytest

from catalog import amounts, search


@pytest.mark.parametrize(
    ("typed", "spec", "is_said"),
    [
        ("1.8米席子", "1.8米席", True),
        ("1.8米席子", "1.5米席", False),
        ("250g瓜片", "特级250克(罐)", True),
        ("50克石斛", "特级250克(罐)", False),
        ("5公斤糯米", "5千克", True),
        ("500ML茶油", "500毫升×2", True),
        ("8只螃蟹", "8只礼盒", True),
        ("50元的梨", "净重5斤(8-9枚)", True),
        ("砀山酥梨", "净重5斤(8-9枚)", True),
    ],
)
def test_specs_of_the_amount_are_told_from_others(typed: str, spec: str, is_said: bool) -> None:
    pattern = amounts.pattern(search.normalise(typed))
    assert (re.search(pattern, search.normalise(spec)) is not None) is is_said


def test_amounts_are_left_out_and_words_stay() -> None:
    assert amounts.without(search.normalise("砀山酥梨5斤装两箱")).split() == ["砀山酥梨"]
