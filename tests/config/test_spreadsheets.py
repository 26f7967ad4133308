"""What is read from an Excel file, and which files are refused by which word."""

import io
import zipfile
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
import xlsxwriter

from config import spreadsheets
from config.spreadsheets import Line, Refused

SHEET, TYPES = "xl/worksheets/sheet1.xml", "[Content_Types].xml"


def made(fill: Callable[[Any, Any], object]) -> bytes:
    """An Excel file whose first sheet `fill` has filled."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as file:
        fill(file, file.add_worksheet())
    return out.getvalue()


def of(*rows: tuple[Any, ...]) -> bytes:
    return made(lambda _, sheet: [sheet.write_row(at, 0, row) for at, row in enumerate(rows)])


PLAIN = of(("SKU编号", "价格（元）"), ("AH001A", 29.9))


def altered(change: Callable[[str, bytes], bytes | None] = lambda _, body: body, **more: bytes) -> bytes:
    """The plain file with its parts changed, some left out (None) and some added."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(PLAIN)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        for name in old.namelist():
            body = change(name, old.read(name))
            if body is not None:
                new.writestr(name, body)
        for name, body in more.items():
            new.writestr(name, body)
    return out.getvalue()


def with_rows(rows: bytes) -> bytes:
    """The plain file with other rows."""
    return altered(
        lambda name, body: (
            body[: body.index(b"<sheetData>") + 11] + rows + b"</sheetData></worksheet>" if name == SHEET else body
        )
    )


def in_part(name: str, old: bytes, new: bytes) -> bytes:
    return altered(lambda part, body: body.replace(old, new, 1) if part == name else body)


def test_rows_come_as_text_with_their_numbers_in_excel() -> None:
    def fill(file: Any, sheet: Any) -> None:
        sheet.write_row(1, 1, ("SKU编号", "价格", "日期", "是否", "公式", "文字"))
        sheet.write_row(3, 1, ("AH001A", 29.900000000000002))
        sheet.write_datetime(3, 3, datetime(2026, 11, 22), file.add_format({"num_format": "yyyy-mm-dd"}))
        sheet.write_boolean(3, 4, True)
        sheet.write_formula(3, 5, "=1+1", None, 2)
        sheet.write_string(3, 6, "=cmd|' /C calc'!A0")
        sheet.write_number(5, 1, 340_000_000_000)

    assert spreadsheets.read(made(fill)) == [
        Line(2, ("", "SKU编号", "价格", "日期", "是否", "公式", "文字")),
        Line(4, ("", "AH001A", "29.9", "2026-11-22", "是", "2", "=cmd|' /C calc'!A0")),
        Line(6, ("", "340000000000", "", "", "", "", "")),
    ]


def test_a_million_rows_that_are_only_coloured_are_no_rows() -> None:
    coloured = b"".join(b'<row r="%d" s="1" customFormat="1"/>' % row for row in range(3, 1_000_003))
    first = b'<row r="1"><c r="A1" t="str"><v>a</v></c></row><row r="2"><c r="A2"><v>7</v></c></row>'
    assert spreadsheets.read(with_rows(first + coloured)) == [Line(1, ("a",)), Line(2, ("7",))]


def test_too_many_rows_are_refused() -> None:
    rows = b"".join(b'<row r="%d"><c r="A%d"><v>1</v></c></row>' % (row, row) for row in range(1, 20_003))
    with pytest.raises(Refused) as refused:
        list(spreadsheets.unfold(with_rows(rows)))
    assert refused.value.reason == "too_many_rows"


def bomb(size: int) -> bytes:
    return altered(**{"xl/media/zeros.xml": b"<" + b"0" * size})


def broken_off() -> bytes:
    return altered(lambda name, body: body[: body.index(b"</row>")] if name == SHEET else body)


