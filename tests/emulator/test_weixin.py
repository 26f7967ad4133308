"""The account APIs, called by hand and by wechatpy."""

import base64
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from wechatpy import WeChatClient

from tests.emulator.conftest import Wechat


def get(wechat: Wechat, path: str, **query: str) -> dict[str, Any]:
    answer = requests.get(wechat.url + path, params=query, timeout=30)
    assert answer.status_code == 200
    return dict(answer.json())


def post(wechat: Wechat, path: str, body: Any, token: str = "") -> dict[str, Any]:
    answer = requests.post(wechat.url + path, params={"access_token": token}, json=body, timeout=30)
    assert answer.status_code == 200
    return dict(answer.json())


def credentials(wechat: Wechat, account: str = "MINIPROGRAM") -> dict[str, str]:
    known = wechat.settings
    return {"appid": known[f"WECHAT_{account}_APPID"], "secret": known[f"WECHAT_{account}_SECRET"]}


def stable_token(wechat: Wechat, account: str = "MINIPROGRAM", **more: Any) -> dict[str, Any]:
    body = credentials(wechat, account) | {"grant_type": "client_credential"} | more
    return post(wechat, "/cgi-bin/stable_token", body)


def login(wechat: Wechat, code: str, **more: str) -> dict[str, Any]:
    query = credentials(wechat) | {"js_code": code, "grant_type": "authorization_code"} | more
    return get(wechat, "/sns/jscode2session", **query)


def test_a_login_code_is_good_once_for_five_minutes(wechat: Wechat) -> None:
    code = wechat.control("POST", "/js_codes", person="王芳")["js_code"]
    session = login(wechat, code)
    assert session["openid"] == wechat.openid("王芳", "miniprogram")
    assert len(base64.b64decode(session["session_key"])) == 16
    assert "errcode" not in session
    assert login(wechat, code)["errcode"] == 40163
    assert login(wechat, "0unknown")["errcode"] == 40029
    late = wechat.control("POST", "/js_codes", person="王芳")["js_code"]
    wechat.control("POST", "/clock", offset_seconds=301)
    assert login(wechat, late)["errcode"] == 40029


def test_secrets_are_checked(wechat: Wechat) -> None:
    assert login(wechat, "x", secret="wrong")["errcode"] == 40125
    assert login(wechat, "x", secret="")["errcode"] == 41004
    assert login(wechat, "x", appid="wx0")["errcode"] == 40013
    refused = stable_token(wechat, secret="wrong")
    assert refused["errcode"] == 40125
    assert re.search(r"rid: [0-9a-f]{8}-", refused["errmsg"])


def test_a_person_has_an_openid_per_account_and_one_unionid(wechat: Wechat) -> None:
    person = wechat.control("GET", "/people/王芳")
    assert person == wechat.control("GET", "/people/王芳")
    assert len({person["miniprogram_openid"], person["official_openid"], person["unionid"]}) == 3
    assert all(
        re.fullmatch(r"o[0-9A-Za-z_-]{27}", person[name])
        for name in person
        if name.endswith("id") and "appid" not in name
    )


def test_stable_tokens_stay_and_plain_tokens_replace(wechat: Wechat) -> None:
    first = stable_token(wechat)
    assert stable_token(wechat)["access_token"] == first["access_token"]
    assert 7190 < first["expires_in"] <= 7200
    forced = stable_token(wechat, force_refresh=True)["access_token"]
    assert forced != first["access_token"]
    assert post(wechat, "/wxa/sec/order/get_order", {}, first["access_token"])["errcode"] == 40001
    assert post(wechat, "/wxa/sec/order/is_trade_managed", {}, forced)["errcode"] == 0

    plain = [get(wechat, "/cgi-bin/token", grant_type="client_credential", **credentials(wechat)) for _ in range(2)]
    old, new = (each["access_token"] for each in plain)
    assert post(wechat, "/wxa/sec/order/is_trade_managed", {}, old)["errcode"] == 0
    wechat.control("POST", "/clock", offset_seconds=301)
    assert post(wechat, "/wxa/sec/order/is_trade_managed", {}, old)["errcode"] == 42001
    assert post(wechat, "/wxa/sec/order/is_trade_managed", {}, new)["errcode"] == 0
    wechat.control("DELETE", "/tokens")
    assert post(wechat, "/wxa/sec/order/is_trade_managed", {}, new)["errcode"] == 40001
    assert stable_token(wechat)["access_token"] != forced
    assert requests.get(f"{wechat.url}/cgi-bin/stable_token", timeout=30).json()["errcode"] == 43002


