"""How a staff page is put on the wire: its frame and menu, its words, its policy, its errors.

Invariant: nothing is loaded from elsewhere and no script runs but the one file of ours; a menu shows only what its
reader may open; what an address says is never printed as a message, only looked up.
"""

import hashlib
from pathlib import Path
from urllib.parse import urlencode

from flask import Flask, Response, abort, g, redirect, render_template, request, send_file
from werkzeug.datastructures import MultiDict

from catalog import regions
from catalog.errors import RegionInvalid
from config import clock, http, pictures, storage
from config.errors import AppError
from storefront import guard, roles, sessions
from storefront.actors import Actor
from storefront.errors import SessionRequired
from storefront.roles import Permission
from storefront.staff import accounts, case_words, hall_words, partner_words, sight, supplier_words, tables, words
from storefront.staff.pages import menu, messages

ROOT = "/staff"
_BELOW = f"{ROOT}/"
# Where a template finds the words for a kind of thing.
_WORDS = (words, supplier_words, hall_words, partner_words)
_FOLDER = Path(__file__).parent.parent / "static"
ASSETS = {
    name: ((_FOLDER / name).read_bytes(), kind)
    for name, kind in {
        "staff.css": "text/css",
        "staff.js": "text/javascript",
        "charts.js": "text/javascript",
        "wall.css": "text/css",
        "slip.css": "text/css",
        "wall.js": "text/javascript",
    }.items()
}
# What `make console` fetches; a shop whose machine could not reach npm serves its pages without.
SHELF = _FOLDER / "vendor"
ECHARTS, HTMX = VENDOR = ("echarts.min.js", "htmx.min.js")

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: {files}; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_BY_STATUS = {
    403: ("没有权限", "您的账号不能打开这一页。需要的话请联系管理员。"),
    413: ("文件太大", "照片不能超过 12 MB，表格请分成几份。请返回上一页，换小一点的再传。"),
    404: ("没有找到", "编号可能不完整，或者不在您的权限范围内。"),
    429: ("请稍等一会儿", "操作太快了，过几秒再试。"),
    500: ("页面出错了", "我们已经记录下来，数据没有受损。"),
    503: ("服务正在恢复", "请过几秒刷新页面。"),
}


def install(app: Flask) -> None:
    """Give `app` the words of these pages, and their own face for errors below `/staff`."""
    app.jinja_env.filters.update(
        money=words.money,
        count=words.count,
        percent=words.percent,
        instant=words.instant,
        second=words.second,
        local=words.local,
        details=words.details,
        source=words.source,
        surplus=words.surplus,
        about=case_words.about,
        evidence=case_words.evidence,
        plain=lambda fen: words.money(fen).replace(",", ""),
        word=lambda key, kind: words.in_words(
            key, next(found for home in _WORDS if (found := getattr(home, kind, None)) is not None)
        ),
        drawn=tables.drawn,
        is_right=lambda column: column.kind in tables.RIGHT,
    )
    elsewhere = app.config["ERROR_PAGE"]

    def apologise(status: int, code: str, message: str) -> str:
        if is_here():
            return _sorry(status, message)
        return str(elsewhere(status, code, message)) if elsewhere else message

    app.config["ERROR_PAGE"] = apologise
    app.before_request(_refuse_unwritable)
    app.after_request(_dress)


def render(template: str, *, here: str = "", status: int = 200, **context: object) -> Response:
    """Return a page with its frame; `here` is the menu's key of it."""
    return Response(_markup(template, here=here, **context), status, mimetype="text/html")


def asset(name: str) -> Response:
    """Return a style or script, to be kept for ever under an address that changes with it; 404 when not fetched."""
    if name in VENDOR:
        response = _from_shelf(name)
    else:
        body, kind = ASSETS[name]
        response = Response(body, mimetype=kind)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


def back(path: str, **query: str) -> Response:
    """Send the browser on to `path` after a form, so that reloading the page sends nothing twice."""
    target = f"{ROOT}{path}" + (f"?{urlencode(query)}" if query else "")
    return redirect(target, 303)  # type: ignore[return-value]


def refused(path: str, error: AppError) -> Response:
    """Send the browser back to `path`, which then says why `error` refused the form."""
    reason = f".{error.details['reason']}" if isinstance(error, pictures.PictureRefused) else ""
    return back(path, fault=error.code + reason)


def is_here() -> bool:
    """Tell whether the request at hand is for a staff page."""
    path = http.asked().path
    return path == ROOT or path.startswith(_BELOW)


