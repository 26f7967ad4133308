"""`python -m emulator simulate --month`: known causes over a month, and whether the report recovers them.

The shop's clock is moved by writing an offset to a file that the shop's processes were started to read, WeChat's by its
control plane; both only ever forward. What is compared are the causes' intentions and the emulator's books on one side,
the report and the explanations of single orders on the other.
"""

import heapq
import itertools
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from tqdm import tqdm

from emulator import verdict, weights
from emulator.browser import Browser, GaveUp
from emulator.causes import CAUSES, Cause
from emulator.clock import BEIJING
from emulator.riders import Ground, Purchase, Rider, SoldOut, Trip
from emulator.staff import Account, Staff
from emulator.stage import Scene, Story

SPOTS_EACH = 3
# Causes begin on the first twenty days, in the daytime, so that the slowest is over within the month.
DAYS, BEGIN_WITHIN = 31, 20
MORNING, DAYTIME = timedelta(hours=8), timedelta(hours=9)
# Between what a phone notes and what the shop writes down lies a request.
SAME_MOMENT_SECONDS = 20


class Calendar:
    """The time of shop and WeChat."""

    def __init__(self, path: Path, wechat: Browser) -> None:
        self._path, self._wechat, self._offset = path, wechat, 0.0

    def now(self) -> float:
        """Return the present second of the month."""
        return time.time() + self._offset

    def day(self) -> date:
        """Return the present day in China."""
        return datetime.fromtimestamp(self.now(), BEIJING).date()

    def move(self, at: float) -> None:
        """Let it be `at`, unless that is past."""
        if at <= self.now():
            return
        self._offset = at - time.time()
        waiting = self._path.with_suffix(".new")
        waiting.write_text(repr(self._offset))
        waiting.rename(self._path)
        self._wechat.call("POST", "/_control/clock", {"offset_seconds": self._offset})


@dataclass
class Act:
    """One rider of one cause, and how far it came."""

    cause: Cause
    rider: Rider
    story: Story
    paid: set[str] = field(default_factory=set)

    @property
    def trip(self) -> Trip:
        """What it leaves behind."""
        return self.rider.trip


@dataclass(frozen=True)
class Found:
    """What a cause was to leave, or left, in the shop: scans at its adverts, money by advert or reason."""

    scans: int
    fen: dict[str, int]

    def told(self, letters: dict[str, str]) -> str:
        """Say it in a cell of the table."""
        money = [f"{letters.get(key, key)} ¥{fen / 100:,.2f}" for key, fen in sorted(self.fen.items()) if fen]
        return f"{self.scans} scan{'s' * (self.scans != 1)}" + "".join(f", {each}" for each in money)


def simulate(
    shop: str, wechat_url: str, account: Account, *, clock: Path, riders: int, seed: int, patience: float
) -> int:
    """Play every cause with so many riders each, print the table, and return 0 when everything is as it should be."""
    wechat = Browser(wechat_url)
    calendar = Calendar(clock, wechat)
    staff = Staff(shop, account, now=calendar.now)
    staff.login()
    ground = Ground(shop.rstrip("/"), wechat_url.rstrip("/"), (), seed, f"m{int(time.time()):x}", calendar.now)
    first = calendar.day()
    last = first + timedelta(days=DAYS)
    reports = {model: staff.report_of(first, last, model=model) for model in weights.MODELS}
    books = dict(wechat.call("GET", "/_control/books").json())
    acts = _cast(ground, staff, riders)
    _play(acts, calendar, staff, random.Random(seed))
    trips = [act.trip for act in acts]
    calendar.move(datetime.combine(last - timedelta(days=1), datetime.min.time(), BEIJING).timestamp())
    staff.login_again()
    deadline = time.monotonic() + patience
    while True:
        books_now = dict(wechat.call("GET", "/_control/books").json())
        found = verdict.gained(reports["last"], staff.report_of(first, last))
        told = verdict.differences(verdict.expect(trips, books_now), found) + verdict.unclaimed(trips, books, books_now)
        if not told or time.monotonic() > deadline:
            break
        time.sleep(1)
    purchases = [purchase for trip in trips for purchase in trip.purchases if _is_paid(purchase, books_now)]
    explained = {
        purchase.number: staff.attribution(purchase.number)
        for purchase in tqdm(purchases, desc="explanations", unit="")
    }
    told += _models_told(staff, purchases, explained, reports, (first, last))
    told += _views_told(staff, purchases, (first, last))
    return _tell(acts, explained, found, told, books_now)


