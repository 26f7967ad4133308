"""WeChat Pay v3 as the merchant calls it: prepay, query, close, refund."""

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, request

from emulator import gate, shapes, signing, till, views
from emulator.clock import beijing
from emulator.desk import Desk, here
from emulator.faults import MONEY_FAULTS
from emulator.gate import Payload, Refusal
from emulator.keyring import Signer
from emulator.records import Conflict, Order

v3 = Blueprint("pay", __name__, url_prefix="/v3")

# Both spellings of "paid already" are told of the real one, and neither is confirmed: each is used in one place, so
# that a client which knows only one of them fails here first.
_PREPAY_REFUSALS = {
    "paid": (400, "ORDERPAID", "该订单已支付"),
    "closed": (400, "ORDER_CLOSED", "该订单已失效"),
    "different": (403, "OUT_TRADE_NO_USED", "商户订单号重复：请求重入时，参数与首次请求时不一致"),
}
_NO_CERTIFICATES = (
    404,
    "RESOURCE_NOT_EXISTS",
    "无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥。可查看指引https://pay.weixin.qq.com/doc/v3/merchant/4012153196",
)
_PAID_AT_CLOSE = (400, "ORDER_PAID", "该订单已支付")
_NO_ORDER = (404, "ORDER_NOT_EXIST", "订单不存在")
_NO_RESOURCE = (404, "RESOURCE_NOT_EXISTS", "订单不存在或未支付")
_REFUND_REFUSALS = {
    "unpaid": _NO_RESOURCE,
    "different": (400, "INVALID_REQUEST", "商户退款单号重复，参数与首次请求时不一致"),
    "total": (400, "INVALID_REQUEST", "原订单金额与微信支付订单金额不一致"),
    "exceeded": (400, "INVALID_REQUEST", "申请退款金额大于订单剩余可退金额"),
    "overdue": (403, "TRADE_OVERDUE", "订单已经超过退款期限"),
    # The documents forbid a second refund within a minute and leave the code open; nothing was accepted here.
    "too_soon": (429, "FREQUENCY_LIMITED", "同一订单多次退款需间隔一分钟，请降低频率后重试"),
    "not_abnormal": (400, "INVALID_REQUEST", "退款单状态不是退款异常，不能发起异常退款"),
    "too_many": (400, "INVALID_REQUEST", "订单退款次数超过限制"),
}


@v3.get("/certificates")
@gate.operation("certificates")
def certificates() -> Payload:
    """Answer the platform certificates, sealed; who lives by public keys alone hears that there are none."""
    desk = here()
    data = [_sealed_certificate(desk, each) for each in desk.keyring.certificates()]
    if not data:
        raise Refusal(*_NO_CERTIFICATES)
    return {"data": data}


@v3.post("/pay/transactions/<any(jsapi, h5, native):product>")
@gate.operation("prepay")
def prepay(product: str) -> Payload:
    """Open an order, or open it again with identical parameters, and answer what the payer's side needs."""
    desk, body = here(), gate.body()
    _check_prepay(desk, product, body)
    try:
        order, attempt = desk.books.prepay(product, body, now=desk.clock.now())
    except Conflict as conflict:
        raise Refusal(*_PREPAY_REFUSALS[conflict.reason]) from None
    if desk.faults.draw(MONEY_FAULTS.keys() & {"notify_first"}, on="prepay", reference=order.out_trade_no):
        till.take(desk, order.out_trade_no, openid=till.payer_of(desk, order, "快手的人"), wait=True)
    if product == "jsapi":
        return {"prepay_id": attempt.prepay_id}
    if product == "native":
        return {"code_url": f"{desk.options.public_url}/cashier?prepay_id={attempt.prepay_id}"}
    package = int(attempt.prepay_id[-8:], 16)
    place = "/cgi-bin/mmpayweb-bin/checkmweb"
    return {"h5_url": f"{desk.options.public_url}{place}?prepay_id={attempt.prepay_id}&package={package}"}


@v3.get("/pay/transactions/out-trade-no/<out_trade_no>")
@gate.operation("query")
def query(out_trade_no: str) -> Payload:
    """Answer an order in whatever state it is."""
    desk = here()
    gate.require_mchid(desk, request.args.get("mchid"))
    order = desk.books.orders.get(out_trade_no)
    if order is None:
        raise Refusal(*_NO_ORDER)
    return views.transaction(order, desk.keys.identity.mchid)


@v3.get("/pay/transactions/id/<transaction_id>")
@gate.operation("query")
def query_transaction(transaction_id: str) -> Payload:
    """Answer a paid order by WeChat's own number."""
    desk = here()
    gate.require_mchid(desk, request.args.get("mchid"))
    order = desk.books.order_of_transaction(transaction_id)
    if order is None:
        raise Refusal(*_NO_ORDER)
    return views.transaction(order, desk.keys.identity.mchid)


