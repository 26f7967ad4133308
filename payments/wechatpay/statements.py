"""Reads WeChat Pay's bills: rows by the names of their columns, money as whole fen, and the sums at the end.

Invariant: a file is read as a stream, and whoever has iterated to the end has read all of it: a bill whose sums are
not those of its rows, or that ends without any, raises `BillBroken`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from config import clock
from payments.errors import BillBroken

# Fees have five decimals of a yuan: one fen is a thousand of their units.
FEE_UNITS = 1000
_NOTHING = frozenset({"", "0"})
_GROSS = re.compile(r"退款总金额 ?([0-9.]+) ?元")


@dataclass(frozen=True, slots=True)
class Trade:
    """A payment, or a refund when it has a `refund_id`; fen, fees in 1/100,000 yuan, negative when given back."""

    number: str
    transaction_id: str
    refund_number: str | None
    refund_id: str | None
    total_fen: int
    settled_fen: int
    refund_fen: int
    fee_units: int
    # The rate as a percentage, or None where the bill says none.
    rate: Decimal | None
    state: str
    refund_state: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Flow:
    """One movement of the merchant's account; `amount_fen` is signed, `gross_fen` a refund before its fee came back."""

    id: str
    business_id: str
    number: str
    kind: str
    amount_fen: int
    gross_fen: int
    balance_fen: int
    at: datetime


def trades(lines: Iterable[str]) -> Iterator[Trade]:
    """Yield the rows of a trade bill of any kind (ALL, SUCCESS, REFUND). Raises `BillBroken`."""
    count = total = 0
    sums: dict[str, str] = {}
    for cells in _rows(lines, sums):
        row = _trade(cells)
        count, total = count + 1, total + row.total_fen
        yield row
    _agree(count, sums.get("总交易单数"))
    _agree(total, _fen(sums["订单总金额"]) if "订单总金额" in sums else None)


def flows(lines: Iterable[str]) -> Iterator[Flow]:
    """Yield the rows of a fund-flow bill. Raises `BillBroken`."""
    count = income = expense = 0
    sums: dict[str, str] = {}
    for cells in _rows(lines, sums):
        row = _flow(cells)
        count += 1
        income, expense = income + max(row.amount_fen, 0), expense + max(-row.amount_fen, 0)
        yield row
    _agree(count, sums.get("资金流水总笔数"))
    _agree(income, _fen(_needed(sums, "收入金额")))
    _agree(expense, _fen(_needed(sums, "支出金额")))


def _rows(lines: Iterable[str], sums: dict[str, str]) -> Iterator[dict[str, str]]:
    """Yield each row by the names of its columns, then fill `sums` by theirs; of a row only values have backticks."""
    heading: Sequence[str] | None = None
    is_end = False
    for line in lines:
        bare = line.strip("\ufeff\r\n")
        if not bare:
            continue
        if not bare.startswith("`"):
            if is_end:
                raise BillBroken(reason="more than one heading of sums")
            is_end, heading = heading is not None, _names(bare)
            continue
        cells = [cell.removeprefix("`").strip() for cell in bare.split(",")]
        if heading is None or len(cells) != len(heading):
            raise BillBroken(reason="a row does not fit its heading")
        row = dict(zip(heading, cells, strict=True))
        if is_end:
            sums.update(row)
        else:
            yield row
    if not sums:
        raise BillBroken(reason="the bill ends without its sums")


def _names(heading: str) -> list[str]:
    """Return the names of columns; the brackets of `收支金额(元)` come half and full width."""
    return [name.removeprefix("`").strip().replace("（", "(").replace("）", ")") for name in heading.split(",")]


def _trade(cells: dict[str, str]) -> Trade:
    refund_id = cells.get("微信退款单号", "0")
    is_refund = refund_id not in _NOTHING or cells.get("交易状态") == "REFUND"
    return Trade(
        number=_needed(cells, "商户订单号"),
        transaction_id=_needed(cells, "微信订单号"),
        refund_number=_needed(cells, "商户退款单号") if is_refund else None,
        refund_id=refund_id if is_refund else None,
        # 订单金额 is what was asked for; 应结订单金额 lacks what coupons of WeChat's own paid for.
        total_fen=_fen(_needed(cells, "订单金额")),
        settled_fen=_fen(_needed(cells, "应结订单金额")),
        refund_fen=_fen(cells.get("申请退款金额") or cells.get("退款金额") or "0") if is_refund else 0,
        fee_units=_whole(_needed(cells, "手续费"), 100 * FEE_UNITS),
        rate=_rate(cells.get("费率", "")),
        state=_needed(cells, "交易状态"),
        refund_state=cells.get("退款状态", ""),
        at=_instant(_needed(cells, "交易时间")),
    )


def _flow(cells: dict[str, str]) -> Flow:
    amount = _fen(_needed(cells, "收支金额(元)"))
    direction, kind = _needed(cells, "收支类型"), _needed(cells, "业务类型")
    if direction not in ("收入", "支出"):
        raise BillBroken(reason="a movement is neither income nor expense")
    gross = _GROSS.search(cells.get("备注", ""))
    return Flow(
        id=_needed(cells, "资金流水单号"),
        business_id=_needed(cells, "微信支付业务单号"),
        number=cells.get("业务凭证号", ""),
        kind=kind,
        amount_fen=amount if direction == "收入" else -amount,
        gross_fen=_fen(gross[1]) if gross and kind.startswith("退款") else amount,
        balance_fen=_fen(_needed(cells, "账户结余(元)")),
        at=_instant(_needed(cells, "记账时间")),
    )


def _needed(cells: dict[str, str], name: str) -> str:
    try:
        return cells[name]
    except KeyError:
        raise BillBroken(reason=f"the bill has no column {name}") from None


def _fen(yuan: str) -> int:
    return _whole(yuan, 100)


def _whole(yuan: str, units: int) -> int:
    """Return an amount of yuan in so many units a yuan; never through a float. Raises `BillBroken` for a fraction."""
    try:
        amount = Decimal(yuan) * units
        if amount != int(amount):
            raise BillBroken(reason="an amount has a fraction too small to be money")
        return int(amount)
    except (InvalidOperation, ValueError, OverflowError):
        raise BillBroken(reason="an amount is not a number") from None


def _rate(text: str) -> Decimal | None:
    if not text.endswith("%"):
        return None
    try:
        return Decimal(text[:-1])
    except InvalidOperation:
        raise BillBroken(reason="a rate is not a number") from None


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=clock.SHANGHAI)
    except ValueError:
        raise BillBroken(reason="a time is not one") from None


def _agree(found: int, told: str | int | None) -> None:
    """Compare what was read with what the bill says; counts of the fund flow come as `20.0`."""
    if told is None:
        raise BillBroken(reason="the bill ends without its sums")
    if found != (_whole(told, 1) if isinstance(told, str) else told):
        raise BillBroken(reason="the rows are not what the bill sums up")