def _cast(ground: Ground, staff: Staff, riders: int) -> list[Act]:
    """Give each cause adverts of its own, so that what the report shows there is its doing, and its riders."""
    spots = staff.spots()
    if len(spots) < SPOTS_EACH * len(CAUSES):
        raise GaveUp(f"{len(spots)} codes hang here, {SPOTS_EACH * len(CAUSES)} are needed")
    random.Random(ground.seed).shuffle(spots)
    acts = []
    for number, cause in enumerate(CAUSES):
        own = replace(ground, spots=tuple(spots[SPOTS_EACH * number : SPOTS_EACH * (number + 1)]))
        for turn in range(riders):
            rider = Rider(own, number=number * riders + turn, story=cause.name)
            acts.append(Act(cause, rider, cause.story(Scene(rider, staff))))
    return acts


def _play(acts: Sequence[Act], calendar: Calendar, staff: Staff, dice: random.Random) -> None:
    """Let everybody act when it is time; money that is under way arrives before the clock moves on."""
    ticket = itertools.count()
    first = datetime.combine(calendar.day() + timedelta(days=1), datetime.min.time(), BEIJING) + MORNING
    due = [
        (
            (first + dice.randrange(BEGIN_WITHIN) * timedelta(days=1) + dice.random() * DAYTIME).timestamp(),
            next(ticket),
            act,
        )
        for act in acts
    ]
    heapq.heapify(due)
    day = calendar.day()
    with tqdm(total=DAYS, desc="days", unit="") as bar:
        while due:
            at, _, act = heapq.heappop(due)
            calendar.move(at)
            if calendar.day() != day:
                bar.update((calendar.day() - day).days)
                day = calendar.day()
                staff.login_again()
            wait = _step(act)
            _await_money(act, staff)
            if wait is not None:
                heapq.heappush(due, (calendar.now() + wait.total_seconds(), next(ticket), act))
        bar.update(DAYS - bar.n)


def _step(act: Act) -> timedelta | None:
    """Let a rider act until it waits; returns how long, or None when the story is over."""
    try:
        return next(act.story)
    except StopIteration:
        pass
    except SoldOut:
        act.trip.story += " (sold out)"
    except GaveUp as gave_up:
        act.trip.trouble = str(gave_up)
    act.rider.go_home()
    return None


def _await_money(act: Act, staff: Staff) -> None:
    """Wait until the shop has heard of every payment that a rider made, whatever it will do with it."""
    for purchase in act.trip.purchases:
        if not purchase.payments or purchase.number in act.paid:
            continue
        deadline = time.monotonic() + 60
        while staff.order(purchase.number)["state"] not in verdict.PAID_STATES and time.monotonic() < deadline:
            time.sleep(0.1)
        act.paid.add(purchase.number)


def _is_paid(purchase: Purchase, books: dict[str, Any]) -> bool:
    return bool(verdict.payments_of(purchase, verdict.payments_by_number(books)))


def _models_told(
    staff: Staff,
    purchases: Sequence[Purchase],
    explained: dict[str, dict[str, Any]],
    before: dict[str, dict[str, Any]],
    period: tuple[date, date],
) -> list[str]:
    """Compare, under each model, every order's ledger and the report's money with shares worked out here."""
    told = []
    for model in weights.MODELS:
        expected: Counter[str] = Counter()
        for purchase in purchases:
            mine = _shared(model, purchase, explained[purchase.number])
            theirs = _ledger(explained[purchase.number], model)
            expected.update({place: fen for place, fen in mine.items() if place})
            if +Counter(mine) != +Counter(theirs):
                told.append(f"order {purchase.number} under {model}: expected {mine}, credited {theirs}")
        report = verdict.gained(before[model], staff.report_of(*period, model=model))
        net = {place: report.rows[place]["net_fen"] for place in {*expected, *report.rows}}
        told += [
            f"{place} under {model}: expected {expected[place]}, reported {fen}"
            for place, fen in sorted(net.items())
            if fen != expected[place]
        ]
    return told


def _shared(model: str, purchase: Purchase, shown: dict[str, Any]) -> dict[str, int]:
    """Return who should have what is left of an order: adverts by number, nobody as ''."""
    places = [place for place, _ in purchase.journey] or ([purchase.placement] if purchase.placement else [])
    left = {line: fen - purchase.refund_lines.get(line, 0) for line, fen in purchase.lines.items()}
    if not places:
        return {"": sum(left.values())}
    parts = weights.shares(model, _ages(purchase, shown) if purchase.journey else [0.0])
    shares: Counter[str] = Counter()
    for fen in left.values():
        for place, part in zip(places, weights.split(fen, parts), strict=True):
            shares[place] += part
    return dict(shares)


