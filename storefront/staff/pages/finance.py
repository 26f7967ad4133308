"""Finance on pages: reconciled days, cases and how they end, and all of it as an Excel file."""

from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from config import clock, database
from config.errors import Conflict, Invalid
from payments import reconcile
from payments.models import CaseKind, Resolution
from storefront import guard
from storefront.roles import Permission
from storefront.staff import case_words, finance, tables, words
from storefront.staff.pages import exports, frame
from storefront.staff.tables import Column, Kind

blueprint = Blueprint("staff_pages_finance", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_SHOWN_DAYS = 31
DAYS = tables.Table(
    "finance",
    "对账日",
    (
        Column("day", "日期", Kind.DAY),
        *(
            Column(name, title, Kind.MONEY if name.endswith("_fen") else Kind.COUNT, sums=name != "balance_fen")
            for name, title in (
                ("trades", "交易笔数"),
                ("paid_fen", "微信收款"),
                ("refunded_fen", "微信退款"),
                ("fees_fen", "手续费"),
                ("withdrawn_fen", "提现"),
                ("shared_fen", "分账支出"),
                ("other_fen", "其他变动"),
                ("net_fen", "账户净变动"),
                ("balance_fen", "账户结余"),
                ("our_paid_fen", "本店收款"),
                ("our_refunded_fen", "本店退款"),
                ("difference_fen", "差额"),
                ("differences", "差异条数"),
                ("open_cases", "待处理"),
            )
        ),
    ),
)
CASES = tables.Table(
    "finance-cases",
    "待办事项",
    (
        Column("slug", "编号", Kind.CODE, width=30, only="file"),
        Column("kind", "类型", words=words.CASES, href=lambda case: f"{frame.ROOT}/finance/cases/{case['slug']}"),
        Column("number", "单号", Kind.CODE, width=32, only="file"),
        Column("about", "单号", Kind.CODE, value=lambda case: case_words.about(case["number"]), only="page"),
        Column("surplus", "差额", value=lambda case: words.surplus(case["difference_fen"]), only="page"),
        Column("difference_fen", "差额", Kind.MONEY, only="file"),
        Column("opened_at", "发现时间", Kind.MINUTE, width=20),
        Column("owner", "负责人"),
        Column(
            "state",
            "状态",
            value=lambda case: words.in_words(case["resolution"], words.RESOLUTIONS) if case["closed_at"] else "待处理",
            tag=lambda case: "shipped" if case["closed_at"] else "paid",
        ),
        Column("reason", "说明", only="file", width=36),
        Column("closed_by", "办结人", only="file"),
        Column("closed_at", "办结时间", Kind.INSTANT, only="file", width=20),
        Column("evidence", "证据", value=lambda case: case_words.proofs(case["evidence"]), only="file", width=80),
    ),
    lead="kind",
)
BALANCES = tables.Table(
    "finance-ledger",
    "试算平衡",
    (
        Column("account", "科目", words=words.ACCOUNTS),
        Column("debits_fen", "借方", Kind.MONEY, sums=True),
        Column("credits_fen", "贷方", Kind.MONEY, sums=True),
        Column("balance_fen", "余额", Kind.MONEY, sums=True),
    ),
)


OVERDUE = tables.Table(
    "overdue",
    "逾期未发货",
    (
        Column("order_number", "订单", Kind.CODE, width=20),
        Column("paid_at", "付款时间", Kind.MINUTE, width=20),
        Column("left_fen", "冻结金额", Kind.MONEY, sums=True),
    ),
)


@blueprint.get("/finance")
@guard.staff(Permission.READ_MONEY)
def days() -> Response:
    """Show the reconciled days, WeChat's sums beside ours."""
    first, last = period()
    with database.transaction() as session:
        seen = finance.days(session, guard.actor(), first=first, last=last)
        awaited = finance.awaited(session, guard.actor(), first=first, last=last, now=clock.now())
    return frame.render(
        "staff/finance.html",
        here="finance",
        tab="days",
        first=first.isoformat(),
        last=last.isoformat(),
        query=urlencode({"from": first.isoformat(), "to": last.isoformat()}),
        is_equal=all(item["is_equal"] for item in seen["items"]),
        awaited=[(each.day, _why_awaited(each)) for each in reversed(awaited)],
        **seen,
    )


@blueprint.get("/finance/cases")
@guard.staff(Permission.READ_MONEY)
def cases() -> Response:
    """Show the cases, open ones unless asked otherwise."""
    asked, cursor = _cases_asked(), request.args.get("cursor")
    with database.transaction() as session:
        page = finance.listing(session, guard.actor(), **asked, cursor=cursor)
    state, kind, number, day = asked["state"] or "all", asked["kind"], asked["number"], asked["day"]
    given = (("state", state), ("kind", kind), ("number", number), ("day", day))
    chosen = {name: value for name, value in given if value}
    return frame.render(
        "staff/cases.html",
        here="finance",
        tab="cases",
        page=page,
        sheet=tables.Sheet.of(CASES, page["items"]),
        state=state,
        kind=kind,
        number=number,
        day=day,
        kinds=words.CASES,
        cursor=cursor,
        first_query=urlencode(chosen),
        next_query=urlencode(chosen | {"cursor": page["next_cursor"] or ""}),
    )


@blueprint.get("/finance/cases/<number:slug>")
@guard.staff(Permission.READ_MONEY)
def case(slug: str) -> Response:
    """Show one case with its evidence and, while it is open, the form that ends it."""
    with database.transaction() as session:
        found = finance.find(session, guard.actor(), slug=slug)
        order = finance.order_of(session, guard.actor(), slug=slug)
    return frame.render(
        "staff/case.html", here="finance", tab="cases", case=found, order=order, resolutions=words.RESOLUTIONS
    )


@blueprint.post("/finance/cases/<number:slug>/owner")
@guard.staff(Permission.CLOSE_CASES)
def take(slug: str) -> Response:
    """Make a case one's own."""
    path = f"/finance/cases/{slug}"
    try:
        with database.transaction() as session:
            finance.take(session, guard.actor(), slug=slug, now=clock.now())
    except Conflict as error:
        return frame.refused(path, error)
    return frame.back(path, done="taken")


@blueprint.post("/finance/cases/<number:slug>/end")
@guard.staff(Permission.CLOSE_CASES)
def close(slug: str) -> Response:
    """End a case with a reason, or ask for a write-off that takes two."""
    path, resolution = f"/finance/cases/{slug}", request.form.get("resolution", "")
    reason = " ".join(request.form.get("reason", "").split())
    if resolution not in set(Resolution) or not 2 <= len(reason) <= 500 or not reason.isprintable():
        return frame.back(path, fault="form.resolution")
    try:
        with database.transaction() as session:
            ended = finance.close(
                session, guard.actor(), slug=slug, resolution=Resolution(resolution), reason=reason, now=clock.now()
            )
    except (Conflict, Invalid) as error:
        return frame.refused(path, error)
    return frame.back(path, done="closed" if ended["closed_at"] else "write_off_asked")


@blueprint.get("/finance/frozen")
@guard.staff(Permission.READ_MONEY)
def frozen() -> Response:
    """Show what WeChat keeps of mini-program payments, and which of them should have been shipped."""
    with database.transaction() as session:
        seen = finance.frozen(session, guard.actor(), now=clock.now())
    return frame.render("staff/frozen.html", here="finance", tab="frozen", **seen)


@exports.files(blueprint, "/finance/frozen")
@guard.staff(Permission.READ_MONEY)
def download_overdue(kind: str) -> Response:
    """Send what is overdue to be shipped as a file."""
    with database.transaction() as session:
        seen = finance.frozen(session, guard.actor(), now=clock.now())
    sheet = tables.Sheet.of(OVERDUE, seen["overdue"], sum_title="合计")
    return exports.send(kind, sheet, now=clock.now())


@exports.files(blueprint, "/finance")
@guard.staff(Permission.READ_MONEY)
def download(kind: str) -> Response:
    """Send the days, in Excel with all cases and the trial balance beside them."""
    first, last = period()
    actor = guard.actor()
    with database.transaction() as session:
        seen = finance.days(session, actor, first=first, last=last)
        trial = finance.trial(session, actor, day=last)
    found = exports.walk(lambda session, cursor: finance.listing(session, actor, cursor=cursor, limit=exports.PAGE))
    return exports.send(
        kind,
        tables.Sheet.of(DAYS, seen["items"], sum_title="合计", notes=(("期间", f"{first} 至 {last}"),)),
        tables.Sheet.of(CASES, found, notes=(("范围", "全部"), exports.CUT)),
        tables.Sheet.of(BALANCES, trial["accounts"], sum_title="合计", notes=(("截至", last.isoformat()),)),
        now=clock.now(),
        period=f"{first}-{last}",
    )


@exports.files(blueprint, "/finance/cases")
@guard.staff(Permission.READ_MONEY)
def download_cases(kind: str) -> Response:
    """Send all the cases that the list would go through."""
    asked, actor = _cases_asked(), guard.actor()
    rows = exports.walk(
        lambda session, cursor: finance.listing(session, actor, **asked, cursor=cursor, limit=exports.PAGE)
    )
    notes = (
        ("状态", {"open": "待处理", "closed": "已办结"}.get(asked["state"] or "", "全部")),
        ("类型", words.in_words(asked["kind"], words.CASES) if asked["kind"] else "全部"),
        ("单号", asked["number"] or "不限"),
        ("账单日", asked["day"].isoformat() if asked["day"] else "不限"),
        exports.CUT,
    )
    return exports.send(kind, tables.Sheet.of(CASES, rows, notes=notes), now=clock.now())


def _cases_asked() -> dict[str, Any]:
    """Return to which state (None: all), kind, number and day of a bill the list of cases is narrowed."""
    state, kind = request.args.get("state", "open"), request.args.get("kind")
    return {
        "state": state if state in {"open", "closed"} else None,
        "kind": CaseKind(kind) if kind in set(CaseKind) else None,
        "number": request.args.get("number", "").strip()[:128] or None,
        "day": _day(request.args.get("day")),
    }


def period(*, lag: int = 1) -> tuple[date, date]:
    """Return the days that were asked for, by default a month up to `lag` days ago; never more than fit.

    A day's bill comes the day after; the ledger is written as things happen.
    """
    last = day_of(request.args.get("to"), clock.now().astimezone(clock.SHANGHAI).date() - timedelta(days=lag))
    first = min(day_of(request.args.get("from"), last - timedelta(days=_SHOWN_DAYS - 1)), last)
    return max(first, last - timedelta(days=finance.LONGEST_DAYS - 1)), last


def day_of(given: str | None, default: date) -> date:
    """Return a day as an address has it, or the default."""
    return _day(given) or default


def _day(given: str | None) -> date | None:
    try:
        day = date.fromisoformat(given or "")
    except ValueError:
        return None
    return day if 2000 <= day.year <= 2100 else None


def _why_awaited(each: reconcile.Awaited) -> str:
    """Return in words why a day was not compared yet, and what comes of it."""
    if not each.is_ready:
        return f"账单 {each.day + timedelta(days=1)} 10 点以后才有，到时自动核对"
    return "两周没有核对成，不再自动重试，请联系运维补核对" if each.is_given_up else "还没有取到账单，每小时自动再取"
