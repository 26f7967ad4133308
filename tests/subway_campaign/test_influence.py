"""The nightly study: which ways it counts, and that the old one stays until the new one is whole."""

from datetime import date, timedelta
from typing import Any

import pytest

from config import database
from subway_campaign import exclusions, influence, shapley, signals, suspicion
from subway_campaign.lifecycle import Exclusion, Level
from tests.subway_campaign.conftest import World, beijing

NIGHT = beijing(3, 31, 0, 47)


def latest(level: Level = Level.LINE) -> dict[str, Any] | None:
    with database.transaction() as session:
        return influence.latest(session, level=level)


@pytest.fixture
def ridden(world: World) -> World:
    """On lines 1 and 4: two orders, and every kind of scan that ended with nothing or is none at all."""
    rider = world.scan("A", beijing(3, 2)).visitor
    world.scan("A", beijing(3, 2, 9), rider)
    world.scan("B", beijing(3, 3), rider)
    world.order("N1", rider, beijing(3, 4))
    world.scan("B", beijing(3, 4, 9), rider)  # after the order: a way of its own, to nowhere
    other = world.scan("A", beijing(3, 5)).visitor
    world.scan("C", beijing(3, 6), other)
    world.order("N2", other, beijing(3, 7))
    walker = world.scan("A", beijing(3, 8)).visitor
    world.scan("B", beijing(3, 8, 9), walker)
    world.scan("A", beijing(3, 16), walker)  # more than a window later
    world.order("N3", walker, beijing(3, 16, 9), pay=False)
    world.scan("C", beijing(3, 9), confirm=False)
    cashier = world.scan("C", beijing(3, 10)).visitor
    with database.transaction() as session:
        exclusions.exclude(session, reason=Exclusion.STAFF, valid_from=beijing(1, 1), visitor=cashier)
    tester = world.scan("C", beijing(3, 11))
    with database.transaction() as session:
        touches = {tester.touch: beijing(3, 11)}
        signals.suspect(session, kind=suspicion.SWEEP, now=NIGHT, evidence={}, touches=touches, visitor=tester.visitor)
    world.scan("C", beijing(2, 27))  # before the thirty days
    return world


def test_it_counts_each_way_once_and_shares_the_orders_exactly(ridden: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(influence, "LEAST_RIDERS", 1)
    assert latest() is None
    assert influence.study_due(now=NIGHT) == 2
    found = latest()
    assert found is not None
    assert (found["from"], found["to"], found["conversions"], found["journeys"]) == ("2026-03-01", "2026-03-31", 2, 5)
    # N1 took two placements of two lines, N2 two of line 1.
    assert found["single_placement"] == {"paid": 0, "of": 2}
    one, four = "METRO.HF.L1", "METRO.HF.L4"
    ways = {tuple(node["node"] for node in way["nodes"]): (way["paid"], way["lost"]) for way in found["ways"]}
    assert ways == {(one,): (1, 1), (one, four): (1, 1), (four,): (0, 1)}
    # Of five, four begin at L1: one pays, one stops, two go on to L4, where one of three pays.
    assert found["base"]["exact"] == "2/5"
    effects = {node["node"]: node["effect"]["exact"] for node in found["nodes"]}
    assert effects == {one: "5/6", four: "1/2"}
    assert {node["node"]: node["markov"]["exact"] for node in found["nodes"]} == {one: "5/4", four: "3/4"}
    assert {node["node"]: node["shapley"]["exact"] for node in found["nodes"]} == {one: "3/2", four: "1/2"}
    assert found["params"]["window_s"] == 604_800
    medium = latest(Level.MEDIUM)
    assert medium is not None
    assert [(node["node"], node["markov"]["exact"]) for node in medium["nodes"]] == [("METRO", "2")]


def test_a_way_that_few_took_is_not_told(ridden: World) -> None:
    influence.study(level=Level.LINE, to_day=date(2026, 3, 31), now=NIGHT)
    found = latest()
    assert found is not None
    assert found["ways"] == []


def test_the_old_study_stays_when_the_new_one_is_killed_half_way(
    ridden: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    influence.study_due(now=NIGHT)
    assert influence.study_due(now=NIGHT + timedelta(hours=1)) == 0
    before = latest()
    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(shapley, "shares", lambda found: (_ for _ in ()).throw(KeyboardInterrupt))
        influence.study_due(now=NIGHT + timedelta(days=1))
    assert latest() == before
    assert influence.study_due(now=NIGHT + timedelta(days=3)) == 2
    after = latest()
    assert after is not None
    assert after["to"] == "2026-04-03"


def test_a_shop_without_a_scan_has_an_empty_study(world: World) -> None:
    influence.study_due(now=NIGHT)
    found = latest()
    assert found is not None
    assert (found["conversions"], found["base"]["exact"], found["nodes"]) == (0, "0", [])
