"""Ways are counts: what few took is never told, and nothing is lost by that."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import database
from subway_campaign import errors, rollups, ways
from subway_campaign.lifecycle import Level
from subway_campaign.narrowing import Narrowing
from tests.subway_campaign.conftest import World, beijing
from tests.subway_campaign.test_narrowing import drives  # noqa: F401 - fixture
from tests.subway_campaign.test_rollups import MARCH


def told(**asked: Any) -> ways.Ways:
    with database.transaction() as session:
        return ways.of_period(session, from_day=MARCH[0], to_day=MARCH[1], **asked)


def ride(world: World, places: str, riders: int, fen: int = 1_000) -> None:
    for n in range(riders):
        rider = uuid4()
        at = beijing(3, 4, 8, n)
        for step, place in enumerate(places):
            world.scan(place, at + timedelta(hours=step), rider)
        world.order(f"{places}{n}", rider, at + timedelta(days=1), fen)


def test_ways_are_told_from_five_journeys_on(world: World) -> None:
    ride(world, "A", 6)
    ride(world, "AB", 5)
    ride(world, "BA", 4)
    ride(world, "BC", 1)
    for _ in range(2):
        found = told(level=Level.POSITION)
        a, b = (world.numbers[letter] for letter in "AB")
        assert [(way.nodes, way.orders) for way in found.ways] == [((a,), 6), ((a, b), 5), ((), 5)]
        assert found.folded == 2
        assert (found.orders, found.paid_fen) == (16, 16_000)
        assert (found.single_orders, found.single_fen) == (6, 6_000)
        assert found.names == {a: "点位A", b: "点位B"}
        rollups.roll_up()


def test_neighbours_of_one_line_are_one_step(world: World) -> None:
    ride(world, "AC", 5)
    found = told(level=Level.LINE)
    assert [way.nodes for way in found.ways] == [("METRO.HF.L1",)]
    assert found.single_orders == 0, "two placements, and the models may differ on them"


def test_one_journey_that_buys_five_times_is_one_journey(world: World) -> None:
    rider = world.scan("A", beijing(3, 4)).visitor
    for n in range(6):
        world.order(f"N{n}", rider, beijing(3, 4, 9, n))
    assert [(way.nodes, way.orders, way.journeys) for way in told().ways] == [((), 6, 1)]


def test_a_campaign_has_the_ways_with_its_codes(drives: World) -> None:  # noqa: F811
    ride(drives, "A", 6)
    ride(drives, "AB", 5)
    ride(drives, "C", 7)
    a, b = (drives.numbers[letter] for letter in "AB")
    for _ in range(2):
        for narrowed in (Narrowing(campaign="OTHER"), Narrowing(creative="PEAR")):
            found = told(level=Level.POSITION, narrowed=narrowed)
            ways_told = [(way.nodes, way.orders, way.paid_fen) for way in found.ways]
            assert ways_told == [((a, b), 5, 5_000)], "the way is whole"
            assert (found.orders, found.single_orders) == (5, 0)
        assert told(narrowed=Narrowing(campaign="DRIVE")).orders == 18, "a way with two campaigns is one of either"
        rollups.roll_up()
    with pytest.raises(errors.UnknownCampaign):
        told(narrowed=Narrowing(campaign="NOBODY"))


def test_goods_have_the_ways_of_their_orders_and_their_own_money(world: World) -> None:
    for n in range(6):
        rider = world.scan("A", beijing(3, 4, 8, n)).visitor
        sold = ("tea", "pears") if n < 5 else ("pears",)
        world.order(f"G{n}", rider, beijing(3, 4, 9, n), *([1_000, 300][: len(sold)]), products=sold)
    a = world.numbers["A"]
    for _ in range(2):
        found = told(level=Level.POSITION, narrowed=Narrowing(products=("tea",)))
        assert [(way.nodes, way.orders, way.journeys, way.paid_fen) for way in found.ways] == [((a,), 5, 5, 5_000)]
        every = told(level=Level.POSITION, narrowed=Narrowing(products=("tea", "pears")))
        assert (every.ways, every.paid_fen) == (told(level=Level.POSITION).ways, 7_500), "all of them is no narrowing"
        assert told(narrowed=Narrowing(products=())).ways == [], "a hall that never sold has none"
        rollups.roll_up()


TAKEN = st.dictionaries(
    st.lists(st.sampled_from("ABC"), min_size=1, max_size=3).map(tuple),
    st.tuples(st.integers(1, 12), st.integers(0, 900)).map(lambda n: (n[0], n[0], n[1])),
    max_size=8,
)


@given(taken=TAKEN)
def test_folding_loses_nothing_and_tells_of_nobody(taken: dict[tuple[str, ...], tuple[int, int, int]]) -> None:
    found, folded = ways.fold(taken)
    assert sum(way.orders for way in found) == sum(counts[0] for counts in taken.values())
    assert sum(way.paid_fen for way in found) == sum(counts[2] for counts in taken.values())
    assert folded == len(taken) - sum(1 for way in found if way.nodes)
    whole = sum(counts[1] for counts in taken.values())
    assert all(way.journeys >= ways.LEAST or way.journeys == whole for way in found)


def test_an_empty_period_has_no_ways(world: World) -> None:
    assert told().ways == []
    with database.transaction() as session, pytest.raises(errors.ImpossiblePeriod):
        ways.of_period(session, from_day=MARCH[0], to_day=MARCH[0])
