"""What every HTTP answer has in common: one error shape, request ids, security headers, orjson.

Invariant: whatever goes wrong, the caller gets `{"error": {code, message, details, request_id}}` with a stable code
(or, where a page was asked for, the same facts as a page); an unknown exception is a bug, logged once, answered 500.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any

import orjson
import psycopg
import structlog
from flask import Flask, Request, Response, abort, current_app, g, request
from flask.json.provider import JSONProvider
from flask.sessions import NullSession, SessionInterface
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import MapAdapter

from config import errors, logs

# Larger than any order or touch, far smaller than what could hurt. WeChat's notifications have their own, lower limit.
MAX_BODY_BYTES = 1024 * 1024

MESSAGES = {
    400: ("request.malformed", "请求格式有误"),
    401: ("request.unauthorized", "请先登录"),
    403: ("request.forbidden", "没有权限"),
    404: ("request.not_found", "没有找到"),
    405: ("request.method_not_allowed", "不支持这种请求方法"),
    406: ("request.not_acceptable", "无法提供所要的格式"),
    413: ("request.too_large", "请求内容过大"),
    414: ("request.uri_too_long", "网址过长"),
    415: ("request.unsupported_media_type", "请以 JSON 提交"),
    422: ("request.invalid", "请求内容有误"),
    429: ("request.too_many", "请求太频繁，请稍后再试"),
    500: ("service.fault", "系统出错了，我们已经记录下来"),
    503: ("service.unavailable", "服务暂时不可用，请稍后再试"),
}
REQUEST_ID = re.compile(r"[0-9A-Za-z_-]{8,64}")
EVERY_ANSWER = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    # H5 pay needs a Referer of our domain: never "no-referrer".
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
)


class OrjsonProvider(JSONProvider):
    """Flask's JSON by orjson; keys that are numbers (positions in a list of errors) are allowed."""

    def dumps(self, obj: Any, **_: Any) -> str:
        """Return `obj` as JSON text."""
        return orjson.dumps(obj, option=orjson.OPT_NON_STR_KEYS).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """Return the value of JSON text; refuses what RFC 8259 refuses."""
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """Return a JSON response."""
        return json_bytes(orjson.dumps(self._prepare_response_obj(args, kwargs), option=orjson.OPT_NON_STR_KEYS))


class App(Flask):
    """Flask for one site and no coroutines.

    To ask each function of each request whether it is a coroutine is a twentieth of an answer, and to work out which
    of many sites was asked for another.
    """

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as it is."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what finds the view for `request`."""
        if request is None:
            return super().create_url_adapter(None)
        environ = request.environ
        return MapAdapter(
            self.url_map,
            request.host,
            environ.get("SCRIPT_NAME") or "/",
            "",
            request.scheme,
            # As it came: `request.path` has lost a second slash at its beginning.
            environ.get("PATH_INFO", "").encode("latin1").decode(errors="replace"),
            request.method,
            environ.get("QUERY_STRING", ""),
        )


class Ready(Response):
    """An answer whose bytes and headers are as they are to be sent; Flask's own would copy and search them first."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Send it."""
        if environ["REQUEST_METHOD"] == "HEAD" or self.status_code == 304:
            return super().__call__(environ, start_response)
        headers, body = list(self.headers), b"".join(self.iter_encoded())
        if self.status_code != 204:
            headers.append(("Content-Length", str(len(body))))
        start_response(self.status, headers)
        return (body,)


class NoFlaskSession(SessionInterface):
    """Leaves Flask's signed cookie unread: our sessions are opaque tokens, and reading it is a tenth of a scan."""

    _null = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        """Return Flask's null session, which refuses whoever would use `flask.session`."""
        return self._null


def json_bytes(body: bytes, status: int = 200) -> Response:
    """Return ready JSON bytes as a response, which no cache keeps unless its maker says otherwise."""
    response = Ready(body, status, content_type="application/json")
    response.headers.add("Cache-Control", "no-store")
    return response


def asked() -> Request:
    """Return the request at hand. Flask's `request` is the same and looks itself up at each use."""
    return request._get_current_object()  # type: ignore[attr-defined, no-any-return] # noqa: SLF001 - in its documentation


