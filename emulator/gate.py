"""The door of WeChat Pay v3: who may call, in the order of checks seen live, and how an answer is signed.

Every 2xx and every business refusal carries the five Wechatpay-* headers over the exact bytes sent; a refusal at the
door, and the empty 404 and 405, carry none.
"""

import functools
import secrets
import time
from collections.abc import Callable
from typing import Any, ParamSpec

import orjson
from flask import Response, g, request

from emulator import signing
from emulator.desk import Desk, here
from emulator.faults import CALL_FAULTS, Rule
from emulator.keyring import Signer

P = ParamSpec("P")
Payload = dict[str, Any] | Response | None

SKEW_SECONDS = 300
# These paths name a malformed Authorization header precisely and want Accept and User-Agent first.
_PRECISE = ("/v3/certificates", "/v3/refund/", "/v3/bill/", "/v3/billdownload/")
_WANTS_AGENT = ("/v3/certificates", "/v3/refund/")
_JSON = "application/json; charset=utf-8"


class Refusal(Exception):
    """An error answer of WeChat Pay: a status, a code to branch on, a message for people."""

    def __init__(self, status: int, code: str, message: str, detail: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message} | ({"detail": detail} if detail else {})


class HangUp(ConnectionError):
    """The connection is to be dropped without an answer; `is_reset` says whether rudely."""

    def __init__(self, *, is_reset: bool) -> None:
        super().__init__("dropped by order")
        self.is_reset = is_reset


def operation(name: str) -> Callable[[Callable[P, Payload]], Callable[P, Response]]:
    """Guard a call of the merchant's: authenticate, suffer the faults in force, answer signed.

    `name` is what fault rules call it (`on`). The view returns its payload, or None for 204, or a finished answer that
    nobody signs, or raises Refusal.
    """

    def guard(view: Callable[P, Payload]) -> Callable[P, Response]:
        @functools.wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> Response:
            desk = here()
            try:
                authenticate(desk)
            except Refusal as refusal:
                return _answer(desk, refusal.status, refusal.body, signer=None)
            reference = _reference(kwargs)
            signer = desk.keyring.for_answer(request.headers.get("Wechatpay-Serial", ""))
            try:
                stand_still(desk, name, when="before", reference=reference)
                _suffer(desk.faults.draw(CALL_FAULTS, on=name, reference=reference))
                payload = view(*args, **kwargs)
                stand_still(desk, name, when="after", reference=reference)
                rule = desk.faults.draw(CALL_FAULTS, on=name, reference=reference, when="after")
                _suffer(rule)
            except Refusal as refusal:
                return _answer(desk, refusal.status, refusal.body, signer=signer)
            if isinstance(payload, Response):
                return payload
            if rule and rule.fault == "forged_response":
                signer = Signer(serial=signer.serial, key=desk.keys.stranger)
            return _answer(desk, 204 if payload is None else 200, payload, signer=signer)

        return guarded

    return guard


def authenticate(desk: Desk) -> None:
    """Let the merchant in, or raise the Refusal that WeChat gives: agent, header, time, merchant, serial, signature."""
    path = request.path
    is_silent = not request.headers.get("User-Agent") or not request.headers.get("Accept")
    if path.startswith(_WANTS_AGENT) and is_silent:
        raise Refusal(400, "INVALID_REQUEST", "Http头缺少Accept或User-Agent")
    claim = signing.parse_authorization(request.headers.get("Authorization", ""))
    if claim is None:
        if path.startswith(_PRECISE):
            raise _unsigned("Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》")
        raise _unsigned("签名信息错误，验签失败")
    if abs(desk.clock.now().timestamp() - claim.timestamp) > SKEW_SECONDS:
        raise _unsigned("Http头Authorization中的timestamp与发起请求的时间不得超过5分钟")
    if claim.mchid != desk.keys.identity.mchid:
        raise _unsigned("签名错误")
    target = request.environ["REQUEST_URI"]
    message = signing.lines(request.method, target, claim.timestamp, claim.nonce, body=request.get_data())
    if claim.serial != desk.keys.identity.merchant_serial:
        raise _unsigned("商户证书序列号有误。", _sign_detail(message, target))
    if not signing.is_signed(desk.keys.merchant, message, claim.signature):
        raise _unsigned("签名错误，请检查后再试", _sign_detail(message, target))


