"""What the known causes of a month are played with: a rider, three adverts, and a member of staff at hand."""

import time
from collections.abc import Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from emulator.browser import Browser, Page
from emulator.riders import Purchase, Rider, SoldOut
from emulator.staff import Spot, Staff
from emulator.stories import product_of

Story = Generator[timedelta, None, None]
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# The shop looks for news every ten seconds, and at what they change five seconds later.
SECOND_LOOK_SECONDS = 60


@dataclass
class Scene:
    """Where a cause is played: by whom, at which three adverts, with which member of staff at hand."""

    rider: Rider
    staff: Staff

    @property
    def a(self) -> Spot:
        """The first advert."""
        return self.rider.ground.spots[0]

    @property
    def b(self) -> Spot:
        """The second."""
        return self.rider.ground.spots[1]

    @property
    def c(self) -> Spot:
        """The third."""
        return self.rider.ground.spots[2]

    def buy(self, phone: Browser, page: Page, *, earns: Spot | None, reason: str = "") -> Purchase:
        """Order from a page and pay."""
        purchase, page = self.order(phone, page, earns=earns, reason=reason)
        self.pay(phone, purchase)
        return purchase

    def order(self, phone: Browser, page: Page, *, earns: Spot | None, reason: str = "") -> tuple[Purchase, Page]:
        """Order from a page, or from the first thing on the shelf."""
        placement = earns.placement if earns else None
        return self.rider.order(phone, self.rider.choose(phone, page), placement=placement, reason=reason)

    def pay(self, phone: Browser, purchase: Purchase) -> None:
        """Open the sheet and tap 支付."""
        channel = "official" if "MicroMessenger" in phone.user_agent else "h5"
        self.rider.tap(phone, self.rider.sheet(phone, purchase, channel), "pay")

    def buy_in_app(
        self, phone: Browser, launched: dict[str, Any] | None, *, earns: Spot | None, reason: str = ""
    ) -> Purchase:
        """Order in the mini-program and pay; `launched` is the answer to a launch, if there was one."""
        purchase = self.order_in_app(phone, launched, earns=earns, reason=reason)
        self.pay_in_app(phone, purchase)
        return purchase

    def order_in_app(
        self, phone: Browser, launched: dict[str, Any] | None, *, earns: Spot | None, reason: str = ""
    ) -> Purchase:
        """Log in to the mini-program, unless that is done, and order what was launched, or anything."""
        if phone.token is None:
            self.rider.login(phone, visitor_token=launched["visitor_token"] if launched else None)
        product = product_of(phone, launched["landing"]) if launched else self._anything(phone)
        placement = earns.placement if earns else None
        return self.rider.order_by_api(phone, product=product, placement=placement, reason=reason)

    def pay_in_app(self, phone: Browser, purchase: Purchase) -> None:
        """Open the mini-program's sheet and tap 支付."""
        self.rider.tap(phone, self.rider.sheet(phone, purchase, "miniprogram"), "pay")

    def binding_of(self, spot: Spot) -> dict[str, Any]:
        """Return the campaign and landing of an advert, as a binding of another code takes them."""
        hung = self.staff.code(spot.code)["bindings"][0]
        return {"campaign": hung["campaign"], "landing": {name: hung["landing"][name] for name in ("kind", "slug")}}

    def await_reason(self, purchase: Purchase, reason: str) -> None:
        """Wait until the shop has looked at an order again, which it does in its own time: no day may pass before.

        If it never does, the table says so.
        """
        deadline = time.monotonic() + SECOND_LOOK_SECONDS
        while time.monotonic() < deadline and self.staff.attribution(purchase.number).get("reason") != reason:
            time.sleep(0.5)

    def _anything(self, phone: Browser) -> str:
        items = phone.call("GET", "/api/v1/products").json()["items"]
        slugs = [item["slug"] for item in items if item["available"]]
        if not slugs:
            raise SoldOut("/api/v1/products")
        return str(self.rider.dice.choice(slugs))
