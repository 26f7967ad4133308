"""What a commuter does with a phone, and what it should leave behind in the shop's report.

A rider notes an intention before acting on it; whether money moved is not the rider's to say but the emulator's books'.
"""

import itertools
import random
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from emulator.browser import Browser, Form, GaveUp, Page
from emulator.clock import BEIJING
from emulator.staff import Spot

IN_WECHAT = "Mozilla/5.0 (Linux; Android 12) AppleWebKit/537.36 Chrome/120 Mobile MicroMessenger/8.0.50 NetType/4G"
OUTSIDE = "Mozilla/5.0 (Linux; Android 12) AppleWebKit/537.36 Chrome/120 Mobile Safari/537.36"
# What WeChat adds to the address of a page that somebody sends on.
FROM_A_CHAT = "from=singlemessage"
API = "/api/v1"
# Where everybody of a simulation lives: 合肥市庐阳区.
PROVINCE, CITY, COUNTY = "340000", "340100", "340103"
RECIPIENT = {"name": "李明", "phone": "13812345678", "detail": "长江中路 1 号"}
CAMERA_SCENE = 1011
PREPAY_ID = re.compile(r"prepay_id=(\w+)")


class SoldOut(Exception):
    """There is nothing to buy here, which is nobody's fault."""


@dataclass
class Purchase:
    """One order as its rider meant it: who should earn it, what it should cost, and what becomes of it.

    `payments` are WeChat's numbers (prepay or transaction ids) by which its money is found in the emulator's books;
    `journey` is which adverts led to it, oldest first, and when (Unix seconds), where that matters. One that
    `is_repeat` comes of a journey that has had goods in hand before.
    """

    number: str
    placement: str | None
    reason: str
    goods_fen: int
    payments: set[str] = field(default_factory=set)
    lines: dict[int, int] = field(default_factory=dict)
    freight_fen: int = 0
    refund_lines: dict[int, int] = field(default_factory=dict)
    refund_freight_fen: int = 0
    journey: list[tuple[str, float]] = field(default_factory=list)
    is_repeat: bool = False


@dataclass
class Trip:
    """What one commuter leaves behind: scans that count and that do not, purchases, and whatever went wrong.

    A scan is a phone, a placement and a Shanghai day. `perhaps` counts, by the reason to keep them out, scans without
    an answer: the shop may have noted them or not.
    """

    person: str
    story: str
    scans: set[tuple[int, str, date]] = field(default_factory=set)
    kept_out: list[str] = field(default_factory=list)
    perhaps: Counter[str] = field(default_factory=Counter)
    purchases: list[Purchase] = field(default_factory=list)
    trouble: str | None = None


@dataclass(frozen=True)
class Ground:
    """Where the stories take place."""

    shop: str
    wechat: str
    spots: tuple[Spot, ...]
    seed: int
    run: str
    now: Callable[[], float] = time.time


