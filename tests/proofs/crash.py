"""Kills the shop before and after every commit and every call to WeChat on one order's way, and compares the books.

The way is place → pay → notify → settle → ship → divide → refund → take back. A first walk notes which points it
passes; then each of them is armed in turn, once for the process that comes there and once for the database, and the way
is walked again by a commuter and a clerk who only know to try again. What died is started again at once.
"""

import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from tqdm import tqdm

from emulator.browser import Browser
from emulator.riders import IN_WECHAT, Ground, Rider
from emulator.staff import Spot, Staff, read_account
from tests.proofs import books, sellers
from tests.proofs.points import Board, Point
from tests.shop import Shop, open_shop, wait_until

VICTIMS = ("process", "database")
APPLICATION = "tests.proofs.points:app"
# What the clock does at any moment, not the way of an order.
_TICKS = ("storefront.purging", "storefront.audit", "subway_campaign.partitions")
# Long enough for a job whose worker died to be taken up again, several times over on a busy machine.
_PATIENCE_S = 180
# WeChat divides no payment that is younger than a minute, and takes seconds for it: so fast these waits pass.
_DIVIDING_SPEED = 120
# So often the jobs about sharing are due; in a shop, every half minute.
_HURRY_EVERY_S = 1.0


@dataclass
class Failure:
    """A death after which the books were not equal."""

    point: Point
    victim: str
    told: list[str]


