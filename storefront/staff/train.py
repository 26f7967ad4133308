"""A train seen from above: what each place in it brought at which hour, what it cost, and how sure that is.

Invariant: the figures are those of the placement report by hour of the scan, after refunds; a place that leads is shown
with its interval, and called the best only when there are scans enough to tell it from the others.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import TypeVar

from sqlalchemy.orm import Session

from storefront.actors import Actor
from storefront.staff import reports
from subway_campaign import costs, hours, intervals, listings, returns, rollups
from subway_campaign.errors import UnknownPlacement
from subway_campaign.hours import Hour

# As many journeys tell a rate of 3 % from one of 4 %.
ENOUGH_JOURNEYS = returns.journeys_needed(0.03, 0.04)


class Kind(StrEnum):
    """What a place in a car is."""

    DOOR = "door"
    PANEL = "panel"
    HANDLE = "handle"
    FLOOR = "floor"
    OTHER = "other"


K = TypeVar("K")

# How the labels of a car's places are written, and what they are called in a word.
_LABELS = (
    (re.compile(r"DL(\d+)"), Kind.DOOR, "左"),
    (re.compile(r"DR(\d+)"), Kind.DOOR, "右"),
    (re.compile(r"P(\d+)"), Kind.PANEL, "板"),
    (re.compile(r"H(\d+)"), Kind.HANDLE, "手"),
    (re.compile(r"F(\d+)"), Kind.FLOOR, "地"),
)


@dataclass(frozen=True)
class Seat:
    """A place in a car; `row` says where it is drawn: left doors, panels, handles, floor, right doors."""

    placement: str
    name: str
    car: str
    kind: Kind
    short: str
    row: int


@dataclass(frozen=True)
class Figures:
    """What a part of the train brought in some hours."""

    scans: int = 0
    journeys: int = 0
    paid_orders: int = 0
    paid_journeys: int = 0
    gross_fen: int = 0
    refunded_fen: int = 0

    @property
    def net_fen(self) -> int:
        """What is left after refunds."""
        return self.gross_fen - self.refunded_fen


@dataclass(frozen=True)
class Answer:
    """One place at one hour. `cost_fen` is the place's in the whole period, None while no cost is entered or known.

    `whole_net_fen` is what the place brought at all hours, which is what its cost is to be held against. The rate is of
    journeys, with Jeffreys' interval; `lacking` is how many journeys it takes to call it the best, and `days` how long
    they take to come at the pace so far.
    """

    seat: Seat
    car_name: str
    hour: int
    figures: Figures
    cost_fen: int | None
    whole_net_fen: int
    rate: float | None
    low: float | None
    high: float | None
    lacking: int
    days: int | None


@dataclass(frozen=True)
class Train:
    """A train in a period of `days`: its cars by number, its places, its hours, and the costs by place.

    `others` are all trains, itself among them, each with number and name. `costs` is None where the figures are
    narrowed to a campaign, a creative or goods, between which nobody has divided them.
    """

    number: str
    name: str
    days: int
    others: Sequence[Mapping[str, str]]
    cars: Mapping[str, str]
    seats: Sequence[Seat]
    hours: Sequence[Hour]
    costs: Mapping[str, int] | None

    def chosen(self, kind: Kind | None, car: str | None = None) -> list[Seat]:
        """Return the places of a kind (None: all) in a car (None: all)."""
        return [seat for seat in self.seats if kind in {None, seat.kind} and car in {None, seat.car}]

    def ranking(self, kind: Kind | None, *, most: int) -> list[Answer]:
        """Return the places of a kind with their hours that earned most, up to `most` of them."""
        earned = [each for each in self.answers(kind) if each.figures.net_fen > 0]
        earned.sort(key=lambda each: (-each.figures.net_fen, each.seat.placement, each.hour))
        return earned[:most]

    def answers(self, kind: Kind | None, car: str | None = None) -> list[Answer]:
        """Return every hour with anything in it of the places of a kind in a car, by place and hour."""
        seats = {seat.placement: seat for seat in self.chosen(kind, car)}
        whole = self.by_seat(None)
        return [
            self._answer(seats[hour.placement], hour, whole[hour.placement].net_fen)
            for hour in self.hours
            if hour.placement in seats
        ]

    def by_seat(self, hour: int | None) -> dict[str, Figures]:
        """Return the figures of each place with any, at one hour or over the day."""
        return _summed((each.placement, each) for each in self.hours if hour in {None, each.hour})

    def by_car_and_hour(self, seats: Iterable[Seat]) -> dict[tuple[str, int], Figures]:
        """Return the figures of `seats` by car and hour."""
        car_of = {seat.placement: seat.car for seat in seats}
        return _summed(((car_of[each.placement], each.hour), each) for each in self.hours if each.placement in car_of)

    def by_seat_and_hour(self, seats: Iterable[Seat]) -> dict[tuple[str, int], Figures]:
        """Return the figures of `seats` by place and hour."""
        wanted = {seat.placement for seat in seats}
        return _summed(((each.placement, each.hour), each) for each in self.hours if each.placement in wanted)

    def _answer(self, seat: Seat, hour: Hour, whole_net_fen: int) -> Answer:
        paid, journeys = min(hour.paid_journeys, hour.journeys), hour.journeys
        low, high = intervals.jeffreys(paid, journeys) or (None, None)
        lacking = max(ENOUGH_JOURNEYS - journeys, 0)
        return Answer(
            seat=seat,
            car_name=self.cars[seat.car],
            hour=hour.hour,
            figures=_figures([hour]),
            cost_fen=None if self.costs is None else self.costs.get(seat.placement),
            whole_net_fen=whole_net_fen,
            rate=paid / journeys if journeys else None,
            low=low,
            high=high,
            lacking=lacking,
            days=ceil(lacking * self.days / journeys) if lacking and journeys else None,
        )


def find(session: Session, actor: Actor, wanted: reports.Wanted, *, train: str | None) -> Train | None:
    """Return a train by its number, the first one without; None when the inventory has no train at all.

    Its figures are by last touch in the cohort view, whatever else is `wanted`. Must be the first thing in its
    transaction. Raises `NotPermitted`, `OutsideArea`, `PeriodTooLong`, `ImpossiblePeriod`, `UnknownCampaign`, and
    `UnknownPlacement` for what is no train.
    """
    within = reports.reach(actor, train)
    reports.check_length(wanted.from_day, wanted.to_day)
    rollups.one_snapshot(session)
    narrowed = wanted.narrowed(session, within)
    period = {"from_day": wanted.from_day, "to_day": wanted.to_day}
    others = [each for each in listings.trains(session) if narrowed.reaches(each["number"])]
    known = {each["number"]: each["name"] for each in others}
    if not known and train is None:
        return None
    number = train or next(iter(known))
    if number not in known:
        raise UnknownPlacement(placement=number)
    nodes = listings.below(session, number=number)
    return Train(
        number=number,
        name=known[number],
        days=(wanted.to_day - wanted.from_day).days,
        others=others,
        cars={node["number"]: node["name"] for node in nodes if node["level"] == "car"},
        seats=_seats(nodes),
        hours=hours.of_period(session, under=number, narrowed=narrowed, **period),
        costs=None if narrowed.is_any else _costs(session, wanted),
    )


def _costs(session: Session, wanted: reports.Wanted) -> Mapping[str, int]:
    return costs.of_period(session, since=wanted.from_day, until=wanted.to_day).allocated


def _seats(nodes: Iterable[Mapping[str, str]]) -> list[Seat]:
    cars = {node["number"] for node in nodes if node["level"] == "car"}
    found = []
    for node in nodes:
        car, _, label = node["number"].rpartition(".")
        if car in cars:
            kind, short, row = _place(label)
            found.append(Seat(node["number"], node["name"], car, kind, short, row))
    return sorted(found, key=lambda seat: (seat.car, seat.row, seat.placement))


def _place(label: str) -> tuple[Kind, str, int]:
    """Return what a label stands for, how it is written on the seat map, and in which row."""
    for pattern, kind, word in _LABELS:
        match = pattern.fullmatch(label)
        if match:
            rows = {Kind.PANEL: 1, Kind.HANDLE: 2, Kind.FLOOR: 3, Kind.DOOR: 0 if word == "左" else 4}
            return kind, f"{word}{int(match[1])}", rows[kind]
    return Kind.OTHER, label, 3


def _summed(parts: Iterable[tuple[K, Hour]]) -> dict[K, Figures]:
    found: dict[K, list[Hour]] = defaultdict(list)
    for key, hour in parts:
        found[key].append(hour)
    return {key: _figures(each) for key, each in found.items()}


def _figures(parts: Sequence[Hour]) -> Figures:
    names = Figures.__dataclass_fields__
    return Figures(**{name: sum(getattr(part, name) for part in parts) for name in names})