FAR = b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
BAD: dict[str, tuple[str, Callable[[], bytes]]] = {
    "nothing": ("empty", lambda: b""),
    "too many bytes": ("too_large", lambda: b"PK\x03\x04" + b"0" * spreadsheets.LARGEST_BYTES),
    "a CSV by another name": ("not_a_spreadsheet", lambda: "SKU编号,价格\nAH001A,29.9".encode("gbk")),
    "a picture by another name": ("not_a_spreadsheet", lambda: b"\x89PNG\r\n\x1a\n" + b"0" * 99),
    "a page by another name": ("not_a_spreadsheet", lambda: b"<html><table><tr><td>1</td></tr></table></html>"),
    "another archive": ("not_a_spreadsheet", lambda: altered(lambda name, body: None if "xl/" in name else body)),
    "Excel 97, or a password": ("old_or_protected", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"0" * 999),
    "macros": ("macros", lambda: altered(**{"xl/vbaProject.bin": b"x"})),
    "macros declared only": ("macros", lambda: in_part(TYPES, b"sheet.main+xml", b"sheet.macroEnabled.main+xml")),
    "a sheet of old macros": ("macros", lambda: altered(**{"xl/macrosheets/sheet1.xml": b"<x/>"})),
    "an embedded file": ("macros", lambda: altered(**{"xl/embeddings/oleObject1.bin": b"x"})),
    "links to files": ("external_links", lambda: altered(**{"xl/externalLinks/externalLink1.xml": b"<x/>"})),
    "a database": ("external_links", lambda: altered(**{"xl/connections.xml": b"<x/>"})),
    "a DTD": ("entities", lambda: in_part(SHEET, b"<worksheet", b'<!DOCTYPE w [<!ENTITY a "b">]><worksheet')),
    "another encoding": ("wrong_encoding", lambda: in_part(SHEET, b'encoding="UTF-8"', b'encoding="GBK"')),
    "two bytes a letter": (
        "wrong_encoding",
        lambda: altered(lambda name, body: body.decode().encode("utf-16") if name == SHEET else body),
    ),
    "one column too many": ("too_many_columns", lambda: of(tuple("a" * 61), tuple("b" * 61))),
    "a heading alone": ("no_rows", lambda: of(("SKU编号",))),
    "an empty sheet": ("no_rows", of),
    "half a file": ("broken", lambda: PLAIN[: len(PLAIN) // 2]),
    "a sheet that breaks off": ("broken", broken_off),
    "a part twice": ("broken", lambda: altered(**{SHEET.upper(): b"<x/>"})),
}


@pytest.mark.parametrize("what", BAD)
def test_a_file_is_refused_by_name(what: str) -> None:
    reason, upload = BAD[what]
    with pytest.raises(Refused) as refused:
        list(spreadsheets.unfold(upload()))
    assert refused.value.reason == reason
    assert spreadsheets.REASONS[reason]


def test_a_bomb_is_refused_by_what_it_says_or_by_what_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    size = 1_000_003
    honest = bomb(size - 1)
    monkeypatch.setattr(spreadsheets, "MOST_UNPACKED_BYTES", size)
    with pytest.raises(Refused) as refused:
        spreadsheets.inspect(honest)
    assert refused.value.reason == "too_heavy"
    lying = honest.replace(size.to_bytes(4, "little"), (100).to_bytes(4, "little"))
    spreadsheets.inspect(lying)
    with pytest.raises(Refused) as refused:
        list(spreadsheets.unfold(lying))
    assert refused.value.reason == "broken"


def test_what_reads_a_file_dies_alone_when_it_takes_too_much() -> None:
    with pytest.raises(Refused) as refused:
        spreadsheets.read(with_rows(FAR))
    assert refused.value.reason == "too_heavy"


def test_a_link_to_a_page_is_no_link_to_a_file() -> None:
    linked = made(lambda _, sheet: (sheet.write(0, 0, "a"), sheet.write_url(1, 0, "https://example.com")))
    assert list(spreadsheets.unfold(linked))[1] == Line(2, ("https://example.com",))