class Walk:
    """One order's way through a running shop of ours alone, as a commuter and a clerk go it."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self._staff = Staff(shop.url, read_account(shop.data_dir / "desk-account.json"))
        self._staff.login()
        sellers.enter(shop)
        self._spot = Spot("", "", shop.train_code())
        self._run = secrets.token_hex(3)
        self._walks = 0

    def go(self, *, is_shared: bool = True) -> None:
        """Place, pay, ship, refund a part, and wait until all of it stands everywhere. Raises when it never does.

        Of an order that `is_shared` a seller gets a part before the refund, and gives some of it back afterwards.
        """
        self._walks += 1
        orders = self._orders()
        ground = Ground(self.shop.url, self.shop.wechat_url, (self._spot,), seed=self._walks, run=self._run)
        rider = Rider(ground, number=self._walks, story="crash")
        phone = rider.phone(IN_WECHAT)
        try:
            touched = rider.launch(phone, self._spot)
            rider.login(phone, visitor_token=touched["visitor_token"])
            purchase = rider.order_by_api(phone, product=touched["landing"]["slug"], placement=None)
            if is_shared:
                sellers.earns(self.shop, purchase.number)
            rider.tap(phone, rider.sheet(phone, purchase, "miniprogram"), "pay")
            self._wait(lambda: self._order(phone, purchase.number)["state"] == "paid", "the order paid")
            self._staff.ship(purchase.number, carrier="中通快递", tracking_number=f"73{self._walks:011}")
            if is_shared:
                self._divide(purchase.number)
            line, amount_fen = next(iter(purchase.lines.items()))
            part = {line: max(1, amount_fen // 3)}
            self._staff.refund(purchase.number, lines=part, freight_fen=0, key=f"walk-{self._run}-{self._walks}")
            self._wait(
                lambda: self._order(phone, purchase.number)["refunded_fen"] == sum(part.values()), "the part given back"
            )
        finally:
            rider.go_home()
        self._wait(lambda: not self.shop.rows("SELECT FROM open_facts"), "every fact reacted to")
        if is_shared:
            self._take_back(purchase.number)
        assert self._orders() == orders + 1, f"one walk left {self._orders() - orders} orders"

    def _divide(self, order: str) -> None:
        """Let the payer confirm what came, two weeks pass, and the seller get a part."""
        [(payment,)] = self.shop.rows("SELECT payment_number FROM orders WHERE number = %s", order)
        self._wait(lambda: self._is_received(payment), "WeChat told of the parcel")
        sellers.ripen(self.shop, order)
        self.shop.control("clock", {"speed": _DIVIDING_SPEED})
        self._wait(lambda: self._hurried(lambda: sellers.has_ended(self.shop, order)), "the payment divided")

    def _take_back(self, order: str) -> None:
        self._wait(lambda: self._hurried(lambda: sellers.has_given_back(self.shop, order)), "the part taken back")
        self.shop.control("clock", {"speed": 1})

    def _is_received(self, payment: str) -> bool:
        """Try to confirm at WeChat what it may not have been told of yet."""
        try:
            self.shop.control("receipts", {"out_trade_no": payment})
        except requests.HTTPError:
            return False
        return True

    def _hurried(self, holds: Callable[[], bool]) -> bool:
        if holds():
            return True
        sellers.hurry(self.shop)
        time.sleep(_HURRY_EVERY_S)
        return holds()

    def _orders(self) -> int:
        return int(self.shop.rows("SELECT count(*) FROM orders")[0][0])

    def _order(self, phone: Browser, number: str) -> dict[str, object]:
        return dict(phone.call("GET", f"/api/v1/orders/{number}").json())

    def _wait(self, holds: Callable[[], object], what: str) -> None:
        wait_until(holds, seconds=_PATIENCE_S, what=what)


@contextmanager
def opened_shop(data_dir: Path, *, log: Path | None = None) -> Iterator[tuple[Shop, Board]]:
    """Open a shop whose borders have fault points, with the board on which they are armed, and keep it alive.

    Whatever ends is started again at once, processes and engines alike, as a supervisor does.
    """
    board_dir = data_dir / "points"
    board_dir.mkdir()
    points = {"HALL_FAULT_POINTS": str(board_dir), "LOG_LEVEL": "DEBUG" if log else "WARNING"}
    shop = open_shop(data_dir, application=APPLICATION, settings=points, log=log)
    over = threading.Event()

    def keep() -> None:
        while not over.wait(0.05):
            shop.engines.revive()
            for name in ("web", "worker"):
                process = shop.children[name].process
                if process is not None and process.poll() is not None and not over.is_set():
                    shop.children[name].start(shop.environment)

    # Processes die with the thread that started them, so this one lives as long as the shop.
    keeper = threading.Thread(target=keep)
    keeper.start()
    try:
        yield shop, Board(board_dir)
    finally:
        over.set()
        keeper.join()
        shop.stop()


def record(walk: Walk, board: Board) -> list[Point]:
    """Walk once and return every point that was passed. The first walk warms up what later ones find warm."""
    walk.go()
    board.clear()
    walk.go()
    return [point for point in board.passed() if not point.place.startswith(_TICKS)]


def prove(walk: Walk, board: Board, deaths: Sequence[tuple[Point, str]], *, is_shared: bool = True) -> list[Failure]:
    """Die each of `deaths` on a walk of its own, with a bar; return those after which the books were not equal.

    Walks that are not `is_shared` divide no money, and are shorter.
    A point that a walk does not come to (a query that the notification made needless) kills nobody: no failure.
    """
    failures, missed = [], 0
    with tqdm(deaths, unit="death", file=sys.stderr) as bar:
        for point, victim in bar:
            bar.set_description(f"{victim}: {point}"[:72])
            board.clear()
            board.arm(point, victim)
            told = _walk(walk, is_shared)
            missed += not board.has_fired()
            board.clear()
            told += _settled(walk.shop)
            if told:
                failures.append(Failure(point, victim, told))
            bar.set_postfix(failures=len(failures), missed=missed)
    return failures


def _walk(walk: Walk, is_shared: bool) -> list[str]:
    try:
        walk.go(is_shared=is_shared)
    except Exception as error:  # noqa: BLE001 - whatever stopped the walk is the finding
        return [f"the way was not finished: {error}"]
    return []


def _settled(shop: Shop) -> list[str]:
    """Compare the books until they are equal: what was asked of WeChat last may still be under way."""
    told: list[str] = []

    def is_equal() -> bool:
        told[:] = books.differences(shop)
        return not told

    try:
        wait_until(is_equal, seconds=_PATIENCE_S, what="equal books")
    except AssertionError:
        return told
    return []
