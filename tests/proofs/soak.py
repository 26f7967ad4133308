"""Thousands of orders while every fault of WeChat's strikes at one rate; in the end the books must be equal.

Customers of the mini-program order, pay, turn back or cancel, a clerk gives some money back, by transfer where WeChat
cannot, a seller who brought some of them earns on it, and everybody only knows to try again. Then the weather clears,
what is left is asked about, and our books are compared with WeChat's.
"""

import random
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import requests
from tqdm import tqdm

from emulator.browser import Browser, Form, GaveUp
from emulator.riders import API, COUNTY, IN_WECHAT, RECIPIENT
from emulator.staff import Staff, read_account
from tests.proofs import books, sellers
from tests.shop import Shop, wait_until

RATE = 0.05
# WeChat's longest waits shortened, so that an hour's trouble fits into minutes; the faults are the same.
SPEED = 30
WAITS_S = {"timeout": 2.0, "api_timeout": 2.0, "slow": 1.0, "api_slow": 1.0}
CUSTOMERS = 24
# How often customers do what, in percent; the others pay and keep what they bought.
WALKS_OFF, CANCELS, GETS_MONEY_BACK = 8, 6, 20
# So many of the others were brought by a seller: of these every second gets money back, half of them while it earns.
WAS_BROUGHT = 12
# No transfer is dated ahead of the shop's clock.
_A_WHILE_AGO = timedelta(seconds=5)
# Customers wait for their money's answer as long as the page that follows a payment would.
_PATIENCE_S = 600
_ON_THE_SHELF = 1_000_000
_SKUS = """
    SELECT s.number FROM skus s JOIN products p ON p.id = s.product_id
    WHERE p.is_on_sale AND NOT p.is_display_only ORDER BY s.number
"""


@dataclass
class Soak:
    """What became of a soak: how orders ended, who was stuck, how often a person had to pay, what is not equal."""

    ends: Counter[str] = field(default_factory=Counter)
    stuck: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    transferred: int = 0


def run(shop: Shop, *, orders: int, rate: float = RATE, seed: int = 1, only: Sequence[str] = ()) -> Soak:
    """Send `orders` customers through `shop` in a storm of `rate`, with a bar, and compare the books afterwards.

    The storm is of every fault, or of those in `only`.
    """
    staff = Staff(shop.url, read_account(shop.data_dir / "desk-account.json"))
    staff.login()
    _fill_shelves(shop)
    sellers.enter(shop)
    skus = [row[0] for row in shop.rows(_SKUS)]
    soak, run = Soak(), secrets.token_hex(3)
    shop.control("clock", {"speed": SPEED})
    storm = {"rate": rate, "seed": seed, "seconds": WAITS_S} | ({"only": list(only)} if only else {})
    shop.control("storms", storm)
    try:
        with ThreadPoolExecutor(CUSTOMERS) as crowd:
            visits = [
                crowd.submit(_Customer(shop, staff, f"{run}-{number}", random.Random(f"{seed} {number}")).visit, skus)
                for number in range(orders)
            ]
            for visit in tqdm(as_completed(visits), total=orders, desc="orders", unit="", file=sys.stderr):
                try:
                    soak.ends[visit.result()] += 1
                except GaveUp as gave_up:
                    soak.stuck.append(str(gave_up))
    finally:
        shop.clear_faults()
        shop.control("clock", {"speed": 1})
    soak.told = _settled(shop, staff)
    soak.transferred = len(shop.rows("SELECT FROM payment_refunds WHERE state = 'transferred'"))
    return soak


