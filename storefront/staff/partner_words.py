"""What staff read of partners: the Chinese words for kinds, for what a key opens, for webhooks.

Invariant: pure; `words` and the pages look them up here.
"""

PARTNER_KINDS = {"seller": "第三方销售方", "buyer": "采购方", "producer": "生产者"}
KEY_SCOPES = {
    "products.read": "读取商品",
    "codes.write": "生成推荐码",
    "statistics.read": "查看自己的统计",
    "webhooks.manage": "管理推送",
}
TOPICS = {"products": "商品变化", "orders": "归因给对方的订单"}
DELIVERIES = {"waiting": "待发送", "delivered": "已送达", "dead": "已放弃"}
HOOK_EVENTS = {
    "products.changed": "商品变化",
    "order.credited": "订单归因",
    "order.refunded": "订单退款",
    "order.corrected": "归因更正",
}
HOOK_FAULTS = {
    "timeout": "超时",
    "no_connection": "连不上",
    "certificate": "证书有误",
    "no_answer": "没有回应",
    "address_refused": "不是公网地址",
    "secret_unreadable": "签名密钥失效",
}
ACTS = {
    "partner.added": "登记合作伙伴",
    "partner.closed": "停用合作伙伴",
    "partner.key_issued": "签发接口密钥",
    "partner.key_revoked": "撤销接口密钥",
    "partner.delivery_replayed": "重发推送",
    "partner.endpoint_enabled": "恢复推送",
}
DETAILS = {"prefix": "密钥开头", "scopes": "权限", "delivery": "推送", "endpoint": "推送地址"}