def kept() -> Any:
    """Return what is kept for as long as the request at hand: Flask's `g`, looked up once."""
    return g._get_current_object()  # noqa: SLF001 - in its documentation


def request_id() -> str:
    """Return the id of the request at hand."""
    return str(g.get("request_id", "-"))


def error_body(code: str, message: str, details: Any = None) -> dict[str, Any]:
    """Return the one error shape."""
    return {"error": {"code": code, "message": message, "details": details or {}, "request_id": request_id()}}


def error_example(code: str, message: str) -> dict[str, Any]:
    """Return the one error shape as documents show it."""
    return {"error": {"code": code, "message": message, "details": {}, "request_id": "0f1e2d3c4b5a6978"}}


Page = Callable[[int, str, str], str]


def install(app: Flask, *, trusted_proxies: int = 0) -> None:
    """Give `app` request ids, headers, the JSON provider and the error handlers."""
    app.json = OrjsonProvider(app)
    app.session_interface = NoFlaskSession()
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.config["ERROR_PAGE"] = None
    if hops := trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.before_request(_begin)
    app.after_request(_finish)
    app.register_error_handler(errors.AppError, _app_error)
    app.register_error_handler(HTTPException, http_error)
    for kind in (OperationalError, psycopg.OperationalError, PoolTimeout):
        app.register_error_handler(kind, _database_away)
    app.register_error_handler(Exception, _fault)


def wants_page(request: Request) -> bool:
    """Tell whether a browser asked for a page, rather than a program for JSON."""
    if request.path.startswith(("/api/", "/wechatpay/", "/wechat/push")):
        return False
    accepted = request.accept_mimetypes
    return bool(accepted) and accepted.best_match(["application/json", "text/html"]) == "text/html"


def _begin() -> None:
    here, mine = asked(), kept()
    given = here.environ.get("HTTP_X_REQUEST_ID", "")
    mine.request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    mine.started = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=mine.request_id)
    # PostgreSQL cannot hold this character, so nothing of ours has it in its name.
    if "\x00" in here.path:
        abort(404)


def _finish(response: Response) -> Response:
    here, mine = asked(), kept()
    response.headers.extend((*EVERY_ANSWER, ("X-Request-ID", str(mine.get("request_id", "-")))))
    started = mine.get("started")
    logs.bound(__name__).info(
        "http.request",
        method=here.method,
        route=here.url_rule.rule if here.url_rule else None,
        status=response.status_code,
        ms=round((time.perf_counter() - started) * 1000, 1) if started else None,
    )
    return response


def _answer(
    status: int, code: str, message: str, details: Any = None, headers: dict[str, str] | None = None
) -> Response:
    page: Page | None = current_app.config["ERROR_PAGE"]
    if page is not None and wants_page(request):
        response = Response(page(status, code, message), status, mimetype="text/html")
    else:
        body = orjson.dumps(error_body(code, message, details), option=orjson.OPT_NON_STR_KEYS)
        response = json_bytes(body, status)
    response.headers.extend(headers or {})
    return response


def _app_error(error: errors.AppError) -> Response:
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else {}
    return _answer(error.status, error.code, error.text, error.details, headers)


def http_error(error: HTTPException) -> Response:
    """Answer werkzeug's and webargs' errors in our shape, keeping headers such as `Allow` and `Retry-After`."""
    if error.response is not None:
        return error.response  # type: ignore[return-value]
    status = error.code or 500
    code, message = MESSAGES.get(status, ("request.refused", "请求被拒绝"))
    data = getattr(error, "data", None) or {}
    headers = {k: v for k, v in error.get_headers() if k.lower() not in {"content-type", "content-length"}}
    return _answer(status, code, message, {"fields": data["messages"]} if "messages" in data else None, headers)


def _database_away(error: Exception) -> Response:
    logs.get(__name__).error("database.unavailable", reason=type(error).__name__)
    return _answer(503, *MESSAGES[503], None, {"Retry-After": "2"})


def _fault(error: Exception) -> Response:
    logs.get(__name__).error("http.fault", exc_info=error)
    return _answer(500, *MESSAGES[500])
