"""How figures, instants and details are written for people."""

import pytest

from storefront.staff import words
from subway_campaign import decisions
from subway_campaign.lifecycle import Drop, Exclusion, Level, Model, TouchKind, View


@pytest.mark.parametrize(
    ("fen", "written"), [(0, "0.00"), (5, "0.05"), (123_456_789, "1,234,567.89"), (-298_00, "-298.00")]
)
def test_money_is_exact(fen: int, written: str) -> None:
    assert words.money(fen) == written


def test_an_instant_is_beijing_time() -> None:
    assert words.instant("2026-11-21T20:30:00+00:00") == "2026-11-22 04:30"
    assert words.instant(None) == "—"


def test_every_word_of_the_campaign_has_a_chinese_one() -> None:
    assert set(words.LEVELS) == set(Level)
    assert set(words.MODELS) == set(Model)
    assert set(words.VIEWS) == set(View)
    assert set(words.TOUCHES) == set(TouchKind)
    assert {*Exclusion, *Drop} <= words.REASONS.keys()
    assert decisions.WORDS.keys() <= words.REASONS.keys()


def test_details_are_a_sentence() -> None:
    values = {
        "amount_fen": 1250,
        "lines": [1, 2],
        "level": "car",
        "landing": {"kind": "hall", "slug": "x"},
        "none": None,
    }
    assert words.details(values) == "金额 ¥12.50；商品行 1、2；层级 车厢；打开 hall x"
