"""/v3/profitsharing as the merchant calls it: receivers, requests, returns, release, and what is left."""

from typing import Any

from flask import Blueprint, request

from emulator import gate, shares, sharing, shipping
from emulator.desk import Desk, here
from emulator.faults import SHARING_FAULTS
from emulator.gate import Payload, Refusal
from emulator.records import Conflict, Order

dividing = Blueprint("dividing", __name__, url_prefix="/v3/profitsharing")

_REFUSALS = {
    "different": (400, "INVALID_REQUEST", "商户单号重复，参数与首次请求时不一致"),
    "unfrozen": (400, "INVALID_REQUEST", "订单剩余资金已解冻，不能再分账"),
    "too_late": (400, "INVALID_REQUEST", "订单已超过可分账或可回退的期限"),
    "too_many": (403, "RULE_LIMIT", "订单分账次数超过限制"),
    "ratio": (403, "RULE_LIMIT", "分账金额超过最大分账比例"),
    "not_enough": (403, "NOT_ENOUGH", "分账金额大于订单剩余待分金额"),
    "exceeded": (403, "NOT_ENOUGH", "回退金额大于该接收方可回退的金额"),
    "no_receiver": (400, "INVALID_REQUEST", "分账接收方不存在"),
    "no_order": (404, "RESOURCE_NOT_EXISTS", "分账单不存在"),
}
_NOT_YET = (400, "INVALID_REQUEST", "订单处理中，暂时无法分账，请稍后再试")


@dividing.post("/receivers/add")
@gate.operation("sharing_receiver")
def add_receiver() -> Payload:
    """Let a merchant or a person receive; a merchant only by its full name."""
    desk, body = here(), gate.body()
    shares.ADD.check("/body", body)
    _require_appid(desk, body["appid"])
    if body["type"] == "MERCHANT_ID" and "name" not in body:
        raise Refusal(400, "PARAM_ERROR", "接收方类型为MERCHANT_ID时name必填")
    if body["relation_type"] == "CUSTOM" and "custom_relation" not in body:
        raise Refusal(400, "PARAM_ERROR", "relation_type为CUSTOM时custom_relation必填")
    if "name" in body:
        gate.reveal(desk, body["name"])
    told = {name: value for name, value in body.items() if name != "appid"}
    desk.sharing.add_receiver(told)
    return told


@dividing.post("/receivers/delete")
@gate.operation("sharing_receiver")
def delete_receiver() -> Payload:
    """Let somebody receive no more."""
    desk, body = here(), gate.body()
    shares.DELETE.check("/body", body)
    _require_appid(desk, body["appid"])
    with_refusals(lambda: desk.sharing.delete_receiver(body))
    return {"type": body["type"], "account": body["account"]}


@dividing.post("/orders")
@gate.operation("sharing")
def divide() -> Payload:
    """Divide a part of a payment: accepted, and done a while later, for each receiver or not."""
    desk, body = here(), gate.body()
    shares.ORDER.check("/body", body)
    _require_appid(desk, body["appid"])
    who = [(each["type"], each["account"]) for each in body["receivers"]]
    if not 0 < len(who) <= 50 or len(set(who)) < len(who):
        raise Refusal(400, "PARAM_ERROR", "receivers为1至50个，且同一接收方不能重复")
    for each in body["receivers"]:
        if "name" in each:
            gate.reveal(desk, each["name"])
    order = _order(desk, body["transaction_id"])

    def reason(_: dict[str, Any]) -> str | None:
        rule = desk.faults.draw({"sharing_closed"}, on="sharing", reference=order.out_trade_no)
        return str(rule.options.get("reason", "ACCOUNT_ABNORMAL")) if rule else None

    # A name is sealed anew by every sending, so a repetition is known by the rest.
    plain = body | {"receivers": [{k: v for k, v in each.items() if k != "name"} for each in body["receivers"]]}
    row = with_refusals(
        lambda: desk.sharing.divide(
            order, plain, free_fen=_free(desk, order), now=desk.clock.now(), wait=_wait(desk), reason=reason
        )
    )
    return sharing.view(row, desk.clock.now())