class _Customer:
    """One customer with one order in mind."""

    def __init__(self, shop: Shop, staff: Staff, name: str, dice: random.Random) -> None:
        self._shop, self._staff, self._name, self._dice = shop, staff, name, dice
        self._wechat = Browser(shop.wechat_url)
        self._phone = Browser(shop.url, user_agent=IN_WECHAT, person=f"顾客 {name}")

    def visit(self, skus: list[str]) -> str:
        """Order, and pay or not; returns how it ended. Raises GaveUp."""
        try:
            self._login()
            order = self._place(self._dice.choice(skus))
            end = self._dice.randrange(100)
            if end < WALKS_OFF:
                return "walked off"
            if end < WALKS_OFF + CANCELS:
                self._phone.call("POST", f"{API}/orders/{order['number']}/cancellation", accept=(409,))
                return "cancelled"
            if WALKS_OFF + CANCELS <= end < WALKS_OFF + CANCELS + WAS_BROUGHT:
                return self._share(order, end)
            self._pay(order["number"])
            self._wait_for(order["number"], lambda shown: shown["state"] == "paid")
            if end >= 100 - GETS_MONEY_BACK:
                self._give_back(order)
                return "given back"
            return "paid"
        finally:
            self._phone.close()
            self._wechat.close()

    def _share(self, order: dict[str, Any], end: int) -> str:
        """Pay, by a code that a desk shows, what a seller earns on, and get money back before, after, or not at all."""
        number = order["number"]
        sellers.earns(self._shop, number)
        opened = self._phone.call("POST", f"{API}/orders/{number}/payments", {"channel": "native"}, accept=(409,))
        if opened.status != 409:
            # Refused when the payer was quicker than the answer.
            with suppress(requests.HTTPError):
                self._shop.control("pay", {"out_trade_no": opened.json()["payment"]["number"]})
        self._wait_for(number, lambda shown: shown["state"] == "paid")
        sellers.ripen(self._shop, number)
        if end % 4 == 0:
            self._give_back(order)
        until = time.monotonic() + _PATIENCE_S
        while not sellers.has_ended(self._shop, number) and time.monotonic() < until and end % 4:
            sellers.hurry(self._shop)
            time.sleep(1)
        if end % 4 == 2:
            self._give_back(order)
        return "shared"

    def _give_back(self, order: dict[str, Any]) -> None:
        line = order["lines"][0]
        part = {line["line"]: self._dice.randint(1, line["amount_fen"])}
        self._staff.refund(order["number"], lines=part, freight_fen=0, key=f"soak-{self._name}")

    def _login(self) -> None:
        for _ in range(20):
            code = self._wechat.call("POST", "/_control/js_codes", {"person": self._phone.person}).json()
            answer = self._phone.call("POST", f"{API}/sessions/miniprogram", code, accept=(401,))
            if answer.status == 201:
                self._phone.token = answer.json()["token"]
                return
        raise GaveUp("the mini-program's login is refused")

    def _place(self, sku: str) -> dict[str, Any]:
        lines = [{"sku": sku, "quantity": self._dice.choice((1, 1, 2))}]
        body = {"lines": lines, "address": RECIPIENT | {"region_code": COUNTY}}
        placed = self._phone.call("POST", f"{API}/orders", body, key=f"order-{self._name}").json()
        return dict(self._phone.call("GET", f"{API}/orders/{placed['number']}").json())

    def _pay(self, number: str) -> None:
        opened = self._phone.call("POST", f"{API}/orders/{number}/payments", {"channel": "miniprogram"}, accept=(409,))
        if opened.status == 409:
            return
        who = self._wechat.call("GET", f"/_control/people/{quote(self._phone.person)}").json()
        query = {"appId": who["miniprogram_appid"]} | opened.json()["client"]
        sheet = self._phone.open(f"{self._shop.wechat_url}/cashier?{urlencode(query)}")
        # There is no button when the money came before the answer.
        if any(form.action == "/cashier/pay" for form in sheet.forms):
            form = sheet.form("/cashier/pay")
            self._phone.submit(sheet, Form(form.id, "/cashier/pay", form.fields))

    def _wait_for(self, number: str, holds: Callable[[dict[str, Any]], bool]) -> None:
        until, pause = time.monotonic() + _PATIENCE_S, 0.5
        while not holds(self._phone.call("GET", f"{API}/orders/{number}").json()):
            if time.monotonic() > until:
                raise GaveUp(f"order {number} was not paid within {_PATIENCE_S} s")
            time.sleep(pause)
            pause = min(2 * pause, 8.0)
            self._phone.call("POST", f"{API}/orders/{number}/payments/current/check", accept=(404, 409))


def _fill_shelves(shop: Shop) -> None:
    """Receive so much of everything that nothing is sold out, as the ledger of stock wants it."""
    shop.write(f"""
        WITH received AS (
            INSERT INTO stock_moves (sku_id, kind, on_hand_delta, reserved_delta, key)
            SELECT sku_id, 'received', {_ON_THE_SHELF}, 0, 'soak' FROM stock_levels
            ON CONFLICT DO NOTHING RETURNING sku_id)
        UPDATE stock_levels SET on_hand = on_hand + {_ON_THE_SHELF} WHERE sku_id IN (SELECT sku_id FROM received)
    """)


def _settled(shop: Shop, staff: Staff) -> list[str]:
    told: list[str] = []

    def is_equal() -> bool:
        staff.pay_stranded_refunds(paid_at=datetime.now(UTC) - _A_WHILE_AGO)
        sellers.hurry(shop)
        told[:] = books.differences(shop)
        time.sleep(1 if told else 0)
        return not told

    try:
        wait_until(is_equal, seconds=_PATIENCE_S, what="equal books")
    except AssertionError:
        return told
    return []
