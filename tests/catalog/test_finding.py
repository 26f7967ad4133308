"""Finding: however many goods a word is on, a walk shows each once, the best first, and prices only narrow it."""

from typing import Any

import orjson
import pytest

from catalog import finding
from catalog.narrowing import Narrowing
from config import database

# More than are ranked or guessed among, so that a walk has to go on behind them.
COPIES = 130

_COPY = """
WITH copied AS (
    INSERT INTO products (
        slug, name, category, hall_id, origin_code, supplier_id, warehouse_id, description, label, licence_class,
        return_class, delivery_class, plate, position, is_on_sale, is_display_only, is_illustrative, name_key, pinyin,
        initials, search_text, search_vector
    )
    SELECT 'copy-' || n, name || n, category, hall_id, origin_code, supplier_id, warehouse_id, description, label,
           licence_class, return_class, delivery_class, plate, 100000 - n, is_on_sale, is_display_only, is_illustrative,
           name_key || n % 2, pinyin, initials, search_text, search_vector
    FROM products, generate_series(1, %(copies)s) n WHERE slug = 'dangshansuli'
    RETURNING id, position
)
INSERT INTO skus (number, product_id, position, spec, price_fen, price_version, weight_g)
SELECT 'COPY' || position, id, 1, '5斤', position - 90000, 1, 2500 FROM copied
"""


def walked(q: str, *, limit: int = 50, **choice: Any) -> list[dict[str, Any]]:
    """Return everything that a walk through all pages shows."""
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = orjson.loads(
            finding.page(q=q, chosen=Narrowing(**choice), sort=None, cursor=cursor, limit=limit),
        )
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items


@pytest.fixture
def many(seeded: None) -> None:
    """More goods of one name than are ranked."""
    database.statement(_COPY, {"copies": COPIES})


@pytest.mark.parametrize("typed", ["砀山酥梨", "酥梨", "dangshansuli", "砀山县酥梨"])
def test_a_walk_shows_all_that_a_word_is_on_once_the_best_first(many: None, typed: str) -> None:
    slugs = [item["slug"] for item in walked(typed)]
    assert {f"copy-{n}" for n in range(1, COPIES + 1)} < set(slugs)
    assert len(slugs) == len(set(slugs))


def test_of_many_those_at_the_front_of_the_shelf_are_ranked_and_the_others_follow(many: None) -> None:
    """Written last, they come last in the table, too: without a look at the front others would be ranked."""
    front = {f"copy-{n}" for n in range(COPIES - 4, COPIES + 1)}
    database.statement("UPDATE products SET position = position - 60000 WHERE slug = ANY(%s)", (list(front),))
    slugs = [item["slug"] for item in walked("酥梨", limit=finding.MAX_HITS)]
    assert front < set(slugs[: finding.MAX_HITS])
    assert len(slugs) == len(set(slugs))
    assert {f"copy-{n}" for n in range(1, COPIES + 1)} < set(slugs)


def test_the_name_itself_comes_first_of_many_that_begin_with_it(many: None) -> None:
    assert walked("砀山酥梨")[0]["slug"] == "dangshansuli"


def test_a_search_within_prices_shows_just_those(many: None) -> None:
    found = walked("砀山酥梨", price_from=9_900, price_to=9_950)
    assert sorted(item["price_fen"] for item in found) == list(range(9_900, 9_951))


def test_a_slip_finds_all_goods_of_the_name(many: None) -> None:
    """Names are compared, each once, so that goods of one name do not push one another out."""
    found = walked("dangshansulli")
    assert "dangshansuli" in {item["slug"] for item in found}
    assert len(found) == COPIES + 1


def test_what_is_like_the_words_behind_a_place_is_shown_from_there(many: None) -> None:
    called_so = """
        UPDATE products p SET name_key = '茭白' || n, pinyin = 'jiaobai' || n, search_vector = m.search_vector,
            search_text = CASE WHEN n %% 2 = 0 THEN '安徽省岳西县' ELSE '安徽省潜山市' END
        FROM products m, generate_series(1, %(copies)s) n WHERE m.slug = 'yuexijiaobai' AND p.slug = 'copy-' || n
    """
    database.statement(called_so, {"copies": COPIES})
    slugs = [item["slug"] for item in walked("yuexi jaobai", limit=20)]
    assert len(slugs) == len(set(slugs))
    assert set(slugs) == {"yuexijiaobai", *(f"copy-{n}" for n in range(2, COPIES + 1, 2))}


def test_a_part_of_a_name_is_found_over_its_parentheses(seeded: None) -> None:
    assert walked("石斛峰斗")[0]["slug"] == "huoshanshihu"


