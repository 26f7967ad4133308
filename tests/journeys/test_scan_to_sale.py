"""The main job: a scan in the train becomes a paid order, and the sale stands at its placement, to the fen."""

from typing import Any
from uuid import uuid4

import pytest

from config import clock, database
from storefront import aftersales, orders, sales
from subway_campaign import seeding, visits
from subway_campaign.landing import Landing, LandingKind
from tests.journeys.conftest import Desk


@pytest.fixture
def codes(desk: Desk) -> dict[str, str]:
    """Placement number → code, for the whole inventory."""
    landing = Landing(kind=LandingKind.PRODUCT, slug="anything")
    seeding.seed(lambda what, done, total: None, now=clock.now(), landings=[landing])
    return dict(
        database.statement(
            "SELECT p.number, c.slug FROM codes c JOIN code_bindings b ON b.code_id = c.id"
            " JOIN placements p ON p.id = b.placement_id ORDER BY p.number"
        )
    )


def scan(desk: Desk, slug: str) -> None:
    opened = visits.open(slug=slug, visitor=desk.buyer.visitor, now=clock.now())
    assert visits.confirm(token=opened.token, visitor=desk.buyer.visitor, now=clock.now())


def buy(desk: Desk, **more: Any) -> str:
    number = desk.place(**more)
    desk.wechat.pay(desk.open(number))
    desk.drain()
    return number


def check_totals(report: dict[str, Any]) -> None:
    """R28: placements + unattributed + excluded = the shop's own sales."""
    today = clock.now().astimezone(clock.SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    with database.transaction() as session:
        sold = sales.of_period(session, since=today, before=clock.now())
    total = report["total"]
    assert total["paid_orders"] == sold.orders
    assert total["gross_fen"] == sold.goods_fen
    assert total["refunded_fen"] == sold.refunded_goods_fen
    assert report["freight_fen"] == sold.freight_fen - sold.refunded_freight_fen
    assert report["undecided"] == {"orders": 0, "gross_fen": 0}


def row_of(report: dict[str, Any], placement: str) -> dict[str, Any]:
    return next(row for row in report["rows"] if row["placement"] == placement)


def test_a_scan_in_the_train_earns_the_sale(desk: Desk, codes: dict[str, str]) -> None:
    placement, slug = next((p, c) for p, c in codes.items() if ".T01." in p)
    scan(desk, slug)
    number = buy(desk)
    report = desk.report()
    row = row_of(report, placement)
    assert (row["scans"], row["orders"], row["paid_orders"]) == (1, 1, 1)
    assert (row["gross_fen"], row["net_fen"]) == (desk.order(number)["goods_fen"],) * 2
    check_totals(report)


def test_the_last_of_two_placements_earns_it(desk: Desk, codes: dict[str, str]) -> None:
    (first, one), (last, two) = list(codes.items())[:2]
    scan(desk, one)
    scan(desk, two)
    number = buy(desk)
    report = desk.report()
    assert row_of(report, last)["gross_fen"] == desk.order(number)["goods_fen"]
    assert row_of(report, first)["gross_fen"] == 0
    check_totals(report)


def test_a_sale_without_a_scan_is_unattributed_and_still_counted(desk: Desk, codes: dict[str, str]) -> None:
    number = buy(desk)
    report = desk.report()
    [row] = [row for row in report["unattributed"] if row["paid_orders"]]
    assert (row["reason"], row["gross_fen"]) == ("no_touch", desk.order(number)["goods_fen"])
    check_totals(report)


def test_somebody_elses_scan_earns_nothing(desk: Desk, codes: dict[str, str]) -> None:
    opened = visits.open(slug=next(iter(codes.values())), visitor=uuid4(), now=clock.now())
    assert opened.visitor != desk.buyer.visitor
    buy(desk)
    assert sum(row["gross_fen"] for row in desk.report()["rows"]) == 0


def test_a_full_refund_takes_the_credit_back(desk: Desk, codes: dict[str, str]) -> None:
    placement, slug = next(iter(codes.items()))
    scan(desk, slug)
    number = buy(desk, lines={desk.skus[0]: 1, desk.skus[1]: 2})
    with database.transaction() as session:
        lines, freight_fen = aftersales.remaining(session, orders.lock(session, number).id)
        asked = aftersales.request(
            session, number=number, lines=lines, freight_fen=freight_fen, reason="全部退款", key="refund-all",
            asked_by="desk", now=clock.now(),
        )  # fmt: skip
    desk.drain()
    desk.wechat.order("/settle", out_refund_no=asked.number)
    desk.wechat.order("/redeliver", out_refund_no=asked.number)
    desk.drain()
    report = desk.report()
    row = row_of(report, placement)
    assert (row["refunded_fen"], row["net_fen"]) == (row["gross_fen"], 0)
    assert desk.order(number)["state"] == "refunded"
    check_totals(report)
    check_totals(desk.report(view="cash"))
