"""`python -m emulator simulate`: sends commuters through a running shop and holds its report against what happened.

It knows only what commuters did and what the emulated WeChat's books say; it shares no code with the shop, so an error
of the shop's cannot hide in the expectation.
"""

import argparse
import os
import random
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm

from emulator import month, verdict
from emulator.browser import Browser, GaveUp
from emulator.riders import Ground, Rider, SoldOut, Trip
from emulator.staff import Account, Spot, Staff, read_account
from emulator.stories import STORIES, Story

# So many placements share the commuters: enough to differ, few enough for a table that a person reads.
MOST_SPOTS = 24
ROWS_SHOWN = 30
# A bad day at WeChat: everything that it is known to do to merchants, all at once.
ROUGH: tuple[dict[str, Any], ...] = (
    *({"fault": fault, "probability": 0.1} for fault in ("lost", "doubled", "forged_signature", "signtest")),
    {"fault": "late", "probability": 0.1, "options": {"seconds": 5}},
    {"fault": "wrong_amount", "probability": 0.05},
    {"fault": "error", "probability": 0.05},
    {"fault": "error", "probability": 0.05, "when": "after"},
    {"fault": "reset", "probability": 0.05, "when": "after"},
    {"fault": "limited", "probability": 0.2, "when": "after", "on": "refund"},
    {"fault": "notify_first", "probability": 0.02},
    {"fault": "errcode", "probability": 0.05, "options": {"errcode": -1}},
)


def simulate(arguments: list[str]) -> int:
    """Run the command line; 0 when the report equals what happened, 1 when not, 2 when nothing could be simulated."""
    options = _parser().parse_args(arguments)
    try:
        return _simulate(options)
    except GaveUp as gave_up:
        print(f"The simulation cannot go on: {gave_up}")
        return 2


def _simulate(options: argparse.Namespace) -> int:
    account = None if options.token else _account(options)
    if options.clock is not None:
        if account is None:
            raise GaveUp("a month outlives a token: name an account")
        return month.simulate(
            options.shop,
            options.wechat,
            account,
            clock=options.clock,
            riders=options.riders,
            seed=options.seed,
            patience=options.patience,
        )
    staff = Staff(options.shop, account, options.token)
    staff.login()
    spots = staff.spots()
    if not spots:
        raise GaveUp("no code hangs anywhere: seed the shop first")
    dice = random.Random(options.seed)
    ground = Ground(
        shop=options.shop.rstrip("/"),
        wechat=options.wechat.rstrip("/"),
        spots=tuple(dice.sample(spots, min(MOST_SPOTS, len(spots)))),
        seed=options.seed,
        run=secrets.token_hex(4),
    )
    today = datetime.now(UTC).date()
    before = staff.report(around=today)
    wechat = Browser(ground.wechat)
    books = _books(wechat)
    stories = dice.choices(list(STORIES), weights=list(STORIES.values()), k=options.n)
    with _a_bad_day(wechat) if options.rough else nullcontext():
        trips = _ride(ground, stories, workers=options.workers)
        _give_back(staff, wechat, trips, patience=options.patience)
        told, found = _settle(staff, wechat, trips, before=before, books=books, around=today, patience=options.patience)
    return _tell(trips, found, told, spots)


@contextmanager
def _a_bad_day(wechat: Browser) -> Iterator[None]:
    for rule in ROUGH:
        wechat.call("POST", "/_control/faults", rule)
    try:
        yield
    finally:
        wechat.call("DELETE", "/_control/faults")


def _ride(ground: Ground, stories: list[Story], *, workers: int) -> list[Trip]:
    """Send everybody on the way, a few at a time, and wait until the last one is home."""
    with ThreadPoolExecutor(workers) as crowd:
        rides = [crowd.submit(_one_ride, ground, number, story) for number, story in enumerate(stories)]
        for _ in tqdm(as_completed(rides), total=len(rides), desc="commuters", unit=""):
            continue
    return [ride.result() for ride in rides]


def _one_ride(ground: Ground, number: int, story: Story) -> Trip:
    rider = Rider(ground, number=number, story=story.__name__)
    try:
        story(rider)
    except SoldOut:
        rider.trip.story += " (sold out)"
    except GaveUp as gave_up:
        rider.trip.trouble = str(gave_up)
    finally:
        rider.go_home()
    return rider.trip


def _give_back(staff: Staff, wechat: Browser, trips: list[Trip], *, patience: float) -> None:
    """Have staff refund what is to be refunded, each once its order is paid."""
    paid = _claimed(staff, wechat, trips)
    due = [
        purchase
        for trip in trips
        for purchase in trip.purchases
        if purchase.refund_lines and verdict.payments_of(purchase, paid)
    ]
    for purchase in tqdm(due, desc="refunds", unit=""):
        _wait_for_money(staff, purchase.number, patience)
        staff.refund(
            purchase.number,
            lines=purchase.refund_lines,
            freight_fen=purchase.refund_freight_fen,
            key=f"sim-refund-{purchase.number}",
        )