def test_names_whose_goods_are_gone_are_no_guess_and_hide_none(seeded: None) -> None:
    database.statement(
        """
        WITH live AS (DELETE FROM product_names WHERE name_key = '砀山酥梨' RETURNING *)
        INSERT INTO product_names (name_key, pinyin, search_vector)
        SELECT name_key || n, pinyin, search_vector FROM live, generate_series(0, 400) n
        UNION ALL SELECT name_key, pinyin, search_vector FROM live
        """
    )
    assert [item["slug"] for item in walked("dangshansulli")] == ["dangshansuli"]
    database.statement("UPDATE products SET is_on_sale = false, off_sale_for = 'draft' WHERE slug = 'dangshansuli'")
    assert walked("dangshansulli") == []


def test_a_name_is_kept_once_however_many_goods_have_it(many: None) -> None:
    sql = "SELECT name_key, count(*) FROM product_names WHERE starts_with(name_key, '砀山酥梨') GROUP BY 1 ORDER BY 1"
    assert database.statement(sql) == [("砀山酥梨", 1), ("砀山酥梨0", 1), ("砀山酥梨1", 1)]


def test_goods_that_get_another_name_are_guessed_by_it(seeded: None) -> None:
    renamed = """
        UPDATE products SET name = %(name)s, name_key = %(name)s, pinyin = %(said)s, search_vector = %(grams)s::tsvector
    """
    params = {"name": "贵池秋浦花鳜", "said": "guichiqiupuhuagui", "grams": "花 贵 池 秋 浦 鳜 guichiqiupuhuagui"}
    database.statement(f"{renamed} WHERE slug = 'dangshansuli'", params)
    assert [item["slug"] for item in walked("贵池球浦花鳜")] == ["dangshansuli"]


def test_a_whole_that_nothing_is_like_shows_what_it_ends_with(seeded: None) -> None:
    page = orjson.loads(finding.page(q="吐鲁番葡萄", chosen=Narrowing(), sort=None, cursor=None, limit=5))
    assert [item["slug"] for item in page["items"]] == ["xiaoxianputao"]
    assert page["search"]["matched"] == "close"


@pytest.mark.parametrize(
    ("typed", "slug"),
    [
        ("我妈让我买的那种凤阳的米", "fengyanggongmi"),
        ("天麻炖鸡用的", "jinzhaitianma"),
        ("金寨馆 茶", "jinzhaibanli"),
        ("mianshui baihe", "manshuihebaihe"),
        ("dansan suli", "dangshansuli"),
        ("haoju", "boju"),
    ],
)
def test_some_of_the_words_will_do_when_all_of_them_are_nowhere(seeded: None, typed: str, slug: str) -> None:
    assert slug in {item["slug"] for item in walked(typed)}


@pytest.mark.parametrize("typed", ["草莓味牙膏", "生姜洗发水", "苹果手机"])
def test_what_the_last_word_says_is_not_left_out(seeded: None, typed: str) -> None:
    assert walked(typed) == []


def test_a_price_in_words_narrows_unless_another_was_chosen_or_nothing_costs_so(seeded: None) -> None:
    assert {item["price_fen"] <= 5_000 for item in walked("50元以内的茶")} == {True}
    assert {item["price_fen"] >= 20_000 for item in walked("200元以上的茶")} == {True}
    assert {item["price_fen"] <= 10_000 for item in walked("100以下")} == {True}
    assert [item["price_fen"] for item in walked("50元以内的茶", price_from=29_000)] == [29_800]
    assert len(walked("1元以内的茶叶")) == len(walked("茶叶"))


def test_facets_count_what_a_price_in_words_leaves(seeded: None) -> None:
    def total(typed: str) -> int:
        counted: int = orjson.loads(finding.counts(q=typed, chosen=Narrowing(), month=5))["total"]
        return counted

    for typed in ("50元以内的茶", "100以下", "1元以内的茶叶", "砀山苏梨"):
        assert total(typed) == len(walked(typed))


@pytest.mark.parametrize("typed", ["特产", "安徽 土特产推荐"])
def test_who_asks_for_anything_is_shown_the_shelf(seeded: None, typed: str) -> None:
    assert len(walked(typed)) == len(walked("安徽"))


def test_a_search_that_shows_all_there_is_leads_nowhere(seeded: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever turns the page would read that nothing was found."""
    slugs = [item["slug"] for item in walked("茶")]
    assert len(slugs) > 2
    for ranked, is_cut in ((len(slugs), False), (len(slugs) - 1, True)):
        monkeypatch.setattr(finding, "MAX_HITS", ranked)
        page = orjson.loads(finding.page(q="茶", chosen=Narrowing(), sort=None, cursor=None, limit=ranked))
        assert len(page["items"]) == ranked
        assert (page["next_cursor"] is not None) == is_cut
        assert sorted(item["slug"] for item in walked("茶", limit=ranked)) == sorted(slugs)


def test_one_letter_shows_only_what_begins_with_it(many: None) -> None:
    found = walked("d")
    assert len(found) == finding.MAX_HITS
