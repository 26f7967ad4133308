"""A report that is narrowed to a campaign, a creative or goods equals the recount, and still sums to what was sold."""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from config import database
from subway_campaign import errors, hours, narrowing, reports, rollups
from subway_campaign.lifecycle import Level, Model, View
from subway_campaign.narrowing import Narrowing
from tests.subway_campaign.conftest import World, beijing
from tests.subway_campaign.recounting import narrowed, rows
from tests.subway_campaign.test_rollups import MARCH, forget_all

COUNTS = ("orders", "paid_orders", "gross_fen", "refunded_fen")
SOLD = ("net_fen", "gross_fen", "refunded_fen", "paid_orders")


@pytest.fixture
def drives(world: World) -> World:
    """The same posters; B hangs for another campaign, with a creative of its own."""
    with database.transaction() as session:
        session.execute(
            text("""
                WITH other AS (
                    INSERT INTO campaigns (number, name, is_illustrative, created_at)
                    VALUES ('OTHER', '另一个', true, now()) RETURNING id
                ), pear AS (
                    INSERT INTO creatives (campaign_id, number, name) SELECT id, 'PEAR', '梨' FROM other
                    RETURNING id, campaign_id
                )
                UPDATE code_bindings b SET campaign_id = pear.campaign_id, creative_id = pear.id
                FROM pear, placements p WHERE p.id = b.placement_id AND p.number = :number
            """),
            {"number": world.numbers["B"]},
        )
    return world


def report(narrowed_to: Narrowing, **asked: Any) -> dict[str, Any]:
    with database.transaction() as session:
        return reports.placements(session, from_day=MARCH[0], to_day=MARCH[1], narrowed=narrowed_to, **asked)


def grown(**asked: Any) -> reports.Tree:
    with database.transaction() as session:
        return reports.tree(session, from_day=MARCH[0], to_day=MARCH[1], **asked)


def counted(found: dict[str, Any]) -> dict[str, dict[str, int]]:
    of_rows = {row["placement"]: {name: row[name] for name in COUNTS if row[name]} for row in found["rows"]}
    return {number: figures for number, figures in of_rows.items() if figures}


def by_hour(narrowed_to: Narrowing) -> list[hours.Hour]:
    with database.transaction() as session:
        return hours.of_period(session, from_day=MARCH[0], to_day=MARCH[1], narrowed=narrowed_to)


def assert_hours_add_up(found: dict[str, Any], parts: list[hours.Hour]) -> None:
    """The hours of a placement are its row of the report, however it is narrowed."""
    for row in found["rows"]:
        own = [part for part in parts if part.placement == row["placement"]]
        for name in ("scans", "paid_orders", "gross_fen", "refunded_fen", "net_fen"):
            assert sum(getattr(part, name) for part in own) == row[name], (row["placement"], name)
        assert sum(part.journeys for part in own) == row["conversion"]["journeys"]
    assert {part.placement for part in parts} <= {row["placement"] for row in found["rows"]}


LOG = st.lists(
    st.tuples(
        st.sampled_from(["scan", "scan", "order", "refund", "roll_up"]),
        st.sampled_from("ABC"),
        st.integers(0, 1),
        st.integers(1, 5 * 24 * 6),
        st.integers(1, 20_000),
    ),
    max_size=16,
)
NARROWINGS = [
    ({"campaign": "OTHER"}, Narrowing(campaign="OTHER")),
    ({"campaign": "OTHER"}, Narrowing(creative="PEAR")),
    ({"products": ("pear",)}, Narrowing(products=("pear",))),
    ({"products": ("tea", "pear")}, Narrowing(products=("tea", "pear"))),
    ({"campaign": "DRIVE", "products": ("tea",)}, Narrowing(campaign="DRIVE", products=("tea",))),
]


@given(log=LOG)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_i07_i08_narrowed_reports_equal_the_recount(drives: World, log: list[tuple[str, str, int, int, int]]) -> None:
    forget_all()
    riders = [uuid4(), uuid4()]
    net: dict[str, int] = {}
    for i, (what, place, who, ten_minutes, fen) in enumerate(sorted(log, key=lambda event: event[3])):
        at = beijing(3, 1, 0) + timedelta(minutes=10 * ten_minutes)
        if what == "scan":
            drives.scan(place, at, riders[who])
        elif what == "order":
            drives.order(f"N{i}", riders[who], at, fen, 700, products=("tea", "pear"))
            net[f"N{i}"] = fen
        elif what == "refund" and net:
            number = sorted(net)[fen % len(net)]
            drives.refund(number, f"R{i}", at, {1: net.pop(number)})
        elif what == "roll_up":
            rollups.roll_up()
    for raw, wanted in NARROWINGS:
        right = narrowed(*MARCH, **raw)
        outside = {name: right.get(None, {}).get(name, 0) for name in COUNTS}
        found = report(wanted)
        assert_hours_add_up(found, by_hour(wanted))
        assert counted(found) == {number: figures for number, figures in right.items() if number is not None}
        rest = [found["outside"], *found["unattributed"], *found["excluded"]]
        assert {name: sum(line[name] for line in rest) for name in COUNTS} == outside
        lines = [*found["rows"], *rest]
        assert all(found["total"][name] == sum(line[name] for line in lines) for name in SOLD)
    for wanted in (narrowing.ALL, *(each for _, each in NARROWINGS)):
        _assert_tree(grown(narrowed=wanted, with_models=True), wanted)
    fresh = [by_hour(wanted) for _, wanted in NARROWINGS]
    rollups.roll_up()
    assert [by_hour(wanted) for _, wanted in NARROWINGS] == fresh
    assert rollups.verify() == ([], 0)


