"""A table described once says the same on a page and in both files."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from storefront.staff import tables, words
from storefront.staff.tables import Column, Kind, Part, Sheet, Table

TABLE = Table(
    "things",
    "东西",
    (
        Column("code", "编号", Kind.CODE, only="file"),
        Column("name", "名称", href=lambda row: f"/staff/{row['code']}"),
        Column("state", "状态", words=words.STATES, tag=lambda row: row["state"]),
        Column("pieces", "件数", Kind.COUNT, sums=True),
        Column("paid_fen", "实付", Kind.MONEY, sums=True),
        Column("rate", "转化率", Kind.RATE, value=lambda row: row["odds"]["rate"]),
        Column("day", "日期", Kind.DAY),
        Column("at", "时间", Kind.INSTANT),
    ),
    lead="name",
)
AT = datetime(2026, 11, 20, 16, 0, 1, tzinfo=UTC)


def row(**values: Any) -> dict[str, Any]:
    given = {"code": "A1", "name": "甲", "state": "paid", "pieces": 1234, "paid_fen": 123_456, "odds": {"rate": 0.1234}}
    return given | {"day": date(2026, 11, 20), "at": AT} | values


def page(sheet: Sheet) -> list[list[str]]:
    return [[cell.text for cell in cells] for _, cells in tables.drawn(sheet)]


def test_a_page_says_values_as_people_do() -> None:
    assert page(Sheet.of(TABLE, [row()])) == [
        ["甲", "待发货", "1,234", "1,234.56", "12.3%", "2026-11-20", "2026-11-21 00:00:01"]
    ]


def test_what_is_unknown_is_a_dash_and_zero_is_zero() -> None:
    empty = row(pieces=0, paid_fen=0, odds={"rate": None}, day=None, at="")
    assert page(Sheet.of(TABLE, [empty]))[0][2:] == ["0", "0.00", "—", "—", "—"]


def test_only_rows_are_added_up() -> None:
    sums = Part([row(name="小计", pieces=9)], is_sum=True)
    sheet = Sheet(TABLE, [Part([row(), row(pieces=None)]), sums], sum_title="合计")
    found = page(sheet)
    assert [line[0] for line in found] == ["甲", "甲", "小计", "合计"]
    assert found[-1] == ["合计", "", "1,234", "2,469.12", "", "", ""]


def test_a_cell_knows_where_it_leads_and_a_sum_leads_nowhere() -> None:
    (_, first), (_, last) = tables.drawn(Sheet.of(TABLE, [row()], sum_title="合计"))
    assert (first[0].href, first[1].tag, first[0].is_heading) == ("/staff/A1", "paid", True)
    assert (last[0].href, last[1].tag) == (None, "")


def test_a_part_begins_once() -> None:
    sheet = Sheet(TABLE, [Part([row(), row()], title="一"), Part([], title="空"), Part([row()], title="二")])
    assert [(line.part.title, line.begins) for line, _ in tables.drawn(sheet)] == [
        ("一", True),
        ("一", False),
        ("二", True),
    ]


@pytest.mark.parametrize(
    "written", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1+1", "=cmd|' /C calc'!A0"]
)
def test_no_text_is_a_formula(written: str) -> None:
    text = Column("name", "名称")
    assert tables.plain(text, written) == f"'{written}"
    assert tables.plain(text, "a=1") == "a=1"


def test_programs_get_plain_numbers_by_beijing_time() -> None:
    of = {column.name: column for column in TABLE.columns}
    values = [tables.plain(of[name], of[name].of(row())) for name in ("pieces", "paid_fen", "rate", "day", "at")]
    assert values == ["1234", "1234.56", "0.1234", "2026-11-20", "2026-11-21 00:00:01"]
    assert tables.plain(of["paid_fen"], -5) == "-0.05"
    assert tables.plain(of["at"], of["at"].of(row(at=AT.isoformat()))) == "2026-11-21 00:00:01"
