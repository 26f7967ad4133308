"""Costs on pages: the list with its form, one entry with its reversal, and what a placement brought for the money."""

import re
import secrets
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from config import clock, database
from config.errors import Conflict, Invalid, NotFound
from storefront import guard
from storefront.roles import Permission
from storefront.staff import cost_desk, tables, words
from storefront.staff.pages import exports, frame
from storefront.staff.tables import Column, Kind
from subway_campaign.cost_models import CostKind
from subway_campaign.costs import Cost, Sought
from subway_campaign.exposures import Estimate
from subway_campaign.returns import Range

blueprint = Blueprint("staff_pages_costs", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_KEY = re.compile(r"[0-9A-Za-z_-]{8,64}", re.ASCII)
_TIMES = re.compile(r"([0-9]{1,2})(?:\.([0-9]{1,3}))?", re.ASCII)
_PEOPLE = re.compile(r"[0-9]{1,9}", re.ASCII)
_PAGE = 50
# The picture of an interval: its width in its own units, and what is left free at both ends.
_WIDTH, _MARGIN = 640.0, 30.0


def _standing(cost: Any) -> str:
    return "冲销" if cost["reverses"] else "已冲销" if cost["reversal"] else "有效"


COSTS = tables.Table(
    "costs",
    "成本",
    (
        Column("number", "编号", Kind.CODE, href=lambda cost: f"{frame.ROOT}/costs/{cost['number']}", width=22),
        Column("placement", "点位编号", Kind.CODE, only="file", width=28),
        Column(
            "placement_name",
            "点位",
            href=lambda cost: f"{frame.ROOT}/returns/{cost['placement']}",
            note=lambda cost: cost["placement"],
            width=30,
        ),
        Column("campaign", "活动", Kind.CODE),
        Column("kind", "类型", words=words.COSTS),
        Column("amount_fen", "金额", Kind.MONEY, sums=True),
        Column("from_day", "从", Kind.DAY),
        Column("last_day", "到（含当天）", Kind.DAY, value=lambda cost: cost["to_day"] - timedelta(days=1)),
        Column("note", "备注", width=30),
        Column("standing", "状态", value=_standing),
        Column("entered_by", "登记人"),
        Column("entered_at", "登记时间", Kind.MINUTE, width=20),
        Column("reverses", "冲销的编号", Kind.CODE, only="file", width=22),
    ),
)


def _times(name: str) -> Callable[[tables.Row], str]:
    return lambda one: f"{one[name] / 1000:g}"


ESTIMATES = tables.Table(
    "exposures",
    "曝光估算",
    (
        Column("number", "编号", Kind.CODE, only="file", width=22),
        Column("placement", "点位", Kind.CODE, width=28),
        Column("version", "方法和版本", value=lambda one: f"客流 × 停留，第 {one['version']} 版", width=22),
        Column("from_day", "从", Kind.DAY),
        Column("last_day", "到（含当天）", Kind.DAY, value=lambda one: one["to_day"] - timedelta(days=1)),
        Column("passers", "日客流", Kind.COUNT),
        Column(
            "seen",
            "人均看见次数",
            value=_times("seen"),
            note=lambda one: f"{_times('seen_low')(one)}–{_times('seen_high')(one)}",
        ),
        Column("seen_low", "最低", value=_times("seen_low"), only="file"),
        Column("seen_high", "最高", value=_times("seen_high"), only="file"),
        Column("source", "来源", note=lambda one: "示例，并非统计" if one["is_illustrative"] else None, width=30),
        Column("is_illustrative", "性质", value=lambda one: "示例" if one["is_illustrative"] else "统计", only="file"),
        Column("entered_by", "登记人", only="file"),
        Column("entered_at", "登记时间", Kind.MINUTE, only="file", width=20),
    ),
)


@blueprint.get("/costs")
@guard.staff(Permission.READ_REPORTS)
def listing() -> Response:
    """Show a page of costs, and the form for a new one."""
    asked, cursor = _asked(), request.args.get("cursor")
    under, sought = asked.get("under"), _sought(asked)
    with database.transaction() as session:
        seen = cost_desk.shelf(session, guard.actor(), under=under, sought=sought, cursor=cursor, limit=_PAGE)
    page = seen["page"]
    chosen = {name: value for name, value in asked.items() if name != "placement"}
    return frame.render(
        "staff/costs.html",
        here="costs",
        sheet=tables.Sheet.of(COSTS, page["items"], sum_title="本页合计"),
        asked=asked,
        under=under,
        placement=asked.get("placement", under or ""),
        kinds=words.COSTS,
        key=secrets.token_urlsafe(16),
        today=_today().isoformat(),
        cursor=cursor,
        first_query=urlencode(chosen),
        next_query=urlencode(chosen | {"cursor": page["next_cursor"] or ""}),
        **seen,
    )


@exports.files(blueprint, "/costs")
@guard.staff(Permission.READ_REPORTS)
def download(kind: str) -> Response:
    """Send all the costs that the list would go through, newest first; reversals are rows of their own."""
    asked, actor = _asked(), guard.actor()
    under, sought = asked.get("under"), _sought(asked)
    rows = exports.walk(
        lambda session, cursor: cost_desk.listing(
            session, actor, under=under, sought=sought, cursor=cursor, limit=exports.PAGE
        )
    )
    notes = (
        ("范围", under or "全部点位"),
        ("活动", asked.get("campaign", "全部活动")),
        ("费用期间", f"{asked.get('from', '不限')} 至 {asked.get('to', '不限')}"),
        exports.CUT,
    )
    sheet = tables.Sheet.of(COSTS, rows, sum_title="合计", notes=notes)
    return exports.send(kind, sheet, now=clock.now())


@blueprint.post("/costs")
@guard.staff(Permission.WRITE_COSTS)
def enter() -> Response:
    """Enter a cost, once per form."""
    cost, key = _cost(request.form), request.form.get("key", "")
    if cost is None or not _KEY.fullmatch(key):
        return frame.back("/costs", fault="form.cost")
    try:
        with database.transaction() as session:
            _, is_new = cost_desk.enter(session, guard.actor(), cost=cost, key=key, now=clock.now())
    except (Conflict, Invalid, NotFound) as error:
        return frame.refused("/costs", error)
    return frame.back("/costs", done="cost_entered" if is_new else "cost_known")


@blueprint.get("/costs/<number:number>")
@guard.staff(Permission.READ_REPORTS)
def show(number: str) -> Response:
    """Show one cost, and the form that takes it back."""
    with database.transaction() as session:
        cost = cost_desk.find(session, guard.actor(), number=number)
    last_day = cost["to_day"] - timedelta(days=1)
    return frame.render("staff/cost.html", here="costs", cost=cost, last_day=last_day, standing=_standing(cost))


@blueprint.post("/costs/<number:number>/reversal")
@guard.staff(Permission.WRITE_COSTS)
def reverse(number: str) -> Response:
    """Take a cost back, once."""
    path, note = f"/costs/{number}", _line(request.form.get("note", ""))
    if not note:
        return frame.back(path, fault="form.reason")
    try:
        with database.transaction() as session:
            cost_desk.reverse(session, guard.actor(), number=number, note=note, now=clock.now())
    except (Conflict, NotFound) as error:
        return frame.refused(path, error)
    return frame.back(path, done="cost_reversed")


@blueprint.get("/returns/<node:number>")
@guard.staff(Permission.READ_REPORTS)
def returned(number: str) -> Response:
    """Show what a placement cost and brought, its interval as a picture, or how long to wait."""
    today = _today()
    last = _day(request.args.get("to")) or today
    first = min(_day(request.args.get("from")) or last - timedelta(days=29), last)
    with database.transaction() as session:
        seen = cost_desk.yielded(
            session, guard.actor(), placement=number, from_day=first, to_day=last + timedelta(days=1)
        )
        estimates = cost_desk.estimates(session, guard.actor(), placement=number)
    answer = seen["answer"]
    return frame.render(
        "staff/return.html",
        here="costs",
        placement=number,
        first=first.isoformat(),
        last=last.isoformat(),
        days=(last - first).days + 1,
        roi=answer["roi"] and _picture(Range(**answer["roi"]), 0.0),
        rate=_picture(Range(**answer["rate"]), answer["prior"]["a"] / (answer["prior"]["a"] + answer["prior"]["b"])),
        estimates=tables.Sheet.of(ESTIMATES, estimates) if estimates else None,
        key=secrets.token_urlsafe(16),
        spans=_spans(today, first, last),
        **seen,
    )


@exports.files(blueprint, "/returns/<node:number>/exposures")
@guard.staff(Permission.READ_REPORTS)
def download_estimates(kind: str, number: str) -> Response:
    """Send the estimates of impressions at and below a placement as a file, all versions."""
    with database.transaction() as session:
        found = cost_desk.estimates(session, guard.actor(), placement=number)
    notes = (("范围", number), ("说明", "曝光只用来看总量，不给任何人、任何订单记功劳；同一点位以最新一版为准"))
    return exports.send(kind, tables.Sheet.of(ESTIMATES, found, notes=notes), now=clock.now(), period=number)


@blueprint.post("/returns/<node:number>/exposures")
@guard.staff(Permission.WRITE_COSTS)
def estimate(number: str) -> Response:
    """Enter an estimate of impressions, once per form."""
    path, wanted, key = f"/returns/{number}", _estimate(number, request.form), request.form.get("key", "")
    if wanted is None or not _KEY.fullmatch(key):
        return frame.back(path, fault="form.exposure")
    try:
        with database.transaction() as session:
            cost_desk.estimate(session, guard.actor(), wanted=wanted, key=key, now=clock.now())
    except NotFound as error:
        return frame.refused("/costs", error)
    except (Conflict, Invalid) as error:
        return frame.refused(path, error)
    return frame.back(path, done="exposure_entered")


def _cost(form: Any) -> Cost | None:
    """Return what a form says, whose last day is included, as people say it; None when something is missing."""
    amount_fen, period = words.fen(form.get("amount", "")), _period(form)
    campaign, placement = form.get("campaign", "").strip()[:40], form.get("placement", "").strip().upper()[:120]
    if not amount_fen or period is None or not campaign or not placement or form.get("kind") not in set(CostKind):
        return None
    return Cost(
        campaign=campaign,
        placement=placement,
        kind=CostKind(form["kind"]),
        amount_fen=amount_fen,
        from_day=period[0],
        to_day=period[1],
        note=_line(form.get("note", "")),
    )


def _estimate(placement: str, form: Any) -> Estimate | None:
    period, source = _period(form), _line(form.get("source", ""))
    seen = [_thousandths(form.get(name, "")) for name in ("seen_low", "seen", "seen_high")]
    passers = form.get("passers", "").strip()
    if period is None or not source or None in seen or not _PEOPLE.fullmatch(passers):
        return None
    low, likely, high = (value or 0 for value in seen)
    return Estimate(
        placement=placement,
        from_day=period[0],
        to_day=period[1],
        passers=int(passers),
        seen_low=low,
        seen=likely,
        seen_high=high,
        source=source,
        is_illustrative=form.get("illustrative") == "yes",
    )


def _period(form: Any) -> tuple[date, date] | None:
    """Return the first day and the day after the last one; an order that is wrong is the verb's to refuse."""
    first, last = _day(form.get("from", "")), _day(form.get("to", ""))
    return (first, last + timedelta(days=1)) if first and last else None


def _thousandths(typed: str) -> int | None:
    match = _TIMES.fullmatch(typed.strip())
    return int(match[1]) * 1000 + int((match[2] or "").ljust(3, "0")) if match else None


def _line(typed: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f]+", " ", typed).strip()[:200]


def _picture(found: Range, mark: float) -> dict[str, Any]:
    """Return where the ends, the value and a `mark` to compare with stand in a picture `_WIDTH` wide."""
    low, high = min(found.low, mark), max(found.high, mark)
    span = high - low or 1.0

    def at(value: float) -> float:
        return round(_MARGIN + (value - low) / span * (_WIDTH - 2 * _MARGIN), 1)

    places = {"x_low": at(found.low), "x_high": at(found.high), "x": at(found.value), "x_mark": at(mark)}
    return asdict(found) | places | {"mark": mark, "width": _WIDTH}


def _asked() -> dict[str, str]:
    """Return what the address says of the list and the form; an unreadable day is none."""
    places = {name: request.args.get(name, "").strip().upper()[:120] for name in ("under", "placement")}
    days = {name: _day(request.args.get(name)) for name in ("from", "to")}
    asked = {**places, "campaign": request.args.get("campaign", "").strip()[:40], **days}
    return {name: str(value) for name, value in asked.items() if value}


def _sought(asked: dict[str, str]) -> Sought:
    """Return to which costs the list is narrowed: those of a campaign that fall on one of some days."""
    last = _day(asked.get("to"))
    return Sought(
        campaign=asked.get("campaign"),
        from_day=_day(asked.get("from")),
        to_day=last + timedelta(days=1) if last else None,
    )


def _spans(today: date, first: date, last: date) -> list[dict[str, Any]]:
    starts = {"近 7 天": 6, "近 30 天": 29, "近 90 天": 89}
    return [
        {
            "title": title,
            "query": urlencode({"from": today - timedelta(days=back), "to": today}),
            "is_here": (first, last) == (today - timedelta(days=back), today),
        }
        for title, back in starts.items()
    ]


def _today() -> date:
    return clock.now().astimezone(clock.SHANGHAI).date()


def _day(given: str | None) -> date | None:
    try:
        day = date.fromisoformat(given or "")
    except ValueError:
        return None
    # Years that neither a report nor the arithmetic of days could reach.
    return day if 2000 <= day.year <= 2100 else None
