"""The Excel file opens with numbers as numbers and whatever people wrote as text."""

import io
import zipfile
from datetime import UTC, date, datetime
from typing import Any
from xml.etree import ElementTree as ET

from storefront.staff import workbook

_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_DAY = {
    "day": date(2026, 11, 20), "trades": 3, "paid_fen": 1234567, "refunded_fen": 0, "fees_fen": 66, "withdrawn_fen": 0,
    "other_fen": -1, "net_fen": 5, "balance_fen": None, "our_paid_fen": 1, "our_refunded_fen": 1, "difference_fen": 0,
    "differences": 0, "open_cases": 0,
}  # fmt: skip
_CASE: dict[str, Any] = {
    "slug": "K1", "kind": "bill_amount", "number": "P1", "difference_fen": 90, "owner": "li", "resolution": "explained",
    "opened_at": datetime(2026, 11, 20, 16, 0, 1, tzinfo=UTC), "closed_by": "li", "closed_at": None,
    "reason": '=HYPERLINK("http://evil.example","x")', "evidence": {"day": "2026-11-20", "our_amount_fen": 5900},
}  # fmt: skip


def read(body: bytes, sheet: int) -> list[list[tuple[str | None, str | None]]]:
    """The cells of a sheet as (type, value); a formula would be an element of its own."""
    with zipfile.ZipFile(io.BytesIO(body)) as file:
        text = file.read(f"xl/worksheets/sheet{sheet}.xml")
        assert b"<f>" not in text
        assert "xl/externalLinks" not in "".join(file.namelist())
        assert b"hyperlink" not in text.lower().replace(b"=hyperlink", b"")
    tree = ET.fromstring(text)
    return [
        [(cell.get("t"), "".join(cell.itertext())) for cell in row.iter(f"{_SHEET}c")]
        for row in tree.iter(f"{_SHEET}row")
    ]


def test_amounts_are_numbers_and_days_are_dates() -> None:
    body = workbook.book(days=[_DAY], cases=[], accounts=[])
    heading, row = read(body, 1)
    assert heading[0] == ("inlineStr", "日期")
    assert heading[2] == ("inlineStr", "微信收款（元）")
    assert row[0] == (None, str((date(2026, 11, 20) - date(1899, 12, 30)).days))
    assert row[1:3] == [(None, "3"), (None, "12345.67")]
    assert len(row) == 13, "what is not known is an empty cell"


def test_whatever_somebody_wrote_is_text() -> None:
    spellings = [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "=cmd|' /C calc'!A0",
        "http://evil.example",
        "1e9",
        _CASE["reason"],
    ]
    cases = [_CASE | {"reason": reason, "owner": reason, "evidence": {"name": reason}} for reason in spellings]
    for row, reason in zip(read(workbook.book(days=[], cases=cases, accounts=[]), 2)[1:], spellings, strict=True):
        assert ("inlineStr", reason) in row
        assert all(kind == "inlineStr" for kind, value in row if value and reason in value)


def test_cases_are_in_words_and_by_beijing_time() -> None:
    row = read(workbook.book(days=[], cases=[_CASE], accounts=[]), 2)[1]
    assert ("inlineStr", "金额不同") in row
    assert ("inlineStr", "账单日 2026-11-20；本店金额 ¥59.00") in row
    day, part = str(row[4][1]).split(".")
    assert int(day) == (date(2026, 11, 21) - date(1899, 12, 30)).days
    assert float(f"0.{part}") * 86400 < 2


def test_accounts_are_in_words() -> None:
    account = {"account": "fees", "debits_fen": 36, "credits_fen": 0, "balance_fen": 36}
    assert read(workbook.book(days=[], cases=[], accounts=[account]), 3)[1][0] == ("inlineStr", "手续费")
