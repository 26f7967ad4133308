"""What staff read: the Chinese word for every state, level, reason and act, and how figures and instants are written.

Invariant: pure; a word that is missing here shows itself as its own key, never as an error.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from catalog import editing
from config import clock
from storefront.staff import benefit_words, hall_words, partner_words, trail_words
from storefront.staff.settlement_words import SETTLEMENT_SOURCES
from storefront.staff.supplier_words import SUPPLIER_AUDIT

STATES = {
    "pending": "待付款",
    "paid": "待发货",
    "shipped": "已发货",
    "received": "已收货",
    "cancelled": "已取消",
    "refunded": "已退款",
}
CANCELLED_BY = {"shopper": "买家取消", "staff": "工作人员取消", "expiry": "超时未付款"}
PAYMENTS = {"open": "未付款", "confirming": "确认中", "succeeded": "已收款", "closed": "已关闭"}
CHANNELS = {"miniprogram": "小程序支付", "official": "公众号支付", "h5": "H5 支付", "native": "扫码支付"}
CLAIMS = {
    "filed": "待处理",
    "approved": "待寄回",
    "sent_back": "待收退货",
    "refunding": "退款中",
    "refunded": "已退款",
    "refused": "已拒绝",
    "withdrawn": "买家撤销",
    "lapsed": "逾期关闭",
}
CLAIM_KINDS = {"refund": "仅退款", "return": "退货退款"}
CAUSES = {
    "no_reason": "不想要了",
    "damaged": "破损",
    "quality": "质量问题",
    "wrong_item": "发错商品",
    "not_received": "没有收到",
}
ACCREDITATIONS = {
    "drafted": "草稿",
    "submitted": "待乡镇意见",
    "opined": "待县级认定",
    "returned": "退回补正",
    "noticed": "公示中",
    "published": "已认定",
    "suspended": "已暂停",
    "refused": "不予认定",
    "withdrawn": "已撤回",
    "expired": "已到期",
    "revoked": "已撤销",
}
ACCREDITATION_ACTS = {
    "submit": "提交申请",
    "withdraw": "撤回申请",
    "endorse": "同意推荐",
    "oppose": "不同意推荐",
    "return": "退回补正",
    "approve": "认定并公示",
    "refuse": "不予认定",
    "publish": "发布入目录",
    "recheck": "年度复核通过",
    "suspend": "暂停认定",
    "reinstate": "恢复认定",
    "revoke": "撤销认定",
    "lapse": "逾期",
    "expire": "到期",
}
SEATS = {
    "applicant": "申请人",
    "township": "乡镇（街道）",
    "county": "县级",
    "supervisor": "监管部门",
    "clock": "系统（到期）",
}
PAPERS = {
    "licence": "营业执照",
    "food_permit": "食品经营许可或备案",
    "test_report": "检验报告",
    "origin": "产地证明",
    "benefit": "联农带农材料",
    "photo": "实物照片",
    "other": "其他材料",
}
INSPECTION_FINDINGS = {"passed": "合格", "rectify": "限期整改", "suspended": "暂停认定", "revoked": "撤销认定"}
INDICATIONS = {"product": "地理标志保护产品", "trademark": "地理标志证明商标", "agricultural": "农产品地理标志"}
INSPECTION_LEVELS = {"city": "市级", "province": "省级", "nation": "国家级"}
MARKS = {"accreditation_lost": "商品认定已失效", "batch_recalled": "有批次被召回"}
PRICE_REVIEWS = {
    "open": "待核查",
    "accepted": "已认可",
    "asked": "已要求改价",
    "held": "已停售",
    "superseded": "已改价",
}
PRICE_BASES = {"county": "本县同类中位数", "province": "全省同类中位数"}
VERDICTS = {"passed": "合格", "failed": "不合格"}
LEVELS = {"medium": "媒介", "network": "线网", "line": "线路", "asset": "站点/车辆", "car": "车厢", "position": "点位"}
MODELS = {"last": "末次触点", "first": "首次触点", "linear": "平均", "position": "首尾优先", "decay": "时间衰减"}
VIEWS = {"cohort": "按销售日（退款记回销售当天）", "cash": "按发生日（退款记在退款当天）"}
OUTCOMES = {"attributed": "已归因", "unattributed": "未归因", "excluded": "不计入"}
REASONS = {
    "eligible_touch": "有效扫码",
    "no_touch": "没有扫码记录",
    "expired_window": "扫码已超出归因窗口",
    "shared_only": "只打开过转发的链接",
    "late_touch_only": "下单之后才扫码",
    "orphan_code": "扫码时该码未挂出",
    "continued_elsewhere": "换了浏览器打开，分不清是否转发",
    "fraud_hold": "扫码可疑，核查中或已确认",
    "already_credited": "扫码已计入之前的订单",
    "excluded_staff": "工作人员",
    "excluded_crew": "乘务人员",
    "excluded_test": "测试",
    "unconfirmed": "页面没有真正打开",
    "wechat_crawler": "微信爬虫",
    "head": "只探测链接",
    "prefetch": "浏览器预加载",
    "trial": "体验版小程序",
    "automation": "自动化访问",
}
TOUCHES = {
    "scan": "扫码",
    "scan_album": "相册识码",
    "scan_longpress": "长按识码",
    "share_open": "打开转发",
    "typed": "手输编号",
    "revisit": "再次打开",
    "continued": "在另一个浏览器打开",
}
ENTRIES = {"sale": "记入销售", "refund": "退款冲回", "supersede": "改判冲回"}
MERGES = {
    "hk": "从网页转到小程序",
    "unionid": "同一微信用户",
    "phone": "同一手机号",
    "guest": "登录前是同一位访客",
}
ACTS_ON_SPOT = {"taken_down": "拆下", "put_up": "挂上", "inspected": "检查"}
FINDINGS = {"fine": "完好", "damaged": "破损", "covered": "被遮挡或贴盖", "missing": "不见了"}
ALERTS = {"silent": "长时间无人扫码", "orphan": "没挂出却有人扫", "inspection": "现场发现问题", "signal": "可疑扫码"}
ALERT_RESOLUTIONS = {"fixed": "已修复或更换", "harmless": "虚惊，没有问题", "confirmed": "属实，已处理"}
DUE = {"alert": "有告警", "never": "挂出后还没检查过", "long_ago": "超过 30 天没检查"}
ROLES = {
    "analyst": "分析",
    "campaign": "投放",
    "fulfilment": "发货",
    "finance": "财务",
    "admin": "管理员",
    "supplier": "供应商",
    "township": "乡镇",
    "county": "县级认定",
    "supervisor": "监管",
    "crew": "现场",
}
ACTS = {
    **hall_words.TOLD,
    **trail_words.SETTLED,
    **SUPPLIER_AUDIT,
    **{f"accreditation.{act}": f"认定：{word}" for act, word in ACCREDITATION_ACTS.items()},
    "accreditation.drafted": "认定：新建申请",
    "accreditation.amended": "认定：修改申请",
    "accreditation.batch_opened": "认定：新建目录批次",
    "accreditation.inspected": "认定：监督检查",
    "accreditation.rectified": "认定：整改完成",
    "accreditation.evidence_added": "认定：上传材料",
    "accreditation.evidence_removed": "认定：删除材料",
    "objection.answered": "认定：答复异议",
    "indication.entered": "认定：登记地理标志",
    "indication.taken_back": "认定：撤下地理标志",
    "batch.entered": "批次：录入",
    "batch.page_added": "批次：上传检验报告",
    "batch.recalled": "批次：召回",
    "price.accepted": "价格：认可",
    "price.asked": "价格：要求改价",
    "price.held": "价格：停售",
    **benefit_words.ACTS,
    "staff.added": "新建账号",
    "staff.logged_in": "登录",
    "staff.logged_out": "退出登录",
    "staff.disabled": "停用账号",
    "day.reconciled": "手工对账",
    "staff.password_changed": "更换密码",
    "staff.totp_enrolled": "重新绑定动态验证码",
    "staff.sessions_ended": "结束全部登录",
    "order.shipped": "发货",
    "order.shipment_corrected": "更正运单",
    "order.refund_requested": "申请退款",
    "claim.approved": "同意售后",
    "claim.refused": "拒绝售后",
    "claim.goods_received": "确认收到退货",
    "refund.approved": "批准大额退款",
    "refund.rejected": "驳回大额退款",
    "refund.sent_to_card": "异常退款转银行卡",
    "refund.transferred": "异常退款已转账",
    "order.address_seen": "查看收货信息",
    "order.attribution_seen": "查看归因说明",
    "order.attribution_overridden": "按现有证据重新归因",
    "order.buyer_parted": "分开认作同一人的记录",
    "placement.created": "新建点位",
    "placement.renamed": "点位改名",
    "codes.minted": "生成二维码",
    "pack.asked": "制作印刷包",
    "code.bound": "挂出二维码",
    "import.read": "上传表格",
    "import.confirmed": "应用表格",
    "import.withdrawn": "放弃表格",
    "cost.entered": "登记成本",
    "cost.reversed": "冲销成本",
    "exposure.estimated": "登记曝光估算",
    "trial.planned": "设计分批上线测试",
    "trial.started": "开始分批上线测试",
    "trial.withdrawn": "撤回分批上线测试",
    **partner_words.ACTS,
    "case.taken": "接手待办事项",
    "case.closed": "办结待办事项",
    "case.write_off_asked": "申请核销差额",
    "view.saved": "保存报表视图",
    "view.deleted": "删除报表视图",
    "phone.marked": "标记工作手机",
    "phone.released": "取消工作手机",
    "code.planned": "安排现场挂出",
    "code.plan_withdrawn": "取消现场安排",
    "code.taken_down": "现场拆下",
    "code.put_up": "现场挂上",
    "code.inspected": "现场检查",
    "alert.taken": "接手告警",
    "alert.closed": "办结告警",
    "creative.created": "新建素材",
    "creative.changed": "修改素材",
}
TRIALS = {"planned": "未开始", "started": "进行中", "withdrawn": "已撤回"}
COSTS = {"media": "媒体合同", "production": "制作", "installation": "安装", "other": "其他"}
CASES = {
    "mismatch": "付款与微信不符",
    "refund_mismatch": "退款与微信不符",
    "refund_abnormal": "退款异常",
    "refund_refused": "微信拒绝退款",
    "refund_closed": "退款被微信关闭",
    "refund_vanished": "微信查不到退款",
    "share": "分账未按要求完成",
    "unmatched": "通知找不到单号",
    "ledger": "总账不符",
    "bill_missing_here": "账单有，本店无",
    "bill_missing_there": "本店有，账单无",
    "bill_amount": "金额不同",
    "bill_state": "状态不同",
    "bill_day": "日期不同",
    "bill_fee": "手续费不符",
    "bill_doubled": "账单重复",
    "bill_unexplained": "来历不明的变动",
    "bill_broken": "账单无法核对",
    "frozen": "资金被微信冻结",
}
# Where the money of a mini-program payment stands.
FUNDS = {
    "unshipped": "冻结，待发货",
    "shipped": "冻结，待收货",
    "received": "已收货，待结算",
    "settled": "已结算",
    "refunded": "已退款",
}
RESOLUTIONS = {"explained": "已查明，无需更正", "repaired": "已更正", "written_off": "核销差额"}
ACCOUNTS = {
    "wechat_receivable": "应收微信",
    "bank": "银行存款",
    "order_clearing": "订单清算",
    "payables": "应付款项",
    "supplier_payables": "应付供应商",
    "margin": "毛利",
    "refunds": "应退款",
    "commission": "应付佣金",
    "fees": "手续费",
    "adjustments": "核销调整",
}
SOURCES = {
    "payment.succeeded": "收款",
    "refund.requested": "退款申请",
    "refund.succeeded": "退款到账",
    "refund.transferred": "银行转账退款",
    "refund.failed": "退款关闭",
    "order.paid": "订单成立",
    "order.refund_requested": "订单退款",
    "order.refund_failed": "订单退款撤回",
    "bill.fees": "微信手续费",
    "bill.withdrawal": "提现到银行",
    "case.written_off": "核销",
    **SETTLEMENT_SOURCES,
}
_YUAN = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,2}))?", re.ASCII)
_LINE_FIELD = re.compile(r"line[1-9][0-9]{0,2}", re.ASCII)
WEEKDAYS = "一二三四五六日"


def money(fen: int) -> str:
    """Return an amount in fen as yuan with two decimals and thousands apart."""
    sign, fen = ("-", -fen) if fen < 0 else ("", fen)
    return f"{sign}{fen // 100:,}.{fen % 100:02d}"


def fen(yuan: str) -> int | None:
    """Return what was typed in yuan as fen, nothing typed being nothing; None when it is no amount."""
    match = _YUAN.fullmatch(yuan.strip() or "0")
    return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0")) if match else None


def typed_fens(form: Mapping[str, str]) -> dict[int, int | None]:
    """Return line number → fen of the fields `line1`, `line2` … of a form, None for what is no amount."""
    return {int(name[4:]): fen(typed) for name, typed in form.items() if _LINE_FIELD.fullmatch(name)}


PACKS = {"waiting": "制作中", "ready": "已完成", "failed": "没有做成"}
PREFLIGHT = {
    "link": "网址太长，版本 2 放不下",
    "label": "点位名里有字体没有的字",
    "size": "尺寸不对",
    "quiet_zone": "静区不干净",
    "contrast": "明暗对比不够",
    "sharp": "清晰时读不出",
    "blur": "模糊时读不出",
    "noise": "噪点多时读不出",
    "perspective": "斜看时读不出",
    "pale": "褪色时读不出",
    "worst": "最差条件下读不出",
}


def count(number: int) -> str:
    """Return a whole number with thousands apart."""
    return f"{number:,}"


def percent(rate: float | None) -> str:
    """Return a rate between 0 and 1 as a percentage with one decimal, a dash when there is none."""
    return "—" if rate is None else f"{rate * 100:.1f}%"


def instant(at: datetime | str | None) -> str:
    """Return an instant (or its RFC 3339 text) as day and minute by Beijing time."""
    if not at:
        return "—"
    known = datetime.fromisoformat(at) if isinstance(at, str) else at
    return known.astimezone(clock.SHANGHAI).strftime("%Y-%m-%d %H:%M")


def local(at: datetime) -> str:
    """Return an instant as a date field takes it, in Beijing time."""
    return f"{at.astimezone(clock.SHANGHAI):%Y-%m-%dT%H:%M}"


def second(at: datetime | str | None) -> str:
    """Return an instant down to the second, where the order of events within a minute matters."""
    if not at:
        return "—"
    known = datetime.fromisoformat(at) if isinstance(at, str) else at
    return known.astimezone(clock.SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def details(values: Mapping[str, Any]) -> str:
    """Return the details of an entry of the audit trail as a sentence."""
    named = trail_words.DETAILS
    return "；".join(f"{named.get(name, name)} {_said(name, value)}" for name, value in values.items() if value)


def _said(name: str, value: Any) -> str:
    if name.endswith("_fen"):
        return f"¥{money(value)}"
    if name.endswith("_bp"):
        return f"{value / 100:g}%"
    if name.endswith("_at"):
        return instant(value)
    if isinstance(value, bool):
        return "是"
    if isinstance(value, Mapping):
        return " ".join(str(part) for part in value.values())
    parts = value if isinstance(value, list) else [value]
    known = _VALUES.get(name, {})
    return "、".join(known.get(str(part), str(part)) for part in parts)


_VALUES = trail_words.VALUES | {
    "kind": PAPERS | CASES | COSTS | trail_words.VALUES["kind"],
    "facts": dict(editing.accredited_facts()),
    "finding": FINDINGS,
    "level": LEVELS,
    "resolution": RESOLUTIONS | ALERT_RESOLUTIONS,
    "roles": ROLES,
    "seat": SEATS,
}


def surplus(fen: int | None) -> str:
    """Return what WeChat has more or less than our books, a dash when nobody knows."""
    if fen is None:
        return "—"
    return f"微信多 ¥{money(fen)}" if fen > 0 else f"微信少 ¥{money(-fen)}" if fen else "金额相同"


def source(name: str) -> str:
    """Return what moved money, from the source of a ledger entry: its word and its number."""
    kind, _, number = name.partition("/")
    return f"{SOURCES.get(kind, kind)} {number}".strip()


def in_words(key: str | None, words: dict[str, str]) -> str:
    """Return the word for `key`, or the key itself."""
    return words.get(key or "", key or "—")
