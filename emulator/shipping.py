"""发货信息管理: the shipping that a mini-program must report before its money is released.

One record per payment, uploaded once, corrected once; only payments made through the mini-program are known here.
"""

from typing import Any

from emulator.accounts import Refused
from emulator.desk import Desk
from emulator.records import Order

LONGEST_ITEM = 120
EXPRESS, UNIFIED, SPLIT = 1, 1, 2
# The first upload and the one correction that WeChat allows.
MOST_UPLOADS = 2


def upload(desk: Desk, appid: str, body: dict[str, Any]) -> None:
    """Enter the shipping of a payment. Raises Refused with WeChat's 10060xxx and 268485xxx codes."""
    order = _find(desk, appid, body.get("order_key"))
    _check(body)
    payer = body.get("payer")
    if not isinstance(payer, dict) or payer.get("openid") != order.payer_openid:
        raise Refused(10060031, "支付单与支付者不匹配")
    if (
        order.state == "REFUND"
        and sum(each.amount for each in desk.books.refunds_of(order.out_trade_no)) == order.total
    ):
        raise Refused(10060004, "支付单不可发货")

    def add(known: dict[str, Any]) -> dict[str, Any]:
        uploads = known.get("uploads", [])
        if len(uploads) >= MOST_UPLOADS:
            raise Refused(10060003, "支付单已使用重新发货机会")
        if uploads and uploads[-1]["shipping_list"] == body["shipping_list"]:
            raise Refused(10060023, "发货信息未更新")
        return {"uploads": [*uploads, body]}

    desk.books.ship(order.out_trade_no, add)


def view(desk: Desk, appid: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Return a payment with its shipping. Raises Refused 10060001 for one that is not known here."""
    key = dict(asked)
    if "transaction_id" in key:
        key |= {"order_number_type": 2}
    else:
        key |= {"order_number_type": 1, "mchid": key.get("merchant_id"), "out_trade_no": key.get("merchant_trade_no")}
    order = _find(desk, appid, key)
    uploads = (order.shipping or {}).get("uploads", [])
    shipped: dict[str, Any] = {}
    if uploads:
        last = uploads[-1]
        shipped = {
            "delivery_mode": last["delivery_mode"],
            "logistics_type": last["logistics_type"],
            "finish_shipping": last.get("is_all_delivered", True),
            "finish_shipping_count": len(uploads),
            "goods_desc": last["shipping_list"][0]["item_desc"],
            "shipping_list": [
                each | {"goods_desc": each["item_desc"], "upload_time": last["upload_time"]}
                for each in last["shipping_list"]
            ],
        }
    is_returned = order.state == "REFUND"
    return {
        "transaction_id": order.transaction_id,
        "merchant_trade_no": order.out_trade_no,
        "merchant_id": desk.keys.identity.mchid,
        "sub_merchant_id": "",
        "description": order.description,
        "paid_amount": order.total,
        "openid": order.payer_openid,
        "trade_create_time": int(order.created_at.timestamp()),
        "pay_time": int(order.paid_at.timestamp()) if order.paid_at else 0,
        "in_complaint": False,
        "order_state": 5 if is_returned else 2 if shipped else 1,
        "shipping": shipped,
    }


def _find(desk: Desk, appid: str, key: object) -> Order:
    if not isinstance(key, dict) or key.get("order_number_type") not in (1, 2):
        raise Refused(268485194, "order_key 参数错误")
    if key["order_number_type"] == 2:
        order = desk.books.order_of_transaction(str(key.get("transaction_id", "")))
    elif key.get("mchid") != desk.keys.identity.mchid:
        raise Refused(268485196, "mchid 参数错误")
    else:
        order = desk.books.orders.get(str(key.get("out_trade_no", "")))
    if order is None or not order.is_paid or order.appid != appid or appid != desk.keys.identity.miniprogram_appid:
        raise Refused(10060001, "支付单不存在")
    return order


def _check(body: dict[str, Any]) -> None:
    mode, kind = body.get("delivery_mode"), body.get("logistics_type")
    if kind not in (1, 2, 3, 4):
        raise Refused(10060005, "物流类型有误")
    if mode not in (UNIFIED, SPLIT):
        raise Refused(268485224, "delivery_mode 参数错误")
    if mode == SPLIT and kind != EXPRESS:
        raise Refused(10060006, "非快递发货时不允许分拆发货")
    if mode == SPLIT and not isinstance(body.get("is_all_delivered"), bool):
        raise Refused(10060007, "分拆发货必须填写 is_all_delivered")
    if not isinstance(body.get("upload_time"), str):
        raise Refused(268485216, "upload_time 参数错误")
    _check_parcels(body.get("shipping_list"), mode=mode, is_express=kind == EXPRESS)


def _check_parcels(parcels: object, *, mode: int, is_express: bool) -> None:
    if not isinstance(parcels, list) or not parcels or not all(isinstance(each, dict) for each in parcels):
        raise Refused(10060020, "发货信息为空")
    if mode == UNIFIED and len(parcels) != 1:
        raise Refused(268485228, "统一发货模式只能有一个物流单")
    for parcel in parcels:
        _check_parcel(parcel, is_express=is_express)


def _check_parcel(parcel: dict[str, Any], *, is_express: bool) -> None:
    if not parcel.get("item_desc"):
        raise Refused(10060008, "item_desc 为空")
    if len(parcel["item_desc"]) > LONGEST_ITEM:
        raise Refused(10060009, "item_desc 过长")
    if is_express and not parcel.get("tracking_no"):
        raise Refused(268485226, "tracking_no 为空")
    if is_express and not parcel.get("express_company"):
        raise Refused(268485227, "express_company 为空")
