"""The merchant's calls, made by WeChat's own client library over HTTP."""

import concurrent.futures

import pytest
import requests

from tests.emulator.conftest import Till, Wechat
from tests.waits import wait_until


def test_a_payment_from_prepay_to_query(pos: Till, wechat: Wechat) -> None:
    status, prepaid = pos.prepay("ORDER-0001", 5990)
    assert (status, set(prepaid)) == (200, {"prepay_id"})
    assert prepaid["prepay_id"].startswith("wx2")

    status, view = pos.query("ORDER-0001")
    assert (status, view["trade_state"], view["payer"]) == (200, "NOTPAY", {})
    assert "transaction_id" not in view

    wechat.control("POST", "/pay", out_trade_no="ORDER-0001")
    status, view = pos.query("ORDER-0001")
    assert (view["trade_state"], view["trade_type"], view["attach"]) == ("SUCCESS", "JSAPI", "")
    assert view["amount"] == {"total": 5990, "payer_total": 5990, "currency": "CNY", "payer_currency": "CNY"}
    assert view["payer"] == {"openid": wechat.openid("李明")}
    assert (view["transaction_id"][:4], len(view["transaction_id"])) == ("4200", 28)
    assert view["success_time"].endswith("+08:00")

    status, body = pos.client.query(transaction_id=view["transaction_id"])
    assert (status, '"out_trade_no":"ORDER-0001"' in body) == (200, True)


def test_the_three_products(pos: Till, wechat: Wechat) -> None:
    assert pos.prepay("PRODUCT-1", product="h5")[1]["h5_url"].startswith(wechat.url)
    assert "prepay_id" in pos.prepay("PRODUCT-2", product="native")[1]["code_url"]
    wechat.control("POST", "/pay", out_trade_no="PRODUCT-1", person="过客")
    _, view = pos.query("PRODUCT-1")
    assert (view["trade_type"], view["payer"]["openid"]) == ("MWEB", wechat.openid("过客"))


def test_prepaying_again_wants_identical_parameters(pos: Till) -> None:
    first = pos.prepay("AGAIN-01", 100)[1]["prepay_id"]
    status, again = pos.prepay("AGAIN-01", 100)
    assert status == 200
    assert again["prepay_id"] != first
    assert pos.prepay("AGAIN-01", 101)[1]["code"] == "OUT_TRADE_NO_USED"
    status, refused = pos.prepay("AGAIN-01", 100, product="native")
    assert (status, refused["code"]) == (403, "OUT_TRADE_NO_USED")


def test_paid_and_closed_orders_are_not_prepaid_again(pos: Till, wechat: Wechat) -> None:
    pos.prepay("DONE-0001")
    wechat.control("POST", "/pay", out_trade_no="DONE-0001")
    assert pos.prepay("DONE-0001") == (400, {"code": "ORDERPAID", "message": "该订单已支付"})
    assert pos.close("DONE-0001") == (400, {"code": "ORDER_PAID", "message": "该订单已支付"})

    pos.prepay("DONE-0002")
    assert pos.close("DONE-0002") == (204, None)
    assert pos.close("DONE-0002") == (204, None)
    assert pos.query("DONE-0002")[1]["trade_state"] == "CLOSED"
    assert pos.prepay("DONE-0002")[1]["code"] == "ORDER_CLOSED"


