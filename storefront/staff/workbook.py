"""Writes what finance sees as an Excel file: days, cases and the trial balance.

Invariant: a cell is a number, a date or a string, never a formula, whatever somebody wrote into a reason; amounts are
yuan computed from whole fen.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from config import clock
from storefront.staff import words

_DAYS = (("day", "日期"), ("trades", "交易笔数"), ("paid_fen", "微信收款"), ("refunded_fen", "微信退款"),
         ("fees_fen", "手续费"), ("withdrawn_fen", "提现"), ("other_fen", "其他变动"), ("net_fen", "账户净变动"),
         ("balance_fen", "账户结余"), ("our_paid_fen", "本店收款"), ("our_refunded_fen", "本店退款"),
         ("difference_fen", "差额"), ("differences", "差异条数"), ("open_cases", "待处理"))  # fmt: skip
_CASES = (("slug", "编号"), ("kind", "类型"), ("number", "单号"), ("difference_fen", "差额"), ("opened_at", "发现时间"),
          ("owner", "负责人"), ("resolution", "结果"), ("reason", "说明"), ("closed_by", "办结人"),
          ("closed_at", "办结时间"), ("evidence", "证据"))  # fmt: skip
_ACCOUNTS = (("account", "科目"), ("debits_fen", "借方"), ("credits_fen", "贷方"), ("balance_fen", "余额"))
_WIDE = {"reason": 36, "evidence": 80, "number": 32, "slug": 30}


def book(
    *, days: Iterable[Mapping[str, Any]], cases: Iterable[Mapping[str, Any]], accounts: Iterable[Mapping[str, Any]]
) -> bytes:
    """Return the file; its rows go to a temporary file as they come, and only the packed result is held in memory."""
    # Only whoever exports needs it, and no other request should wait for its import.
    import xlsxwriter

    out = io.BytesIO()
    options = {"constant_memory": True, "in_memory": False, "strings_to_formulas": False, "strings_to_urls": False,
               "strings_to_numbers": False, "remove_timezone": True}  # fmt: skip
    with xlsxwriter.Workbook(out, options) as file:
        formats = {
            "heading": file.add_format({"bold": True, "bottom": 1}),
            "money": file.add_format({"num_format": "#,##0.00;[Red]-#,##0.00"}),
            "day": file.add_format({"num_format": "yyyy-mm-dd"}),
            "instant": file.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        }
        for title, columns, rows in (
            ("对账日", _DAYS, days),
            ("待办事项", _CASES, cases),
            ("试算平衡", _ACCOUNTS, accounts),
        ):
            _sheet(file.add_worksheet(title), columns, rows, formats)
    return out.getvalue()


def _sheet(
    sheet: Any, columns: Sequence[tuple[str, str]], rows: Iterable[Mapping[str, Any]], formats: Mapping[str, Any]
) -> None:
    sheet.freeze_panes(1, 1)
    for at, (name, title) in enumerate(columns):
        sheet.set_column(at, at, _WIDE.get(name, 14))
        sheet.write_string(0, at, f"{title}（元）" if name.endswith("_fen") else title, formats["heading"])
    for line, row in enumerate(rows, start=1):
        for at, (name, _) in enumerate(columns):
            _cell(sheet, line, at, name, row[name], formats)


def _cell(sheet: Any, line: int, at: int, name: str, value: Any, formats: Mapping[str, Any]) -> None:
    if value is None:
        return
    if name.endswith("_fen"):
        # A spreadsheet's number is a float: exact to the fen up to 90 trillion yuan.
        sheet.write_number(line, at, value / 100, formats["money"])
    elif isinstance(value, int):
        sheet.write_number(line, at, value)
    elif isinstance(value, datetime):
        sheet.write_datetime(line, at, value.astimezone(clock.SHANGHAI).replace(tzinfo=None), formats["instant"])
    elif name == "day":
        sheet.write_datetime(line, at, value, formats["day"])
    else:
        sheet.write_string(line, at, words.cell(name, value))