def _markup(template: str, *, here: str, **context: object) -> str:
    actor = _actor()
    fault = request.args.get("fault", "")
    known = AppError.codes.get(fault)
    return render_template(
        template,
        here=here,
        actor=actor,
        menu=menu.of(actor, here) if actor else None,
        may=lambda permission, whole=False: bool(
            actor and accounts.allowed(actor, Permission(permission), sight.WHOLE if whole else None)
        ),
        roles="、".join(dict.fromkeys(words.ROLES[grant.role] for grant in actor.grants)) if actor else "",
        scope=_scope(actor) if actor else "",
        csrf_token=guard.csrf_token(of_staff=True),
        style_url=_url("staff.css"),
        script_url=_url("staff.js"),
        charts_url=_url("charts.js"),
        wall_url=_url("wall.js"),
        wall_style_url=_url("wall.css"),
        slip_style_url=_url("slip.css"),
        echarts_url=_shelf_url(ECHARTS),
        htmx_url=_shelf_url(HTMX),
        done=messages.DONE.get(request.args.get("done", "")),
        fault=messages.FAULTS.get(fault) or (known.message if known else None),
        **context,
    )


def _refuse_unwritable() -> None:
    # PostgreSQL cannot hold this character, and nobody types it. The guard has read the form before, within its limits.
    if is_here() and ("%00" in request.query_string.decode("latin-1") or _has_nul(request.form)):
        abort(400)


def _has_nul(form: MultiDict[str, str]) -> bool:
    return any("\x00" in typed for values in form.listvalues() for typed in values)


def _actor() -> Actor | None:
    found: Actor | None = g.get("actor")
    return found if found and found.staff_id is not None else None


def _recognise() -> None:
    """Let an error page show its reader's menu, although the guard let nobody in or was never asked."""
    try:
        found = guard.presented(of_staff=True)
        g.actor = sessions.verify(found.token, now=clock.now()) if found else None
    except SessionRequired:
        g.actor = None


def _scope(actor: Actor) -> str:
    """Return in words what the reader's roles are narrowed to; nothing when one of them is not.

    Branches of the placements are left to the pages that are about these, which know their names.
    """
    scopes = [grant.scope for grant in actor.grants]
    if sight.WHOLE in scopes:
        return ""
    areas = [_region(scope.area) for scope in scopes if scope.area and not roles.BRANCH.fullmatch(scope.area)]
    suppliers = [sight.name_of(scope.supplier) for scope in scopes if scope.supplier]
    return "、".join(dict.fromkeys([*areas, *suppliers]))


def _region(area: str) -> str:
    try:
        return regions.find(area.ljust(6, "0")).name
    except RegionInvalid:
        return sight.name_of(area)


def _sorry(status: int, message: str) -> str:
    if status == 401:
        asked = request.full_path.rstrip("?") if request.method == "GET" else f"{ROOT}/"
        return _markup("staff/login.html", here="", next=asked, username="", trouble=None)
    if status in {403, 404, 413, 429}:
        _recognise()
    title, detail = _BY_STATUS.get(status, (message, "请返回上一页再试。"))
    return _markup(
        "staff/sorry.html", here="", title=title, detail=detail, request_id=http.request_id() if status >= 500 else ""
    )


def _from_shelf(name: str) -> Response:
    """Return a fetched script from its file, compressed beforehand: a worker should not hold a megabyte for it."""
    if not (SHELF / name).is_file():
        abort(404)
    is_small = request.accept_encodings["gzip"] > 0 and (SHELF / f"{name}.gz").is_file()
    response = send_file(SHELF / (f"{name}.gz" if is_small else name), mimetype="text/javascript")
    if is_small:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    return response


def _shelf_url(name: str) -> str:
    """Return the address of a fetched script, nothing when it was not fetched."""
    try:
        made = (SHELF / name).stat().st_mtime_ns
    except FileNotFoundError:
        return ""
    return f"{ROOT}/{name}?v={made:x}"


def _url(name: str) -> str:
    return f"{ROOT}/{name}?v={hashlib.sha256(ASSETS[name][0]).hexdigest()[:12]}"


def _dress(response: Response) -> Response:
    if is_here():
        if response.mimetype in {"text/html", "image/svg+xml"}:
            response.headers["Content-Security-Policy"] = _POLICY.format(files=storage.origin())
        response.headers.setdefault("Cache-Control", "no-store")
    return response
