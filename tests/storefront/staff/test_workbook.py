"""The Excel file opens with numbers as numbers and whatever people wrote as text."""

import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from xml.etree import ElementTree as ET

from storefront.staff import workbook
from storefront.staff.tables import Part, Sheet
from tests.storefront.staff.test_tables import TABLE, row

_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


def read(sheets: list[Sheet], sheet: int) -> list[list[tuple[str | None, str | None]]]:
    """The cells of a sheet as (type, value); a formula would be an element of its own."""
    with workbook.written(sheets, made_at=NOW) as body, zipfile.ZipFile(body) as file:
        text = file.read(f"xl/worksheets/sheet{sheet}.xml")
        assert b"<f>" not in text
        assert "xl/externalLinks" not in "".join(file.namelist())
        assert b"hyperlink" not in text.lower().replace(b"=hyperlink", b"")
    tree = ET.fromstring(text)
    return [
        [(cell.get("t"), "".join(cell.itertext())) for cell in row.iter(f"{_SHEET}c")]
        for row in tree.iter(f"{_SHEET}row")
    ]


def written(*rows: dict[str, Any], **more: Any) -> list[list[tuple[str | None, str | None]]]:
    return read([Sheet.of(TABLE, rows, **more)], 1)


def test_amounts_are_numbers_and_days_are_dates() -> None:
    heading, first = written(row(odds={"rate": None}))
    assert [title for _, title in heading][:5] == ["编号", "名称", "状态", "件数", "实付（元）"]
    day = str((date(2026, 11, 20) - date(1899, 12, 30)).days)
    assert first[:5] == [
        ("inlineStr", "A1"),
        ("inlineStr", "甲"),
        ("inlineStr", "待发货"),
        (None, "1234"),
        (None, "1234.56"),
    ]
    assert first[5] == (None, day), "what is not known is no cell"
    whole, part = str(first[6][1]).split(".")
    assert int(whole) == int(day) + 1
    assert float(f"0.{part}") * 86400 < 2


def test_the_sum_is_a_number_too() -> None:
    assert written(row(), row(), sum_title="合计")[-1] == [("inlineStr", "合计"), (None, "2468"), (None, "2469.12")]


def test_whatever_somebody_wrote_is_text() -> None:
    spellings = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "=cmd|' /C calc'!A0", "http://evil.example", "1e9"]
    spellings.append('=HYPERLINK("http://evil.example","x")')
    for cells, wrote in zip(written(*(row(name=wrote) for wrote in spellings))[1:], spellings, strict=True):
        assert ("inlineStr", wrote) in cells
        assert all(kind == "inlineStr" for kind, value in cells if value and wrote in value)


def test_several_sheets_and_what_was_asked() -> None:
    parts = [Part([row()]), Part([row(name="没有扫码")], title="未归因")]
    sheets = [Sheet.of(TABLE, [], notes=(("期间", "=昨天"),)), Sheet(replace(TABLE, title="其他"), parts)]
    assert read(sheets, 2)[2][1] == ("inlineStr", "未归因：没有扫码")
    assert read(sheets, 3) == [
        [("inlineStr", "东西：期间"), ("inlineStr", "=昨天")],
        [("inlineStr", "生成时间"), ("inlineStr", "2026-11-22 10:00:00")],
    ]
