"""Names for the bench's copied goods, so that 100,000 SKUs are that many different goods of the same kinds.

Invariant: made up from counters, so that two runs give the same names; no two goods of a stand have the same. Half are
called after their maker (老王家砀山酥梨特级), half begin with what they are (砀山酥梨特级老王家), and each is found by
what the product itself would write for that name.
"""

import psycopg

from catalog import seeding

_FAMILIES = "王李张刘陈杨赵黄周吴徐孙朱马胡郭林何高梁郑罗宋谢唐韩曹许邓萧"
_HOUSES = ("记", "家", "家园", "氏", "大姐", "大叔", "农庄", "合作社", "山房", "作坊", "老号", "家庭农场")
_AGES = ("老", "小", "", "新")
_GRADES = ("", "特级", "一级", "精选", "礼盒", "家庭装", "尝鲜装", "大果", "小份", "当季新货")

_COPIES = """
SELECT p.id, row_number() OVER (PARTITION BY p.name_key ORDER BY p.position) - 1,
       regexp_replace(p.name, '(\\(.*\\))?[0-9]+$', ''), r.name, c.name, r.full_name, p.category,
       coalesce(p.label ->> 'kind', ''), coalesce(p.label ->> 'spec', '')
FROM products p JOIN regions r ON r.code = p.origin_code JOIN regions c ON c.code = r.parent_code
WHERE starts_with(p.slug, 'bench-')
"""
_COLUMNS = ("name_key", "pinyin", "initials", "search_text", "search_vector")


def give(connection: psycopg.Connection) -> None:
    """Call every copied product something of its own, unless that was done before."""
    if connection.execute("SELECT to_regclass('bench_names')").fetchone() != (None,):
        return
    copies = connection.execute(_COPIES).fetchall()
    connection.execute(
        f"CREATE TABLE bench_names (id bigint, name text, {', '.join(f'{each} text' for each in _COLUMNS)})"
    )
    with connection.cursor().copy("COPY bench_names FROM STDIN") as copy:
        for number, turn, kind, county, city, origin, category, group, spec in copies:
            name = of(kind, turn)
            entry = seeding.search_entry(
                name=name, county=county, city=city, origin=origin, category=category, spec=spec, kind=group
            )
            copy.write_row((number, name, *(entry[each] for each in _COLUMNS)))
    connection.execute(
        """
        UPDATE products p SET name = b.name, name_key = b.name_key, pinyin = b.pinyin, initials = b.initials,
            search_text = b.search_text, search_vector = b.search_vector::tsvector
        FROM bench_names b WHERE b.id = p.id
        """
    )
    connection.execute("VACUUM ANALYZE")


def of(kind: str, turn: int) -> str:
    """Return what the maker of this turn calls goods of a kind."""
    house, rest = turn % len(_HOUSES), turn // len(_HOUSES)
    maker = _AGES[rest // len(_FAMILIES) % len(_AGES)] + _FAMILIES[rest % len(_FAMILIES)] + _HOUSES[house]
    grade = _GRADES[turn * 7 % len(_GRADES)]
    return f"{maker}{kind}{grade}" if turn % 2 else f"{kind}{grade}{maker}"
