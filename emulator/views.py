"""How WeChat words what it knows: answers to queries and the plaintext of notifications.

The shapes are those seen live: unused `attach` and `promotion_detail` are present once paid, absent things are
left out.
"""

from typing import Any

from emulator.clock import beijing
from emulator.records import Order, Refund

TRADE_TYPES = {"jsapi": "JSAPI", "h5": "MWEB", "native": "NATIVE"}
STATES = {"SUCCESS": "支付成功", "REFUND": "转入退款", "NOTPAY": "订单未支付", "CLOSED": "订单已关闭"}
REFUND_STATES = {"SUCCESS": "退款成功", "ABNORMAL": "退款异常", "CLOSED": "退款关闭"}


def transaction(order: Order, mchid: str) -> dict[str, Any]:
    """Return an order as a query answers it."""
    view: dict[str, Any] = {
        "appid": order.appid,
        "mchid": mchid,
        "out_trade_no": order.out_trade_no,
        "trade_state": order.state,
        "trade_state_desc": STATES[order.state],
        "amount": {"total": order.total, "currency": "CNY"},
        "payer": {},
    }
    if order.paid_at is None:
        return view
    return view | {
        "transaction_id": order.transaction_id,
        "trade_type": TRADE_TYPES[order.product],
        "bank_type": "OTHERS",
        "attach": order.request.get("attach", ""),
        "success_time": beijing(order.paid_at),
        "payer": {"openid": order.payer_openid},
        "amount": {
            "total": order.total,
            "payer_total": order.payer_total,
            "currency": "CNY",
            "payer_currency": "CNY",
        },
        "promotion_detail": [],
    }


def payment_resource(order: Order, mchid: str) -> dict[str, Any]:
    """Return what a payment's notification says: the order at the moment of its success."""
    return transaction(order, mchid) | {"trade_state": "SUCCESS", "trade_state_desc": STATES["SUCCESS"]}


def refund(refund: Refund, order: Order) -> dict[str, Any]:
    """Return a refund as its request and its query answer it."""
    view: dict[str, Any] = {
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "transaction_id": order.transaction_id,
        "out_trade_no": order.out_trade_no,
        "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱",
        "create_time": beijing(refund.created_at),
        "status": refund.status,
        "funds_account": refund.request.get("funds_account", "UNSETTLED"),
        "amount": _refund_amount(refund, order)
        | {
            "from": [],
            "settlement_refund": refund.amount,
            "settlement_total": order.total,
            "discount_refund": refund.amount - payer_share(refund, order),
            "currency": "CNY",
        },
        "promotion_detail": [],
    }
    if refund.status == "SUCCESS" and refund.settled_at:
        view["success_time"] = beijing(refund.settled_at)
    return view


def refund_resource(refund: Refund, order: Order, mchid: str) -> dict[str, Any]:
    """Return what a refund's notification says; its state is called refund_status there."""
    view: dict[str, Any] = {
        "mchid": mchid,
        "transaction_id": order.transaction_id,
        "out_trade_no": order.out_trade_no,
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "refund_status": refund.status,
        "user_received_account": "支付用户零钱",
        "amount": _refund_amount(refund, order),
    }
    if refund.status == "SUCCESS" and refund.settled_at:
        view["success_time"] = beijing(refund.settled_at)
    return view


def _refund_amount(refund: Refund, order: Order) -> dict[str, int | None]:
    return {
        "total": order.total,
        "refund": refund.amount,
        "payer_total": order.payer_total,
        "payer_refund": payer_share(refund, order),
    }


def payer_share(refund: Refund, order: Order) -> int:
    """Return the part of a refund that the payer's own money made up, fen; the rest were coupons."""
    return refund.amount * (order.payer_total or 0) // order.total