@dividing.get("/orders/<out_order_no>")
@gate.operation("sharing_query")
def query(out_order_no: str) -> Payload:
    """Answer a request; finished says nothing of its receivers."""
    desk = here()
    row = with_refusals(lambda: desk.sharing.find({"out_order_no": out_order_no}))
    if row["transaction_id"] != request.args.get("transaction_id"):
        raise Refusal(*_REFUSALS["no_order"])
    return sharing.view(row, desk.clock.now())


@dividing.post("/orders/unfreeze")
@gate.operation("sharing_unfreeze")
def unfreeze() -> Payload:
    """Release what was not divided."""
    desk, body = here(), gate.body()
    shares.UNFREEZE.check("/body", body)
    order = _order(desk, body["transaction_id"])
    return sharing.view(desk.sharing.release(order, body, now=desk.clock.now(), wait=_wait(desk)), desk.clock.now())


@dividing.post("/return-orders")
@gate.operation("sharing_return")
def take_back() -> Payload:
    """Take back what a merchant received."""
    desk, body = here(), gate.body()
    shares.RETURN.check("/body", body)
    if ("order_id" in body) == ("out_order_no" in body):
        raise Refusal(400, "PARAM_ERROR", "order_id和out_order_no必须且只能填写一个")
    rule = desk.faults.draw(SHARING_FAULTS.keys() & {"sharing_return_failed"}, on="sharing_return")
    reason = str(rule.options.get("reason", "BALANCE_NOT_ENOUGH")) if rule else None
    row = with_refusals(lambda: desk.sharing.take_back(body, now=desk.clock.now(), wait=_wait(desk), reason=reason))
    return sharing.view_return(row, desk.clock.now())


@dividing.get("/return-orders/<out_return_no>")
@gate.operation("sharing_return_query")
def query_return(out_return_no: str) -> Payload:
    """Answer a return."""
    desk = here()
    row = desk.sharing.returns.get(out_return_no)
    if row is None or row["out_order_no"] != request.args.get("out_order_no"):
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "回退单不存在")
    return sharing.view_return(row, desk.clock.now())


@dividing.get("/transactions/<transaction_id>/amounts")
@gate.operation("sharing_amounts")
def amounts(transaction_id: str) -> Payload:
    """Answer what of a payment is still frozen for dividing."""
    desk = here()
    order = _order(desk, transaction_id, is_ripe=False)
    is_released = any(each["unfreezes"] for each in desk.sharing.of(order))
    left = 0 if is_released else max(0, _free(desk, order) - desk.sharing.shared_fen(order))
    return {"transaction_id": transaction_id, "unsplit_amount": left}


def with_refusals(step: Any) -> Any:
    """Take a step of the rules, and word its refusal as WeChat does."""
    try:
        return step()
    except Conflict as conflict:
        raise Refusal(*_REFUSALS[conflict.reason]) from None


def _order(desk: Desk, transaction_id: str, *, is_ripe: bool = True) -> Order:
    """Return a payment that is meant for dividing, and by now may be: a minute old, and its goods received."""
    order = desk.books.order_of_transaction(transaction_id)
    if order is None or order.paid_at is None:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "订单不存在或未支付")
    if not (order.request.get("settle_info") or {}).get("profit_sharing"):
        raise Refusal(400, "INVALID_REQUEST", "非分账订单不支持分账")
    age = (desk.clock.now() - order.paid_at).total_seconds()
    is_early = age < desk.clock.wait(sharing.EARLIEST.total_seconds())
    is_unreceived = shipping.is_managed(desk, order) and not (order.shipping or {}).get("settled_at")
    if is_ripe and (is_early or is_unreceived):
        raise Refusal(*_NOT_YET)
    return order


def _free(desk: Desk, order: Order) -> int:
    refunds = desk.books.refunds_of(order.out_trade_no)
    return sharing.free_fen(order, sum(each.amount for each in refunds if each.status != "CLOSED"))


def _wait(desk: Desk) -> float:
    return desk.clock.wait(desk.options.refund_seconds)


def _require_appid(desk: Desk, appid: str) -> None:
    if appid not in desk.keys.secrets_by_appid:
        raise Refusal(400, "APPID_MCHID_NOT_MATCH", "商户号与appid不匹配")
