"""The placement report over HTTP: to the fen what the shop sold."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from config import clock, database, facts
from config import settings as process_settings
from payments.collect import Payer
from payments.lifecycle import Channel
from storefront import aftersales, checkout, orders, shoppers
from storefront.actors import WeChatIdentity
from storefront.roles import Role
from subway_campaign import visitors, visits
from tests.storefront.api.conftest import code_of
from tests.storefront.staff.conftest import Clerk, Counter


def today() -> str:
    day = clock.now().astimezone(clock.SHANGHAI).date()
    return f"from={day - timedelta(days=1)}&to={day + timedelta(days=2)}"


@pytest.fixture
def analyst(counter: Counter) -> Clerk:
    return counter.hire(Role.ANALYST)


def give_back(counter: Counter, number: str, fen: int) -> None:
    with database.transaction() as session:
        asked = aftersales.request(
            session, number=number, lines={1: fen}, reason="坏果", key=f"key-{fen:08}", asked_by="wang", now=clock.now()
        )
    counter.finish_refund(asked.number)


@pytest.mark.parametrize("view", ["cohort", "cash"])
@pytest.mark.parametrize("level", ["medium", "position"])
def test_the_report_equals_the_sales(
    counter: Counter, analyst: Clerk, codes: dict[str, str], level: str, view: str
) -> None:
    spot = next(number for number in codes if ".T01." in number)
    counter.buy(key="before-scan")
    counter.scan(codes[spot])
    number = counter.buy(key="after-scan0")
    give_back(counter, number, 100)
    report = analyst.get(f"/reports/placements?{today()}&level={level}&view={view}").get_json()
    assert report["difference"] == dict.fromkeys(("orders", "gross_fen", "refunded_fen", "net_fen", "freight_fen"), 0)
    assert report["undecided"]["orders"] == 0
    assert report["total"]["gross_fen"] == report["sales"]["goods_fen"] > 0
    assert report["total"]["refunded_fen"] == 100
    [row] = report["rows"]
    assert row["placement"] == (spot if level == "position" else "METRO")
    assert (row["scans"], row["paid_orders"]) == (1, 1)
    assert [entry["reason"] for entry in report["unattributed"]] == ["no_touch"]
    parts = [row, *report["unattributed"], *report["excluded"]]
    for figure in ("gross_fen", "refunded_fen", "net_fen", "paid_orders"):
        assert sum(part[figure] for part in parts) == report["total"][figure]


def by_goods(analyst: Clerk, more: str = "") -> list[dict[str, Any]]:
    """The report narrowed to each product that was ordered; each agrees with the shop."""
    slugs = [slug for (slug,) in database.statement("SELECT DISTINCT product_slug FROM order_lines")]
    found = [analyst.get(f"/reports/placements?{today()}&product={slug}{more}").get_json() for slug in slugs]
    assert not any(value for report in found for value in report["difference"].values())
    return found


def test_what_is_still_on_its_way_is_undecided_and_no_difference(counter: Counter, analyst: Clerk) -> None:
    number = counter.desk.place()
    payment = counter.desk.open(number)
    counter.desk.wechat.pay(payment)
    order, now = counter.desk.order(number), clock.now()
    with database.transaction() as session:
        orders.settle(session, number=number, payment=payment, amount_fen=order["payable_fen"], paid_at=now, now=now)
    report = analyst.get(f"/reports/placements?{today()}").get_json()
    assert report["undecided"]["orders"] == 1
    assert report["undecided"]["gross_fen"] == order["goods_fen"]
    assert report["total"]["paid_orders"] == 0
    assert not any(report["difference"].values())
    assert sum(of_goods["undecided"]["gross_fen"] for of_goods in by_goods(analyst)) == order["goods_fen"]
    counter.desk.drain()
    report = analyst.get(f"/reports/placements?{today()}").get_json()
    assert report["undecided"]["orders"] == 0
    assert report["total"]["gross_fen"] == order["goods_fen"]
    assert not any(report["difference"].values())


def react_except(name: str) -> None:
    """Run every reaction that is due, but one."""
    while True:
        ids = database.statement("SELECT fact_id FROM open_facts ORDER BY fact_id")
        due = facts.missing(None, fact_ids=[fact_id for (fact_id,) in ids])
        due = [(fact_id, reaction) for fact_id, reaction in due if reaction.name != name]
        if not due:
            return
        for fact_id, reaction in due:
            facts.react(fact_id, reaction.name)


@pytest.mark.parametrize("view", ["cohort", "cash"])
def test_a_refund_that_overtakes_its_sale_is_no_difference(counter: Counter, analyst: Clerk, view: str) -> None:
    number = counter.desk.place()
    counter.desk.wechat.pay(counter.desk.open(number))
    react_except("credit_placement")
    with database.transaction() as session:
        asked = aftersales.request(
            session, number=number, lines={1: 100}, reason="坏果", key="key-0100", asked_by="wang", now=clock.now()
        )
    react_except("credit_placement")
    counter.desk.wechat.order("/settle", out_refund_no=asked.number)
    counter.desk.wechat.order("/redeliver", out_refund_no=asked.number)
    react_except("credit_placement")
    report = analyst.get(f"/reports/placements?{today()}&view={view}").get_json()
    assert (report["undecided"]["orders"], report["undecided"]["refunded_fen"]) == (1, 100)
    assert sum(of_goods["undecided"]["refunded_fen"] for of_goods in by_goods(analyst, f"&view={view}")) == 100
    assert report["sales"]["refunded_fen"] == 100
    assert not any(report["difference"].values())
    counter.desk.drain()
    report = analyst.get(f"/reports/placements?{today()}&view={view}").get_json()
    assert not any(report["undecided"].values())
    assert report["total"]["refunded_fen"] == 100
    assert not any(report["difference"].values())


def test_r16_whose_order_it_is_decides_and_not_who_pays_for_it(
    counter: Counter, analyst: Clerk, codes: dict[str, str]
) -> None:
    """A friend who scanned elsewhere, and whom WeChat knows, pays for the order of a rider of the train."""
    ours, theirs = (next(number for number in codes if line in number) for line in (".T01.", ".L2."))
    counter.scan(codes[ours])
    openid, friend = counter.desk.wechat.openid("李明", account="official"), uuid4()
    opened = visits.open(slug=codes[theirs], visitor=friend, now=clock.now())
    assert visits.confirm(token=opened.token, visitor=friend, now=clock.now())
    with database.transaction() as session:
        appid = process_settings.current().wechat_official_appid
        known = shoppers.arrive(session, identity=WeChatIdentity(appid=appid, openid=openid), now=clock.now())
        visitors.bind(session, visitor=friend, person=known.person, now=clock.now())
    number = counter.desk.place()
    payer = Payer(channel=Channel.OFFICIAL, openid=openid)
    owner = counter.desk.buyer.shopper_id
    payment = checkout.pay(shopper_id=owner, number=number, payer=payer, now=clock.now())
    counter.desk.wechat.pay(payment.number)
    counter.desk.drain()
    rows = analyst.get(f"/reports/placements?{today()}").get_json()["rows"]
    paid = {row["placement"]: row["paid_orders"] for row in rows}
    assert paid == {ours: 1, theirs: 0}


def test_a_lost_credit_shows_as_a_difference(counter: Counter, analyst: Clerk) -> None:
    counter.buy()
    database.statement("DELETE FROM credits")
    report = analyst.get(f"/reports/placements?{today()}").get_json()
    assert report["difference"]["gross_fen"] == report["sales"]["goods_fen"] > 0


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", (422, "request.invalid")),
        ("from=2026-11-02&to=2026-11-02", (422, "campaign.impossible_period")),
        ("from=2026-11-03&to=2026-11-02", (422, "campaign.impossible_period")),
        ("from=2020-01-01&to=2026-11-02", (422, "staff.period_too_long")),
        ("from=0001-01-01&to=0001-01-02", (422, "request.invalid")),
        ("from=20261101&to=20261102", (422, "request.invalid")),
        ("from=2026-11-01&to=2026-11-02&model=magic", (422, "request.invalid")),
        ("from=2026-11-01&to=2026-11-02&level=shelf", (422, "request.invalid")),
        ("from=2026-11-01&to=2026-11-02&q=1", (422, "request.invalid")),
    ],
)
def test_an_impossible_report_is_refused(clerk: Callable[..., Clerk], query: str, expected: tuple[int, str]) -> None:
    assert code_of(clerk(Role.ANALYST).get(f"/reports/placements?{query}")) == expected
