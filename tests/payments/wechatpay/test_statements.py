"""Bills are read by the names of their columns, to the fen, and believed only when they add up."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.errors import BillBroken
from payments.wechatpay import statements

# Real data, as the specification quotes it.
TRADE = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,"
    "代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,"
    "申请退款金额,费率备注"
)
PAID = (
    "`2021-01-28 17:07:11,`wx81be3101902f7cb2,`1601959334,`0,`,`4200000925202101284997714292,`S20210128170702357723,"
    "`ofyak5qR_1wYsC99CsWA6R9MJazA,`NATIVE,`SUCCESS,`OTHERS,`CNY,`0.01,`0.00,`0,`0,`0.00,`0.00,`,`,`for testing,"
    "`cipher code,`0.00000,`1.00%,`0.01,`0.00,`"
)
BACK = (
    "`2021-01-29 08:00:00,`wx81be3101902f7cb2,`1601959334,`0,`,`4200000925202101284997714299,`S2021,`o,`JSAPI,`REFUND,"
    "`OTHERS,`CNY,`0.00,`0.00,`50300,`R2021,`12.34,`0.00,`ORIGINAL,`PROCESSING,`梨\\ 5斤,`,`-0.07404,`0.60%,`0.00,"
    "`12.34,`"
)
SUMS = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
FLOW = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),"
    "账户结余(元),资金变更提交申请人,备注,业务凭证号"
)
FLOWS = [
    "`2021-01-28 17:07:11,`4200,`1001,`交易,`交易,`收入,`59.90,`100.00,`system,`结算总金额 59.90 元,`S1",
    "`2021-01-28 17:07:11,`4200,`1002,`交易,`扣除交易手续费,`支出,`0.36,`99.64,`system,`结算手续费,`S1",
    "`2021-01-28 18:07:11,`5030,`1003,`退款,`退款,`支出,`49.70,`49.94,`system,`退款总金额50.00元;含手续费0.30元,`R1",
]
FLOW_SUMS = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"
FLOW_TOLD = "`3.0,`1.0,`59.90,`2.0,`50.06"


def trade_bill(*rows: str, told: str) -> list[str]:
    return [TRADE, *rows, SUMS, told]


WHOLE = trade_bill(PAID, BACK, told="`2,`0.01,`12.34,`0.00,`-0.07404,`0.01,`12.34")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_trade_bill_in_every_form(mark: str, end: str) -> None:
    paid, back = statements.trades([mark + WHOLE[0] + end, *(line + end for line in WHOLE[1:])])
    assert (paid.number, paid.transaction_id) == ("S20210128170702357723", "4200000925202101284997714292")
    assert (paid.refund_id, paid.refund_number) == (None, None)
    assert (paid.total_fen, paid.settled_fen, paid.fee_units, paid.rate) == (1, 1, 0, Decimal("1.00"))
    assert paid.at.isoformat() == "2021-01-28T17:07:11+08:00"
    assert (back.refund_number, back.refund_id, back.refund_fen) == ("R2021", "50300", 1234)
    assert (back.fee_units, back.refund_state, back.state) == (-7404, "PROCESSING", "REFUND")


def test_columns_are_found_by_name_wherever_they_stand() -> None:
    def turned(line: str) -> str:
        return ",".join(reversed(line.split(",")))

    assert list(statements.trades(map(turned, WHOLE))) == list(statements.trades(WHOLE))


def test_kinds_with_other_columns() -> None:
    """SUCCESS lacks what is about refunds, REFUND has two times more."""
    names, cells = TRADE.split(","), PAID.split(",")
    kept = [at for at, name in enumerate(names) if "退款" not in name]
    success = [",".join(row[at] for at in kept) for row in (names, cells)]
    (row,) = statements.trades([*success, SUMS, "`1,`0.01,`0.00,`0.00,`0.00000,`0.01,`0.00"])
    assert (row.total_fen, row.refund_id, row.refund_fen) == (1, None, 0)
    refund = [f"退款申请时间,退款成功时间,{TRADE}", f"`2021-01-29 08:00:00,`,{BACK}"]
    (row,) = statements.trades([*refund, SUMS, "`1,`0.00,`12.34,`0.00,`-0.07404,`0.00,`12.34"])
    assert (row.refund_id, row.refund_fen) == ("50300", 1234)


@pytest.mark.parametrize("heading", [FLOW, FLOW.replace("(", "（").replace(")", "）")])
def test_a_fund_flow_bill(heading: str) -> None:
    paid, fee, back = statements.flows(["\ufeff" + heading, *FLOWS, FLOW_SUMS, FLOW_TOLD, ""])
    assert (paid.amount_fen, paid.gross_fen, paid.balance_fen) == (5990, 5990, 10000)
    assert (fee.kind, fee.amount_fen, fee.business_id) == ("扣除交易手续费", -36, "4200")
    assert (back.amount_fen, back.gross_fen, back.number, back.id) == (-4970, 5000, "R1", "1003")


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [TRADE],
        WHOLE[:-1],
        WHOLE[:-2],
        [*WHOLE[:1], *WHOLE[2:]],
        [PAID, *WHOLE],
        [*WHOLE, SUMS, WHOLE[-1]],
        [TRADE.replace("手续费", "费用"), *WHOLE[1:]],
        [WHOLE[0], WHOLE[1] + ",`x", *WHOLE[2:]],
        [WHOLE[0], WHOLE[1].replace("`0.01,`0.00,`0,", "`0.011,`0.00,`0,"), *WHOLE[2:]],
        [WHOLE[0], WHOLE[1].replace("17:07:11", "77:07:11"), *WHOLE[2:]],
        [WHOLE[0], WHOLE[1].replace("1.00%", "x%"), *WHOLE[2:]],
        [*WHOLE[:-1], WHOLE[-1].replace("`2,", "`3,")],
        [*WHOLE[:-1], WHOLE[-1].replace(",`0.01,`12.34", ",`0.02,`12.34")],
        [*WHOLE[:-1], WHOLE[-1].replace(",`0.01,`12.34", ",`many,`12.34")],
        [*WHOLE[:-1], WHOLE[-1].replace(",`0.01,`12.34", ",`NaN,`12.34")],
        [*WHOLE[:-1], WHOLE[-1].replace(",`0.01,`12.34", ",`Infinity,`12.34")],
    ],
)
def test_a_trade_bill_that_is_not_whole_is_refused(lines: list[str]) -> None:
    with pytest.raises(BillBroken):
        list(statements.trades(lines))


@pytest.mark.parametrize(
    "told", ["`4.0,`1.0,`59.90,`2.0,`50.06", "`3.0,`1.0,`59.91,`2.0,`50.06", "`3.0,`1,`59.90,`2,`50"]
)
def test_a_fund_flow_bill_that_does_not_add_up_is_refused(told: str) -> None:
    with pytest.raises(BillBroken):
        list(statements.flows([FLOW, *FLOWS, FLOW_SUMS, told]))


def test_a_movement_has_a_direction() -> None:
    with pytest.raises(BillBroken):
        list(statements.flows([FLOW, FLOWS[0].replace("收入", "冻结"), FLOW_SUMS, FLOW_TOLD]))


@given(st.integers(0, 10**13))
def test_no_fen_is_lost_to_a_float(fen: int) -> None:
    yuan = f"{fen // 100}.{fen % 100:02d}"
    rows = trade_bill(PAID.replace("`1.00%,`0.01", f"`1.00%,`{yuan}"), told=f"`1,`0.01,`0.00,`0.00,`0,`{yuan},`0.00")
    (row,) = statements.trades(rows)
    assert row.total_fen == fen


@given(st.lists(st.text(alphabet="`,.0123456789%交易手续费退款\r\n\\ （", max_size=60), max_size=6))
def test_whatever_comes_is_read_or_refused(lines: list[str]) -> None:
    for read in (statements.trades, statements.flows):
        with pytest.raises(BillBroken):
            list(read(lines))
