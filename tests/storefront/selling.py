"""An order that somebody paid for in the mini-program, at the emulated WeChat over HTTP."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config import database
from payments.collect import Payer
from payments.lifecycle import Channel
from storefront import (
    checkout,
    reactions,  # noqa: F401 - registers every reaction
    shipping,
    shipping_reports,
    shoppers,
)
from storefront.actors import WeChatIdentity
from tests.payments.conftest import Wechat, emulator, inbox, rows, wechat
from tests.storefront.conftest import Buyer

__all__ = ["Sell", "Sold", "emulator", "inbox", "sell", "wechat"]


@dataclass
class Sold:
    """An order that was paid, and its payment's number."""

    number: str
    payment: str
    wechat: Wechat

    def ship(
        self, *, lines: list[int] | None = None, carrier: str = "中通快递", tracking: str = "731234567890"
    ) -> None:
        with database.transaction() as session:
            shipping.ship(
                session,
                number=self.number,
                carrier=carrier,
                tracking_number=tracking,
                lines=lines,
                now=datetime.now(UTC),
            )

    def report(self, **later: float) -> None:
        shipping_reports.report(order=self.number, now=datetime.now(UTC) + timedelta(**later))

    def shipping(self) -> dict[str, Any]:
        return dict(self.wechat.book(self.payment)["shipping"] or {})

    def uploads(self) -> list[dict[str, Any]]:
        return list(self.shipping().get("uploads", []))

    def row(self) -> dict[str, Any]:
        [row] = rows("SELECT * FROM frozen_payments WHERE payment_number = :n", n=self.payment)
        return row


Sell = Callable[..., Sold]


@pytest.fixture
def sell(wechat: Wechat, buyer: Buyer, skus: list[str], drain: Callable[[], int]) -> Sell:
    """Sell so many SKUs, each from another warehouse, to somebody in the mini-program."""

    def sold(count: int = 1, *, channel: Channel = Channel.MINIPROGRAM, key: str = "key-00000001") -> Sold:
        now = datetime.now(UTC)
        openid = wechat.openid()
        with database.transaction() as session:
            identity = WeChatIdentity(appid=wechat.settings.wechat_miniprogram_appid, openid=openid)
            shopper_id = shoppers.arrive(session, identity=identity, now=now).shopper_id
        who = Buyer(shopper_id, buyer.person, buyer.visitor, buyer.address)
        number = who.place(dict.fromkeys(skus[:count], 1), key=key, now=now)
        payer = Payer(
            channel=channel, openid=openid if channel is Channel.MINIPROGRAM else None, client_ip="203.0.113.9"
        )
        payment = checkout.pay(shopper_id=shopper_id, number=number, payer=payer, now=now).number
        wechat.pay(payment)
        drain()
        return Sold(number, payment, wechat)

    return sold
