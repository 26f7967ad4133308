"""What staff read of partners: the Chinese words for kinds and for what a key opens.

Invariant: pure; `words` hands them on.
"""

PARTNER_KINDS = {"seller": "第三方销售方", "buyer": "采购方", "producer": "生产者"}
KEY_SCOPES = {
    "products.read": "读取商品",
    "codes.write": "生成推荐码",
    "statistics.read": "查看自己的统计",
    "webhooks.manage": "管理推送",
}