def stand_still(desk: Desk, name: str, *, when: str, reference: str | None) -> None:
    """Wait at a point that the control plane has set for this call, and hang up if that is what it wants then."""
    if desk.holds.stop(name, when=when, reference=reference) == "reset":
        raise HangUp(is_reset=True)


def body() -> Any:
    """Return the request's JSON body, read once. Raises Refusal when it is no JSON."""
    if "body" not in g:
        try:
            g.body = orjson.loads(request.get_data())
        except orjson.JSONDecodeError:
            raise Refusal(400, "PARAM_ERROR", "请求体不是合法的JSON") from None
    return g.body


def require_mchid(desk: Desk, mchid: object) -> None:
    """Refuse a mchid in body or query that is not the one of the Authorization header."""
    if mchid != desk.keys.identity.mchid:
        raise Refusal(400, "INVALID_REQUEST", "http header中的mchid与post payload中的mchid不匹配")


def reveal(desk: Desk, text: str) -> str:
    """Decrypt a sensitive field with the key that the request's Wechatpay-Serial names; refuses any other."""
    signer = desk.keyring.signers.get(request.headers.get("Wechatpay-Serial", ""))
    plain = None if signer is None else signing.reveal(signer.key, text)
    if plain is None:
        raise Refusal(400, "PARAM_ERROR", "敏感字段解密失败，请检查请求头Wechatpay-Serial与加密所用的公钥")
    return plain


def _unsigned(message: str, detail: dict[str, Any] | None = None) -> Refusal:
    return Refusal(401, "SIGN_ERROR", message, detail)


def _sign_detail(message: bytes, target: str) -> dict[str, Any]:
    shown = message.decode(errors="replace")
    return {
        "field": "signature",
        "location": "authorization",
        "detail": {"issue": "sign not match"},
        "sign_information": {
            "method": request.method,
            "url": target,
            "sign_message_length": len(message),
            "truncated_sign_message": "\n".join(shown.split("\n")[:4]) + "\n" + shown.split("\n")[4][:9] + "\n",
        },
    }


def _reference(arguments: dict[str, Any]) -> str | None:
    """Return the number that this call is about, for rules that are meant for one order only."""
    for name in ("out_trade_no", "out_refund_no"):
        if name in arguments:
            return str(arguments[name])
    try:
        told = body() if request.method == "POST" else {}
    except Refusal:
        return None
    return told.get("out_trade_no") if isinstance(told, dict) else None


def _suffer(rule: Rule | None) -> None:
    match rule.fault if rule else None:
        case "error" if rule is not None:
            code = str(rule.options.get("code", "SYSTEM_ERROR"))
            raise Refusal(int(rule.number("status", 500)), code, "系统繁忙，请稍后重试")
        case "limited":
            raise Refusal(429, "FREQUENCY_LIMITED", "频率超限，请降低请求频率")
        case "timeout" if rule is not None:
            time.sleep(rule.number("seconds", 30))
            raise HangUp(is_reset=False)
        case "reset":
            raise HangUp(is_reset=True)
        case "slow" if rule is not None:
            time.sleep(rule.number("seconds", 2))


def _answer(desk: Desk, status: int, payload: dict[str, Any] | None, *, signer: Signer | None) -> Response:
    content = b"" if payload is None else orjson.dumps(payload)
    headers = {"Cache-Control": "no-cache, must-revalidate", "X-Content-Type-Options": "nosniff"}
    if payload is not None:
        headers |= {"Content-Type": _JSON, "Content-Language": "zh-CN"}
    if signer is not None or request.path.startswith(_PRECISE):
        headers["Request-ID"] = f"{secrets.token_hex(22).upper()}-{0 if status < 300 else 268435456 + status}"
    if signer is not None:
        headers |= signing.signature_headers(
            signer.key,
            serial=signer.serial,
            timestamp=int(desk.clock.now().timestamp()),
            body=content,
        )
    response = Response(content, status=status, headers=headers)
    if payload is None:
        response.headers.pop("Content-Type", None)
    return response
