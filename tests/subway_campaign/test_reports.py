from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from config import database
from subway_campaign import errors, journeys, reports, visits
from subway_campaign.lifecycle import Level, Model, Stage, View
from tests.subway_campaign.conftest import World, beijing


def report(from_day: date = date(2026, 3, 1), to_day: date = date(2026, 4, 1), **asked: Any) -> dict[str, Any]:
    with database.transaction() as session:
        return reports.placements(session, from_day=from_day, to_day=to_day, **asked)


def row(found: dict[str, Any], placement: str) -> dict[str, Any]:
    return next((row for row in found["rows"] if row["placement"] == placement), {})


def reach(visitor: UUID, stage: Stage, at: Any) -> UUID | None:
    with database.transaction() as session:
        return journeys.reach(session, visitor=visitor, stage=stage, now=at)


def test_r15_a_scan_counts_once_in_thirty_minutes(world: World) -> None:
    def scans_and_visitors() -> tuple[int, int]:
        found = row(report(), world.numbers["A"])
        return found["scans"], found["visitors"]

    rider = world.scan("A", beijing(3, 1, 8, 0)).visitor
    world.scan("A", beijing(3, 1, 8, 20), rider)
    assert scans_and_visitors() == (1, 1)
    world.scan("A", beijing(3, 1, 8, 30), rider)
    assert scans_and_visitors() == (2, 1)
    world.scan("A", beijing(3, 1, 8, 59), rider)
    assert scans_and_visitors() == (2, 1)
    world.scan("A", beijing(3, 2, 8, 0), rider)
    assert scans_and_visitors() == (3, 2)


def test_r15_a_run_that_crosses_midnight_is_counted_on_its_own_days(world: World) -> None:
    rider = world.scan("A", beijing(3, 1, 23, 50)).visitor
    for minute in (5, 25, 45):
        world.scan("A", beijing(3, 2, 0, minute), rider)
    days = [report(date(2026, 3, day), date(2026, 3, day + 1)) for day in (1, 2)]
    assert [row(found, world.numbers["A"])["scans"] for found in days] == [1, 1]
    assert row(report(), world.numbers["A"])["scans"] == 2


def test_r06_unconfirmed_and_r05_dropped_scans_are_shown_but_not_counted(world: World) -> None:
    world.scan("A", beijing(3, 1), confirm=False)
    world.scan("A", beijing(3, 1))
    visits.open(slug=world.codes["A"], visitor=None, now=beijing(3, 1), method="HEAD")
    found = report()
    assert row(found, world.numbers["A"])["scans"] == 1
    assert {(line["reason"], line["scans"]) for line in found["excluded"]} == {("unconfirmed", 1), ("head", 1)}


def test_r24_cohort_and_cash_days(world: World) -> None:
    rider = world.scan("A", beijing(3, 4)).visitor
    world.order("N1", rider, beijing(3, 4, 9), 9_990)
    world.refund("N1", "R1", beijing(3, 20), {1: 9_990})
    fourth, twentieth = (date(2026, 3, 4), date(2026, 3, 5)), (date(2026, 3, 20), date(2026, 3, 21))
    assert row(report(*fourth), world.numbers["A"])["net_fen"] == 0
    assert row(report(*fourth, view=View.CASH), world.numbers["A"])["net_fen"] == 9_990
    assert row(report(*twentieth, view=View.CASH), world.numbers["A"])["net_fen"] == -9_990
    assert report(view=View.CASH)["total"] == report(view=View.COHORT)["total"]


def test_report_days_are_beijings_and_half_open(world: World) -> None:
    rider = world.scan("A", beijing(3, 4)).visitor
    world.order("N1", rider, beijing(3, 4, 23, 50), paid_at=beijing(3, 4, 23, 59, 59))
    world.order("N2", rider, beijing(3, 4, 23, 50), paid_at=beijing(3, 5, 0, 0, 0))
    days = [report(date(2026, 3, day), date(2026, 3, day + 1))["total"]["paid_orders"] for day in (4, 5)]
    assert days == [1, 1]
    with pytest.raises(errors.ImpossiblePeriod):
        report(date(2026, 3, 4), date(2026, 3, 4))


def test_r25_a_stage_counts_journeys_that_came_as_far_or_farther(world: World) -> None:
    buyer, looker = world.scan("A", beijing(3, 4)).visitor, world.scan("A", beijing(3, 4)).visitor
    world.order("N1", buyer, beijing(3, 4, 9))
    assert reach(looker, Stage.VIEW, beijing(3, 4, 9)) is not None
    found = row(report(), world.numbers["A"])
    assert (found["scans"], found["carts"], found["orders"], found["paid_orders"]) == (2, 1, 1, 1)
    assert (found["conversion"]["paid"], found["conversion"]["journeys"]) == (1, 2)
    assert reach(looker, Stage.CART, beijing(3, 4, 10)) is not None
    assert reach(looker, Stage.CART, beijing(3, 4, 11)) is not None
    assert row(report(), world.numbers["A"])["carts"] == 2
    assert reach(uuid4(), Stage.CART, beijing(3, 4, 11)) is None


def test_r17_two_orders_of_one_journey_convert_once(world: World) -> None:
    buyer = world.scan("A", beijing(3, 4)).visitor
    world.order("N1", buyer, beijing(3, 4, 9))
    world.order("N2", buyer, beijing(3, 4, 10))
    found = row(report(), world.numbers["A"])
    assert found["paid_orders"] == 2
    assert found["conversion"]["rate"] == 1.0


