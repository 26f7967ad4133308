"""The notice at shipping: only with consent, once for an order, and never again after an answer that was lost."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from config import database
from config import settings as process_settings
from payments.lifecycle import Channel
from storefront import notices, shoppers
from storefront.errors import OrderNotFound, TemplateUnknown, WeChatUnavailable
from tests.payments.conftest import Wechat, change, rows
from tests.storefront import selling
from tests.storefront.selling import Sell, Sold

emulator, inbox, sell, wechat = selling.emulator, selling.inbox, selling.sell, selling.wechat

KEYS = ["character_string1", "thing2", "thing3", "character_string4", "time5"]


@dataclass
class Asked:
    """A template, and an order whose shopper can be asked about it."""

    order: Sold
    template: str
    shopper_id: int

    def allow(self, *accepted: str) -> list[str]:
        with database.transaction() as session:
            return notices.allow(
                session,
                shopper_id=self.shopper_id,
                number=self.order.number,
                accepted=list(accepted),
                now=datetime.now(UTC),
            )

    def tell(self) -> None:
        notices.tell_shipped(order=self.order.number, consignment=1, now=datetime.now(UTC))

    def messages(self) -> list[dict[str, Any]]:
        told = self.order.wechat.order("/books", "GET")["messages"]
        return [each for each in told if each["template_id"] == self.template]

    def row(self) -> dict[str, Any]:
        [row] = rows("SELECT * FROM order_notices")
        return row


@pytest.fixture
def asked(sell: Sell, wechat: Wechat) -> Asked:
    template = f"T{secrets.token_hex(8)}"
    wechat.order("/templates", template_id=template, keys=KEYS)
    process_settings.use(replace(process_settings.current(), wechat_shipped_template_id=template))
    order = sell(2)
    [row] = rows("SELECT shopper_id FROM orders WHERE number = :n", n=order.number)
    return Asked(order, template, row["shopper_id"])


def grant(asked: Asked, times: int = 1) -> None:
    """What a tap on 允许 does at WeChat."""
    asked.order.wechat.order("/subscriptions", person="小明", template_id=asked.template, times=times)


def test_one_notice_for_an_order_with_two_consignments(asked: Asked, drain: Callable[[], int]) -> None:
    grant(asked, 5)
    assert asked.allow(asked.template) == [asked.template]
    asked.order.ship(lines=[1])
    asked.order.ship(lines=[2], tracking="731234567899")
    drain()
    [message] = asked.messages()
    said = {key: item["value"] for key, item in message["data"].items()}
    assert (said["character_string1"], said["thing3"]) == (asked.order.number, "中通快递")
    assert message["page"].endswith(asked.order.number)
    assert asked.row()["state"] == "sent"
    for _ in range(3):
        asked.tell()
    assert len(asked.messages()) == 1


def test_without_consent_nothing_is_sent(asked: Asked, drain: Callable[[], int]) -> None:
    grant(asked)
    asked.allow(asked.template)
    assert asked.allow() == [], "taken back"
    asked.order.ship()
    drain()
    assert asked.messages() == []


def test_a_consent_that_wechat_does_not_know_is_normal_and_not_tried_again(
    asked: Asked, drain: Callable[[], int]
) -> None:
    asked.allow(asked.template)
    asked.order.ship()
    drain()
    assert (asked.row()["state"], asked.row()["errcode"], asked.row()["tries"]) == ("refused", 43101, 1)
    grant(asked)
    asked.tell()
    assert asked.messages() == []


def test_a_template_with_other_keys_is_refused_once(asked: Asked, drain: Callable[[], int]) -> None:
    process_settings.use(replace(process_settings.current(), wechat_shipped_template_keys="thing9=goods"))
    grant(asked)
    asked.allow(asked.template)
    asked.order.ship()
    drain()
    assert (asked.row()["state"], asked.row()["errcode"]) == ("refused", 47003)


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_that_was_lost_is_not_asked_for_again(asked: Asked, wechat: Wechat, when: str) -> None:
    grant(asked, 5)
    asked.allow(asked.template)
    wechat.fault("api_reset", on="send", when=when)
    asked.order.ship()
    asked.tell()
    asked.tell()
    assert len(asked.messages()) == (when == "after")
    assert asked.row()["state"] == "sending"


def test_what_passes_is_tried_again_but_not_for_ever(asked: Asked, wechat: Wechat) -> None:
    grant(asked, 5)
    asked.allow(asked.template)
    asked.order.ship()
    wechat.fault("errcode", on="send", times=5, options={"errcode": 45009})
    for _ in range(4):
        with pytest.raises(WeChatUnavailable):
            asked.tell()
    asked.tell()
    assert (asked.row()["state"], asked.row()["tries"]) == ("refused", 5)
    asked.tell()
    assert asked.messages() == []


def test_consent_is_asked_in_the_mini_program_only(asked: Asked) -> None:
    assert notices.templates(Channel.MINIPROGRAM) == [asked.template]
    assert [notices.templates(each) for each in (Channel.OFFICIAL, Channel.H5, Channel.NATIVE)] == [[], [], []]
    with pytest.raises(TemplateUnknown):
        asked.allow("T-of-somebody-else")
    with database.transaction() as session:
        guest = shoppers.arrive_as_guest(session, now=datetime.now(UTC)).shopper_id
    with pytest.raises(OrderNotFound):
        replace(asked, shopper_id=guest).allow(asked.template)
    change("UPDATE orders SET shopper_id = :g WHERE number = :n", g=guest, n=asked.order.number)
    with pytest.raises(TemplateUnknown):
        replace(asked, shopper_id=guest).allow(asked.template)


def test_what_is_said_fits_the_kind_of_its_key() -> None:
    assert notices._fit("thing", "砀山酥梨" * 9) == "砀山酥梨" * 5
    assert notices._fit("character_string", "中通 AB-12") == " AB-12"
    assert notices._fit("phrase", "中通快递（速运）x") == "中通快递速"