@v3.post("/pay/transactions/out-trade-no/<out_trade_no>/close")
@gate.operation("close")
def close(out_trade_no: str) -> Payload:
    """Close an unpaid order. What never existed closes just as quietly, as seen live."""
    desk, body = here(), gate.body()
    shapes.CLOSE.check("/body", body)
    gate.require_mchid(desk, body["mchid"])
    try:
        order = desk.books.close(out_trade_no, now=desk.clock.now())
    except Conflict:
        raise Refusal(*_PAID_AT_CLOSE) from None
    if order and desk.faults.draw(MONEY_FAULTS.keys() & {"pay_after_close"}, on="close", reference=out_trade_no):
        # The payer's password screen was open already, and a closed order does not close a screen.
        till.take(desk, out_trade_no, openid=till.payer_of(desk, order, "慢手的人"), is_forced=True)
    return None


@v3.post("/refund/domestic/refunds")
@gate.operation("refund")
def refund() -> Payload:
    """Accept a refund: 200 means on its way, not arrived."""
    desk, body = here(), gate.body()
    shapes.REFUND.check("/body", body)
    if ("transaction_id" in body) == ("out_trade_no" in body):
        raise Refusal(400, "PARAM_ERROR", "transaction_id和out_trade_no必须且只能填写一个")
    _require_reachable(desk, body.get("notify_url"))
    order = _order_of(desk, body)
    faults = MONEY_FAULTS.keys() & {"refund_abnormal", "refund_closed", "refund_delay"}
    known = desk.books.refunds.get(body["out_refund_no"])
    rule = None if known else desk.faults.draw(faults, on="refund", reference=order.out_trade_no)
    try:
        accepted = till.give_back(desk, order, body, rule)
    except Conflict as conflict:
        raise Refusal(*_REFUND_REFUSALS[conflict.reason]) from None
    return views.refund(accepted, desk.books.orders[order.out_trade_no])


@v3.get("/refund/domestic/refunds/<out_refund_no>")
@gate.operation("refund_query")
def query_refund(out_refund_no: str) -> Payload:
    """Answer a refund that was accepted."""
    desk = here()
    known = desk.books.refunds.get(out_refund_no)
    if known is None:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
    return views.refund(known, desk.books.orders[known.out_trade_no])


@v3.post("/refund/domestic/refunds/<refund_id>/apply-abnormal-refund")
@gate.operation("abnormal_refund")
def apply_abnormal_refund(refund_id: str) -> Payload:
    """Send an abnormal refund on its way again: to a card of the payer's, or by the merchant's hand."""
    desk, body = here(), gate.body()
    shapes.ABNORMAL_REFUND.check("/body", body)
    known = desk.books.refunds.get(body["out_refund_no"])
    if known is None or known.refund_id != refund_id:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
    if body["type"] == "USER_BANK_CARD":
        for name in ("bank_type", "bank_account", "real_name"):
            if name not in body:
                raise Refusal(400, "PARAM_ERROR", f"退款至用户银行卡时{name}必填")
    for name in body.keys() & {"bank_account", "real_name"}:
        gate.reveal(desk, body[name])
    try:
        refund = till.redirect(desk, known.out_refund_no)
    except Conflict as conflict:
        raise Refusal(*_REFUND_REFUSALS[conflict.reason]) from None
    return views.refund(refund, desk.books.orders[refund.out_trade_no])


@v3.app_errorhandler(404)
@v3.app_errorhandler(405)
def nothing_here(error: Any) -> Response:
    """Answer an unknown path or a wrong method with an empty body, as the real one does."""
    response: Response = error.get_response()
    response.set_data(b"")
    response.headers.pop("Content-Type", None)
    return response


def _sealed_certificate(desk: Desk, signer: Signer) -> dict[str, Any]:
    certificate = signer.certificate
    assert certificate is not None
    sealed = signing.seal(
        desk.keyring.choice.apiv3_key, signer.public["certificate_pem"].encode(), associated_data="certificate"
    )
    return {
        "serial_no": signer.serial,
        "effective_time": beijing(certificate.not_valid_before_utc),
        "expire_time": beijing(certificate.not_valid_after_utc),
        "encrypt_certificate": sealed,
    }


def _check_prepay(desk: Desk, product: str, body: Any) -> None:
    shapes.PREPAY[product].check("/body", body)
    gate.require_mchid(desk, body["mchid"])
    if body["appid"] not in desk.keys.secrets_by_appid:
        raise Refusal(400, "APPID_MCHID_NOT_MATCH", "商户号与appid不匹配")
    _require_reachable(desk, body["notify_url"])
    if product == "jsapi" and not desk.keys.is_openid_of(body["appid"], body["payer"]["openid"]):
        raise Refusal(400, "PARAM_ERROR", "appid和openid不匹配")


def _require_reachable(desk: Desk, notify_url: str | None) -> None:
    """Refuse plain http, except to this machine: a desk has no certificate."""
    if notify_url and urlsplit(notify_url).scheme != "https" and not desk.is_ours(notify_url):
        raise Refusal(400, "PARAM_ERROR", "notify_url必须为https")


def _order_of(desk: Desk, body: dict[str, Any]) -> Order:
    if "transaction_id" in body:
        order = desk.books.order_of_transaction(body["transaction_id"])
    else:
        order = desk.books.orders.get(body["out_trade_no"])
    if order is None:
        raise Refusal(*_NO_RESOURCE)
    return order
