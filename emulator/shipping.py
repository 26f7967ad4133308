"""发货信息管理: the shipping that a mini-program must report before its money is released.

One record per payment, uploaded until it is complete, corrected once; only payments made through the mini-program are
known here. Money is frozen until the payer confirms the receipt or ten days have passed since everything was sent.
Instants in a record are unix seconds.
"""

from datetime import datetime
from typing import Any

from emulator import till
from emulator.accounts import Refused
from emulator.desk import Desk
from emulator.records import Order

LONGEST_ITEM = 120
LONGEST_NUMBER = 128
MOST_PARCELS = 15
EXPRESS, UNIFIED, SPLIT = 1, 1, 2
DAY = 86_400
REMINDED_AFTER, RECEIVED_AFTER = 2 * DAY, 10 * DAY
AUTOMATIC, MANUAL = 1, 2
_SETTLEMENT = "trade_manage_order_settlement"


def upload(desk: Desk, appid: str, body: dict[str, Any]) -> None:
    """Enter the shipping of a payment. Raises Refused with WeChat's 10060xxx and 268485xxx codes."""
    order = find(desk, appid, body.get("order_key"))
    _check(body)
    payer = body.get("payer")
    if not isinstance(payer, dict) or payer.get("openid") != order.payer_openid:
        raise Refused(10060031, "支付单与支付者不匹配")
    if is_returned(desk, order):
        raise Refused(10060004, "支付单不可发货")
    now = int(desk.clock.now().timestamp())

    def add(known: dict[str, Any]) -> dict[str, Any]:
        is_complete = body["delivery_mode"] == UNIFIED or body["is_all_delivered"]
        uploads, corrections = known.get("uploads", []), known.get("corrections", 0)
        if uploads:
            corrections += _corrected(known, body)
            if corrections > 1:
                raise Refused(10060003, "支付单已使用重新发货机会")
            if uploads[-1]["shipping_list"] == body["shipping_list"]:
                raise Refused(10060023, "发货信息未更新")
            if _instant(body["upload_time"]) <= _instant(uploads[-1]["upload_time"]):
                raise Refused(268485216, "上传时间非法，必须晚于上一次")
        is_fresh = corrections > known.get("corrections", 0)
        parcels = [] if is_fresh or not uploads else known["parcels"]
        new = [each | {"upload_time": body["upload_time"]} for each in body["shipping_list"]]
        if len(parcels) + len(new) > MOST_PARCELS:
            raise Refused(10060024, "物流信息列表过长")
        return known | {
            "uploads": [*uploads, body],
            "parcels": [*parcels, *new],
            "corrections": corrections,
            "is_complete": is_complete,
            "shipped_at": known.get("shipped_at") or (now if is_complete else None),
        }

    was_shipped = (order.shipping or {}).get("shipped_at")
    shipped = desk.books.ship(order.out_trade_no, add).shipping or {}
    if shipped["shipped_at"] and not was_shipped:
        till.push(desk, order, _SETTLEMENT, shipped_time=now, estimated_settlement_time=now + RECEIVED_AFTER)


def _corrected(known: dict[str, Any], body: dict[str, Any]) -> int:
    """Tell whether an upload is a correction: after everything was sent, or in another mode than before."""
    return int(known["is_complete"] or known["uploads"][-1]["delivery_mode"] != body["delivery_mode"])


def receive(desk: Desk, order: Order, *, method: int = MANUAL) -> Order:
    """Note that the payer has the goods, which releases the money; once. Raises Refused 10060028: nothing was sent."""
    now = int(desk.clock.now().timestamp())

    def release(known: dict[str, Any]) -> dict[str, Any]:
        if not known.get("shipped_at"):
            raise Refused(10060028, "支付单未发货")
        return known if known.get("settled_at") else known | {"received_at": now, "settled_at": now, "method": method}

    was_settled = (order.shipping or {}).get("settled_at")
    received = desk.books.ship(order.out_trade_no, release)
    if not was_settled:
        times = {"confirm_receive_time": now, "settlement_time": now}
        till.push(desk, received, _SETTLEMENT, confirm_receive_method=method, **times)
    return received


def let_time_pass(desk: Desk) -> None:
    """Do what is due by WeChat's clock: remind of payments unshipped for 48 hours, take ten days for a receipt."""
    now = int(desk.clock.now().timestamp())
    for order in list(desk.books.orders.values()):
        if not is_managed(desk, order) or is_returned(desk, order) or order.paid_at is None:
            continue
        known = order.shipping or {}
        shipped_at, remind_at = known.get("shipped_at"), known.get("delay_to", 0)
        remind_at = max(remind_at, order.paid_at.timestamp() + REMINDED_AFTER)
        if not shipped_at and not known.get("reminded_at") and now >= remind_at:
            desk.books.ship(order.out_trade_no, lambda known: known | {"reminded_at": now})
            till.push(desk, order, "trade_manage_remind_shipping", msg="订单超过48小时未发货，请尽快发货")
        elif shipped_at and not known.get("settled_at") and now >= shipped_at + RECEIVED_AFTER:
            receive(desk, order, method=AUTOMATIC)


