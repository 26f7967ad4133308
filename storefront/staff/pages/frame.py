"""How a staff page is put on the wire: its frame and menu, its words, its policy, its errors.

Invariant: nothing is loaded from elsewhere and no script runs but the one file of ours; a menu shows only what its
reader may open; what an address says is never printed as a message, only looked up.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from flask import Flask, Response, abort, g, redirect, render_template, request, send_file

from catalog import regions
from catalog.errors import RegionInvalid
from config import clock, http, storage
from config.errors import AppError
from storefront import guard, sessions
from storefront.actors import Actor
from storefront.errors import SessionRequired
from storefront.roles import Permission
from storefront.staff import accounts, case_words, hall_words, partner_words, sight, supplier_words, tables, words

ROOT = "/staff"
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

DONE = {
    "shipped": "已记录发货。",
    "shipment_corrected": "快递信息已改正。",
    "refunded": "退款已提交给微信，到账后这里会显示“已退回”。",
    "claim_approved": "已同意，买家已能看到。",
    "claim_refused": "已拒绝，买家能看到理由。",
    "goods_received": "已确认收到退货，退款已提交。",
    "refund_approved": "已批准，退款已提交给微信。",
    "refund_rejected": "已驳回，款项可以重新申请。",
    "decided_again": "已用目前掌握的全部记录重新判定，原因写入改判记录。",
    "parted": "已分开：72 小时内的订单几秒后重新判定。",
    "refund_waits": "金额超过限额，已提交给另一位同事批准。",
    "sent_to_card": "微信已接受，到账后会自动更新。",
    "transferred": "已登记转账凭证。",
    "bound": "绑定已保存。",
    "pack_asked": "已开始制作印刷包，每个码都会先检验再打包。",
    "pack_known": "同样内容的印刷包已经有了，就是这一份。",
    "cost_entered": "成本已登记，报表马上按天分摊。",
    "cost_known": "这笔成本已经登记过，没有重复记账。",
    "cost_reversed": "已冲销：原记录保留，另记一笔相反的金额。",
    "trial_planned": "已抽签排好，开始之前都可以撤回。",
    "trial_started": "测试已开始，排期从现在起不再改。",
    "trial_withdrawn": "已撤回。",
    "exposure_entered": "曝光估算已登记。",
    "taken": "这件事现在由您负责。",
    "closed": "已办结，写入操作记录。",
    "agreed": "已同意协议。",
    "change_asked": "已提交县级审核，通过前商品页不变。",
    "repriced": "新价格已生效。",
    "counted": "库存已更新。",
    "drafted": "草稿已保存，请上传材料后提交。",
    "saved": "已保存。",
    "batch_opened": "批次已建立。",
    "step_taken": "已办理，写入经过。",
    "objection_answered": "答复已公开。",
    "price_decided": "已记录，供应商能看到理由。",
    "recalled": "批次已召回，受影响的订单列在下面。",
    "inspected": "检查已登记。",
    "rectified": "已确认整改完成。",
    "evidence_added": "材料已上传。",
    "evidence_removed": "材料已删除。",
    "hall_drafted": "草稿已保存，填好信息后开放。",
    "hall_opened": "已开放，一秒内顾客就能看到。",
    "hall_closed": "已关闭，顾客看不到了。",
    "hall_saved": "已保存。",
    "shelves_saved": "货架已保存，一秒内顾客就能看到。",
    "picture_saved": "图片已更换。",
    "picture_gone": "图片已撤下。",
    "code_minted": "二维码已生成，扫码就打开这个馆。",
    "target_saved": "目标已保存。",
    "logged_out": "该账号在所有设备上的登录都已结束。",
    "marked": "已标记：这台手机从现在起不计入报表。",
    "view_saved": "视图已保存，在“我的视图”里。",
    "view_deleted": "视图已删除。",
    "code_taken_down": "已记录拆下：从现在起这个码没有点位。",
    "code_put_up": "已记录挂上：从现在起扫码记在这个点位。",
    "code_inspected": "检查已记录。",
    "planned": "已安排，等现场扫码后才开始计数。",
    "plan_withdrawn": "安排已取消。",
    "creative_saved": "素材已保存。",
    "partner_added": "已登记。现在可以给它签发接口密钥。",
    "partner_key_revoked": "密钥已撤销，立即失效。",
    "delivery_replayed": "已安排重发，几秒内发送。",
    "endpoint_enabled": "已恢复，等待中的推送马上发送。",
    "partner_closed": "已停用，所有密钥立即失效。",
    "group_opened": "已登记，请添加农户，再关联商品。",
    "benefit_linked": "已关联：一分钟后付款的订单开始计入。",
    "benefit_ended": "已终止：之前的销售照旧计入，退款照旧冲回。",
    "household_added": "已添加，姓名和电话已加密保存。",
    "household_left": "已退出本组，资料一年后自动删除。",
    "household_forgotten": "姓名和电话已删除，只留编号。",
    "sheet_read": "已读取，正在逐行检查。",
    "sheet_known": "这份表格已经传过，就是这一份。",
    "sheet_confirmed": "已开始应用，改动逐行生效。",
    "sheet_withdrawn": "已放弃，什么都没有改。",
    "statements_drafted": "已起草：这个月能结算的都在下面，请另一位同事核对后批准。",
    "statements_complete": "这个月没有新的结算单要起草。",
    "statement_redrafted": "已按现在的情况重新起草。",
    "statement_approved": "已批准并记账。",
    "invoiced": "发票已登记，付款等待另一位同事复核。",
    "terms_agreed": "采购条款已登记，从生效时间起的订单按它结算。",
    "payout_release": "已放款，可以下载付款清单交给银行。",
    "payout_call_back": "已撤回，结算单重新等待发票。",
    "payout_sent": "已登记银行流水，结算单已付清。",
    "payout_bounced": "已登记退回，这笔钱重新欠着供应商。",
    "payout_requested": "已重新申请付款，等待另一位同事复核。",
    "released": "已取消标记：这台手机从现在起照常计入报表。",
}
FAULTS = {
    "form.shipment": "请填写快递公司，以及 5 到 40 位的运单号。",
    "form.amount": "退款金额要写成元，最多两位小数，并且至少退一项。",
    "form.reason": "请填写原因。",
    "form.because": "请写明原因（4 到 200 字），不要写买家姓名。",
    "form.card": "请填写银行代码、8 到 30 位的卡号和持卡人姓名。",
    "form.transfer": "请填写至少 4 位的银行流水号，以及今天或更早的转账日期。",
    "form.resolution": "请选择处理结果，并写明原因（2 到 500 字）。",
    "form.binding": "请填完整绑定信息，时间要是有效的日期。",
    "form.batch": "请填写批次名称。",
    "form.inspection": "请选择检查级别和结论。",
    "form.hall": "请选好种类、线上或线下和地区。",
    "form.file": "请选择一张图片。",
    "form.goods": "有商品没有找到，请用商品名称或网址名。",
    "form.target": "请填写大于零的数量；金额以元为单位；期限是有效的日期。",
    "form.evidence": "请选择材料种类和文件。",
    "form.view": "请给视图起一个 1 到 30 个字的名字。",
    "form.cost": "请填完整：活动、点位编号、大于零的金额（元，最多两位小数）和起止日期。",
    "form.trial": "请填完整：名称、点位编号、开始日期和周数。",
    "form.exposure": "请填完整：起止日期、日客流、三个看见次数（如 0.5）和来源。",
    "form.terms": "请填供应商编号、进货价（元）或分成（%）其中一个，以及生效日期。",
    "form.invoice": "请填写 8 到 20 位的发票号码和发票金额（元）。",
    "form.payout": "请填写原因；登记已付时请填银行流水号（4 到 64 位）和付款金额（元）。",
    "form.scan": "请选择要做的事，并拍一张照片。",
    "form.creative": "请填写 2 到 40 位编号（大写字母、数字、短横）、名称，时间要是有效的日期。",
    "form.partner": "请填写 2 到 80 个字的名称；销售方编号只有第三方销售方填写。",
    "form.partner_key": "请填写用途，并至少选一项权限。",
    "form.group": "请选择类型和县，并填写 2 到 60 个字的名称（不要写农户姓名）。",
    "form.link": "请选择商品和方式，比例写成百分数（0.01 到 100，最多两位小数），日期要有效。",
    "household.invalid": "姓名 2 到 30 个字、不含数字，不要填身份证号；电话可以不填；签字日期不晚于今天。",
    "form.sheet": "请选择表格种类和 Excel 文件。",
    "form.label": "请给手机起一个 1 到 40 个字的名字。",
}
_BY_STATUS = {
    403: ("没有权限", "您的账号不能打开这一页。需要的话请联系管理员。"),
    404: ("没有找到", "编号可能不完整，或者不在您的权限范围内。"),
    429: ("请稍等一会儿", "操作太快了，过几秒再试。"),
    500: ("页面出错了", "我们已经记录下来，数据没有受损。"),
    503: ("服务正在恢复", "请过几秒刷新页面。"),
}


@dataclass(frozen=True)
class Item:
    """One entry of the menu; `permission` None is for everybody, `is_whole` asks for a role without a scope."""

    key: str
    path: str
    title: str
    permission: Permission | None
    is_whole: bool = False


MENU = (
    Item("today", "/staff/", "今日", None),
    Item("report", "/staff/report", "点位报表", Permission.READ_REPORTS, is_whole=True),
    Item("metro", "/staff/metro", "地铁图", Permission.READ_REPORTS, is_whole=True),
    Item("train", "/staff/train", "列车", Permission.READ_REPORTS, is_whole=True),
    Item("wall", "/staff/wall", "大屏", Permission.READ_REPORTS, is_whole=True),
    Item("costs", "/staff/costs", "成本", Permission.READ_REPORTS, is_whole=True),
    Item("orders", "/staff/orders", "订单", Permission.READ_ORDERS),
    Item("aftersales", "/staff/aftersales", "售后", Permission.READ_ORDERS),
    Item("approvals", "/staff/approvals", "退款审批", Permission.REFUND_ORDERS),
    Item("goods", "/staff/my/goods", "商品", Permission.KEEP_GOODS),
    Item("changes", "/staff/changes", "变更审核", Permission.DECIDE_ACCREDITATION),
    Item("suppliers", "/staff/suppliers", "供应商", Permission.READ_SUPPLIERS),
    Item("accreditations", "/staff/accreditations", "产品认定", Permission.READ_ACCREDITATIONS),
    Item("batches", "/staff/batches", "批次", Permission.READ_BATCHES),
    Item("prices", "/staff/prices", "价格核查", Permission.READ_PRICES),
    Item("benefit", "/staff/benefit", "带贫", Permission.READ_BENEFIT),
    Item("readiness", "/staff/readiness", "832准备", Permission.READ_ACCREDITATIONS),
    Item("imports", "/staff/imports", "表格导入", Permission.IMPORT_GOODS),
    Item("halls", "/staff/halls", "馆与专区", Permission.READ_HALLS),
    Item("targets", "/staff/targets", "目标", Permission.READ_HALLS),
    Item("finance", "/staff/finance", "财务", Permission.READ_MONEY, is_whole=True),
    Item("settlement", "/staff/settlement", "结算", Permission.READ_MONEY, is_whole=True),
    Item("statements", "/staff/my/statements", "我的结算单", Permission.READ_STATEMENTS),
    Item("codes", "/staff/codes", "二维码", Permission.READ_PLACEMENTS, is_whole=True),
    Item("alerts", "/staff/alerts", "告警", Permission.READ_ALERTS, is_whole=True),
    Item("creatives", "/staff/creatives", "素材", Permission.READ_PLACEMENTS, is_whole=True),
    Item("field", "/staff/field", "现场", Permission.WORK_FIELD, is_whole=True),
    Item("phone", "/staff/phone", "本机", Permission.MARK_PHONES),
    Item("partners", "/staff/partners", "合作伙伴", Permission.MANAGE_PARTNERS, is_whole=True),
    Item("people", "/staff/accounts", "账号", Permission.MANAGE_STAFF, is_whole=True),
    Item("trail", "/staff/audit", "操作记录", Permission.MANAGE_STAFF, is_whole=True),
)


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
    return back(path, fault=error.code)


def is_here() -> bool:
    """Tell whether the request at hand is for a staff page."""
    return request.path == ROOT or request.path.startswith(f"{ROOT}/")


def _markup(template: str, *, here: str, **context: object) -> str:
    actor = _actor()
    fault = request.args.get("fault", "")
    known = AppError.codes.get(fault)
    return render_template(
        template,
        here=here,
        actor=actor,
        menu=[item for item in MENU if actor and _may_open(actor, item)],
        may=lambda permission: bool(actor and accounts.allowed(actor, Permission(permission))),
        roles="、".join(dict.fromkeys(words.ROLES[grant.role] for grant in actor.grants)) if actor else "",
        scope=_scope(actor) if actor else "",
        csrf_token=guard.csrf_token(of_staff=True),
        style_url=_url("staff.css"),
        script_url=_url("staff.js"),
        charts_url=_url("charts.js"),
        wall_url=_url("wall.js"),
        wall_style_url=_url("wall.css"),
        echarts_url=_shelf_url(ECHARTS),
        htmx_url=_shelf_url(HTMX),
        done=DONE.get(request.args.get("done", "")),
        fault=FAULTS.get(fault) or (known.message if known else None),
        **context,
    )


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
    """Return in words what the reader's roles are narrowed to; nothing when one of them is not."""
    scopes = [grant.scope for grant in actor.grants]
    if sight.WHOLE in scopes:
        return ""
    areas = [_region(scope.area) for scope in scopes if scope.area]
    suppliers = [f"供应商 {scope.supplier}" for scope in scopes if scope.supplier]
    return "、".join(dict.fromkeys([*areas, *suppliers]))


def _region(area: str) -> str:
    try:
        return regions.find(area.ljust(6, "0")).name
    except RegionInvalid:
        return f"地区 {area}"


def _may_open(actor: Actor, item: Item) -> bool:
    if item.permission is None:
        return True
    return accounts.allowed(actor, item.permission, sight.WHOLE if item.is_whole else None)


def _sorry(status: int, message: str) -> str:
    if status == 401:
        asked = request.full_path.rstrip("?") if request.method == "GET" else f"{ROOT}/"
        return _markup("staff/login.html", here="", next=asked, username="", trouble=None)
    if status in {403, 404}:
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
