"""How a bill is written: the columns of each kind, a backtick before every value, yuan with decimals, sums at the end.

A bill is a stream of text lines over a stream of bookings, so a day of any size takes no more memory than a row.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from emulator import fees
from emulator.bookings import Booking
from emulator.clock import BEIJING

_HEAD = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类"
)
_MONEY = "应结订单金额,代金券金额"
_BACK = "微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态"
_GOODS = "商品名称,商户数据包,手续费,费率,订单金额"
TRADE_COLUMNS = {
    "ALL": f"{_HEAD},{_MONEY},{_BACK},{_GOODS},申请退款金额,费率备注".split(","),
    "SUCCESS": f"{_HEAD},{_MONEY},{_GOODS},费率备注".split(","),
    "REFUND": f"{_HEAD},{_MONEY},退款申请时间,退款成功时间,{_BACK},{_GOODS},申请退款金额,费率备注".split(","),
}
TRADE_SUMS = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
FUND_COLUMNS = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),"
    "资金变更提交申请人,备注,业务凭证号"
)
FUND_SUMS = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"


def trade(bookings: Iterable[Booking], *, kind: str, mchid: str) -> Iterator[str]:
    """Yield the lines of a trade bill of `kind` (ALL, SUCCESS, REFUND), without their ends."""
    columns = TRADE_COLUMNS[kind]
    yield ",".join(columns)
    count = settled = refunded = coupons_back = fee = total = 0
    for row in bookings:
        if kind not in ("ALL", "REFUND" if row.refund_id else "SUCCESS"):
            continue
        cells = _trade_cells(row, mchid)
        yield ",".join([f"`{cells[name]}" for name in columns])
        count += 1
        if row.refund_id:
            refunded += row.refund
            coupons_back += row.refund - row.payer_refund
            fee -= row.fee
        else:
            settled += row.total
            total += row.total
            fee += row.fee
    yield TRADE_SUMS
    sums = (count, yuan(settled), yuan(refunded), yuan(coupons_back), fees.yuan(fee), yuan(total), yuan(refunded))
    yield ",".join(f"`{each}" for each in sums)


def funds(bookings: Iterable[Booking], *, balance: int, is_wide: bool) -> Iterator[str]:
    """Yield the lines of an account's statement that begins with a balance, fen.

    A payment and its fee are two movements; a refund is one, less the fee that comes back with it; and so is each part
    that went to a receiver, or came back from one.
    """
    yield FUND_COLUMNS.replace("(", "（").replace(")", "）") if is_wide else FUND_COLUMNS
    count, incomes, income, expenses, expense = 0, 0, 0, 0, 0
    for row in bookings:
        for business, kind, amount, note in _movements(row):
            count += 1
            balance += amount
            if amount >= 0:
                incomes, income = incomes + 1, income + amount
            else:
                expenses, expense = expenses + 1, expense - amount
            number = row.business_id
            cells = (
                _time(row.at),
                number,
                f"{number[-20:]}{count:010d}",
                business,
                kind,
                "收入" if amount >= 0 else "支出",
                yuan(abs(amount)),
                yuan(balance),
                "system",
                note,
                row.number,
            )
            yield ",".join([f"`{each}" for each in cells])
    yield FUND_SUMS
    # Counts of the statement have been seen as decimals; amounts are.
    yield ",".join(f"`{each}" for each in (f"{count}.0", f"{incomes}.0", yuan(income), f"{expenses}.0", yuan(expense)))


def worth(booking: Booking) -> int:
    """Return what a booking changes the account by, fen."""
    return sum(amount for _, _, amount, _ in _movements(booking))


def yuan(fen: int) -> str:
    """Return fen as yuan with two decimals."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def _movements(row: Booking) -> list[tuple[str, str, int, str]]:
    if row.share_id:
        kind, note = ("分账", "分账支出") if row.shared < 0 else ("分账回退", "分账回退收入")
        return [("分账", kind, row.shared, note)]
    fee = fees.fen(row.fee)
    if row.refund_id:
        note = f"退款总金额{yuan(row.refund)}元;含手续费{yuan(fee)}元"
        return [("退款", "退款", fee - row.refund, note)]
    paid = ("交易", "交易", row.total, f"结算总金额 {yuan(row.total)} 元")
    return [paid, ("交易", "扣除交易手续费", -fee, "结算手续费")] if fee else [paid]


def _trade_cells(row: Booking, mchid: str) -> dict[str, str]:
    is_refund = bool(row.refund_id)
    return {
        "交易时间": _time(row.at),
        "公众账号ID": row.appid,
        "商户号": mchid,
        "特约商户号": "0",
        "设备号": "",
        "微信订单号": row.transaction_id,
        "商户订单号": row.out_trade_no,
        "用户标识": row.openid,
        "交易类型": row.trade_type,
        "交易状态": "REFUND" if is_refund else "SUCCESS",
        "付款银行": "OTHERS",
        "货币种类": "CNY",
        "应结订单金额": "0.00" if is_refund else yuan(row.total),
        "代金券金额": "0.00" if is_refund else yuan(row.total - row.payer_total),
        "退款申请时间": _time(row.at),
        "退款成功时间": _time(row.succeeded_at) if row.succeeded_at else "",
        "微信退款单号": row.refund_id or "0",
        "商户退款单号": row.out_refund_no or "0",
        "退款金额": yuan(row.refund),
        "充值券退款金额": yuan(row.refund - row.payer_refund),
        "退款类型": "ORIGINAL" if is_refund else "",
        "退款状态": row.refund_state,
        "商品名称": _text(row.description),
        "商户数据包": _text(row.attach),
        "手续费": fees.yuan(-row.fee if is_refund else row.fee),
        "费率": fees.rate(row.fee_bp),
        "订单金额": "0.00" if is_refund else yuan(row.total),
        "申请退款金额": yuan(row.refund),
        "费率备注": "",
    }


def _text(value: str) -> str:
    """Escape what would end a cell or a line: a comma becomes a backslash and a space."""
    return value.replace(",", "\\ ").replace("\r", " ").replace("\n", " ")


def _time(instant: datetime) -> str:
    return instant.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")