def test_what_does_not_exist(pos: Till) -> None:
    assert pos.query("NOBODY-01") == (404, {"code": "ORDER_NOT_EXIST", "message": "订单不存在"})
    assert pos.close("NOBODY-01") == (204, None)
    assert pos.query_refund("NOBODY-01")[0] == 404
    assert pos.refund("NOBODY-01", "R-NOBODY", 1, 1)[1]["code"] == "RESOURCE_NOT_EXISTS"
    status, body = pos.client._core.request("/v3/certificates")
    assert (status, "RESOURCE_NOT_EXISTS" in body) == (404, True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"number": "A"}, "商户订单号”字符串规则校验失败，字节数 1，小于最小值 6"),
        ({"number": "A" * 33}, "大于最大值 32"),
        ({"number": "中文单号中文"}, "含有非法字符"),
        ({"fen": 0}, "总金额”规则校验失败，值低于最小值 1"),
        ({"fen": 1.5}, "类型不是整数"),
        ({"fen": True}, "类型不是整数"),
        ({"description": "梨" * 128}, "大于最大值 127"),
        ({"description": "梨🍐"}, "四字节字符"),
        ({"attach": "x" * 129}, "大于最大值 128"),
        ({"time_expire": "2026-11-21 10:00:00"}, "RFC3339"),
        ({"time_expire": "soon"}, "RFC3339"),
        ({"payer": {"openid": ""}}, "字节数 0，小于最小值 1"),
        ({"payer": {"openid": "o-of-nobody-here"}}, "appid和openid不匹配"),
        ({"payer": {"openid": 7}}, "类型不是字符串"),
        ({"notify_url": "http://pay.example.com/n"}, "必须为https"),
        ({"notify_url": "https://pay.example.com/n?a=1"}, "不带参数"),
        ({"settle_info": {"profit_sharing": "yes"}}, "类型不是布尔值"),
        ({"settle_info": {"surprise": True}}, "非法的额外参数"),
        ({"detail": {"goods_detail": {}}}, "类型不是数组"),
        ({"scene_info": {"payer_client_ip": "nowhere"}}, "不是合法的IP地址"),
        ({"product": "h5", "scene_info": {"payer_client_ip": "::1"}}, "H5场景信息”必填性规则校验失败"),
        ({"appid": "wx0000000000000000"}, "商户号与appid不匹配"),
        ({"mchid": "1900000109"}, "不匹配"),
    ],
)
def test_bad_parameters_are_refused_and_open_nothing(pos: Till, wechat: Wechat, change: dict, message: str) -> None:
    status, refused = pos.prepay(change.pop("number", "WRONG-01"), **change)
    assert status == 400
    assert message in refused["message"]
    assert wechat.control("GET", "/books")["orders"] == []


def test_the_openid_must_be_of_the_account(pos: Till, wechat: Wechat) -> None:
    miniprogram = wechat.openid("李明", "miniprogram")
    assert miniprogram != wechat.openid("李明")
    assert pos.prepay("ACCOUNT-1", payer={"openid": miniprogram})[0] == 400
    appid = wechat.settings["WECHAT_MINIPROGRAM_APPID"]
    assert pos.prepay("ACCOUNT-2", payer={"openid": miniprogram}, appid=appid)[0] == 200


def test_an_order_is_paid_once_however_many_try(pos: Till, wechat: Wechat) -> None:

    pos.prepay("ONCE-0001")
    told = {"out_trade_no": "ONCE-0001"}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        tries = [pool.submit(requests.post, f"{wechat.url}/_control/pay", json=told, timeout=30) for _ in range(8)]
    assert sorted(each.result().status_code for each in tries) == [200] + [409] * 7


def test_expiry_stops_paying_but_does_not_close(pos: Till, wechat: Wechat) -> None:
    pos.prepay("LATE-0001", time_expire="2020-01-01T00:00:00+08:00")
    wechat.control("POST", "/clock", offset_seconds=61)
    with pytest.raises(AssertionError, match="expired"):
        wechat.control("POST", "/pay", out_trade_no="LATE-0001")
    pos.prepay("LATE-0002")
    wechat.control("POST", "/clock", offset_seconds=2 * 3600 + 62)
    with pytest.raises(AssertionError, match="expired"):
        wechat.control("POST", "/pay", out_trade_no="LATE-0002")
    wechat.control("POST", "/clock", offset_seconds=0)
    assert pos.query("LATE-0001")[1]["trade_state"] == "NOTPAY"