def test_oauth_sends_the_browser_back_with_a_code(wechat: Wechat) -> None:
    known = credentials(wechat, "OFFICIAL")
    browser = requests.Session()
    asked = {
        "appid": known["appid"],
        "redirect_uri": "http://127.0.0.1:8000/wechat/oauth/callback?next=%2Fp%2F1",
        "response_type": "code",
        "scope": "snsapi_base",
        "state": "abc123",
    }

    def arrive(**more: str) -> dict[str, list[str]]:
        answer = browser.get(
            f"{wechat.url}/connect/oauth2/authorize", params=asked | more, allow_redirects=False, timeout=5
        )
        assert answer.status_code == 302
        target = urlsplit(answer.headers["Location"])
        assert (target.netloc, target.path) == ("127.0.0.1:8000", "/wechat/oauth/callback")
        return parse_qs(target.query)

    def who(code: str) -> dict[str, Any]:
        return get(wechat, "/sns/oauth2/access_token", code=code, grant_type="authorization_code", **known)

    back = arrive(**{"as": "刘洋"})
    assert (back["state"], back["next"]) == (["abc123"], ["/p/1"])
    user = who(back["code"][0])
    assert (user["openid"], user["scope"]) == (wechat.openid("刘洋"), "snsapi_base")
    assert "unionid" not in user
    assert who(back["code"][0])["errcode"] == 40163
    # The browser stays the same person; another browser is somebody else.
    assert who(arrive()["code"][0])["openid"] == user["openid"]
    browser = requests.Session()
    assert who(arrive()["code"][0])["openid"] != user["openid"]
    assert "unionid" in who(arrive(scope="snsapi_userinfo")["code"][0])


@pytest.mark.parametrize(
    "wrong",
    [{"appid": "wx0"}, {"redirect_uri": "https://evil.example.com/"}, {"scope": "all"}, {"response_type": "token"}],
)
def test_oauth_refuses_on_a_page(wechat: Wechat, wrong: dict[str, str]) -> None:
    asked = {
        "appid": wechat.settings["WECHAT_OFFICIAL_APPID"],
        "redirect_uri": "http://127.0.0.1:8000/",
        "response_type": "code",
        "scope": "snsapi_base",
    }
    answer = requests.get(
        f"{wechat.url}/connect/oauth2/authorize", params=asked | wrong, allow_redirects=False, timeout=5
    )
    assert (answer.status_code, "Location" in answer.headers) == (400, False)


def test_subscribe_messages_need_a_tap(wechat: Wechat) -> None:
    token = stable_token(wechat)["access_token"]
    message = {
        "touser": wechat.openid("王芳", "miniprogram"),
        "template_id": "TPL-SHIPPED",
        "data": {"thing1": {"value": "砀山酥梨"}, "character_string2": {"value": "T2026"}},
    }
    path = "/cgi-bin/message/subscribe/send"
    assert post(wechat, path, message, token)["errcode"] == 43101
    wechat.control("POST", "/subscriptions", person="王芳", template_id="TPL-SHIPPED")
    too_long = message | {"data": {"thing1": {"value": "梨" * 21}}}
    assert post(wechat, path, too_long, token)["errcode"] == 47003
    assert post(wechat, path, message, token)["errcode"] == 0
    assert post(wechat, path, message, token)["errcode"] == 43101
    assert post(wechat, path, message | {"touser": wechat.openid("王芳")}, token)["errcode"] == 40003
    assert [each["template_id"] for each in wechat.control("GET", "/books")["messages"]] == ["TPL-SHIPPED"]


def test_small_things(wechat: Wechat) -> None:
    token = stable_token(wechat)["access_token"]
    assert get(wechat, "/cgi-bin/ticket/getticket", access_token=token, type="jsapi")["expires_in"] == 7200
    code = wechat.control("POST", "/phone_codes", person="王芳")["code"]
    phone = post(wechat, "/wxa/business/getuserphonenumber", {"code": code}, token)["phone_info"]
    assert re.fullmatch(r"139\d{8}", phone["purePhoneNumber"])
    picture = requests.post(
        f"{wechat.url}/wxa/getwxacodeunlimit", params={"access_token": token}, json={"scene": "m1a2b3"}, timeout=5
    )
    assert (picture.headers["Content-Type"], picture.content[1:4]) == ("image/jpeg", b"PNG")
    for scene in ("m" * 33, "百%", ""):
        assert post(wechat, "/wxa/getwxacodeunlimit", {"scene": scene}, token)["errcode"] == 40129
    assert post(wechat, "/wxa/getwxacodeunlimit", {"scene": "x"})["errcode"] == 41001


def test_ordered_errcodes(wechat: Wechat) -> None:
    wechat.control("POST", "/faults", fault="errcode", on="stable_token", options={"errcode": 45009})
    assert stable_token(wechat)["errcode"] == 45009
    assert "access_token" in stable_token(wechat)


def test_wechatpy_finds_its_way(wechat: Wechat, monkeypatch: pytest.MonkeyPatch) -> None:
    known = credentials(wechat)
    client = WeChatClient(known["appid"], known["secret"])
    monkeypatch.setattr(type(client.wxa), "API_BASE_URL", f"{wechat.url}/")
    client.session.set(f"{client.appid}_access_token", stable_token(wechat)["access_token"])
    code = wechat.control("POST", "/js_codes", person="王芳")["js_code"]
    assert client.wxa.code_to_session(code)["openid"] == wechat.openid("王芳", "miniprogram")