class Rider:
    """One commuter with as many phones as the story needs."""

    def __init__(self, ground: Ground, *, number: int, story: str) -> None:
        self.ground = ground
        self.number = number
        self.dice = random.Random(f"{ground.seed} {number}")
        self.trip = Trip(person=f"乘客 {ground.run}-{number}", story=story)
        self._wechat = Browser(ground.wechat)
        self._phones: list[Browser] = []
        self._keys = itertools.count(1)

    def go_home(self) -> None:
        """Put every phone away."""
        for phone in (self._wechat, *self._phones):
            phone.close()

    def phone(self, user_agent: str = OUTSIDE, *, person: str | None = None) -> Browser:
        """Take out a phone that nobody has used; inside WeChat it is held by `person`, else by the rider."""
        phone = Browser(self.ground.shop, user_agent=user_agent, person=person or self.trip.person)
        self._phones.append(phone)
        return phone

    def spot(self) -> Spot:
        """Return a placement to scan."""
        return self.dice.choice(self.ground.spots)

    def scan(self, phone: Browser, spot: Spot) -> Page:
        """Scan a printed code with the camera and look at the page that it leads to."""
        page = self.follow(phone, spot, unheard_as="unconfirmed")
        self.note(phone, spot)
        return page

    def follow(self, phone: Browser, spot: Spot, *, unheard_as: str) -> Page:
        """Open a printed link; a try without an answer may stand in the shop's books, kept out for `unheard_as`."""
        path = f"/s/{spot.code}"
        unheard = phone.unheard[path]
        page = phone.open(path)
        self.trip.perhaps[unheard_as] += phone.unheard[path] - unheard
        if page.status != 200:
            raise GaveUp(f"the code {spot.code} led to {page.status} {page.url}")
        return page

    def choose(self, phone: Browser, page: Page) -> Page:
        """Go on from a hall to a product that can be bought, if the page is not one already. Raises SoldOut."""
        for _ in range(4):
            if _order_form(page):
                return page
            links = page.links_to("/p/") or page.links_to("/halls/")
            if not links:
                break
            page = phone.open(self.dice.choice(links))
        raise SoldOut(page.url)

    def order(self, phone: Browser, page: Page, *, placement: str | None, reason: str = "") -> tuple[Purchase, Page]:
        """Fill in the form of a product page and send it; inside WeChat this leads through its login and back."""
        quantity = self.dice.choice((1, 1, 1, 2, 3))
        answer, goods_fen = page, 0
        for _ in range(3):
            # A page that has to show another sum first comes back with it, and wants a second tap.
            form = _order_form(answer)
            if form is None:
                break
            goods_fen = form.prices[form.fields["sku"]] * quantity
            filled = form.unticked | RECIPIENT | {"province": PROVINCE, "city": CITY, "county": COUNTY}
            answer = phone.submit(answer, form, **filled, quantity=str(quantity), do="place")
            if answer.status == 409:
                raise SoldOut(page.url)
        answer = self._find_order(phone, answer)
        return self._note(phone, answer.data["live"]["order"], goods_fen, placement, reason), answer

    def login(self, phone: Browser, *, visitor_token: str | None) -> None:
        """Log in to the mini-program; a code whose answer was lost is followed by a fresh one, as a thumb taps again.

        A database that starts again on a busy machine takes as many codes as there are answers without it.
        """
        for _ in range(20):
            issued = self._wechat.call("POST", "/_control/js_codes", {"person": self.trip.person}).json()
            body = issued | ({"visitor_token": visitor_token} if visitor_token else {})
            answer = phone.call("POST", f"{API}/sessions/miniprogram", body, accept=(401,))
            if answer.status != 401:
                phone.token = answer.json()["token"]
                return
        raise GaveUp(f"the mini-program's login is refused: {answer.body[:300]!r}")

    def launch(
        self,
        phone: Browser,
        spot: Spot,
        *,
        scene: int = CAMERA_SCENE,
        ago: float = 0.0,
        scanned: int | None = None,
        visitor_token: str | None = None,
        counts: bool = True,
    ) -> dict[str, Any]:
        """Open the mini-program with a printed code, and report the touch; returns the shop's answer.

        The report is sent `ago` seconds after the scan, of which WeChat's second is `scanned`, if not the present one.
        """
        at = self.ground.now() - ago
        touch = {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, self._key())),
            "scene": scene,
            "query": {
                "q": quote(f"{self.ground.shop}/s/{spot.code}", safe=""),
                "scancode_time": int(at) if scanned is None else scanned,
            },
            "client_at": datetime.fromtimestamp(at, UTC).isoformat(),
            "sent_at": datetime.fromtimestamp(self.ground.now(), UTC).isoformat(),
        } | ({"visitor_token": visitor_token} if visitor_token else {})
        answer: dict[str, Any] = phone.call("POST", f"{API}/touches", touch).json()
        if counts:
            self._count(phone, spot, at=at)
        return answer

    def order_by_api(self, phone: Browser, *, product: str, placement: str | None, reason: str = "") -> Purchase:
        """Order one SKU of a product as the mini-program does. Raises SoldOut."""
        shown = phone.call("GET", f"{API}/products/{product}").json()
        skus = [each for each in shown["skus"] if each["available"]]
        if not skus:
            raise SoldOut(product)
        sku, quantity = self.dice.choice(skus), self.dice.choice((1, 1, 2))
        lines = [{"sku": sku["number"], "quantity": quantity}]
        body = {"lines": lines, "address": RECIPIENT | {"region_code": COUNTY}}
        placed = phone.call("POST", f"{API}/orders", body, key=self._key(), accept=(409,))
        if placed.status == 409:
            raise SoldOut(placed.text)
        return self._note(phone, placed.json()["number"], sku["price_fen"] * quantity, placement, reason)

    def sheet(self, phone: Browser, purchase: Purchase, channel: str) -> Page | None:
        """Ask the shop for a payment and open WeChat's sheet; None when the order was paid in the meantime."""
        opened = phone.call("POST", f"{API}/orders/{purchase.number}/payments", {"channel": channel}, accept=(409,))
        if opened.status == 409:
            return None
        client = opened.json()["client"]
        if "h5_url" in client:
            sheet = phone.open(client["h5_url"], referer=f"{self.ground.shop}/")
        else:
            who = self._wechat.call("GET", f"/_control/people/{quote(self.trip.person)}").json()
            appid = who["miniprogram_appid" if channel == "miniprogram" else "official_appid"]
            sheet = phone.open(f"{self.ground.wechat}/cashier?{urlencode({'appId': appid} | client)}")
        purchase.payments |= set(PREPAY_ID.findall(client.get("h5_url", "") + client.get("package", "")))
        if sheet.status == 400 and "已支付" in sheet.text:
            return None
        if not any(form.action == "/cashier/pay" for form in sheet.forms):
            raise GaveUp(f"no sheet at {sheet.url}: {sheet.text}")
        return sheet

    def tap(self, phone: Browser, sheet: Page | None, button: str) -> None:
        """Tap 支付 (`pay`) or 取消 (`cancel`) on the sheet, if one is open."""
        if sheet is not None:
            form = sheet.form("/cashier/pay")
            phone.submit(sheet, Form(form.id, f"/cashier/{button}", form.fields))

    def _find_order(self, phone: Browser, page: Page) -> Page:
        """Return the page of the order just sent; a login that broke off is begun again from 我的订单."""
        for _ in range(4):
            if "login" in page.links.values():
                page = phone.open(next(link for link, name in page.links.items() if name == "login"))
            if "order" in page.data.get("live", {}):
                return page
            orders = phone.open("/orders")
            mine = [link for link in orders.links_to("/orders/") if urlsplit(link).path != "/orders/"]
            page = phone.open(mine[0]) if mine else orders
        raise GaveUp(f"ordering led to {page.status} {page.url}: {page.text}")

    def note(self, phone: Browser, spot: Spot) -> None:
        """Note a scan that was not seen through; the same phone at the same code within half an hour is the same."""
        self._count(phone, spot, at=self.ground.now())

    def _count(self, phone: Browser, spot: Spot, *, at: float) -> None:
        self.trip.scans.add((self._phones.index(phone), spot.placement, datetime.fromtimestamp(at, BEIJING).date()))

    def _key(self) -> str:
        """Return a name for something that must happen once: new in every run, whatever the seed."""
        return f"sim-{self.ground.run}-{self.number}-{next(self._keys)}"

    def _note(self, phone: Browser, number: str, goods_fen: int, placement: str | None, reason: str) -> Purchase:
        """Keep an order beside what it was meant to be; its lines are needed to give money back later."""
        purchase = Purchase(number, placement, reason, goods_fen)
        self.trip.purchases.append(purchase)
        order = phone.call("GET", f"{API}/orders/{number}").json()
        purchase.lines = {line["line"]: line["amount_fen"] for line in order["lines"]}
        purchase.freight_fen = order["freight_fen"]
        return purchase


def _order_form(page: Page) -> Form | None:
    return next((form for form in page.forms if form.id == "order" and form.fields.get("sku") in form.prices), None)
