"""The train as a seat map: which car, which door, at which hour earned most, after refunds, and at what cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, request

from config import clock, database
from storefront import guard
from storefront.roles import Permission
from storefront.staff import charts, tables
from storefront.staff import train as trains
from storefront.staff.pages import choices, exports, frame, period
from storefront.staff.tables import Column
from storefront.staff.train import Answer, Figures, Kind, Seat, Train
from subway_campaign import returns
from subway_campaign.lifecycle import Model, View

blueprint = Blueprint("staff_pages_train", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_KINDS = {Kind.DOOR: "车门", Kind.PANEL: "侧墙展板", Kind.HANDLE: "拉手", Kind.FLOOR: "地贴", Kind.OTHER: "其他"}
_EVERY = "all"
TABLE = tables.Table(
    "train",
    "列车各位置按钟点",
    (
        Column("placement", "点位编号", tables.Kind.CODE, width=28),
        Column("name", "名称", width=36),
        Column("hour", "钟点", tables.Kind.CODE),
        Column("scans", "扫码", tables.Kind.COUNT, sums=True),
        Column("paid_orders", "付款", tables.Kind.COUNT, sums=True),
        Column("gross_fen", "销售额", tables.Kind.MONEY, sums=True),
        Column("refunded_fen", "退款", tables.Kind.MONEY, sums=True),
        Column("net_fen", "净额", tables.Kind.MONEY, sums=True),
        Column("journeys", "扫码旅程", tables.Kind.COUNT, sums=True),
        Column("paid_journeys", "付款旅程", tables.Kind.COUNT, sums=True),
        Column("rate", "转化率", tables.Kind.RATE),
        Column("low", "区间下限", tables.Kind.RATE),
        Column("high", "区间上限", tables.Kind.RATE),
        Column("sample", "样本"),
        # The same at every hour of a place: it is not added up.
        Column("cost_fen", "点位全期成本", tables.Kind.MONEY),
    ),
    lead="name",
)
# What a reader compares at a glance.
_RANKED = 5


@dataclass(frozen=True)
class Choice:
    """What the reader asked for; None is everything. `asked` is days and filters as the report has them."""

    days: period.Period
    asked: choices.Choice
    train: str | None
    kind: Kind | None
    car: str | None
    hour: int | None

    @property
    def query(self) -> dict[str, str]:
        """Everything chosen, as the address has it."""
        named = {"train": self.train, "car": self.car, "hour": None if self.hour is None else str(self.hour)}
        kind = self.kind.value if self.kind else _EVERY
        chosen = {name: value for name, value in named.items() if value is not None}
        return self.asked.parts() | {"kind": kind} | chosen

    def other(self, **changed: str | None) -> str:
        """Return the address' query with some of it changed, None taking it out."""
        merged: dict[str, str | None] = {**self.query, **changed}
        return urlencode({name: value for name, value in merged.items() if value is not None})


@blueprint.get("/train")
@guard.staff(Permission.READ_REPORTS)
def show() -> Response:
    """Show the train; without any in the inventory, how to get one."""
    choice = _choice()
    with database.transaction() as session:
        train = trains.find(session, guard.actor(), choice.asked.wanted, train=choice.train)
        offered = choices.options(session, guard.actor(), choice.asked)
    if train is None:
        return frame.render("staff/train.html", here="train", train=None)
    rest = {name: value for name, value in choice.query.items() if name not in choice.days.query}
    return frame.render(
        "staff/train.html",
        here="train",
        train=train,
        choice=choice,
        chosen=choice.days,
        asked=choice.asked,
        offered=offered,
        lines=_lines(train, offered["branches"]),
        ranking=train.ranking(choice.kind, most=_RANKED),
        spans=period.spans(choice.days, rest),
        kinds=_kinds(choice, train),
        kind_title=_KINDS[choice.kind] if choice.kind else "位置",
        seat_map=_seat_map(train, choice),
        heat=_heat(train, choice),
        query=urlencode(choice.query),
        report_query=choice.asked.query(),
        days_query=urlencode(choice.days.query),
        caveat=returns.CAVEAT,
        enough=trains.ENOUGH_JOURNEYS,
    )


@blueprint.get("/train.json")
@guard.staff(Permission.READ_REPORTS)
def picture() -> Response:
    """Return what ECharts draws: net sales and scans by hour of what is chosen."""
    choice = _choice()
    train = _find(choice)
    by_hour: dict[int, list[Figures]] = {}
    if train is not None:
        for (_car, hour), figures in train.by_car_and_hour(train.chosen(choice.kind, choice.car)).items():
            by_hour.setdefault(hour, []).append(figures)
    net = [sum(figures.net_fen for figures in by_hour.get(hour, ())) / 100 for hour in range(24)]
    scans = [sum(figures.scans for figures in by_hour.get(hour, ())) for hour in range(24)]
    return jsonify(charts.by_hour(bars=net, line=scans, names=("净销售额", "扫码"), units=("元", "次")))


