"""A seller's link earns its commission by itself: claimed at the pay tap, and only while the credit is the link's."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from catalog import payees, suppliers
from catalog.supplier_lifecycle import Kind
from catalog.supplier_models import ReceiverKind
from config import clock, database
from payments.collect import Payer
from payments.lifecycle import Channel
from storefront import checkout, commissions, partner_codes, partner_statistics, partners
from storefront.commission_lifecycle import Barred, ClaimState
from storefront.partner_models import PartnerKind
from subway_campaign import conversions, visits
from subway_campaign.landing import Landing, LandingKind
from subway_campaign.lifecycle import View
from tests.catalog import supplying
from tests.payments.conftest import Wechat, emulator, inbox, rows, wechat
from tests.storefront.conftest import Buyer
from tests.storefront.test_commissions import SELLER, claim, goods_of, now, quick, received, round_of, seller, theirs

__all__ = ["emulator", "inbox", "quick", "seller", "wechat"]


@pytest.fixture
def link(quick: Wechat, buyer: Buyer) -> str:
    """The code by which an admitted seller recommends pears for a tenth; the buyer is logged in to WeChat."""
    supplying.admitted(SELLER, goods="", kind=Kind.SELLER)
    receiver = payees.Receiver(kind=ReceiverKind.MERCHANT, account="1900000109", name="徽州推广有限公司")
    database.statement(
        "UPDATE shoppers SET appid = 'wx1', openid = 'o-buyer' WHERE id = %s RETURNING 1", (buyer.shopper_id,)
    )
    with database.transaction() as session:
        payees.enter(session, number=SELLER, account=supplying.ACCOUNT, receiver=receiver, by="wang", now=now())
        suppliers.set_commission(session, number=SELLER, commission_bp=1_000)
        partner = partners.create(session, kind=PartnerKind.SELLER, name="徽州推广", seller=SELLER, now=now())
        landings = [Landing(LandingKind.PRODUCT, "dangshansuli")]
        [made] = partner_codes.recommend(session, partner=partner.number, landings=landings, now=now())
    return made.code


def follow(code: str, buyer: Buyer) -> None:
    opened = visits.open(slug=code, visitor=buyer.visitor, now=now())
    assert visits.confirm(token=opened.token, visitor=buyer.visitor, now=now())


def tap(buyer: Buyer, number: str) -> str:
    payer = Payer(channel=Channel.NATIVE)
    return checkout.pay(shopper_id=buyer.shopper_id, number=number, payer=payer, now=now()).number


def is_divisible() -> bool:
    [payment] = rows("SELECT request FROM payments")
    return "settle_info" in payment["request"]


def test_who_came_by_a_sellers_link_earns_it_its_rate_without_anybodys_doing(
    link: str,
    buyer: Buyer,
    skus: list[str],
    quick: Wechat,
    drain: Callable[[], int],
) -> None:
    follow(link, buyer)
    number = buyer.place({skus[0]: 2}, now=now())
    payment = tap(buyer, number)
    assert tap(buyer, number) == payment, "a second tap claims nothing more"
    assert (claim(), is_divisible()) == ((ClaimState.EARNED, None, None), True)
    quick.pay(payment)
    drain()
    received(number, days=14)
    assert round_of(drain) == 1
    assert claim() == (ClaimState.PAID, None, goods_of(number) // 10)
    assert [each["amount"] for each in theirs(quick, number)[0]["receivers"]] == [goods_of(number) // 10]
    today, day = now().astimezone(clock.SHANGHAI).date(), timedelta(days=1)
    [(partner,)] = database.statement("SELECT number FROM partners")
    days = {"from_day": today - day, "to_day": today + day}
    with database.transaction() as session:
        told = partner_statistics.of_seller(session, partner=partner, view=View.COHORT, **days)
    assert told["commission"] == {"waiting": 0, "barred": 0, "asked_fen": 0, "paid_fen": goods_of(number) // 10}


def test_what_another_advert_is_found_to_have_brought_earns_nothing_and_is_released(
    link: str,
    buyer: Buyer,
    skus: list[str],
    quick: Wechat,
    drain: Callable[[], int],
) -> None:
    follow(link, buyer)
    number = buyer.place({skus[0]: 1}, now=now())
    quick.pay(tap(buyer, number))
    drain()
    # The visit turns out to have been somebody's of the staff, and the order is decided again.
    database.statement(
        "INSERT INTO excluded_identities (visitor_id, reason, valid_from, recorded_at)"
        " VALUES (%s, 'excluded_staff', %s, %s) RETURNING 1",
        (buyer.visitor, now() - timedelta(days=1), now()),
    )
    with database.transaction() as session:
        assert conversions.decide_again(session, order=number, now=now())
    received(number, days=14)
    assert round_of(drain) == 1
    assert claim() == (ClaimState.BARRED, Barred.CREDIT_MOVED, None)
    assert (theirs(quick, number)[0]["receivers"], theirs(quick, number)[0]["unfreezes"]) == ([], True)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE shoppers SET appid = NULL, openid = NULL WHERE openid = 'o-buyer'",
        "UPDATE suppliers SET commission_bp = NULL WHERE number = 'SEL1'",
        "UPDATE suppliers SET state = 'suspended' WHERE number = 'SEL1'",
        "UPDATE partners SET closed_at = now()",
        "DELETE FROM supplier_payees",
    ],
    ids=["a guest", "without a rate", "suspended", "closed", "nowhere to pay"],
)
def test_nothing_is_claimed_and_no_money_is_frozen(link: str, buyer: Buyer, skus: list[str], change: str) -> None:
    database.statement(f"{change} RETURNING 1")
    follow(link, buyer)
    tap(buyer, buyer.place({skus[0]: 1}, now=now()))
    assert rows("SELECT 1 FROM commission_claims") == []
    assert not is_divisible()


def test_an_order_that_no_link_brought_is_not_looked_at(
    link: str, buyer: Buyer, skus: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(conversions, "placed", lambda *_, order, **__: told.append(order))
    tap(buyer, buyer.place({skus[0]: 1}, now=now()))
    assert told == [], "most orders were brought by no seller, and pay for none"


def test_a_seller_without_links_of_its_own_keeps_what_was_claimed_for_it(
    seller: str,
    buyer: Buyer,
    skus: list[str],
    quick: Wechat,
    drain: Callable[[], int],
) -> None:
    number = buyer.place({skus[0]: 1}, now=now())
    with database.transaction() as session:
        commissions.earn(session, order=number, seller=SELLER, basis_points=500, now=now())
    quick.pay(tap(buyer, number))
    drain()
    received(number, days=14)
    assert round_of(drain) == 1
    assert claim() == (ClaimState.PAID, None, goods_of(number) // 20)