def test_r03_earned_sales_are_shown_beside_the_placement(world: World) -> None:
    opened = world.scan("A", beijing(3, 4))
    friend = uuid4()
    visits.confirm(token=opened.token, visitor=friend, now=beijing(3, 4, 9))
    world.order("N1", friend, beijing(3, 4, 10))
    found = report()
    assert row(found, world.numbers["A"])["earned_fen"] == 9_900
    assert row(found, world.numbers["A"])["gross_fen"] == 0
    assert found["unattributed"] == [
        {
            "reason": "shared_only",
            "orders": 1,
            "paid_orders": 1,
            "gross_fen": 9_900,
            "refunded_fen": 0,
            "net_fen": 9_900,
        }
    ]


def test_r13_freight_stands_apart(world: World) -> None:
    buyer = world.scan("A", beijing(3, 4)).visitor
    world.order("N1", buyer, beijing(3, 4, 9), 5_000, freight_fen=800)
    assert (report()["freight_fen"], report()["total"]["gross_fen"]) == (800, 5_000)
    world.refund("N1", "R1", beijing(3, 5), {1: 5_000}, freight_fen=800)
    assert (report()["freight_fen"], report()["total"]["net_fen"]) == (0, 0)


def test_an_unpaid_order_is_an_order_and_no_money(world: World) -> None:
    buyer = world.scan("A", beijing(3, 4)).visitor
    world.order("N1", buyer, beijing(3, 4, 9), pay=False)
    found = row(report(), world.numbers["A"])
    assert (found["orders"], found["paid_orders"], found["gross_fen"]) == (1, 0, 0)
    assert report()["undecided"] == {"orders": 0, "gross_fen": 0}


events = st.lists(
    st.tuples(
        st.sampled_from(["scan", "share", "order", "refund"]),
        st.sampled_from("ABC"),
        st.integers(0, 2),
        st.integers(1, 14 * 24 * 60),
        st.integers(1, 20_000),
    ),
    max_size=14,
)


def _live(world: World, happened: list[tuple[str, str, int, int, int]]) -> dict[str, int]:
    """Let three riders do what they drew, and return what was paid and refunded."""
    riders = [uuid4() for _ in range(3)]
    paid: dict[str, int] = {}
    net: dict[str, int] = {}
    for i, (what, place, who, minute, fen) in enumerate(sorted(happened, key=lambda event: event[3])):
        at = beijing(3, 1) + timedelta(minutes=minute)
        if what == "scan":
            world.scan(place, at, riders[who])
        elif what == "share":
            visits.confirm(token=world.scan(place, at).token, visitor=riders[who], now=at)
        elif what == "order":
            world.order(f"N{i}", riders[who], at, fen, fen // 3)
            paid[f"N{i}"] = fen + fen // 3
            net[f"N{i}"] = fen
        elif net:
            order = sorted(net)[fen % len(net)]
            back = min(net[order], fen)
            if back:
                world.refund(order, f"R{i}", at, {1: back})
                net[order] -= back
                paid[order] -= back
    return paid


@given(happened=events)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_i01_i08_r28_every_report_sums_to_the_paid_sales(world: World, happened: list[Any]) -> None:
    paid = _live(world, happened)
    for order, fen in paid.items():
        for model in Model:
            assert sum(world.credits(order, model).values()) == fen
    for view in View:
        by_level = {level: report(level=level, view=view, model=Model.DECAY) for level in Level}
        for found in by_level.values():
            assert found["total"]["net_fen"] == sum(paid.values())
            lines = [*found["rows"], *found["unattributed"], *found["excluded"]]
            assert sum(line["net_fen"] for line in lines) == sum(paid.values())
            assert found["total"] == by_level[Level.MEDIUM]["total"]
        for parent in by_level[Level.LINE]["rows"]:
            children = [
                r for r in by_level[Level.POSITION]["rows"] if r["placement"].startswith(parent["placement"] + ".")
            ]
            for figure in reports.ADDITIVE:
                assert parent[figure] == sum(child[figure] for child in children)
            assert parent["visitors"] <= sum(child["visitors"] for child in children)
    _forget_people()


def _forget_people() -> None:
    """Each example begins with the same posters and no riders."""
    with database.transaction() as session:
        session.execute(
            text("""
                TRUNCATE touches, touch_keys, touch_confirmations, conversions, conversion_lines, conversion_refunds,
                         attribution_decisions, attribution_weights, credits, journey_stages
            """)
        )


def test_a_bad_level_of_the_tree_loses_nothing(world: World) -> None:
    """A light box hangs at position level right under its line: a report by car still shows it, at its line."""
    buyer = world.scan("C", beijing(3, 4)).visitor
    world.order("N1", buyer, beijing(3, 4, 9))
    assert row(report(level=Level.CAR), "METRO.HF.L1")["gross_fen"] == 9_900


@pytest.mark.parametrize("days", [(date.min, date.max), (date.min, date(1, 1, 2)), (date(9999, 12, 30), date.max)])
def test_the_ends_of_the_calendar_are_days_too(world: World, days: tuple[date, date]) -> None:
    world.scan("A", beijing(3, 4))
    assert report(*days)["total"]["scans"] == (days == (date.min, date.max))