def _assert_tree(tree: reports.Tree, wanted: Narrowing) -> None:
    for number, node in tree.nodes.items():
        for name in reports.ADDITIVE:
            if node["row"][name] is not None:
                below = sum(row[name] for row in tree.below(number))
                assert node["row"][name] == below + node["own"].get(name, 0), (number, name)
        for model in Model:
            assert node["row"][reports.net_of(model)] == sum(
                row[reports.net_of(model)] for row in tree.below(number)
            ) + node["own"].get(reports.net_of(model), 0)
    for level in (Level.LINE, Level.POSITION):
        flat = {row["placement"]: row for row in report(wanted, level=level)["rows"]}
        for row in tree.at(level, None):
            assert {name: row[name] for name in flat[row["placement"]]} == flat[row["placement"]]


def test_all_goods_together_are_all_orders(world: World) -> None:
    """The rollups by goods and those of all orders say the same of the same thing."""
    rider = world.scan("A", beijing(3, 4)).visitor
    world.order("N1", rider, beijing(3, 4, 9), 5_000, 700, products=("tea", "pear"))
    world.order("N2", None, beijing(3, 4, 9), 1_000, pay=False)
    world.order("N3", None, beijing(3, 5, 9), 900)
    world.refund("N1", "R1", beijing(3, 20), {1: 1_000, 2: 700})
    for view in View:
        for model in (Model.LAST, Model.DECAY):
            whole, of_goods = (
                report(each, view=view, model=model) for each in (narrowing.ALL, Narrowing(products=("tea", "pear")))
            )
            assert counted(of_goods) == counted(whole)
            for key in ("unattributed", "excluded"):
                assert of_goods[key] == whole[key]
            rates = [found["rows"][0]["conversion"] for found in (whole, of_goods)]
            assert rates[0] == rates[1]


def test_all_goods_together_are_all_hours(world: World) -> None:
    rider = world.scan("A", beijing(3, 4, 7)).visitor
    world.order("N1", rider, beijing(3, 4, 9), 5_000, 700, products=("tea", "pear"))
    world.order("N2", rider, beijing(3, 5, 18), 900)
    world.scan("A", beijing(3, 5, 19), rider)
    world.order("N3", rider, beijing(3, 5, 20), 300, products=("pear",))
    world.refund("N1", "R1", beijing(3, 20), {1: 1_000, 2: 700})
    whole = by_hour(narrowing.ALL)
    assert [(part.hour, part.paid_orders, part.net_fen) for part in whole] == [(7, 2, 4_900), (19, 1, 300)]
    assert by_hour(Narrowing(products=("tea", "pear"))) == whole
    assert [(part.hour, part.paid_orders, part.net_fen) for part in by_hour(Narrowing(products=("pear",)))] == [
        (7, 1, 0),
        (19, 1, 300),
    ]


def test_an_order_of_goods_that_nobody_paid_is_an_order(world: World) -> None:
    world.order("N1", None, beijing(3, 4, 9), 1_000, pay=False)
    [line] = report(Narrowing(products=("tea",)))["unattributed"]
    assert (line["orders"], line["paid_orders"], line["gross_fen"]) == (1, 0, 0)


def test_what_cannot_be_told_apart_is_not_told(drives: World) -> None:
    rider = drives.scan("B", beijing(3, 4)).visitor
    drives.scan("A", beijing(3, 4, 9), rider)
    drives.order("N1", rider, beijing(3, 4, 10))
    [row] = report(Narrowing(campaign="OTHER"))["rows"]
    assert (row["scans"], row["visitors"], row["cost_fen"], row["earned_fen"]) == (1, None, None, None)
    found = report(Narrowing(products=("tea",)))
    assert {row["carts"] for row in found["rows"]} == {None}
    assert sum(row["scans"] for row in found["rows"]) == 2
    assert found["freight_fen"] is None


def test_nobody_knows_a_campaign_that_there_is_not(drives: World) -> None:
    for wanted in (Narrowing(campaign="NONE"), Narrowing(creative="NONE")):
        with pytest.raises(errors.UnknownCampaign):
            report(wanted)
    assert report(Narrowing(products=()))["rows"] == []


def test_choices_are_named(drives: World) -> None:
    with database.transaction() as session:
        found = narrowing.choices(session)
    assert [each["number"] for each in found["campaigns"]] == ["OTHER", "DRIVE"]
    assert found["creatives"] == [{"number": "PEAR", "name": "梨", "campaign": "OTHER"}]


def test_a_touch_that_waits_belongs_to_its_campaign(drives: World) -> None:
    drives.scan("A", beijing(3, 4))
    rollups.roll_up()
    drives.scan("B", beijing(3, 4))
    assert [row["scans"] for row in report(Narrowing(campaign="OTHER"))["rows"]] == [1]
    assert rows("SELECT count(*) FROM rollup_marks") != [(0,)]
    rollups.roll_up()
    assert [row["scans"] for row in report(Narrowing(campaign="OTHER"))["rows"]] == [1]


def test_an_empty_period_has_no_nodes(world: World) -> None:
    with database.transaction() as session:
        tree = reports.tree(session, from_day=date(2026, 3, 1), to_day=date(2026, 3, 2))
    assert (tree.nodes, tree.below(None), tree.below("METRO"), tree.at(Level.CAR, None)) == ({}, [], [], [])
