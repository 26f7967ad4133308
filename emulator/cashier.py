"""The sheet on which a person pays or turns back, and the bridge that opens it from a page inside WeChat.

A desk has no WeChat client, so the sheet is a page; it sends the browser on only to this machine or to the host that
it is itself reached by.
"""

from urllib.parse import urlsplit

from flask import Blueprint, Response, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from emulator import signing, till
from emulator.desk import here
from emulator.records import H5_LIFETIME, Conflict, Order
from emulator.weixin import person_of_browser, remember_person

pages = Blueprint("cashier", __name__)

_REASONS = {
    "unknown": "订单不存在",
    "paid": "该订单已支付，请勿重复支付",
    "closed": "该订单已关闭",
    "expired": "该订单已超过支付期限",
}


class Trouble(Exception):
    """The sheet cannot be shown; the message says why, to a person."""


@pages.get("/cgi-bin/mmpayweb-bin/checkmweb")
def h5() -> AnyResponse:
    """Show the sheet to a browser outside WeChat that comes from the merchant's own page."""
    if "MicroMessenger" in request.headers.get("User-Agent", ""):
        raise Trouble("请在微信外打开订单，进行支付")
    referer = request.headers.get("Referer", "")
    if not referer:
        raise Trouble("商家参数格式有误，请联系商家解决")
    if not here().is_ours(referer):
        raise Trouble("商家存在未配置的参数，请联系商家解决")
    order = _order("h5")
    issued = next(each.issued_at for each in order.prepays if each.prepay_id == request.args["prepay_id"])
    if here().clock.now() - issued > H5_LIFETIME:
        raise Trouble("支付请求已失效，请重新发起支付")
    return _sheet(order)


@pages.get("/cashier")
def sheet() -> AnyResponse:
    """Show the sheet for a prepay id, or for the signed parameters of getBrandWCPayRequest."""
    if "paySign" in request.args:
        return _sheet(_signed_order())
    order = _order("jsapi", "native")
    if order.product == "native" and order.prepays[-1].prepay_id != request.args["prepay_id"]:
        # Ordering again with the same parameters voids the code that was shown before.
        raise Trouble("二维码已失效，请重新获取")
    return _sheet(order)


@pages.post("/cashier/pay")
def pay() -> AnyResponse:
    """Take the money and send the payer back."""
    desk, number = here(), request.form.get("prepay_id", "")
    try:
        order = till.find(desk, prepay_id=number)
        till.take(desk, order.out_trade_no, openid=till.payer_of(desk, order, person_of_browser()))
    except Conflict as conflict:
        raise Trouble(_REASONS[conflict.reason]) from None
    return remember_person(_leave("ok", order), person_of_browser())


@pages.post("/cashier/cancel")
def cancel() -> AnyResponse:
    """Note that the payer turned back, and send them back."""
    desk = here()
    try:
        order = till.find(desk, prepay_id=request.form.get("prepay_id", ""))
    except Conflict as conflict:
        raise Trouble(_REASONS[conflict.reason]) from None
    return _leave("cancel", desk.books.cancel(order.out_trade_no))


@pages.get("/bridge.js")
def bridge() -> Response:
    """Serve the script that stands in for WeixinJSBridge on a desk."""
    response = make_response(render_template("bridge.js"))
    response.headers["Content-Type"] = "text/javascript; charset=utf-8"
    return response


@pages.errorhandler(Trouble)
def trouble(error: Trouble) -> tuple[str, int]:
    """Say on a page what is wrong, and let a waiting bridge know."""
    back = request.values.get("redirect_url", "")
    way_back = back if here().is_ours(back) else ""
    return render_template("trouble.html", message=str(error), origin=_origin(), redirect_url=way_back), 400


def _order(*products: str) -> Order:
    try:
        order = till.find(here(), prepay_id=request.args.get("prepay_id"))
    except Conflict:
        raise Trouble(_REASONS["unknown"]) from None
    if order.product not in products:
        raise Trouble("支付场景非法")
    return order


def _signed_order() -> Order:
    """Return the order that well-signed bridge parameters pay; anything else is trouble, worded as WeChat does."""
    desk, asked = here(), request.args
    package = asked.get("package", "")
    message = signing.lines(asked.get("appId", ""), asked.get("timeStamp", ""), asked.get("nonceStr", ""), package)
    if asked.get("signType") != "RSA" or not signing.is_signed(desk.keys.merchant, message, asked["paySign"]):
        raise Trouble("支付验证签名失败")
    order = desk.books.order_of_prepay(package.removeprefix("prepay_id="))
    if order is None or not package.startswith("prepay_id="):
        raise Trouble("商家参数格式有误，请联系商家解决")
    if order.appid != asked.get("appId"):
        raise Trouble("商户号与appid不匹配")
    return order


def _sheet(order: Order) -> AnyResponse:
    if order.is_paid or order.state == "CLOSED":
        raise Trouble(_REASONS["paid" if order.is_paid else "closed"])
    return make_response(
        render_template(
            "cashier.html",
            merchant=here().options.merchant_name,
            description=order.description,
            yuan=f"{order.total // 100:,}.{order.total % 100:02d}",
            prepay_id=order.prepays[-1].prepay_id,
            redirect_url=_way_back(request.args.get("redirect_url", "")),
            origin=_origin(),
        )
    )


def _leave(result: str, order: Order) -> AnyResponse:
    target = _way_back(request.form.get("redirect_url", ""))
    if target:
        return redirect(target, 303)
    yuan = f"{order.total // 100:,}.{order.total % 100:02d}"
    return make_response(render_template("leave.html", result=result, yuan=yuan, origin=_origin()))


def _way_back(url: str) -> str:
    if url and not here().is_ours(url):
        raise Trouble("商家存在未配置的参数，请联系商家解决")
    return url


def _origin() -> str:
    """Return the origin of the page whose bridge opened the sheet, if it is one we may answer."""
    origin = request.values.get("origin", "")
    return origin if here().is_ours(origin) and origin == "{0.scheme}://{0.netloc}".format(urlsplit(origin)) else ""
