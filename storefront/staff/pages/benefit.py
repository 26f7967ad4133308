"""Benefit on pages: totals by county, mode and month with its files, groups, their links, and households by name.

Invariant: a household's name stands on one page only, which its county's own clerks open; it is in no address, in no
file, and in no message.
"""

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from config import clock, database
from config.errors import AppError, Conflict, Forbidden, Invalid, NotFound
from storefront import guard
from storefront.benefit_links import Wanted
from storefront.benefit_models import GroupKind, Mode
from storefront.roles import Permission
from storefront.second_factor_errors import SecondFactorRequired
from storefront.staff import benefit_desk, benefit_words, tables
from storefront.staff.pages import exports, frame, period
from storefront.staff.tables import Column, Kind

blueprint = Blueprint("staff_pages_benefit", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_PATH = "/benefit"
_NAME_LENGTHS = range(2, 61)
_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?", re.ASCII)

TOTALS = tables.Table(
    "benefit",
    "带贫汇总",
    (
        Column("county", "县（市、区）"),
        Column("mode", "带贫方式", words=benefit_words.MODES, width=16),
        Column("month", "月份", Kind.CODE, width=10),
        Column("groups", "合作社和农户组", Kind.COUNT),
        Column("orders", "订单", Kind.COUNT),
        Column("sold_fen", "销售带动", Kind.MONEY, sums=True),
        Column("refunded_fen", "退款冲回", Kind.MONEY, sums=True),
        Column("net_fen", "净额", Kind.MONEY, sums=True),
    ),
)


@blueprint.get("/benefit")
@guard.staff(Permission.READ_BENEFIT)
def overview() -> Response:
    """Show the totals of a period and the groups, and the form that opens one."""
    actor, asked = guard.actor(), _period()
    with database.transaction() as session:
        groups = benefit_desk.groups(session, actor, now=clock.now())
    return frame.render(
        "staff/benefit.html",
        here="benefit",
        sheet=_sheet(asked),
        asked=asked,
        query=urlencode(asked.query),
        groups=groups,
        counties=benefit_desk.counties(actor),
        kinds=benefit_words.KINDS,
    )


@exports.files(blueprint, "/benefit")
@guard.staff(Permission.READ_BENEFIT)
def download(kind: str) -> Response:
    """Send the totals of a period; households are in no file."""
    asked = _period()
    return exports.send(kind, _sheet(asked), now=clock.now(), period=f"{asked.first}-{asked.last}")


@blueprint.post("/benefit/groups")
@guard.staff(Permission.WRITE_BENEFIT)
def open_group() -> Response:
    """Open a co-operative or a group of households."""
    kind, county, name = (request.form.get(field, "").strip() for field in ("kind", "county", "name"))
    if kind not in set(GroupKind) or len(name) not in _NAME_LENGTHS or not name.isprintable() or not county:
        return frame.back(_PATH, fault="form.group")

    def act(session: Session) -> str:
        return benefit_desk.open_group(
            session, guard.actor(), kind=GroupKind(kind), name=name, county=county[:6], now=clock.now()
        )

    return _try(act, done="group_opened", otherwise=_PATH)


@blueprint.get("/benefit/groups/<number:number>")
@guard.staff(Permission.READ_BENEFIT)
def show(number: str) -> Response:
    """Show a group with its links, and the form that makes one."""
    now = clock.now()
    with database.transaction() as session:
        found = benefit_desk.find(session, guard.actor(), number=number, now=now)
        goods = benefit_desk.linkable(session, county=found["county_code"]) if found["may_write"] else {}
    return frame.render(
        "staff/benefit_group.html",
        here="benefit",
        it=found,
        goods=goods,
        kinds=benefit_words.KINDS,
        modes=benefit_words.MODES,
        today=period.today().isoformat(),
        now=now,
    )


@blueprint.post("/benefit/groups/<number:number>/links")
@guard.staff(Permission.WRITE_BENEFIT)
def link(number: str) -> Response:
    """Link a product to a group."""
    wanted = _wanted(number, request.form)
    if wanted is None:
        return frame.back(f"{_PATH}/groups/{number}", fault="form.link")

    def act(session: Session) -> str:
        benefit_desk.link(session, guard.actor(), wanted=wanted, now=clock.now())
        return number

    return _try(act, done="benefit_linked", otherwise=f"{_PATH}/groups/{number}")


@blueprint.post("/benefit/links/<number:number>/end")
@guard.staff(Permission.WRITE_BENEFIT)
def end(number: str) -> Response:
    """End a link."""
    return _try(
        lambda session: benefit_desk.end(session, guard.actor(), number=number, now=clock.now()),
        done="benefit_ended",
        otherwise=_PATH,
    )


@blueprint.get("/benefit/groups/<number:number>/households")
@guard.staff(Permission.READ_HOUSEHOLDS)
def households(number: str) -> Response:
    """Show the households of a group by name, to who showed a second factor; each look is written down."""
    now = clock.now()
    try:
        with database.transaction() as session:
            found = benefit_desk.find(session, guard.actor(), number=number, now=now)
            held = benefit_desk.read_households(session, guard.actor(), group=number, now=now)
    except SecondFactorRequired:
        return frame.back("/second-factor")
    today = period.today().isoformat()
    return frame.render("staff/benefit_households.html", here="benefit", it=found, households=held, today=today)


@blueprint.post("/benefit/groups/<number:number>/households")
@guard.staff(Permission.READ_HOUSEHOLDS)
def add_household(number: str) -> Response:
    """Add a household to a group."""
    given = request.form

    def act(session: Session) -> str:
        benefit_desk.add_household(
            session,
            guard.actor(),
            group=number,
            name=given.get("name", "")[:100],
            phone=given.get("phone", "")[:40],
            consented_on=_day(given.get("consented_on", "")),
            now=clock.now(),
        )
        return f"{number}/households"

    return _try(act, done="household_added", otherwise=f"{_PATH}/groups/{number}/households")


@blueprint.post("/benefit/households/<number:number>/departure")
@guard.staff(Permission.READ_HOUSEHOLDS)
def leave(number: str) -> Response:
    """Let a household leave its group."""
    return _at_household(number, benefit_desk.let_household_leave, done="household_left")


@blueprint.post("/benefit/households/<number:number>/erasure")
@guard.staff(Permission.READ_HOUSEHOLDS)
def forget(number: str) -> Response:
    """Delete a household's name and phone at once."""
    return _at_household(number, benefit_desk.forget_household, done="household_forgotten")


def _at_household(number: str, verb: Callable[..., str], *, done: str) -> Response:
    return _try(
        lambda session: f"{verb(session, guard.actor(), number=number, now=clock.now())}/households",
        done=done,
        otherwise=_PATH,
    )


def _try(act: Callable[[Session], str], *, done: str, otherwise: str) -> Response:
    """Do it and lead on to the group that it names, or back with the reason."""
    try:
        with database.transaction() as session:
            where = act(session)
    except SecondFactorRequired:
        return frame.back("/second-factor")
    except (Conflict, Invalid, NotFound, Forbidden) as error:
        return _refused(otherwise, error)
    return frame.back(f"{_PATH}/groups/{where}", done=done)


def _refused(path: str, error: AppError) -> Response:
    """Say why, where the reader was; what is not found or not theirs has its own page."""
    if isinstance(error, NotFound | Forbidden):
        raise error
    return frame.refused(path, error)


def _sheet(asked: period.Period) -> tables.Sheet:
    since, before = _midnight(asked.first), _midnight(asked.last + timedelta(days=1))
    with database.transaction() as session:
        rows = benefit_desk.totals(session, guard.actor(), since=since, before=before)
    notes = (("期间", f"{asked.first} 至 {asked.last}"), ("说明", "退款记在退回当天；按关联时的比例精确到分"))
    return tables.Sheet.of(TOTALS, rows, sum_title="合计", notes=notes)


def _period() -> period.Period:
    """Return the period that the address asks for, this year so far where it does not."""
    today = period.today()
    return period.read(request.args, period.Period(today.replace(month=1, day=1), today))


def _wanted(group: str, form: Any) -> Wanted | None:
    """Return the link that a form asks for; a day that is today or none begins as soon as can be."""
    share = _PERCENT.fullmatch(form.get("share", "").strip())
    share_bp = int(share[1]) * 100 + int((share[2] or "").ljust(2, "0")) if share else 0
    first, last = (_day(form.get(name, "")) for name in ("starts_on", "ends_on"))
    is_told = all(not form.get(name) or day for name, day in (("starts_on", first), ("ends_on", last)))
    product, mode = form.get("product", "").strip()[:80], form.get("mode", "")
    if not product or mode not in set(Mode) or not 1 <= share_bp <= 10_000 or not is_told:
        return None
    return Wanted(
        product=product,
        group=group,
        mode=Mode(mode),
        share_bp=share_bp,
        starts_at=_midnight(first) if first and first > period.today() else None,
        ends_at=_midnight(last + timedelta(days=1)) if last else None,
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), clock.SHANGHAI)


def _day(typed: str) -> date | None:
    try:
        day = date.fromisoformat(typed)
    except ValueError:
        return None
    return day if 2000 <= day.year <= 2100 else None
