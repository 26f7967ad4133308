"""The mini-program's 发货信息管理 and subscribe messages: what is asked and told, and the answers sorted.

Invariant: an answer is a value, a refusal with WeChat's code, or not known; nothing is told twice by this module.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import requests
from wechatpy.exceptions import WeChatClientException

from config import clock, logs
from storefront.errors import WeChatUnavailable
from storefront.shipping_lifecycle import STATES, Known, Mode, Parcel, Upload
from storefront.wechat import wire

# Busy, on WeChat's side: what it did before it said so is not known.
_BUSY = frozenset({-1, 10060012, 10060019})
_BY_TRANSACTION = 2
_EXPRESS = 1

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Refused:
    """WeChat said no, and did nothing."""

    errcode: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """No usable answer came: it may have been done or not."""


@dataclass(frozen=True, slots=True)
class Done:
    """WeChat said that it is done."""


def find(transaction_id: str) -> Known | Refused | Unknown:
    """Ask what WeChat knows of a payment's shipping and money."""
    answer = _call("wxa/sec/order/get_order", {"transaction_id": transaction_id})
    if not isinstance(answer, dict):
        return answer
    try:
        return _known(answer["order"])
    except (KeyError, TypeError, ValueError):
        log.warning("wechat.unreadable", path="get_order")
        return Unknown()


def upload(transaction_id: str, told: Upload, *, openid: str, now: datetime) -> Done | Refused | Unknown:
    """Tell of a payment's parcels."""
    body: dict[str, Any] = {
        "order_key": {"order_number_type": _BY_TRANSACTION, "transaction_id": transaction_id},
        "logistics_type": _EXPRESS,
        "delivery_mode": told.mode,
        "shipping_list": [_parcel(parcel) for parcel in told.parcels],
        "upload_time": now.astimezone(clock.SHANGHAI).isoformat(timespec="milliseconds"),
        "payer": {"openid": openid},
    }
    if told.mode is Mode.SPLIT:
        body["is_all_delivered"] = told.is_complete
    answer = _call("wxa/sec/order/upload_shipping_info", body)
    return Done() if isinstance(answer, dict) else answer


def send_message(*, openid: str, template_id: str, page: str, data: dict[str, str]) -> Done | Refused | Unknown:
    """Send one subscribe message."""
    answer = _call(
        "cgi-bin/message/subscribe/send",
        {
            "touser": openid,
            "template_id": template_id,
            "page": page,
            "data": {name: {"value": value} for name, value in data.items()},
        },
    )
    return Done() if isinstance(answer, dict) else answer


def _call(path: str, data: dict[str, Any]) -> dict[str, Any] | Refused | Unknown:
    # The library's exceptions hold the request with our token in its URL: none of them travels on.
    try:
        answer = wire.miniprogram().call("post", path, data=data)
    except WeChatClientException as refusal:
        log.warning("wechat.refused", path=path, errcode=refusal.errcode)
        if refusal.errcode in wire.MISCONFIGURED:
            logs.alarm("wechat.misconfigured", path=path, errcode=refusal.errcode)
        return Unknown() if refusal.errcode is None or refusal.errcode in _BUSY else Refused(refusal.errcode)
    except (requests.RequestException, ValueError, TypeError, KeyError, WeChatUnavailable) as failure:
        log.warning("wechat.unreachable", path=path, reason=type(failure).__name__)
        return Unknown()
    return answer if isinstance(answer, dict) else Unknown()


def _known(order: dict[str, Any]) -> Known:
    shipping = order.get("shipping") or {}
    # Parcels that did not go by express have neither; whoever told of those, we did not.
    told = [one for one in shipping.get("shipping_list", []) if one.keys() >= {"express_company", "tracking_no"}]
    return Known(
        state=STATES[int(order["order_state"])],
        openid=str(order["openid"]),
        is_complete=bool(shipping.get("finish_shipping")),
        completions=int(shipping.get("finish_shipping_count") or 0),
        parcels=frozenset((str(one["express_company"]), str(one["tracking_no"])) for one in told),
    )


def _parcel(parcel: Parcel) -> dict[str, Any]:
    told: dict[str, Any] = {
        "tracking_no": parcel.tracking_number,
        "express_company": parcel.company,
        "item_desc": parcel.goods,
    }
    return told | ({"contact": {"receiver_contact": parcel.contact}} if parcel.contact else {})
