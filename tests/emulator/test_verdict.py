"""The judgement of a simulation: it agrees with a truthful report and names every lie, to the fen."""

import copy
from datetime import date
from typing import Any

import pytest

from emulator import verdict
from emulator.riders import Purchase, Trip

TODAY = date(2026, 11, 22)
ROW = {"placement": "METRO.L1", "name": "一号线", "scans": 40, "visitors": 30, "carts": 5, "orders": 5,
       "paid_orders": 4, "gross_fen": 10000, "refunded_fen": 0, "net_fen": 10000}  # fmt: skip
QUIET = {"excluded": [], "difference": {"orders": 0, "net_fen": 0}, "undecided": {"orders": 0}}
BEFORE: dict[str, Any] = {"rows": [ROW], "unattributed": [], "freight_fen": 300} | QUIET


def purchase(number: str, placement: str | None = "METRO.L1", **more: Any) -> Purchase:
    values = {"payments": {f"wx{number}"}, "lines": {1: 5000}, "freight_fen": 800} | more
    return Purchase(number, placement, "" if placement else "shared_only", 5000, **values)


def payment(number: str, *, paid: bool = True, refunded: int = 0, total: int = 5800) -> dict[str, Any]:
    return {
        "out_trade_no": f"P{number}",
        "prepay_ids": [f"wx{number}", f"wx{number}-again"],
        "transaction_id": f"4200{number}" if paid else None,
        "paid_at": "2026-11-21T00:00:00Z" if paid else None,
        "total_fen": total,
        "refunded_fen": refunded,
    }


@pytest.fixture
def trips() -> list[Trip]:
    refunded = purchase("3", refund_lines={1: 1500}, refund_freight_fen=800)
    return [
        Trip("甲", "", scans={(0, "METRO.L1", TODAY), (1, "BUS.2", TODAY)}, purchases=[purchase("1"), purchase("2")]),
        Trip("乙", "", scans={(0, "METRO.L1", TODAY)}, purchases=[refunded, purchase("4", placement=None)]),
    ]


@pytest.fixture
def books() -> dict[str, Any]:
    return {"orders": [payment("1"), payment("2", paid=False), payment("3", refunded=2300), payment("4")]}


@pytest.fixture
def after() -> dict[str, Any]:
    grown = ROW | {"scans": 42, "visitors": 32, "carts": 8, "orders": 8, "paid_orders": 6, "gross_fen": 20000,
                   "refunded_fen": 1500, "net_fen": 18500}  # fmt: skip
    bus = dict.fromkeys(verdict.COMPARED, 0) | {"placement": "BUS.2", "name": "2 路", "scans": 1, "visitors": 1}
    shared = {"reason": "shared_only", "orders": 1, "paid_orders": 1, "gross_fen": 5000, "refunded_fen": 0,
              "net_fen": 5000}  # fmt: skip
    return {"rows": [grown, bus], "unattributed": [shared], "freight_fen": 300 + 3 * 800 - 800} | QUIET


