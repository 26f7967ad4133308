"""Own how a page of the express lane is put on the wire: its frame, its policy, its weight.

Invariant: no script runs but the one file of ours; every page carries its style within, so that the first answer is
enough to paint; what is said twice costs nothing, because pages travel compressed.
"""

import gzip
import hashlib
import secrets
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Response, g, render_template, request

from catalog import plates
from config import http, settings, storage
from storefront import guard
from storefront.h5 import callers, formats
from storefront.h5.page_models import Apology, Shop

_SCRIPT = (Path(__file__).parent / "static" / "shop.js").read_bytes()
SCRIPT_URL = f"/h5/shop.js?v={hashlib.sha256(_SCRIPT).hexdigest()[:12]}"
# Below this the gzip header and the processor's time cost more than the bytes saved.
_WORTH_SQUEEZING = 800

_APOLOGIES = {
    "campaign.unknown_code": ("这个二维码还没有启用", "它可能刚刚张贴，或者已经更换。您可以从地方馆里找到同样的商品。"),
    "campaign.code_mistyped": ("编号不对", "编号是海报二维码下面的 8 位字母和数字，请对照着再输一次。"),
    "catalog.product_unknown": ("这款商品已经下架", "您可以从地方馆里看看其他商品。"),
    "catalog.hall_unknown": ("没有这个地方馆", "全省各市县的地方馆都在首页。"),
    "address.not_found": ("没有这个地址", "它可能已经在别的页面删除了。您的地址都在“订单”页的“收货地址”里。"),
    "accreditation.not_found": ("没有这项公示", "编号可能不完整，或者申请还没有进入公示。"),
    "batch.not_found": ("没有这个溯源码", "溯源码在订单里，每个批次一个，请对照着再输一次。"),
    "order.link_not_found": ("这个订单链接已失效", "它可能已被作废。请用下单的浏览器或微信打开“订单”。"),
    "order.not_found": ("没有找到这笔订单", "订单只对下单的微信号或浏览器可见，请用原来的方式打开。"),
}
_BY_STATUS = {
    401: ("请先打开您的订单", "登录状态已过期，请从“我的订单”重新进入。"),
    404: ("没有找到这个页面", "网址可能不完整，或者内容已经移走。"),
    429: ("请稍等一会儿", "访问的人有点多，过几秒再试一次。"),
    500: ("页面出错了", "我们已经记录下来。已付的款项不会丢失，请在“我的订单”里查看。"),
    503: ("服务正在恢复", "请过几秒再试一次。已付的款项不会丢失。"),
}


def install(app: Flask) -> None:
    """Give `app` the filters, the error page and the headers that these pages need."""
    formats.install(app)
    app.config["ERROR_PAGE"] = apologise
    app.after_request(_dress)


def render(template: str, *, status: int = 200, **context: object) -> Response:
    """Return a page with the frame around it."""
    return Response(_markup(template, cart_pieces=callers.pieces_in_cart(), **context), status, mimetype="text/html")


def apologise(status: int, code: str, message: str) -> str:
    """Return the page for what could not be shown: in words of its own where they help, else in the error's."""
    title, detail = _APOLOGIES.get(code) or _BY_STATUS.get(status) or (message, "请返回上一页再试一次。")
    page = Apology(status, title, detail, http.request_id() if status >= 500 else "")
    return _markup("h5/sorry.html", page=page)


def script() -> Response:
    """Return the one script, under an address that changes with it."""
    response = _file(_SCRIPT, "text/javascript")
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


def plate(name: str) -> Response:
    """Return a drawn plate. Raises `PlateUnknown`."""
    response = _file(plates.find(name), "image/svg+xml")
    response.headers["Cache-Control"] = "public, max-age=86400"
    return response


def _takes_gzip() -> bool:
    return bool(request.accept_encodings["gzip"])


@cache
def _squeezed(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)


def _file(content: bytes, mimetype: str) -> Response:
    is_squeezed = _takes_gzip()
    response = Response(_squeezed(content) if is_squeezed else content, mimetype=mimetype)
    if is_squeezed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    return response


def _markup(template: str, **context: object) -> str:
    g.csp_nonce = secrets.token_urlsafe(12)
    return render_template(
        template,
        shop=_shop(),
        csp_nonce=g.csp_nonce,
        script_url=SCRIPT_URL,
        csrf_token=guard.csrf_token(),
        desk_bridge=_desk_bridge(),
        **context,
    )


def _desk_bridge() -> str | None:
    """Return where a desk without WeChat finds the bridge that WeChat's own browser brings along."""
    current = settings.current()
    if not current.allow_emulated_wechat or not callers.is_in_wechat():
        return None
    return f"{current.wechat_open_base_url}/bridge.js"


def _shop() -> Shop:
    current = settings.current()
    return Shop(
        name="安徽地方馆",
        operator=current.operator_name or "",
        contact=current.service_contact or "",
        food_licence_number=current.food_licence_number or "",
        alcohol_licence_number=current.alcohol_licence_number or "",
        licence_number=current.business_licence_number or "",
        icp_number=current.icp_number or "",
        public_security_number=current.public_security_number or "",
    )


def _dress(response: Response) -> Response:
    """Add policy and compression to what was rendered here; leave every other face's answers alone."""
    nonce = http.kept().get("csp_nonce")
    if nonce is None or response.mimetype != "text/html":
        return response
    response.headers["Content-Security-Policy"] = _policy(nonce)
    response.headers.setdefault("Cache-Control", "private, no-cache")
    body = response.get_data()
    if _takes_gzip() and len(body) >= _WORTH_SQUEEZING:
        # No secret of these pages stands beside text that a stranger could choose (the search page has no token), so
        # the length of what is compressed tells nothing.
        response.set_data(gzip.compress(body, 6, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding, Cookie"
    return response


def _policy(nonce: str) -> str:
    # Sending an order inside WeChat leads through WeChat's login: browsers hold redirects of a form to form-action.
    wechat = "{0.scheme}://{0.netloc}".format(urlsplit(settings.current().wechat_open_base_url))
    # On a desk the bridge is a script of the emulator's that opens its sheet in a frame.
    desk = f" {wechat}" if _desk_bridge() else ""
    return (
        f"default-src 'none'; script-src 'self'{desk}; style-src 'nonce-{nonce}'; "
        f"img-src 'self' data: {storage.origin()}; "
        # WeChat's own bridge on older Android phones speaks through frames of its private scheme.
        f"connect-src 'self'; frame-src weixin:{desk}; form-action 'self' {wechat}; base-uri 'none'; "
        "frame-ancestors 'none'"
    )


def private(response: Response) -> Response:
    """Let nobody keep a page that is one shopper's own."""
    response.headers["Cache-Control"] = "private, no-store"
    return response
