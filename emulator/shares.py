"""What the bodies of profit sharing may look like."""

from emulator.shapes import REFUND_NUMBER, Flag, Group, Several, Shape, Text, Whole

_APPID = Text(label="公众账号ID", longest=32, is_required=True)
_TYPE = Text(label="分账接收方类型", longest=32, pattern="MERCHANT_ID|PERSONAL_OPENID", is_required=True)
_ACCOUNT = Text(label="分账接收方账号", longest=64, is_required=True)
_NAME = Text(label="分账个人接收方姓名", longest=10240)
_TRANSACTION = Text(label="微信订单号", longest=32, is_required=True)
_ORDER_NUMBER = Text(label="商户分账单号", longest=64, pattern=REFUND_NUMBER, is_required=True)
_WHY = Text(label="分账描述", longest=80, is_required=True)
_RELATIONS = "SERVICE_PROVIDER|STORE|STAFF|STORE_OWNER|PARTNER|HEADQUARTER|BRAND|DISTRIBUTOR|USER|SUPPLIER|CUSTOM"
ADD: Shape = Group(
    label="添加分账接收方",
    fields={
        "appid": _APPID,
        "type": _TYPE,
        "account": _ACCOUNT,
        "name": _NAME,
        "relation_type": Text(label="与分账方的关系类型", longest=32, pattern=_RELATIONS, is_required=True),
        "custom_relation": Text(label="自定义的分账关系", longest=10),
    },
)
DELETE: Shape = Group(label="删除分账接收方", fields={"appid": _APPID, "type": _TYPE, "account": _ACCOUNT})
ORDER: Shape = Group(
    label="请求分账",
    fields={
        "appid": _APPID,
        "transaction_id": _TRANSACTION,
        "out_order_no": _ORDER_NUMBER,
        "receivers": Several(
            label="分账接收方列表",
            item=Group(
                label="分账接收方",
                fields={
                    "type": _TYPE,
                    "account": _ACCOUNT,
                    "name": _NAME,
                    "amount": Whole(label="分账金额", is_required=True),
                    "description": _WHY,
                },
            ),
            is_required=True,
        ),
        "unfreeze_unsplit": Flag(label="是否解冻剩余未分资金", is_required=True),
    },
)
UNFREEZE: Shape = Group(
    label="解冻剩余资金",
    fields={"transaction_id": _TRANSACTION, "out_order_no": _ORDER_NUMBER, "description": _WHY},
)
RETURN: Shape = Group(
    label="请求分账回退",
    fields={
        "order_id": Text(label="微信分账单号", longest=64),
        "out_order_no": Text(label="商户分账单号", longest=64, pattern=REFUND_NUMBER),
        "out_return_no": Text(label="商户回退单号", longest=64, pattern=REFUND_NUMBER, is_required=True),
        "return_mchid": Text(label="回退商户号", longest=32, is_required=True),
        "amount": Whole(label="回退金额", is_required=True),
        "description": _WHY,
    },
)
