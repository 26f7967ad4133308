"""Guessing: what was meant is a part of a name, whoever's name it is a part of."""

import pytest

from catalog import guessing, search
from config import database


def meant(typed: str) -> list[search.Wanted]:
    """Return what would be searched for instead."""
    query = search.query(typed)
    assert query is not None
    return list(guessing.meant(query))


@pytest.mark.parametrize(
    ("typed", "part"),
    [
        ("dangshansulli", "砀山酥梨"),
        ("砀山苏梨", "砀山酥梨"),
        ("houkiu", "猴魁"),
        ("安庆席舒", "席舒"),
    ],
)
def test_the_part_that_is_like_the_words_is_meant(seeded: None, typed: str, part: str) -> None:
    database.statement("UPDATE products SET name_key = '老王家' || name_key || '特级', pinyin = 'laowangjia' || pinyin")
    assert part in {word for wanted in meant(typed) for word in wanted.words}


def test_parts_that_sound_alike_are_all_meant(seeded: None) -> None:
    assert set(meant("瓜蒌梓")[0].words) == {"瓜蒌籽", "瓜蒌子"}


def test_of_what_is_as_near_comes_first_what_is_from_the_place_that_was_typed(seeded: None) -> None:
    first, *_ = meant("岳西交白")
    assert (first.words, first.phrases) == (["茭白"], ["岳西"])


def test_nothing_is_meant_by_what_is_like_nothing(seeded: None) -> None:
    assert meant("xiangjiao") == meant("苹果手机") == []
