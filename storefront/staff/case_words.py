"""What the evidence of a case reads like: figures and states of both sides beside each other.

Invariant: pure; what has no word shows itself as its own key.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from storefront.staff import settlement_words, words

EVIDENCE = {
    "day": "账单日",
    "bill": "账单",
    "transaction_id": "微信单号",
    "refund_id": "微信退款单号",
    "amount_fen": "账单金额",
    "our_amount_fen": "本店金额",
    "state": "账单状态",
    "our_state": "本店状态",
    "at": "账单时间",
    "our_at": "本店时间",
    "our_transaction_id": "本店记录的微信单号",
    "is_in_trade_bill": "在交易账单中",
    "is_in_fund_flow": "在资金账单中",
    "rows": "出现次数",
    "fee_units": "账单手续费",
    "charged_fen": "实扣手续费",
    "rate": "费率（%）",
    "fees_fen": "账单手续费合计",
    "posted_fen": "已入账",
    "expected_fen": "应为",
    "opening_fen": "当日期初结余",
    "last_fen": "前一日期末结余",
    "differs": "不符之处",
    "notification": "通知编号",
    "event_type": "通知类型",
    "business_id": "微信业务单号",
    "found": "微信的说法",
    "differences": "不符的合计",
    "name": "项目",
    "code": "微信的答复",
    "told": "微信的说法",
    "payee": "收款方编号",
    "closed_for": "没有分账的原因",
    "not_returned_for": "没有退回的原因",
    "reason": "原因",
}
# Of cases that are about a day and no number.
_OF_A_DAY = {"bill": "账单", "balance": "账户结余"}
_INSTANTS = frozenset({"at", "our_at", "succeeded_at"})
_SAID = {
    "trade": "交易账单",
    "fund_flow": "资金账单",
    # WeChat's states are in capitals, ours are not.
    "SUCCESS": "成功",
    "PROCESSING": "处理中",
    "FAIL": "失败",
    "CHANGE": "异常",
    "open": "未付款",
    "succeeded": "成功",
    "closed": "已关闭",
    "requested": "已申请",
    "processing": "处理中",
    "abnormal": "异常",
    "transferred": "已转账退回",
    "refused": "微信未办，已放弃",
}


def about(number: str) -> str:
    """Return what a case is about: a number, or the bill or balance of a day in words (`balance/<merchant>/<day>`)."""
    what, _, rest = number.partition("/")
    return f"{_OF_A_DAY[what]} {rest.rpartition('/')[2]}" if what in _OF_A_DAY and rest else number


def evidence(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the evidence of a case as (what, how it is), in the order in which a person compares."""
    known = [name for name in EVIDENCE if name in values]
    return [
        (EVIDENCE.get(name, name), _proof(name, values[name])) for name in [*known, *sorted(set(values) - set(known))]
    ]


def proofs(values: Mapping[str, Any]) -> str:
    """Return the evidence of a case as one sentence."""
    return "；".join(f"{what} {how}" for what, how in evidence(values))


def _proof(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return "，".join(f"{what} {how}" for what, how in evidence(value))
    if isinstance(value, list):
        return "；".join(_proof(name, each) for each in value)
    if isinstance(value, bool) or value is None:
        return {True: "是", False: "否", None: "—"}[value]
    if name.endswith("_fen"):
        return f"¥{words.money(int(value))}"
    if name == "fee_units":
        return f"¥{Decimal(value) / 100_000:.5f}"
    known = settlement_words.SHARE_FAULTS | _SAID
    return words.second(value) if name in _INSTANTS else known.get(str(value), str(value))
