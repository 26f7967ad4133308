"""发货信息管理: what a mini-program must report, and the codes for every way of doing it wrong."""

from typing import Any

import pytest

from tests.emulator.conftest import Till, Wechat
from tests.emulator.test_weixin import post, stable_token


@pytest.fixture
def shipment(pos: Till, wechat: Wechat) -> dict[str, Any]:
    """The report of a paid mini-program order."""
    payer = wechat.openid("李明", "miniprogram")
    appid = wechat.settings["WECHAT_MINIPROGRAM_APPID"]
    assert pos.prepay("SHIP-0001", appid=appid, payer={"openid": payer})[0] == 200
    wechat.control("POST", "/pay", out_trade_no="SHIP-0001")
    return {
        "order_key": {
            "order_number_type": 1,
            "mchid": wechat.settings["WECHATPAY_MCHID"],
            "out_trade_no": "SHIP-0001",
        },
        "logistics_type": 1,
        "delivery_mode": 1,
        "shipping_list": [{"tracking_no": "SF123", "express_company": "ZTO", "item_desc": "砀山酥梨*1"}],
        "upload_time": "2026-11-21T13:29:35.120+08:00",
        "payer": {"openid": payer},
    }


def upload(wechat: Wechat, body: dict[str, Any]) -> int:
    return int(
        post(wechat, "/wxa/sec/order/upload_shipping_info", body, stable_token(wechat)["access_token"])["errcode"]
    )


def later(seconds: int) -> dict[str, str]:
    return {"upload_time": f"2026-11-21T13:29:{35 + seconds}.120+08:00"}


def look(wechat: Wechat, **ids: str) -> dict[str, Any]:
    return post(wechat, "/wxa/sec/order/get_order", ids, stable_token(wechat)["access_token"])


def test_shipped_once_and_corrected_once(wechat: Wechat, shipment: dict[str, Any]) -> None:
    transaction_id = wechat.order("SHIP-0001")["transaction_id"]
    before = look(wechat, transaction_id=transaction_id)["order"]
    assert (before["order_state"], before["shipping"], before["paid_amount"]) == (1, {}, 5990)
    assert upload(wechat, shipment) == 0
    after = look(wechat, merchant_id=wechat.settings["WECHATPAY_MCHID"], merchant_trade_no="SHIP-0001")["order"]
    assert (after["order_state"], after["shipping"]["shipping_list"][0]["tracking_no"]) == (2, "SF123")
    assert upload(wechat, shipment | later(1)) == 10060023
    corrected = [shipment["shipping_list"][0] | {"tracking_no": "SF124"}]
    assert upload(wechat, shipment | {"shipping_list": corrected} | later(1)) == 0
    again = [shipment["shipping_list"][0] | {"tracking_no": "SF125"}]
    assert upload(wechat, shipment | {"shipping_list": again} | later(2)) == 10060003
    assert wechat.order("SHIP-0001")["is_shipped"]


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"order_key": {"order_number_type": 2, "transaction_id": "4200"}}, 10060001),
        ({"order_key": {"order_number_type": 1, "mchid": "1", "out_trade_no": "SHIP-0001"}}, 268485196),
        ({"order_key": None}, 268485194),
        ({"logistics_type": 9}, 10060005),
        ({"delivery_mode": 9}, 268485224),
        ({"delivery_mode": 2, "logistics_type": 4}, 10060006),
        ({"delivery_mode": 2}, 10060007),
        ({"upload_time": None}, 268485216),
        ({"shipping_list": []}, 10060020),
        ({"shipping_list": [{"item_desc": "梨"}] * 2}, 268485228),
        ({"shipping_list": [{"tracking_no": "1", "express_company": "SF"}]}, 10060008),
        ({"shipping_list": [{"item_desc": "梨" * 121, "tracking_no": "1", "express_company": "SF"}]}, 10060009),
        ({"shipping_list": [{"item_desc": "梨", "express_company": "SF"}]}, 268485226),
        ({"shipping_list": [{"item_desc": "梨", "tracking_no": "1"}]}, 268485227),
        ({"shipping_list": [{"item_desc": "梨", "tracking_no": "1", "express_company": "SF"}]}, 10060014),
        ({"shipping_list": [{"item_desc": "梨", "tracking_no": "1" * 129, "express_company": "ZTO"}]}, 10060026),
        ({"shipping_list": [{"item_desc": "梨", "tracking_no": "1", "express_company": "Z" * 129}]}, 10060025),
        ({"upload_time": "2026-11-21 13:29:35"}, 268485216),
        ({"payer": {"openid": "o-somebody-else"}}, 10060031),
    ],
)
def test_wrong_reports(wechat: Wechat, shipment: dict[str, Any], change: dict[str, Any], errcode: int) -> None:
    assert upload(wechat, shipment | change) == errcode
    assert not wechat.order("SHIP-0001")["is_shipped"]


def test_refunded_and_foreign_payments_are_not_shipped(pos: Till, wechat: Wechat, shipment: dict[str, Any]) -> None:
    pos.refund("SHIP-0001", "SHIP-0001-R1", 5990)
    assert upload(wechat, shipment) == 10060004
    pos.prepay("SHIP-H501", product="h5")
    wechat.control("POST", "/pay", out_trade_no="SHIP-H501")
    key = shipment["order_key"] | {"out_trade_no": "SHIP-H501"}
    assert upload(wechat, shipment | {"order_key": key}) == 10060001