@exports.files(blueprint, "/train")
@guard.staff(Permission.READ_REPORTS)
def download(kind: str) -> Response:
    """Send every place and hour with anything in it; they add up to the train's row of the report."""
    choice = _choice()
    train = _find(choice)
    with database.transaction() as session:
        told = choices.notes(session, guard.actor(), replace(choice.asked, under=train.number if train else None))
    notes = (
        *told,
        ("位置", _KINDS[choice.kind] if choice.kind else "全部"),
        ("车厢", choice.car or "全部"),
        ("钟点", "扫码的钟点；销售记在付款当天"),
        ("说明", returns.CAVEAT),
    )
    rows = [_row(answer) for answer in (train.answers(choice.kind, choice.car) if train else ())]
    days = f"{choice.days.first}-{choice.days.last}"
    return exports.send(kind, tables.Sheet.of(TABLE, rows, sum_title="合计", notes=notes), now=clock.now(), period=days)


def _row(answer: Answer) -> dict[str, Any]:
    figures = answer.figures
    return {
        **vars(answer),
        **vars(figures),
        "net_fen": figures.net_fen,
        "placement": answer.seat.placement,
        "name": answer.seat.name,
        "sample": "数据不足" if answer.lacking else "足够",
    }


def _find(choice: Choice) -> Train | None:
    with database.transaction() as session:
        return trains.find(session, guard.actor(), choice.asked.wanted, train=choice.train)


def _choice() -> Choice:
    asked = request.args
    kind, hour = asked.get("kind", Kind.DOOR.value), asked.get("hour", "")
    of_report = choices.read(asked, today=period.today())
    days = period.Period(of_report.from_day, of_report.last_day)
    if asked.get("span", "") not in choices.SPANS or asked.get("from"):
        days = period.read(asked, period.last_week(period.today()))
    narrowed = replace(
        of_report,
        from_day=days.first,
        last_day=days.last,
        # A train has a branch, a level and an order of its own, and the hours know one model and one view.
        span="",
        under=None,
        level=None,
        sort="",
        model=Model.LAST,
        view=View.COHORT,
    )
    return Choice(
        days=days,
        asked=narrowed,
        train=asked.get("train", "")[:120] or None,
        kind=None if kind == _EVERY else Kind(kind) if kind in set(Kind) else Kind.DOOR,
        car=asked.get("car", "")[:120] or None,
        hour=int(hour) if hour.isascii() and hour.isdigit() and int(hour) < 24 else None,
    )


def _lines(train: Train, branches: Sequence[Mapping[str, str]]) -> dict[str, list[Mapping[str, str]]]:
    """Return the trains by medium and line, as the names of these say them."""
    names = {branch["number"]: branch["name"] for branch in branches}
    found: dict[str, list[Mapping[str, str]]] = {}
    for each in train.others:
        line = each["number"].rpartition(".")[0]
        title = " · ".join(names[number] for number in (line.partition(".")[0], line) if number in names)
        found.setdefault(title, []).append(each)
    return found


def _kinds(choice: Choice, train: Train) -> list[dict[str, Any]]:
    there = {seat.kind for seat in train.seats}
    offered = [(kind.value, title) for kind, title in _KINDS.items() if kind in there] + [(_EVERY, "全部位置")]
    here = choice.kind.value if choice.kind else _EVERY
    return [{"title": title, "query": choice.other(kind=kind), "is_here": kind == here} for kind, title in offered]


def _seat_map(train: Train, choice: Choice) -> list[dict[str, Any]]:
    """Return the cars with their places by row, each coloured by its share of the best place of the train."""
    found = train.by_seat(choice.hour)
    wanted = {seat.placement for seat in train.chosen(choice.kind)}
    most = max((found[placement].net_fen for placement in wanted & found.keys()), default=0)

    def shown(seat: Seat) -> dict[str, Any]:
        figures = found.get(seat.placement, Figures())
        return {
            "seat": seat,
            "figures": figures,
            "step": charts.step(figures.net_fen, most),
            "is_wanted": seat.placement in wanted,
        }

    return [
        {
            "number": number,
            "name": name,
            "net_fen": sum(
                found[seat.placement].net_fen for seat in train.chosen(None, number) if seat.placement in found
            ),
            "query": choice.other(car=None if choice.car == number else number),
            "is_here": choice.car == number,
            "rows": [
                [shown(seat) for seat in train.chosen(None, number) if seat.row == row]
                for row in sorted({seat.row for seat in train.chosen(None, number)})
            ],
        }
        for number, name in train.cars.items()
    ]


def _heat(train: Train, choice: Choice) -> list[dict[str, Any]]:
    """Return rows of 24 hours: the cars, or the places of the chosen car."""
    rows: list[tuple[str, str, str | None]]
    if choice.car in train.cars:
        seats = train.chosen(choice.kind, choice.car)
        found = train.by_seat_and_hour(seats)
        rows = [(seat.placement, seat.name.rpartition(" ")[2], None) for seat in seats]
    else:
        found = train.by_car_and_hour(train.chosen(choice.kind))
        rows = [(number, name, choice.other(car=number)) for number, name in train.cars.items()]
    most = max((figures.net_fen for figures in found.values()), default=0)
    return [
        {
            "placement": key,
            "name": name,
            "query": query,
            "net_fen": sum(found[key, hour].net_fen for hour in range(24) if (key, hour) in found),
            "cells": [
                {"hour": hour, "figures": figures, "step": charts.step(figures.net_fen, most)}
                for hour in range(24)
                for figures in [found.get((key, hour), Figures())]
            ],
        }
        for key, name, query in rows
    ]
