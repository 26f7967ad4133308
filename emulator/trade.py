"""wxa/sec/order: what a mini-program that sells reports of its shipping, and what it asks about its orders."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response

from emulator import shipping
from emulator.accounts import Refused
from emulator.desk import here
from emulator.weixin import appid_of_call, call, json_of_call

trade = Blueprint("trade", __name__, url_prefix="/wxa/sec/order")
MOST_ROWS = 100
DONE = {"errcode": 0, "errmsg": "ok"}
Answer = dict[str, Any] | Response


@trade.post("/upload_shipping_info")
@call
def upload_shipping() -> Answer:
    """Take the shipping of a mini-program's payment."""
    shipping.upload(here(), appid_of_call(), json_of_call())
    return DONE


@trade.post("/upload_combined_shipping_info")
@call
def upload_combined() -> Answer:
    """Take the shipping of several payments in one call, each checked as if it came alone."""
    appid, body = appid_of_call(), json_of_call()
    parts = body.get("sub_orders")
    if not isinstance(parts, list) or not parts or not all(isinstance(each, dict) for each in parts):
        raise Refused(10060014, "sub_orders 参数错误")
    for part in parts:
        shipping.upload(here(), appid, {"upload_time": body.get("upload_time"), "payer": body.get("payer")} | part)
    return DONE


@trade.post("/get_order")
@call
def order() -> Answer:
    """Answer what is known of the shipping of a mini-program's payment."""
    return DONE | {"order": shipping.view(here(), appid_of_call(), json_of_call())}


@trade.post("/get_order_list")
@call
def orders() -> Answer:
    """Answer the mini-program's payments, the latest first, in pages that `last_index` continues."""
    desk, appid, asked = here(), appid_of_call(), json_of_call()
    span = asked.get("pay_time_range") or {}
    begin, end = span.get("begin_time", 0), span.get("end_time", 2**40)
    found = [
        shipping.show(desk, each)
        for each in reversed(list(desk.books.orders.values()))
        if shipping.is_managed(desk, each) and each.appid == appid
    ]
    found = [
        each
        for each in found
        if begin <= each["pay_time"] <= end
        and asked.get("order_state") in (None, each["order_state"])
        and asked.get("openid") in (None, "", each["openid"])
    ]
    numbers = [each["transaction_id"] for each in found]
    last, size = asked.get("last_index") or "", min(int(asked.get("page_size") or MOST_ROWS), MOST_ROWS)
    if last and last not in numbers:
        raise Refused(10060011, "last_index 非法")
    start = numbers.index(last) + 1 if last else 0
    page = found[start : start + size]
    is_more = start + size < len(found)
    return DONE | {
        "order_list": page,
        "last_index": page[-1]["transaction_id"] if page else "",
        "has_more": is_more,
    }


@trade.post("/notify_confirm_receive")
@call
def confirm_receive() -> Answer:
    """Have the payer reminded to confirm the receipt."""
    shipping.ask_receipt(here(), appid_of_call(), json_of_call())
    return DONE


@trade.post("/opspecialorder")
@call
def special_order() -> Answer:
    """Take note of a pre-sale or of a test."""
    shipping.mark_special(here(), appid_of_call(), json_of_call())
    return DONE


@trade.post("/set_msg_jump_path")
@call
def jump_path() -> Answer:
    """Take the page that messages about shipping lead to."""
    appid_of_call()
    _require(lambda path: bool(path) and not path.startswith("/"))
    return DONE


@trade.post("/update_order_detail_path")
@call
def update_detail_path() -> Answer:
    """Take the page that WeChat's own list of orders leads to."""
    appid_of_call()
    here().accounts.order_detail_path = _require(bool)
    return DONE


@trade.post("/get_order_detail_path")
@call
def detail_path() -> Answer:
    """Answer the page that WeChat's own list of orders leads to."""
    appid_of_call()
    return DONE | {"path": here().accounts.order_detail_path}


@trade.post("/is_trade_managed")
@call
def is_managed() -> Answer:
    """Answer that the mini-program must report its shipping."""
    appid_of_call()
    return DONE | {"is_trade_managed": True}


@trade.post("/is_trade_management_confirmation_completed")
@call
def is_confirmed() -> Answer:
    """Answer that the mini-program has agreed to it."""
    appid_of_call()
    return DONE | {"completed": True}


def _require(is_fit: Callable[[str], bool]) -> str:
    path = json_of_call().get("path")
    if not isinstance(path, str) or not is_fit(path):
        raise Refused(10060014, "path 参数错误")
    return path
