"""Own the words for where an order stands.

Once money is recorded no page says 待支付; nobody is offered a button that the rules would refuse.
"""

from datetime import datetime, timedelta

from storefront.h5.following_models import Progress

# No new payment starts in the last two minutes: WeChat could finish it after the order has expired.
PAY_WINDOW_CLOSES = timedelta(minutes=2)


def describe(
    *,
    state: str,
    payment_state: str,
    cancelled_by: str,
    refunding_fen: int,
    refunded_fen: int,
    pay_until: datetime,
    now: datetime,
) -> Progress:
    """Say where an order stands and what its shopper can do now."""
    if state == "pending":
        return _before_paid(payment_state, pay_until, now)
    if state == "cancelled":
        return _cancelled(payment_state, cancelled_by, refunding_fen, refunded_fen)
    headline, detail, tone, step = {
        "paid": ("已支付", "商家正在备货，发货后会在这里更新物流单号。", "good", 2),
        "shipped": ("已发货", "全部商品已寄出，请留意快递电话。", "good", 3),
        "received": ("已收货", "感谢选购。商品有问题或想退货，可以在下方申请售后。", "good", 4),
        "refunded": ("已退款", "款项已原路退回，到账时间以微信支付通知为准。", "calm", 0),
    }[state]
    return Progress(headline=headline, detail=detail, tone=tone, step=step)


def _before_paid(payment_state: str, pay_until: datetime, now: datetime) -> Progress:
    if payment_state == "succeeded":
        return Progress("已收款，处理中", "款项已收到，正在登记订单，通常只需几秒。", "busy", 1, follows=True)
    if payment_state == "confirming":
        return Progress(
            "正在确认",
            "正在向微信支付确认结果，请勿重复付款。",
            "busy",
            1,
            can_check=True,
            follows=True,
            counts_down=True,
        )
    if now >= pay_until:
        return Progress("支付时间已过", "订单即将自动关闭，未付款不会扣款。", "calm", 1, can_check=True, follows=True)
    if now >= pay_until - PAY_WINDOW_CLOSES:
        return Progress(
            "待支付", "支付时间即将结束，已不能发起新的付款。若刚刚付过款，请点“查询支付结果”。", "warm", 1,
            can_check=True, can_cancel=True, follows=True, counts_down=True,
        )  # fmt: skip
    return Progress(
        "待支付", "商品已为您留好，请在倒计时结束前完成支付。", "warm", 1,
        can_pay=True, can_check=bool(payment_state), can_cancel=True, follows=True, counts_down=True,
    )  # fmt: skip


def _cancelled(payment_state: str, cancelled_by: str, refunding_fen: int, refunded_fen: int) -> Progress:
    if refunding_fen:
        return Progress("退款中", "订单已关闭，已收款项正在原路退回。", "busy", 0, follows=True)
    if refunded_fen:
        return Progress("已退款", "订单已关闭，已收款项已原路退回，到账时间以微信支付通知为准。", "calm", 0)
    if payment_state == "succeeded":
        return Progress("已收款，处理中", "订单已关闭，收到的款项将原路退回。", "busy", 0, follows=True)
    detail = {
        "shopper": "您已取消这笔订单，没有扣款。",
        "staff": "商家已取消这笔订单，没有扣款。",
        "expiry": "超过支付时间，订单已自动关闭，没有扣款。",
    }.get(cancelled_by, "订单已关闭，没有扣款。")
    return Progress("已取消", detail, "calm", 0)
