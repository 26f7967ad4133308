"""A shop in this process, on a real database, with the emulated WeChat on the far side of the wire."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from config import clock, database
from payments.collect import Payer
from payments.lifecycle import Channel
from storefront import checkout, reactions  # noqa: F401 - registers every reaction
from subway_campaign import reports
from subway_campaign.lifecycle import Model, View
from tests.payments.conftest import Wechat, emulator, inbox, wechat  # noqa: F401 - fixtures
from tests.storefront.conftest import Buyer, buyer, skus  # noqa: F401 - fixtures


@dataclass(frozen=True)
class Desk:
    """What a journey needs at hand: WeChat, a buyer, goods, and the reactions that are due."""

    wechat: Wechat
    buyer: Buyer
    skus: list[str]
    drain: Callable[[], int]

    def place(self, lines: dict[str, int] | None = None, *, now: datetime | None = None, **more: Any) -> str:
        return self.buyer.place(lines or {self.skus[0]: 1}, now=now or clock.now(), **more)

    def open(self, number: str, *, now: datetime | None = None) -> str:
        """Open the payment of an order by JSAPI and return its number."""
        payer = Payer(channel=Channel.OFFICIAL, openid=self.wechat.openid(account="official"))
        opened = checkout.pay(shopper_id=self.buyer.shopper_id, number=number, payer=payer, now=now or clock.now())
        return opened.number

    def order(self, number: str) -> dict[str, Any]:
        columns = "state, cancelled_by, payable_fen, goods_fen, freight_fen, paid_at, stock_reference"
        [row] = database.statement(f"SELECT {columns} FROM orders WHERE number = %s", (number,))
        return dict(zip(columns.split(", "), row, strict=True))

    def report(self, model: str = "last", view: str = "cohort") -> dict[str, Any]:
        today = clock.now().astimezone(clock.SHANGHAI).date()
        with database.transaction() as session:
            return reports.placements(
                session, from_day=today, to_day=today + timedelta(days=1), model=Model(model), view=View(view)
            )


@pytest.fixture
def desk(wechat: Wechat, buyer: Buyer, skus: list[str], drain: Callable[[], int]) -> Desk:  # noqa: F811
    """The desk."""
    return Desk(wechat, buyer, skus, drain)