def test_money_after_closing(pos: Till, wechat: Wechat) -> None:
    wechat.control("POST", "/faults", fault="pay_after_close")
    pos.prepay("RACE-0001")
    assert pos.close("RACE-0001") == (204, None)
    assert pos.query("RACE-0001")[1]["trade_state"] == "SUCCESS"

    pos.prepay("RACE-0002")
    pos.close("RACE-0002")
    wechat.control("POST", "/pay", out_trade_no="RACE-0002", force=True)
    assert pos.query("RACE-0002")[1]["trade_state"] == "SUCCESS"


def test_a_refund_settles_later(pos: Till, wechat: Wechat) -> None:
    pos.prepay("BACK-0001")
    assert pos.refund("BACK-0001", "BACK-0001-R1", 100)[0] == 404
    wechat.control("POST", "/pay", out_trade_no="BACK-0001")
    status, view = pos.refund("BACK-0001", "BACK-0001-R1", 2000, reason="坏果")
    assert (status, view["status"], "success_time" in view) == (200, "PROCESSING", False)
    assert (view["amount"]["refund"], view["amount"]["total"]) == (2000, 5990)
    assert pos.query("BACK-0001")[1]["trade_state"] == "REFUND"
    wait_until(lambda: pos.query_refund("BACK-0001-R1")[1]["status"] == "SUCCESS")
    assert pos.query_refund("BACK-0001-R1")[1]["success_time"].endswith("+08:00")

    assert pos.refund("BACK-0001", "BACK-0001-R1", 2000, reason="坏果")[1]["refund_id"] == view["refund_id"]
    assert pos.refund("BACK-0001", "BACK-0001-R1", 2001)[0] == 400
    assert pos.refund("BACK-0001", "BACK-0001-R2", 3991)[0] == 400
    assert pos.refund("BACK-0001", "BACK-0001-R2", 3990, total=1)[0] == 400
    assert pos.refund("BACK-0001", "BACK-0001-R2", 3990)[0] == 200
    totals = wechat.control("GET", "/books")["totals"]
    assert totals["refunded_fen"] + totals["refunding_fen"] == totals["paid_fen"] == 5990


def test_refunds_in_parallel_never_exceed_the_payment(pos: Till, wechat: Wechat) -> None:
    pos.prepay("BOTH-0001", 1000)
    wechat.control("POST", "/pay", out_trade_no="BOTH-0001")
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        tries = [pool.submit(pos.refund, "BOTH-0001", f"BOTH-R{n}", 600, 1000) for n in range(6)]
    assert sorted(each.result()[0] for each in tries) == [200] + [400] * 5


@pytest.mark.parametrize("outcome", ["ABNORMAL", "CLOSED"])
def test_a_refund_that_does_not_arrive(pos: Till, wechat: Wechat, outcome: str) -> None:
    wechat.control("POST", "/faults", fault=f"refund_{outcome.lower()}")
    pos.prepay("FAIL-0001")
    wechat.control("POST", "/pay", out_trade_no="FAIL-0001")
    pos.refund("FAIL-0001", "FAIL-0001-R1", 5990)
    wait_until(lambda: pos.query_refund("FAIL-0001-R1")[1]["status"] == outcome)
    is_free_again = outcome == "CLOSED"
    assert (pos.refund("FAIL-0001", "FAIL-0001-R2", 5990)[0] == 200) is is_free_again


def test_a_delayed_refund_can_be_settled_by_hand(pos: Till, wechat: Wechat) -> None:
    wechat.control("POST", "/faults", fault="refund_delay", options={"seconds": 10**8})
    pos.prepay("SLOW-0001")
    wechat.control("POST", "/pay", out_trade_no="SLOW-0001")
    pos.refund("SLOW-0001", "SLOW-0001-R1", 5990)
    assert wechat.control("POST", "/settle", out_refund_no="SLOW-0001-R1")["status"] == "SUCCESS"