def told(trips: list[Trip], books: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return verdict.differences(verdict.expect(trips, books), verdict.gained(BEFORE, after))


def test_a_truthful_report_is_found_truthful(trips: list[Trip], books: Any, after: Any) -> None:
    assert told(trips, books, after) == []
    expected = verdict.expect(trips, books)
    assert expected.total == verdict.gained(BEFORE, after).total
    assert (expected.total["gross_fen"], expected.total["refunded_fen"]) == (15000, 1500)


@pytest.mark.parametrize("figure", verdict.COMPARED)
def test_one_fen_or_one_scan_is_noticed(trips: list[Trip], books: Any, after: Any, figure: str) -> None:
    after["rows"][0] = after["rows"][0] | {figure: after["rows"][0][figure] + 1}
    [difference] = told(trips, books, after)
    assert difference.startswith(f"METRO.L1 {figure}: expected ")


def test_credit_that_moved_is_noticed_on_both_sides(trips: list[Trip], books: Any, after: Any) -> None:
    after["unattributed"][0] = after["unattributed"][0] | {"reason": "no_touch"}
    assert {each.split(" ")[1] for each in told(trips, books, after)} == {"shared_only", "no_touch"}


def test_freight_is_compared_apart(trips: list[Trip], books: Any, after: Any) -> None:
    after["freight_fen"] -= 1
    assert told(trips, books, after) == ["freight: expected 1600, reported 1599"]


def test_what_is_kept_out_is_compared_too(trips: list[Trip], books: Any, after: Any) -> None:
    trips[1].kept_out.append("wechat_crawler")
    assert told(trips, books, after) == ["kept out: wechat_crawler scans: expected 1, reported 0"]
    after["excluded"] = [{"reason": "wechat_crawler", "scans": 1}]
    assert told(trips, books, after) == []


@pytest.mark.parametrize(("reported", "is_right"), [(0, True), (2, True), (3, False)])
def test_a_scan_without_an_answer_may_or_may_not_have_been_noted(
    trips: list[Trip], books: Any, after: Any, reported: int, is_right: bool
) -> None:
    trips[0].perhaps["unconfirmed"] = 2
    after["excluded"] = [{"reason": "unconfirmed", "scans": reported}]
    assert (told(trips, books, after) == []) is is_right


def test_a_report_that_disagrees_with_its_own_sales_is_not_believed(trips: list[Trip], books: Any, after: Any) -> None:
    after["difference"] = {"orders": 0, "net_fen": 1}
    assert told(trips, books, after) == ["the report's own difference is {'orders': 0, 'net_fen': 1}"]


def test_money_against_the_intention_is_trouble(trips: list[Trip], books: Any, after: Any) -> None:
    cheaper = copy.deepcopy(books)
    cheaper["orders"][0]["total_fen"] = 5700
    assert "5700 were taken" in told(trips, cheaper, after)[0]
    twice = copy.deepcopy(books)
    twice["orders"].append(payment("1") | {"out_trade_no": "P1-again", "prepay_ids": ["wx-other"]})
    trips[0].purchases[0].payments.add("wx-other")
    assert told(trips, twice, after) == ["order 1 was paid 2 times"]
    kept = copy.deepcopy(books)
    kept["orders"][2]["refunded_fen"] = 0
    assert "2300 fen were to go back, 0 did" in told(trips, kept, after)[0]


def test_every_payment_belongs_to_one_order(trips: list[Trip], books: Any) -> None:
    assert verdict.unclaimed(trips, {"orders": []}, books) == []
    trips[1].purchases[1].payments = set()
    assert verdict.unclaimed(trips, {"orders": []}, books) == ["payment P4 of 5800 fen belongs to 0 orders"]
    assert verdict.unclaimed(trips, books, books) == []
    trips[1].purchases[1].payments = {"42001"}
    assert "payment P1 of 5800 fen belongs to 2 orders" in verdict.unclaimed(trips, {"orders": []}, books)


@pytest.mark.parametrize(
    ("payments", "shown", "count"),
    [
        ([payment("1")], {"state": "paid", "refunded_fen": 0}, 0),
        ([payment("1", refunded=5800)], {"state": "refunded", "refunded_fen": 5800}, 0),
        ([], {"state": "cancelled", "refunded_fen": 0}, 0),
        ([payment("1")], {"state": "pending", "refunded_fen": 0}, 1),
        ([], {"state": "paid", "refunded_fen": 0}, 1),
        ([payment("1", refunded=100)], {"state": "paid", "refunded_fen": 0}, 1),
    ],
)
def test_the_shops_view_of_an_order_is_held_against_the_books(payments: Any, shown: Any, count: int) -> None:
    assert len(verdict.order_differences(purchase("1"), payments, shown)) == count


def test_the_table_lines_up_and_adds_up(trips: list[Trip], books: Any) -> None:
    expected = verdict.expect(trips, books)
    lines = verdict.table(expected, {"METRO.L1": "一号线", "BUS.2": "二路公交车身"}, most=1).split("\n")
    assert [line.split()[0] for line in lines] == ["placement", "METRO.L1", "1", "nobody's", "total"]
    assert lines[-1].split()[-3:] == ["150.00", "15.00", "135.00"]
    assert "一号线" in lines[1]
