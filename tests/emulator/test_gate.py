"""The door: who is refused, in which order, in which words, and what is signed."""

import http.client
import secrets
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from urllib3.util import SKIP_HEADER

from emulator import signing
from tests.emulator.conftest import Till, Wechat

PREPAY = "/v3/pay/transactions/native"
QUERY = "/v3/pay/transactions/out-trade-no/NOBODY-01?mchid={mchid}"
REFUND = "/v3/refund/domestic/refunds/NOBODY-01"


def authorize(wechat: Wechat, method: str, target: str, body: bytes, **claims: str) -> dict[str, str]:
    """Sign a call as the merchant, but for the claims that the test makes instead."""
    known = wechat.settings
    key = serialization.load_pem_private_key(Path(known["WECHATPAY_MERCHANT_KEY_FILE"]).read_bytes(), None)
    values = {
        "mchid": known["WECHATPAY_MCHID"],
        "nonce_str": secrets.token_hex(16),
        "timestamp": str(int(time.time())),
        "serial_no": known["WECHATPAY_MERCHANT_SERIAL"],
    } | claims
    values["signature"] = signing.sign(
        key, signing.lines(method, target, values["timestamp"], values["nonce_str"], body=body)
    )
    pairs = ",".join(f'{name}="{value}"' for name, value in values.items())
    return {"Authorization": f"{signing.SCHEME} {pairs}", "Accept": "application/json"}


def call(wechat: Wechat, target: str, *, body: bytes | None = None, tamper: str = "", **claims: str) -> Any:
    """Make a call by hand, signing its target with `tamper` appended."""
    target = target.format(mchid=wechat.settings["WECHATPAY_MCHID"])
    method = "GET" if body is None else "POST"
    headers = authorize(wechat, method, target + tamper, body or b"", **claims)
    return requests.request(method, wechat.url + target, data=body, headers=headers, timeout=30)


def test_an_honest_call_by_hand_is_let_in_and_answered_signed(wechat: Wechat) -> None:
    answer = call(wechat, QUERY)
    assert (answer.status_code, answer.json()["code"]) == (404, "ORDER_NOT_EXIST")
    key = serialization.load_pem_public_key(Path(wechat.settings["WECHATPAY_PUBLIC_KEY_FILE"]).read_bytes())
    told = answer.headers
    message = signing.lines(told["Wechatpay-Timestamp"], told["Wechatpay-Nonce"], body=answer.content)
    assert signing.is_signed(key, message, told["Wechatpay-Signature"])
    assert told["Wechatpay-Serial"] == wechat.settings["WECHATPAY_PUBLIC_KEY_ID"]
    assert told["Wechatpay-Signature-Type"] == signing.SCHEME


@pytest.mark.parametrize(
    "header", [None, "Bearer x", "WECHATPAY2-SHA256-RSA2048", 'WECHATPAY2-SHA256-RSA2048 mchid="1"']
)
def test_no_readable_authorization(wechat: Wechat, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    answer = requests.post(wechat.url + PREPAY, data=b"{}", headers=headers, timeout=30)
    assert (answer.status_code, answer.json()) == (401, {"code": "SIGN_ERROR", "message": "签名信息错误，验签失败"})
    assert "Request-ID" not in answer.headers
    answer = requests.get(wechat.url + REFUND, headers=headers, timeout=30)
    assert answer.json()["message"].startswith("Http头Authorization值格式错误")
    assert not [name for name in answer.headers if name.startswith("Wechatpay-")]


@pytest.mark.parametrize("absent", ["User-Agent", "Accept"])
def test_refunds_and_certificates_want_agent_and_accept_before_all(wechat: Wechat, absent: str) -> None:
    headers = {absent: SKIP_HEADER if absent == "User-Agent" else None}
    answer = requests.get(wechat.url + REFUND, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["message"]) == (400, "Http头缺少Accept或User-Agent")
    assert requests.get(wechat.url + PREPAY + "/x", headers=headers, timeout=30).status_code == 404


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        # Time is judged before the merchant, the merchant before the serial, the serial before the signature.
        ({"seconds_off": "-900", "mchid": "1900000109"}, "不得超过5分钟"),
        ({"seconds_off": "900"}, "不得超过5分钟"),
        ({"mchid": "1900000109", "serial_no": "00"}, "签名错误"),
        ({"serial_no": "00", "tamper": "&x=1"}, "商户证书序列号有误。"),
        ({"tamper": "&x=1"}, "签名错误，请检查后再试"),
    ],
)
def test_the_order_of_refusals(wechat: Wechat, claims: dict[str, str], message: str) -> None:
    if "seconds_off" in claims:
        off = int(claims["seconds_off"])
        claims = {
            **{key: claims[key] for key in claims if key != "seconds_off"},
            "timestamp": str(int(time.time()) + off),
        }
    answer = call(wechat, QUERY, **claims)
    assert (answer.status_code, answer.json()["code"]) == (401, "SIGN_ERROR")
    assert answer.json()["message"].endswith(message)
    assert "Wechatpay-Signature" not in answer.headers


