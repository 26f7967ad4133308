"""What settlement is called on pages: states of statements and payouts, kinds of lines.

Invariant: every state and kind has its word.
"""

STATEMENTS = {
    "drafted": "待批准",
    "approved": "待发票",
    "invoiced": "待付款",
    "paid_out": "已付清",
    "carried": "已结转",
}
STATEMENT_TAGS = {"drafted": "paid", "approved": "paid", "invoiced": "paid", "paid_out": "shipped", "carried": ""}
STATEMENT_LINES = {
    "goods": "货款",
    "goods_back": "退款",
    "goods_again": "退款失败，恢复",
    "freight": "运费",
    "freight_back": "运费退款",
    "freight_again": "运费退款失败，恢复",
    "carried": "上期结转",
}
PAYOUTS = {
    "requested": "待复核",
    "released": "待银行付款",
    "sent": "已付",
    "bounced": "银行退回",
    "withdrawn": "已撤回",
}
COMMISSIONS = {
    "earned": "等退货期满",
    "asked": "分账中",
    "paid": "已分账",
    "closed": "微信没有分账",
    "barred": "不予支付",
}
COMMISSION_TAGS = {"earned": "pending", "asked": "paid", "paid": "shipped", "closed": "failed", "barred": "cancelled"}
# Why WeChat gave a receiver nothing, or could take nothing back of it.
SHARE_FAULTS = {
    "ACCOUNT_ABNORMAL": "收款方账户异常",
    "NO_RELATION": "收款方没有与本店建立分账关系",
    "RECEIVER_HIGH_RISK": "收款方被微信列为高风险",
    "RECEIVER_REAL_NAME_NOT_VERIFIED": "收款方没有实名认证",
    "RECEIVER_RECEIPT_LIMIT": "收款方超过收款限额",
    "NO_AUTH": "没有分账权限",
    "PAYER_ACCOUNT_ABNORMAL": "本店账户异常",
    "BALANCE_NOT_ENOUGH": "收款方余额不足",
    "TIME_OUT_CLOSED": "超过时限",
    "INVALID_REQUEST": "微信不接受这笔请求",
}
BARRED = {
    "own_purchase": "自买",
    "suspicion": "确认作弊",
    "refunded": "已退款",
    "not_shareable": "付款不能分账",
    "credit_moved": "复核后归因到别的点位",
    "receiver": "没有收款方",
}
# What moved money in the ledger.
SETTLEMENT_SOURCES = {
    "statement.approved": "供应商结算",
    "commission.due": "推广佣金",
    "commission.closed": "佣金关闭",
    "commission.taken_back": "佣金收回",
    "share.succeeded": "微信分账",
    "share.returned": "分账回退",
    "payout.sent": "银行付款",
    "payout.bounced": "银行退回",
}
