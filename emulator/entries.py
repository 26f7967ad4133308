"""How the books read at the control plane: amounts in fen, instants in UTC, states as WeChat names them."""

from typing import Any

from emulator import fees
from emulator.books import Books
from emulator.records import Notification, Order, Refund


def order(books: Books, order: Order) -> dict[str, Any]:
    """Return an order as the books show it, amounts in fen."""
    refunds = books.refunds_of(order.out_trade_no)
    return {
        "out_trade_no": order.out_trade_no,
        "product": order.product,
        "appid": order.appid,
        "description": order.description,
        "attach": order.request.get("attach", ""),
        "state": order.state,
        "total_fen": order.total,
        "payer_total_fen": order.payer_total,
        "refunded_fen": sum(each.amount for each in refunds if each.status == "SUCCESS"),
        "refunding_fen": sum(each.amount for each in refunds if each.status in ("PROCESSING", "ABNORMAL")),
        "fee_fen": fees.fen(order.fee),
        "fee_returned_fen": sum(fees.fen(each.fee) for each in refunds if each.status == "SUCCESS"),
        "payer_openid": order.payer_openid,
        "transaction_id": order.transaction_id,
        "prepay_ids": [each.prepay_id for each in order.prepays],
        "created_at": order.created_at,
        "pay_until": order.pay_until,
        "paid_at": order.paid_at,
        "closed_at": order.closed_at,
        "cancellations": order.cancellations,
        "is_shipped": bool(order.shipping and order.shipping.get("uploads")),
        "shipping": order.shipping,
    }


def refund(refund: Refund) -> dict[str, Any]:
    """Return a refund as the books show it, amounts in fen."""
    return {
        "out_refund_no": refund.out_refund_no,
        "out_trade_no": refund.out_trade_no,
        "refund_id": refund.refund_id,
        "amount_fen": refund.amount,
        "fee_fen": fees.fen(refund.fee),
        "reason": refund.request.get("reason"),
        "status": refund.status,
        "created_at": refund.created_at,
        "settled_at": refund.settled_at,
    }


def notification(notification: Notification) -> dict[str, Any]:
    """Return a notification with every sending of it, without what it said."""
    names = ("id", "kind", "reference", "url", "event_type", "state", "created_at", "next_at", "attempts")
    return {name: getattr(notification, name) for name in names}
