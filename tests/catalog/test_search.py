"""Search: what people type becomes grams, and nothing they type becomes syntax."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import romanise, search, words
from config import database


def test_text_is_normalised_to_runs() -> None:
    assert search.normalise("  砀山酥梨（5斤装）,ＡＢＣ Lu'an lǜ ") == "砀山酥梨 5 斤装 abc luan lv"
    assert search.normalise("LÜ") == "lv"
    assert search.normalise("🍐!%_\\;--\x00") == ""


def test_grams_are_pairs_of_neighbours() -> None:
    assert search.grams("砀山酥梨") == ["砀山", "山酥", "酥梨"]
    assert search.grams("梨") == ["梨"]


def test_a_query_asks_for_all_that_was_typed() -> None:
    wanted = search.query("砀山 sulu 黄山毛峰")
    assert wanted is not None
    assert wanted.typed.grams == "(('砀山')) & ('sulu':*) & (('黄山' & '山毛' & '毛峰'))"
    assert wanted.typed.phrases == ["黄山毛峰"]


def test_what_is_meant_is_cut_into_places_and_words() -> None:
    wanted = search.query("买砀山县雪梨多少钱")
    assert wanted is not None
    assert wanted.told == ["砀山县", "雪梨"]
    assert wanted.meant is not None
    assert "'酥梨'" in wanted.meant.grams


def test_tones_traditional_characters_and_accents_are_read() -> None:
    assert search.normalise("dàngshān sūlí") == search.normalise("dang4shan1 su1li2") == "dangshan suli"
    assert search.normalise("黃山毛峰") == "黄山毛峰"
    assert search.normalise("lǜchá") == "lvcha"


@given(st.text(max_size=80))
def test_to_normalise_again_changes_nothing(text: str) -> None:
    once = search.normalise(text)
    assert search.normalise(once) == once


@pytest.mark.parametrize("text", ["", "  ", "😀", "'", "%", "\x00", "&|!():*"])
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
        assert len(wanted.typed.text) <= search.MAX_QUERY_LENGTH
        for each in (wanted.typed, wanted.meant):
            assert each is None or not set(each.grams) & set("\\\x00%;!<")


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
        near = [each for guess in search.guesses(wanted) for each in guess.near]
        for each in (wanted.typed, wanted.meant):
            near += [each.grams] if each is not None else []
        for tsquery in near:
            database.statement("SELECT %s::tsquery", (tsquery,))


def test_a_kind_stands_for_what_is_of_it_and_none_of_these_for_another() -> None:
    assert set(words.same()["绿茶"]) > {"翠兰", "毛峰", "猴魁"}
    assert words.same()["猴魁"] == ("猴魁",)


@pytest.mark.parametrize(
    ("typed", "parts"),
    [
        ("香芽茶叶", ["香芽", "茶叶"]),
        ("舒城兰花茶", ["舒城", "兰花", "茶"]),
        ("大别山茶", ["大别山", "茶"]),
        ("好茶", ["好茶"]),
        ("茶", ["茶"]),
    ],
)
def test_the_kind_of_goods_behind_a_name_is_a_word_of_its_own(typed: str, parts: list[str]) -> None:
    assert words.parts(typed) == parts


@pytest.mark.parametrize(
    ("typed", "right"),
    [
        ("毫州白芍", ["亳州", "白芍"]),
        ("当山酥梨", ["砀山", "酥梨"]),
        ("毫州", ["亳州"]),
        ("砀山酥梨", None),
        ("黄桃", None),
        ("苹果手机", None),
    ],
)
def test_a_place_written_wrong_is_put_right(typed: str, right: list[str] | None) -> None:
    assert words.misspelt(typed) == right


def test_letters_that_are_no_pinyin_may_be_the_initials_of_two_words() -> None:
    mended = {
        typed: found.mended for typed in ("lqbj", "nike", "apple iphone", "suli") if (found := search.query(typed))
    }
    assert mended["lqbj"] is not None
    assert mended["lqbj"].grams == "('lq':* & 'bj':*)"
    assert [mended[typed] for typed in ("nike", "apple iphone", "suli")] == [None] * 3


@pytest.mark.parametrize(
    ("typed", "runs"),
    [
        ("🍓", ["草莓"]),
        ("🌶️", ["辣椒"]),
        ("🍓🍓", ["草莓"]),
        ("新鲜🍓", ["新鲜", "草莓"]),
        ("🍓长丰", ["长丰", "草莓"]),
        ("🍓3斤", ["3", "斤", "草莓"]),
        ("石榴🔥🍎", ["石榴"]),
    ],
)
def test_a_picture_of_goods_is_their_name_where_no_word_says_it(typed: str, runs: list[str]) -> None:
    wanted = search.query(typed)
    assert wanted is not None
    assert wanted.runs == runs


def test_a_picture_beside_a_general_word_is_no_search_for_anything() -> None:
    assert search.is_general("好吃的")
    assert not search.is_general("好吃的🍓")
    assert not search.is_general("🍓50元以内")


@pytest.mark.parametrize(
    ("typed", "known"),
    [("石斛泡酒", ["石斛"]), ("下饭酱", ["酱"]), ("黄精泡水", ["黄精"]), ("毛笔字用纸", ["纸"]), ("野餐篮", ["篮"])],
)
def test_what_goods_are_used_for_is_left_out(typed: str, known: list[str]) -> None:
    wanted = search.query(typed)
    assert wanted is not None
    assert known in [each.words for each in wanted.relaxed]


@pytest.mark.parametrize(
    ("part", "whole"),
    [
        ("姜片", "生姜"),
        ("糖醋姜片", "糖醋姜"),
        ("鱼块", "鱼"),
        ("图片", "图片"),
        ("瓜片", "瓜片"),
        ("片", "片"),
        ("", ""),
    ],
)
def test_cut_goods_are_called_as_the_whole(part: str, whole: str) -> None:
    assert words.uncut(part) == whole


def test_a_word_that_only_sounds_like_a_known_one_needs_a_place_or_length_beside_it() -> None:
    for typed, is_mended in (("滁州局花", True), ("西宏柿", True), ("杯子", False), ("箱包", False)):
        wanted = search.query(typed)
        assert wanted is not None
        assert (wanted.mended is not None) == is_mended
