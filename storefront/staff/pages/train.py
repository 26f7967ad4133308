"""The train as a seat map: which car, which door, at which hour earned most, after refunds, and at what cost."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, request

from config import clock, database
from storefront import guard
from storefront.roles import Permission
from storefront.staff import charts, tables
from storefront.staff import train as trains
from storefront.staff.pages import exports, frame, period
from storefront.staff.tables import Column
from storefront.staff.train import Figures, Kind, Seat, Train
from subway_campaign import returns

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
        Column("gross_fen", "销售额（元）", tables.Kind.MONEY, sums=True),
        Column("refunded_fen", "退款（元）", tables.Kind.MONEY, sums=True),
        Column("net_fen", "净额（元）", tables.Kind.MONEY, sums=True),
    ),
    lead="name",
)
# What a reader compares at a glance.
_RANKED = 5


@dataclass(frozen=True)
class Choice:
    """What the reader asked for; None is everything."""

    days: period.Period
    train: str | None
    kind: Kind | None
    car: str | None
    hour: int | None

    @property
    def query(self) -> dict[str, str]:
        """Everything chosen, as the address has it."""
        named = {"train": self.train, "car": self.car, "hour": None if self.hour is None else str(self.hour)}
        kind = self.kind.value if self.kind else _EVERY
        return self.days.query | {"kind": kind} | {name: value for name, value in named.items() if value is not None}

    def other(self, **changed: str | None) -> str:
        """Return the address' query with some of it changed, None taking it out."""
        merged: dict[str, str | None] = {**self.query, **changed}
        return urlencode({name: value for name, value in merged.items() if value is not None})


@blueprint.get("/train")
@guard.staff(Permission.READ_REPORTS)
def show() -> Response:
    """Show the train; without any in the inventory, how to get one."""
    choice = _choice()
    train = _find(choice)
    if train is None:
        return frame.render("staff/train.html", here="train", train=None)
    rest = {name: value for name, value in choice.query.items() if name not in choice.days.query}
    return frame.render(
        "staff/train.html",
        here="train",
        train=train,
        choice=choice,
        chosen=choice.days,
        ranking=train.ranking(choice.kind, most=_RANKED),
        spans=period.spans(choice.days, rest),
        kinds=_kinds(choice, train),
        kind_title=_KINDS[choice.kind] if choice.kind else "位置",
        seat_map=_seat_map(train, choice),
        heat=_heat(train, choice),
        query=urlencode(choice.query),
        report_query=urlencode(choice.days.query),
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
    wanted = {seat.placement for seat in train.chosen(choice.kind, choice.car)} if train else set()
    found = [hour for hour in train.hours if hour.placement in wanted] if train else []
    rows = [{name.name: getattr(hour, name.name) for name in TABLE.columns} for hour in found]
    notes = (
        ("日期", f"{choice.days.first} 至 {choice.days.last}"),
        ("位置", _KINDS[choice.kind] if choice.kind else "全部"),
        ("车厢", choice.car or "全部"),
        ("钟点", "扫码的钟点；销售记在付款当天，退款记回销售当天，末次触点"),
    )
    days = f"{choice.days.first}-{choice.days.last}"
    return exports.send(kind, tables.Sheet.of(TABLE, rows, sum_title="合计", notes=notes), now=clock.now(), period=days)


def _find(choice: Choice) -> Train | None:
    with database.transaction() as session:
        return trains.find(session, guard.actor(), train=choice.train, **choice.days.half_open)


def _choice() -> Choice:
    asked = request.args
    kind, hour = asked.get("kind", Kind.DOOR.value), asked.get("hour", "")
    return Choice(
        days=period.read(asked, period.last_week(period.today())),
        train=asked.get("train", "")[:120] or None,
        kind=None if kind == _EVERY else Kind(kind) if kind in set(Kind) else Kind.DOOR,
        car=asked.get("car", "")[:120] or None,
        hour=int(hour) if hour.isascii() and hour.isdigit() and int(hour) < 24 else None,
    )


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
