"""The sheet, over plain HTTP: who may see it, where it leads, what it changes."""

import re
from typing import Any
from urllib.parse import quote

import pytest
import requests

from tests.emulator.conftest import Shop, Till, Wechat

BACK = "http://127.0.0.1:8000/orders/D1"
FROM_SHOP = {"Referer": "http://127.0.0.1:8000/"}


def see(url: str, **more: Any) -> requests.Response:
    return requests.get(url, timeout=30, allow_redirects=False, **more)


def tap(wechat: Wechat, button: str, **form: str) -> requests.Response:
    return requests.post(f"{wechat.url}/cashier/{button}", data=form, timeout=30, allow_redirects=False)


def prepay_id(sheet: str) -> str:
    return re.findall(r'name="prepay_id" value="(\w+)"', sheet)[0]


def test_h5_from_the_shops_page_to_the_sheet_and_back(pos: Till, wechat: Wechat, shop: Shop) -> None:
    url = pos.prepay("SHEET-001", 123456, product="h5")[1]["h5_url"]
    sheet = see(f"{url}&redirect_url={quote(BACK, safe='')}", headers=FROM_SHOP).text
    assert "1,234.56" in sheet
    assert "砀山酥梨 5斤" in sheet
    assert BACK in sheet
    answer = tap(wechat, "cancel", prepay_id=prepay_id(sheet), redirect_url=BACK)
    assert (answer.status_code, answer.headers["Location"]) == (303, BACK)
    assert (wechat.order("SHEET-001")["state"], wechat.order("SHEET-001")["cancellations"]) == ("NOTPAY", 1)
    answer = tap(wechat, "pay", prepay_id=prepay_id(sheet), redirect_url=BACK)
    assert (answer.status_code, answer.headers["Location"]) == (303, BACK)
    assert wechat.order("SHEET-001")["state"] == "SUCCESS"
    again = tap(wechat, "pay", prepay_id=prepay_id(sheet), redirect_url=BACK).text
    assert "请勿重复支付" in again
    assert f'href="{BACK}"' in again
    shop.wait_for(1)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "商家参数格式有误"),
        ({"Referer": "https://elsewhere.example.com/"}, "商家存在未配置的参数"),
        (FROM_SHOP | {"User-Agent": "Mozilla/5.0 MicroMessenger/8.0.50"}, "请在微信外打开订单"),
    ],
)
def test_h5_is_for_the_shops_page_outside_wechat(pos: Till, headers: dict[str, str], message: str) -> None:
    answer = see(pos.prepay("SHEET-002", product="h5")[1]["h5_url"], headers=headers)
    assert answer.status_code == 400
    assert message in answer.text


def test_h5_urls_live_five_minutes(pos: Till, wechat: Wechat) -> None:
    url = pos.prepay("SHEET-003", product="h5")[1]["h5_url"]
    wechat.control("POST", "/clock", offset_seconds=301)
    assert "已失效" in see(url, headers=FROM_SHOP).text


def test_it_sends_nobody_elsewhere(pos: Till, wechat: Wechat) -> None:
    url = pos.prepay("SHEET-004", product="h5")[1]["h5_url"]
    assert see(f"{url}&redirect_url=https://evil.example.com/", headers=FROM_SHOP).status_code == 400
    sheet = see(url, headers=FROM_SHOP).text
    answer = tap(wechat, "cancel", prepay_id=prepay_id(sheet), redirect_url="//evil.example.com/")
    assert (answer.status_code, "Location" in answer.headers) == (400, False)


def signed(pos: Till, number: str, **changes: str) -> dict[str, str]:
    """The parameters that a shop hands to the bridge."""
    package = f"prepay_id={pos.prepay(number)[1]['prepay_id']}"
    values = {"appId": pos.wechat.settings["WECHAT_OFFICIAL_APPID"], "timeStamp": "1789000000", "nonceStr": "n" * 32}
    sign = pos.client.sign([*values.values(), package])
    return values | {"package": package, "signType": "RSA", "paySign": sign} | changes


def test_the_bridge_pays_only_what_is_well_signed(pos: Till, wechat: Wechat) -> None:
    params = signed(pos, "BRIDGE-01") | {"origin": "http://127.0.0.1:8000"}
    sheet = see(f"{wechat.url}/cashier", params=params)
    assert (sheet.status_code, "59.90" in sheet.text) == (200, True)
    for change in ({"nonceStr": "m"}, {"signType": "MD5"}, {"package": "prepay_id=x"}, {"paySign": "AAAA"}):
        refused = see(f"{wechat.url}/cashier", params=params | change)
        assert (refused.status_code, "支付验证签名失败" in refused.text) == (400, True)
    done = tap(wechat, "pay", prepay_id=prepay_id(sheet.text), origin="http://127.0.0.1:8000")
    assert 'postMessage("ok", "http://127.0.0.1:8000")' in done.text
    stranger = tap(wechat, "cancel", prepay_id=prepay_id(sheet.text), origin="https://evil.example.com")
    assert "postMessage" not in stranger.text
    assert "WeixinJSBridgeReady" in see(f"{wechat.url}/bridge.js").text


def test_a_closed_order_has_no_sheet(pos: Till, wechat: Wechat) -> None:
    number = pos.prepay("SHEET-005")[1]["prepay_id"]
    assert see(f"{wechat.url}/cashier?prepay_id={number}").status_code == 200
    pos.close("SHEET-005")
    assert "已关闭" in see(f"{wechat.url}/cashier?prepay_id={number}").text
    assert "已关闭" in tap(wechat, "pay", prepay_id=number).text
    assert "不存在" in see(f"{wechat.url}/cashier?prepay_id=wx0").text


def test_ordering_again_voids_the_code_that_was_shown_before(pos: Till) -> None:
    first = pos.prepay("NATIVE-01", product="native")[1]["code_url"]
    assert requests.get(first, timeout=30).status_code == 200
    second = pos.prepay("NATIVE-01", product="native")[1]["code_url"]
    assert requests.get(first, timeout=30).status_code == 400
    assert requests.get(second, timeout=30).status_code == 200
