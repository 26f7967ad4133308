"""Search: what people type becomes grams, and nothing they type becomes syntax."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import romanise, search
from config import database


def test_text_is_normalised_to_runs() -> None:
    assert search.normalise("  砀山酥梨（5斤装）,ＡＢＣ Lu'an lǜ ") == "砀山酥梨 5 斤装 abc luan l"
    assert search.normalise("LÜ") == "lv"
    assert search.normalise("🍐!%_\\;--\x00") == ""


def test_grams_are_pairs_of_neighbours() -> None:
    assert search.grams("砀山酥梨") == ["砀山", "山酥", "酥梨"]
    assert search.grams("梨") == ["梨"]


def test_a_query_asks_for_all_that_was_typed() -> None:
    wanted = search.query("砀山 suli 黄山毛峰")
    assert wanted is not None
    assert wanted.grams == "'砀山' & 'suli':* & '黄山' & '山毛' & '毛峰'"
    assert wanted.phrases == ["黄山毛峰"]


@pytest.mark.parametrize("text", ["", "  ", "🍐", "'", "%", "\x00", "&|!():*"])
def test_nothing_searchable_is_no_query(text: str) -> None:
    assert search.query(text) is None


@pytest.mark.parametrize(
    ("name", "sound"),
    [
        ("砀山", "dangshan"),
        ("涡阳苔干", "guoyangtaigan"),
        ("长淮", "changhuai"),
        ("重楼", "chonglou"),
        ("长丰草莓", "changfengcaomei"),
        ("天长芡实", "tianchangqianshi"),
        ("六安瓜片", "luanguapian"),
        ("亳菊", "boju"),
        ("歙县", "shexian"),
        ("绿茶", "lvcha"),
    ],
)
def test_local_names_are_read_as_locals_read_them(name: str, sound: str) -> None:
    assert "".join(romanise.syllables(name)) == sound


@given(st.text())
def test_no_text_is_too_hostile_for_a_query(text: str) -> None:
    wanted = search.query(text)
    if wanted is not None:
        assert set(wanted.grams) <= set(wanted.text) | set("': &*")
        assert len(wanted.text) <= 20 * search.MAX_QUERY_LENGTH


HOSTILE = [
    "'",
    "''; DROP TABLE products; --",
    "a:*&!b",
    "\\",
    "(((",
    "梨'|'茶",
    "%",
    "_",
    "\x00梨",
    "𠮷野",
    "ﷺ" * 60,
    "１０％",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_query_is_syntax_to_the_database(db: None, text: str) -> None:
    wanted = search.query(text)
    if wanted is not None:
        database.statement(
            "SELECT %(grams)s::tsquery, %(close)s::tsquery", {"grams": wanted.grams, "close": wanted.close_grams}
        )