def _settle(
    staff: Staff,
    wechat: Browser,
    trips: list[Trip],
    *,
    before: dict[str, Any],
    books: dict[str, Any],
    around: date,
    patience: float,
) -> tuple[list[str], verdict.Expectation]:
    """Read the books and the report until they agree or patience ends; returns the differences and the gain."""
    deadline = time.monotonic() + patience
    with tqdm(desc="report", unit=" looks") as looks:
        while True:
            _claimed(staff, wechat, trips)
            books_now = _books(wechat)
            expected = verdict.expect(trips, books_now)
            found = verdict.gained(before, staff.report(around=around))
            told = verdict.differences(expected, found) + verdict.unclaimed(trips, books, books_now)
            looks.update()
            if not told or time.monotonic() > deadline:
                return told + _order_differences(staff, wechat, trips), found
            time.sleep(1)


def _order_differences(staff: Staff, wechat: Browser, trips: list[Trip]) -> list[str]:
    paid = verdict.payments_by_number(_books(wechat))
    told = []
    for trip in trips:
        for purchase in trip.purchases:
            payments = verdict.payments_of(purchase, paid)
            told += verdict.order_differences(purchase, payments, staff.order(purchase.number))
    return told


def _tell(trips: list[Trip], found: verdict.Expectation, told: list[str], spots: list[Spot]) -> int:
    names = {spot.placement: spot.name for spot in spots}
    troubled = [trip for trip in trips if trip.trouble]
    print(f"\n{verdict.table(found, names, most=ROWS_SHOWN)}\n")
    for trip in troubled:
        print(f"{trip.person} ({trip.story}) did not get through: {trip.trouble}")
    for line in told:
        print(f"DIFFERENT {line}")
    if told or troubled:
        print(f"\nThe report does not equal what happened: {len(told)} differences, {len(troubled)} commuters stuck.")
        return 1
    print(f"{len(trips)} commuters: report equals what happened.")
    return 0


def _books(wechat: Browser) -> dict[str, Any]:
    return dict(wechat.call("GET", "/_control/books").json())


def _claimed(staff: Staff, wechat: Browser, trips: list[Trip]) -> dict[str, Any]:
    """Return the payments by number, having asked the shop what paid the orders whose sheet nobody saw.

    The shop's claim is only a number: the emulator's books say whether it was paid, and how much.
    """
    paid = verdict.payments_by_number(_books(wechat))
    for trip in trips:
        for purchase in trip.purchases:
            if not verdict.payments_of(purchase, paid):
                claim = staff.order(purchase.number)["payment"]["transaction_id"]
                purchase.payments |= {claim} if claim else set()
    return paid


def _wait_for_money(staff: Staff, number: str, patience: float) -> None:
    deadline = time.monotonic() + patience
    while staff.order(number)["state"] not in verdict.PAID_STATES and time.monotonic() < deadline:
        time.sleep(0.5)


def _account(options: argparse.Namespace) -> Account:
    if options.staff_username:
        return Account(options.staff_username, options.staff_password or "", options.staff_totp_secret)
    return read_account(options.account)


def _parser() -> argparse.ArgumentParser:
    web, wechat = os.environ.get("WEB_PORT", "8000"), os.environ.get("WECHAT_PORT", "9000")
    data = Path(os.environ.get("HALL_DATA_DIR") or ".data")
    parser = argparse.ArgumentParser(prog="python -m emulator simulate", description="Send commuters through a shop.")
    parser.add_argument("--shop", default=os.environ.get("PUBLIC_BASE_URL", f"http://127.0.0.1:{web}"))
    parser.add_argument("--wechat", default=f"http://127.0.0.1:{wechat}")
    parser.add_argument("--n", type=int, default=200, help="how many commuters (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same stories (default %(default)s)")
    parser.add_argument("--workers", type=int, default=8, help="how many at a time (default %(default)s)")
    parser.add_argument("--patience", type=float, default=90, help="seconds to wait for the report (default 90)")
    parser.add_argument("--clock", type=Path, help="play a month instead: the file by which the shop's clock is moved")
    parser.add_argument("--riders", type=int, default=2, help="in a month: riders of each cause (default %(default)s)")
    parser.add_argument("--rough", action="store_true", help="let WeChat have a bad day meanwhile")
    parser.add_argument("--account", type=Path, default=data / "desk-account.json", help="the desk's staff account")
    parser.add_argument("--staff-username")
    parser.add_argument("--staff-password", default=os.environ.get("STAFF_PASSWORD"))
    parser.add_argument("--staff-totp-secret", default=os.environ.get("STAFF_TOTP_SECRET"))
    parser.add_argument("--token", default=os.environ.get("STAFF_TOKEN"), help="a staff token instead of an account")
    return parser