def _ages(purchase: Purchase, shown: dict[str, Any]) -> list[float]:
    """Return how long before the order each advert was scanned, by the shop's instants, which must be the phone's.

    Raises GaveUp when they are not: by then nothing else would be worth comparing.
    """
    placed = datetime.fromisoformat(shown["placed_at"])
    kept = {touch["touch"]: touch for touch in shown["touches"]}
    path = [kept[each] for each in shown["journey"]]
    instants = [datetime.fromisoformat(touch["occurred_at"]) for touch in path]
    near = all(
        touch["placement"] == place and abs(at.timestamp() - noted) < SAME_MOMENT_SECONDS
        for touch, at, (place, noted) in zip(path, instants, purchase.journey, strict=False)
    )
    if len(path) != len(purchase.journey) or not near:
        raise GaveUp(f"the path of {purchase.number} is {path}, its rider went {purchase.journey}")
    return [(placed - at).total_seconds() for at in instants]


def _ledger(shown: dict[str, Any], model: str) -> dict[str, int]:
    """Return what an order's ledger credits to whom."""
    fen: Counter[str] = Counter()
    for row in shown.get("ledger", []):
        if row["model"] == model:
            fen[row["placement"] or ""] += row["fen"]
    return dict(fen)


def _views_told(staff: Staff, purchases: Sequence[Purchase], period: tuple[date, date]) -> list[str]:
    """Compare the two views: they differ by the day of a refund, and sum to the same (R24)."""
    back = sum(sum(purchase.refund_lines.values()) for purchase in purchases)
    totals = {view: staff.report_of(*period, view=view)["total"] for view in ("cohort", "cash")}
    told = [] if totals["cohort"]["net_fen"] == totals["cash"]["net_fen"] else [f"the views differ: {totals}"]
    days = [period[0] + timedelta(days=number) for number in range((period[1] - period[0]).days)]
    by_day = {
        view: {day: staff.report_of(day, day + timedelta(days=1), view=view)["total"]["refunded_fen"] for day in days}
        for view in tqdm(("cohort", "cash"), desc="views", unit="")
    }
    told += [
        f"the {view} view's days give back {sum(found.values())}, {back} went back"
        for view, found in by_day.items()
        if sum(found.values()) != back
    ]
    if back and by_day["cohort"] == by_day["cash"]:
        told.append("both views show every refund on the same day")
    return told


def _tell(
    acts: Sequence[Act],
    explained: dict[str, dict[str, Any]],
    report: verdict.Expectation,
    told: Sequence[str],
    books: dict[str, Any],
) -> int:
    """Print what was expected of each cause and what was found, and return the exit status."""
    lines = [("cause", "truly", "report must show", "expected", "found", "")]
    sold_out = [act.trip for act in acts if act.trip.story != act.cause.name]
    wrong = 0
    for cause in CAUSES:
        group = [act for act in acts if act.cause is cause]
        letters = {spot.placement: letter for spot, letter in zip(group[0].rider.ground.spots, "ABC", strict=True)}
        mine, theirs = _expected(group, books), _found(group, explained, report, letters)
        equal = (mine.scans, +Counter(mine.fen)) == (theirs.scans, +Counter(theirs.fen))
        wrong += not equal
        end = "DIFFERENT" if not equal else cause.because or "recovered"
        lines.append((cause.name, cause.truly, cause.shown, mine.told(letters), theirs.told(letters), end))
    print(f"\n{verdict.aligned(lines)}\n")
    troubled = [act.trip for act in acts if act.trip.trouble]
    for trip in sold_out:
        print(f"{trip.person} found nothing to buy: {trip.story}")
    for trip in troubled:
        print(f"{trip.person} ({trip.story}) did not get through: {trip.trouble}")
    for line in told:
        print(f"DIFFERENT {line}")
    if told or troubled or wrong:
        print(f"\nThe month is not recovered: {len(told) + wrong} differences, {len(troubled)} riders stuck.")
        return 1
    print(
        f"{len(acts)} riders, {len(explained)} paid orders, {len(weights.MODELS)} models: "
        "every cause is recovered, or explained by the rule that does not."
    )
    return 0


def _expected(group: Sequence[Act], books: dict[str, Any]) -> Found:
    fen: Counter[str] = Counter()
    for act in group:
        for purchase in act.trip.purchases:
            if _is_paid(purchase, books):
                fen[purchase.placement or purchase.reason] += purchase.goods_fen - sum(purchase.refund_lines.values())
    return Found(sum(len(act.trip.scans) for act in group), dict(fen))


def _found(
    group: Sequence[Act], explained: dict[str, dict[str, Any]], report: verdict.Expectation, letters: dict[str, str]
) -> Found:
    fen: Counter[str] = Counter()
    for act in group:
        for purchase in act.trip.purchases:
            shown = explained.get(purchase.number, {})
            for place, part in _ledger(shown, "last").items():
                fen[place or shown["reason"]] += part
    return Found(sum(report.rows[place]["scans"] for place in letters), dict(fen))