def test_a_wrong_signature_of_a_known_merchant_is_explained(wechat: Wechat) -> None:
    detail = call(wechat, PREPAY, body=b'{"appid":"x"}', tamper="?").json()["detail"]
    assert detail["sign_information"]["truncated_sign_message"].startswith(f"POST\n{PREPAY}\n")
    assert detail["sign_information"]["url"] == PREPAY


def test_the_raw_target_is_what_is_signed(wechat: Wechat) -> None:
    # A needless escape and a leading "&" mean the same resource but are other bytes; most clients would tidy them up.
    known = wechat.settings
    target = f"/v3/pay/transactions/out-trade-no/NOBODY%2D01?&mchid={known['WECHATPAY_MCHID']}"
    connection = http.client.HTTPConnection(wechat.url.removeprefix("http://"), timeout=30)
    for sent, status in ((target, 404), (target.replace("%2D", "-"), 401)):
        connection.request("GET", sent, headers=authorize(wechat, "GET", target, b""))
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (status, True)
    connection.close()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"appid":null}', b'{"appid":"\\ud800"}'])
def test_bodies_that_are_no_order(wechat: Wechat, body: bytes) -> None:
    answer = call(wechat, PREPAY, body=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "PARAM_ERROR")
    assert "Wechatpay-Signature" in answer.headers


def test_unknown_paths_and_methods_are_answered_empty(wechat: Wechat) -> None:
    for answer in (call(wechat, "/v3/nothing"), call(wechat, PREPAY)):
        assert (answer.status_code, answer.content) == (answer.status_code, b"")
        assert answer.status_code in (404, 405)


def test_faults_before_and_after_the_effect(pos: Till, wechat: Wechat) -> None:
    wechat.control("POST", "/faults", fault="error", on="prepay", options={"status": 503})
    assert pos.prepay("FAULT-01") == (503, {"code": "SYSTEM_ERROR", "message": "系统繁忙，请稍后重试"})
    assert wechat.control("GET", "/books")["totals"]["orders"] == 0

    wechat.control("POST", "/faults", fault="error", on="prepay", when="after")
    assert pos.prepay("FAULT-01")[0] == 500
    assert wechat.order("FAULT-01")["state"] == "NOTPAY"
    assert pos.prepay("FAULT-01")[0] == 200

    wechat.control("POST", "/faults", fault="limited", on="refund", when="after")
    wechat.control("POST", "/pay", out_trade_no="FAULT-01")
    assert pos.refund("FAULT-01", "FAULT-01-R1", 5990)[0] == 429
    assert pos.query_refund("FAULT-01-R1")[0] == 200


@pytest.mark.parametrize("fault", [{"fault": "reset"}, {"fault": "timeout", "options": {"seconds": 0.2}}])
def test_a_dropped_connection_after_the_effect(pos: Till, wechat: Wechat, fault: dict[str, Any]) -> None:
    wechat.control("POST", "/faults", on="prepay", when="after", match="DROP-0001", **fault)
    assert pos.prepay("DROP-0002")[0] == 200
    with pytest.raises(requests.ConnectionError):
        pos.prepay("DROP-0001")
    assert wechat.order("DROP-0001")["state"] == "NOTPAY"


def test_a_forged_answer_is_noticed_by_the_client(pos: Till, wechat: Wechat) -> None:
    wechat.control("POST", "/faults", fault="forged_response", on="query")
    pos.prepay("FORGED-1")
    with pytest.raises(Exception, match="failed to verify the signature"):
        pos.query("FORGED-1")
    assert pos.query("FORGED-1")[0] == 200
