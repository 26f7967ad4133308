"""Tests by turns on pages: the list with the form that plans one, and one with its schedule and what it shows."""

import re
import secrets
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.datastructures import MultiDict

from config import clock, database
from config.errors import Conflict, Invalid, NotFound
from storefront import guard
from storefront.roles import Permission
from storefront.staff import trial_desk, words
from storefront.staff.pages import exports, frame, messages
from storefront.staff.tables import Column, Kind, Row, Sheet, Table
from subway_campaign.lifecycle import Level
from subway_campaign.trials import MOST_UNITS, Wanted

blueprint = Blueprint("staff_pages_trials", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_KEY = re.compile(r"[0-9A-Za-z_-]{8,64}", re.ASCII)
# What a test is made of: a single position sells too seldom to be compared by the week.
_LEVELS = (Level.LINE, Level.ASSET, Level.CAR)
_WEEKS = re.compile(r"[0-9]{1,2}", re.ASCII)


def _so_far(trial: Row) -> str | None:
    return f"{trial['weeks_over']}/{trial['weeks']} 周" if trial["state"] == "started" else None


def _detectable(trial: Row) -> int | None:
    """Return nothing for a past without sales, whose weeks say nothing of how far apart weeks are."""
    return trial["detectable_fen"] or None


def _difference(end: str) -> Callable[[Row], int | None]:
    return lambda trial: round(trial["difference"][end]) if trial["difference"] else None


TRIALS = Table(
    "trials",
    "分批上线测试",
    (
        Column("number", "编号", Kind.CODE, only="file", width=20),
        Column("name", "名称", href=lambda trial: f"{frame.ROOT}/trials/{trial['number']}", width=28),
        Column("state", "状态", words=words.TRIALS, note=_so_far),
        Column("starts_on", "开始", Kind.DAY),
        Column("weeks", "周数", Kind.COUNT),
        Column("pairs", "对数", Kind.COUNT, value=lambda trial: len(trial["pairs"])),
        Column("detectable_fen", "能看出的最小差别（每周）", Kind.MONEY, value=_detectable, width=24),
        Column("difference_fen", "先后之差（每周）", Kind.MONEY, value=_difference("fen"), only="file", width=20),
        Column("low_fen", "区间下限", Kind.MONEY, value=_difference("low"), only="file", width=20),
        Column("high_fen", "区间上限", Kind.MONEY, value=_difference("high"), only="file", width=20),
    ),
    lead="name",
)


SCHEDULE = Table(
    "trial",
    "分批上线测试的排期",
    (
        Column("pair", "第几对", Kind.COUNT),
        Column("placement", "点位编号", Kind.CODE, width=28),
        Column("name", "点位", width=32),
        Column("turn", "先后"),
        Column("on", "上线", Kind.DAY),
    ),
    lead="name",
)


@blueprint.get("/trials")
@guard.staff(Permission.READ_REPORTS)
def listing() -> Response:
    """Show the tests, and the form that plans one, with what there is to tick of the chosen branch and level."""
    return _shelf(request.args)


def _shelf(given: MultiDict[str, str], *, trouble: str = "", status: int = 200) -> Response:
    """Show the list and the form as it was `given`: who chose two hundred places does not choose them twice."""
    under, level = given.get("under", "").strip()[:120] or None, given.get("level", "")
    with database.transaction() as session:
        seen = trial_desk.shelf(
            session,
            guard.actor(),
            under=under,
            level=Level(level) if level in _LEVELS else None,
            now=clock.now(),
        )
    numbers = {node["number"] for node in seen["found"]}
    monday = _today() + timedelta(days=7 - _today().weekday())
    return frame.render(
        "staff/trials.html",
        here="costs",
        status=status,
        key=secrets.token_urlsafe(16),
        monday=monday.isoformat(),
        given=given,
        ticked=numbers if given.get("all") else numbers & set(given.getlist("unit")),
        levels={each.value: words.LEVELS[each] for each in _LEVELS},
        most_units=MOST_UNITS,
        trouble=trouble,
        sheet=Sheet.of(TRIALS, seen["trials"]),
        **seen,
    )


@exports.files(blueprint, "/trials")
@guard.staff(Permission.READ_REPORTS)
def download(kind: str) -> Response:
    """Send the tests as a file."""
    with database.transaction() as session:
        found = trial_desk.listing(session, guard.actor(), now=clock.now())
    return exports.send(kind, Sheet.of(TRIALS, found), now=clock.now())


@exports.files(blueprint, "/trials/<number:number>/schedule")
@guard.staff(Permission.READ_REPORTS)
def schedule(kind: str, number: str) -> Response:
    """Send when which placement of a test is switched on."""
    with database.transaction() as session:
        trial = trial_desk.find(session, guard.actor(), number=number, now=clock.now())
    turns = [(n, _row(trial, pair)) for n, pair in enumerate(trial["pairs"], start=1)]
    rows = [
        {"pair": n, "placement": row[f"{turn}_number"], "name": row[turn], "turn": said, "on": row[f"{turn}_on"]}
        for n, row in turns
        for turn, said in (("early", "先"), ("late", "后"))
    ]
    notes = (("测试", trial["name"]), ("状态", words.TRIALS[trial["state"]]), ("随机种子", str(trial["seed"])))
    return exports.send(kind, Sheet.of(SCHEDULE, rows, notes=notes), now=clock.now())


@blueprint.post("/trials")
@guard.staff(Permission.WRITE_COSTS)
def plan() -> Response:
    """Plan a test, once per form."""
    wanted, key = _wanted(request.form), request.form.get("key", "")
    if wanted is None or not _KEY.fullmatch(key):
        return _shelf(request.form, trouble=messages.FAULTS["form.trial"], status=422)
    try:
        with database.transaction() as session:
            trial, _ = trial_desk.plan(session, guard.actor(), wanted=wanted, key=key, now=clock.now())
    except (Conflict, Invalid, NotFound) as error:
        where = error.details.get("placement")
        return _shelf(request.form, trouble=f"{error.text}：{where}" if where else error.text, status=error.status)
    return frame.back(f"/trials/{trial['number']}", done="trial_planned")


@blueprint.get("/trials/<number:number>")
@guard.staff(Permission.READ_REPORTS)
def show(number: str) -> Response:
    """Show a schedule, and what the test shows so far."""
    with database.transaction() as session:
        trial = trial_desk.find(session, guard.actor(), number=number, now=clock.now())
    return frame.render(
        "staff/trial.html",
        here="costs",
        trial=trial,
        rows=[_row(trial, pair) for pair in trial["pairs"]],
        ends_on=trial["starts_on"] + timedelta(weeks=trial["weeks"]) - timedelta(days=1),
    )


@blueprint.post("/trials/<number:number>/start")
@guard.staff(Permission.WRITE_COSTS)
def start(number: str) -> Response:
    """Start a test."""
    try:
        with database.transaction() as session:
            trial_desk.start(session, guard.actor(), number=number, now=clock.now())
    except (Conflict, NotFound) as error:
        return frame.refused(f"/trials/{number}", error)
    return frame.back(f"/trials/{number}", done="trial_started")


@blueprint.post("/trials/<number:number>/withdrawal")
@guard.staff(Permission.WRITE_COSTS)
def withdraw(number: str) -> Response:
    """Give a test up before it starts."""
    try:
        with database.transaction() as session:
            trial_desk.withdraw(session, guard.actor(), number=number, now=clock.now())
    except (Conflict, NotFound) as error:
        return frame.refused(f"/trials/{number}", error)
    return frame.back(f"/trials/{number}", done="trial_withdrawn")


def _wanted(form: Any) -> Wanted | None:
    """Return what a form says; units are ticked, or stand one on a line. None when something is missing."""
    name, weeks = form.get("name", "").strip()[:80], form.get("weeks", "")
    typed = re.split(r"[\s,，;；]+", form.get("units", "").strip().upper()[:20_000])
    units = tuple(dict.fromkeys(each for each in (*form.getlist("unit"), *typed) if each))
    starts_on = _day(form.get("starts_on", ""))
    if not name or not units or starts_on is None or not _WEEKS.fullmatch(weeks):
        return None
    return Wanted(name=name, units=units, weeks=int(weeks), starts_on=starts_on)


def _row(trial: dict[str, Any], pair: dict[str, Any]) -> dict[str, Any]:
    """Return a pair with the days on which its two units are switched on; None for a day that is not in the test."""
    late_week = pair["on_week"] + trial["hold_weeks"]
    return {
        "early": trial["names"].get(pair["early"], pair["early"]),
        "late": trial["names"].get(pair["late"], pair["late"]),
        "early_number": pair["early"],
        "late_number": pair["late"],
        "early_on": trial["starts_on"] + timedelta(weeks=pair["on_week"]),
        "late_on": trial["starts_on"] + timedelta(weeks=late_week),
        "cells": [
            ("on" if week >= pair["on_week"] else "off", "on" if week >= late_week else "off")
            for week in range(trial["weeks"])
        ],
    }


def _today() -> date:
    return clock.now().astimezone(clock.SHANGHAI).date()


def _day(given: str) -> date | None:
    try:
        day = date.fromisoformat(given)
    except ValueError:
        return None
    return day if 2000 <= day.year <= 2100 else None
