"""api.weixin.qq.com and open.weixin.qq.com: logins, tokens, messages, shipping.

Every answer of the API is HTTP 200; what went wrong stands in errcode. Success of the token and session calls has none.
"""

import functools
import io
import re
import secrets
import time
from collections.abc import Callable
from typing import Any, ParamSpec
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import orjson
import segno
from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from emulator import gate, messages
from emulator.accounts import Refused
from emulator.desk import here
from emulator.faults import ACCOUNT_FAULTS, Rule

P = ParamSpec("P")
api = Blueprint("weixin", __name__)

PERSON_COOKIE = "emulated_wechat_person"
_SCENE = re.compile(r"[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]{1,32}")


def call(view: Callable[P, dict[str, Any] | Response]) -> Callable[P, Response]:
    """Answer a call of the account APIs: its dictionary, or the errcode that it, or a fault in force, gives."""

    @functools.wraps(view)
    def answered(*args: P.args, **kwargs: P.kwargs) -> Response:
        desk, name = here(), request.path.rsplit("/", 1)[-1]
        try:
            gate.stand_still(desk, name, when="before", reference=None)
            broken = _suffer(desk.faults.draw(ACCOUNT_FAULTS, on=name))
            result = broken or view(*args, **kwargs)
            gate.stand_still(desk, name, when="after", reference=None)
            result = broken or _suffer(desk.faults.draw(ACCOUNT_FAULTS, on=name, when="after")) or result
        except Refused as refused:
            rid = f"{secrets.token_hex(4)}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"
            result = {"errcode": refused.errcode, "errmsg": f"{refused.errmsg}, rid: {rid}"}
        if isinstance(result, Response):
            return result
        return Response(orjson.dumps(result), content_type="application/json; charset=utf-8")

    return answered


def person_of_browser() -> str:
    """Return who holds this browser: `?as=`, else its cookie, else somebody new."""
    try:
        kept = bytes.fromhex(request.cookies.get(PERSON_COOKIE, "")).decode()
    except ValueError:
        kept = ""
    return request.args.get("as") or kept or f"路人{secrets.token_hex(3)}"


def remember_person(response: AnyResponse, person: str) -> AnyResponse:
    """Let the browser stay the same person."""
    response.set_cookie(PERSON_COOKIE, person.encode().hex(), max_age=30 * 86400, httponly=True, samesite="Lax")
    return response


@api.get("/cgi-bin/token")
@call
def token() -> dict[str, Any] | Response:
    """Issue an access token of the older kind."""
    if request.args.get("grant_type") != "client_credential":
        raise Refused(40002, "invalid grant_type")
    appid = request.args.get("appid", "")
    here().accounts.require_secret(appid, request.args.get("secret", ""))
    value, seconds = here().accounts.plain_token(appid)
    return {"access_token": value, "expires_in": seconds}


@api.route("/cgi-bin/stable_token", methods=["GET", "POST"])
@call
def stable_token() -> dict[str, Any] | Response:
    """Issue the stable access token, or a new one by force."""
    if request.method != "POST":
        raise Refused(43002, "require POST method")
    body = json_of_call()
    if body.get("grant_type") != "client_credential":
        raise Refused(40002, "invalid grant_type")
    appid = str(body.get("appid", ""))
    here().accounts.require_secret(appid, str(body.get("secret", "")))
    value, seconds = here().accounts.stable_token(appid, is_forced=body.get("force_refresh") is True)
    return {"access_token": value, "expires_in": seconds}


@api.get("/sns/jscode2session")
@call
def jscode2session() -> dict[str, Any] | Response:
    """Turn a mini-program's login code into its user."""
    desk, appid = here(), request.args.get("appid", "")
    desk.accounts.require_secret(appid, request.args.get("secret", ""))
    code = desk.accounts.redeem(request.args.get("js_code", ""), appid=appid, kind="login")
    return {
        "session_key": _session_key(),
        "openid": desk.keys.openid(appid, code.person),
        "unionid": desk.keys.unionid(code.person),
    }


@api.get("/connect/oauth2/authorize")
def authorize() -> AnyResponse | tuple[str, int]:
    """Send the browser back with a code, silently; whose code, `?as=` or the browser's cookie says."""
    desk, asked = here(), request.args
    back = asked.get("redirect_uri", "")
    if asked.get("appid") != desk.keys.identity.official_appid or asked.get("response_type") != "code":
        return render_template("trouble.html", message="appid 参数错误 (10013)"), 400
    if asked.get("scope") not in ("snsapi_base", "snsapi_userinfo"):
        return render_template("trouble.html", message="scope 参数错误或没有 scope 权限 (10005)"), 400
    if not desk.is_ours(back):
        return render_template("trouble.html", message="redirect_uri 域名与后台配置不一致 (10003)"), 400
    person = person_of_browser()
    code = desk.accounts.issue_code(appid=asked["appid"], person=person, kind="oauth", scope=asked["scope"])
    return remember_person(redirect(with_query(back, code=code, state=asked.get("state", "")), 302), person)