def ask_receipt(desk: Desk, appid: str, asked: dict[str, Any]) -> None:
    """Have the payer reminded to confirm, once per order, for goods sent by express. Raises Refused."""
    order = find(desk, appid, key_of(asked))
    known = order.shipping or {}
    if not known.get("shipped_at"):
        raise Refused(10060028, "支付单未发货")
    if known["uploads"][-1]["logistics_type"] != EXPRESS:
        raise Refused(10060030, "仅快递发货可提醒收货")
    if known.get("receipt_asked_at"):
        raise Refused(10060029, "已提醒过收货")
    received = asked.get("received_time")
    if not isinstance(received, int) or received < order.created_at.timestamp():
        raise Refused(10060032, "received_time 非法")
    desk.books.ship(order.out_trade_no, lambda known: known | {"receipt_asked_at": received})


def mark_special(desk: Desk, appid: str, asked: dict[str, Any]) -> None:
    """Give a pre-sale until `delay_to` to be shipped, or call a payment a test. Raises Refused 268546000 to 2."""
    number = str(asked.get("order_id", ""))
    order = desk.books.order_of_transaction(number) or desk.books.orders.get(number)
    if order is None or order.paid_at is None or order.appid != appid:
        raise Refused(268546000, "订单不存在")
    if asked.get("type") not in (1, 2):
        raise Refused(268546001, "type 参数错误")
    if asked["type"] == 1:
        days = (int(asked.get("delay_to") or 0) - order.paid_at.timestamp()) / DAY
        if not 15 <= days <= 330:
            raise Refused(268546002, "delay_to 必须在支付后15天至330天之间")
    delay = {"delay_to": asked["delay_to"]} if asked["type"] == 1 else {"is_test": True}
    desk.books.ship(order.out_trade_no, lambda known: known | delay)


def view(desk: Desk, appid: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Return a payment with its shipping. Raises Refused 10060001 for one that is not known here."""
    return show(desk, find(desk, appid, key_of(asked)))


def show(desk: Desk, order: Order) -> dict[str, Any]:
    """Return a payment as get_order words it."""
    known = order.shipping or {}
    uploads = known.get("uploads", [])
    shipped: dict[str, Any] = {}
    if uploads:
        last = uploads[-1]
        shipped = {
            "delivery_mode": last["delivery_mode"],
            "logistics_type": last["logistics_type"],
            "finish_shipping": known["is_complete"],
            "finish_shipping_count": 1 + known["corrections"] if known["is_complete"] else 0,
            "goods_desc": last["shipping_list"][0]["item_desc"],
            "shipping_list": [each | {"goods_desc": each["item_desc"]} for each in known["parcels"]],
        }
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
        "order_state": state(desk, order),
        "shipping": shipped,
    }


def state(desk: Desk, order: Order) -> int:
    """Return order_state: 1 to be shipped, 2 shipped, 3 received, 4 done a day after its settlement, 5 refunded."""
    known = order.shipping or {}
    if is_returned(desk, order):
        return 5
    settled_at = known.get("settled_at")
    if settled_at:
        return 4 if desk.clock.now().timestamp() >= settled_at + DAY else 3
    return 2 if known.get("shipped_at") else 1


def is_managed(desk: Desk, order: Order) -> bool:
    """Tell whether a payment is one whose money waits for its shipping."""
    return order.is_paid and order.appid == desk.keys.identity.miniprogram_appid


def is_returned(desk: Desk, order: Order) -> bool:
    """Tell whether all the money of a payment is back or on its way."""
    alive = [each for each in desk.books.refunds_of(order.out_trade_no) if each.status != "CLOSED"]
    return sum(each.amount for each in alive) == order.total


def key_of(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the order key of a question, which spells it in another way than an upload."""
    if "transaction_id" in asked:
        return {"order_number_type": 2, "transaction_id": asked["transaction_id"]}
    numbers = {"mchid": asked.get("merchant_id"), "out_trade_no": asked.get("merchant_trade_no")}
    return {"order_number_type": 1} | numbers


def find(desk: Desk, appid: str, key: object) -> Order:
    """Return the mini-program's payment that an order_key names. Raises Refused 10060001 and 268485194 to 197."""
    if not isinstance(key, dict) or key.get("order_number_type") not in (1, 2):
        raise Refused(268485194, "order_key 参数错误")
    if key["order_number_type"] == 2:
        order = desk.books.order_of_transaction(str(key.get("transaction_id", "")))
    elif key.get("mchid") != desk.keys.identity.mchid:
        raise Refused(268485196, "mchid 参数错误")
    else:
        order = desk.books.orders.get(str(key.get("out_trade_no", "")))
    if order is None or not is_managed(desk, order) or order.appid != appid:
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
    _instant(body.get("upload_time"))
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
    if len(str(parcel.get("express_company", ""))) > LONGEST_NUMBER:
        raise Refused(10060025, "express_company 过长")
    if len(str(parcel.get("tracking_no", ""))) > LONGEST_NUMBER:
        raise Refused(10060026, "tracking_no 过长")
    # 顺丰 delivers to somebody: a masked number of either side must be there.
    contact = parcel.get("contact")
    if parcel.get("express_company") == "SF" and not (isinstance(contact, dict) and any(contact.values())):
        raise Refused(10060014, "顺丰快递必须填写 contact")


def _instant(text: object) -> datetime:
    try:
        instant = datetime.fromisoformat(str(text))
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise Refused(268485216, "upload_time 参数错误")
    return instant