@api.get("/sns/oauth2/access_token")
@call
def oauth_token() -> dict[str, Any] | Response:
    """Turn an OAuth code of the official account into its user."""
    desk, appid = here(), request.args.get("appid", "")
    desk.accounts.require_secret(appid, request.args.get("secret", ""))
    if request.args.get("grant_type") != "authorization_code":
        raise Refused(40002, "invalid grant_type")
    code = desk.accounts.redeem(request.args.get("code", ""), appid=appid, kind="oauth")
    user: dict[str, Any] = {
        "access_token": secrets.token_urlsafe(48),
        "expires_in": 7200,
        "refresh_token": secrets.token_urlsafe(48),
        "openid": desk.keys.openid(appid, code.person),
        "scope": code.scope,
    }
    return user | ({"unionid": desk.keys.unionid(code.person)} if code.scope == "snsapi_userinfo" else {})


@api.get("/cgi-bin/ticket/getticket")
@call
def ticket() -> dict[str, Any] | Response:
    """Issue a ticket for the JS-SDK."""
    appid_of_call()
    return {"errcode": 0, "errmsg": "ok", "ticket": secrets.token_urlsafe(64), "expires_in": 7200}


@api.post("/cgi-bin/message/subscribe/send")
@call
def send_message() -> dict[str, Any] | Response:
    """Deliver one subscribe message, if its user allowed one."""
    desk, appid, body = here(), appid_of_call(), json_of_call()
    openid, template = str(body.get("touser", "")), str(body.get("template_id", ""))
    if not desk.keys.is_openid_of(appid, openid):
        raise Refused(40003, "invalid openid")
    if not template:
        raise Refused(40037, "invalid template_id")
    data = body.get("data")
    messages.check(data, desk.accounts.template_keys(template))
    if body.get("miniprogram_state", "formal") not in ("developer", "trial", "formal"):
        raise Refused(40097, "invalid args")
    desk.accounts.spend_message(openid, template)
    message = {"appid": appid, "openid": openid, "template_id": template, "page": body.get("page"), "data": data}
    desk.books.message(message | {"at": desk.clock.now()})
    return {"errcode": 0, "errmsg": "ok", "msgid": secrets.randbelow(10**15)}


@api.post("/wxa/getwxacodeunlimit")
@call
def mini_program_code() -> dict[str, Any] | Response:
    """Draw the picture of a scene: here an ordinary QR code that says what a mini-program code would."""
    appid_of_call()
    body = json_of_call()
    scene = body.get("scene")
    if not isinstance(scene, str) or not _SCENE.fullmatch(scene):
        raise Refused(40129 if isinstance(scene, str) else 40169, "invalid scene")
    if str(body.get("page", "")).startswith("/"):
        raise Refused(41030, "invalid page")
    picture = io.BytesIO()
    segno.make(f"{body.get('page', '')}?scene={scene}").save(picture, kind="png", scale=8)
    return Response(picture.getvalue(), content_type="image/jpeg")


@api.post("/wxa/business/getuserphonenumber")
@call
def phone_number() -> dict[str, Any] | Response:
    """Turn a phone code into a number, the same for the same person."""
    desk, appid = here(), appid_of_call()
    code = desk.accounts.redeem(str(json_of_call().get("code", "")), appid=appid, kind="phone")
    number = f"139{int(desk.keys.unionid(code.person).encode().hex(), 16) % 10**8:08d}"
    watermark = {"timestamp": int(desk.clock.now().timestamp()), "appid": appid}
    phone = {"phoneNumber": number, "purePhoneNumber": number, "countryCode": "86", "watermark": watermark}
    return {"errcode": 0, "errmsg": "ok", "phone_info": phone}


def with_query(url: str, **more: str) -> str:
    """Return a URL with parameters added to its query."""
    parts = urlsplit(url)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *more.items()])
    return urlunsplit(parts._replace(query=query))


def _suffer(rule: Rule | None) -> Response | None:
    """Do what a fault wants at a call: raise, hang, or return an answer in place of the true one."""
    match rule.fault if rule else None:
        case "errcode" if rule is not None:
            raise Refused(int(rule.number("errcode", -1)), "system error")
        case "api_error" if rule is not None:
            return Response("<html>Bad Gateway</html>", int(rule.number("status", 502)), content_type="text/html")
        case "api_timeout" if rule is not None:
            time.sleep(rule.number("seconds", 30))
            raise gate.HangUp(is_reset=False)
        case "api_reset":
            raise gate.HangUp(is_reset=True)
        case "api_slow" if rule is not None:
            time.sleep(rule.number("seconds", 2))
    return None


def appid_of_call() -> str:
    """Return the account that the call's access_token speaks for. Raises Refused 41001, 40001, 42001."""
    return here().accounts.appid_of(request.args.get("access_token", ""))


def json_of_call() -> dict[str, Any]:
    """Parse the raw body: clients send JSON here without saying so in Content-Type."""
    raw = request.get_data()
    if not raw:
        raise Refused(44002, "empty post data")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Refused(47001, "data format error") from None
    if not isinstance(body, dict):
        raise Refused(47001, "data format error")
    return body


def _session_key() -> str:
    return secrets.token_urlsafe(16).replace("-", "A").replace("_", "B")[:22] + "=="
