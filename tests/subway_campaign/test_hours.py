"""The hours of the day; `test_rollups` compares them with a recount of random logs."""

from datetime import date

import pytest

from config import database
from subway_campaign import errors, hours, rollups
from tests.subway_campaign.conftest import World, beijing


def found(first: date, last: date, under: str | None = None) -> list[hours.Hour]:
    with database.transaction() as session:
        return hours.of_period(session, from_day=first, to_day=last, under=under)


def test_money_counts_for_the_hour_of_the_scan_and_the_day_of_the_sale(world: World) -> None:
    rider = world.scan("A", beijing(3, 1, 23, 59)).visitor
    world.order("N1", rider, beijing(3, 2, 9, 30))
    world.refund("N1", "R1", beijing(3, 5, 12), {1: 900})
    for _ in range(2):
        [first] = found(date(2026, 3, 1), date(2026, 3, 2))
        assert (first.hour, first.scans, first.journeys, first.paid_journeys, first.net_fen) == (23, 1, 1, 1, 0)
        [second] = found(date(2026, 3, 2), date(2026, 3, 3))
        assert (second.hour, second.scans, second.paid_orders) == (23, 0, 1)
        assert (second.gross_fen, second.refunded_fen, second.net_fen) == (9_900, 900, 9_000)
        rollups.roll_up()


def test_only_what_hangs_below_the_node_is_shown(world: World) -> None:
    for place in ("A", "B", "C"):
        world.scan(place, beijing(3, 1, 8))
    rollups.roll_up()
    world.scan("C", beijing(3, 1, 8, 45))
    line = found(date(2026, 3, 1), date(2026, 3, 2), under="METRO.HF.L1")
    assert [(hour.placement, hour.scans) for hour in line] == [(world.numbers["C"], 2), (world.numbers["A"], 1)]
    train = found(date(2026, 3, 1), date(2026, 3, 2), under="METRO.HF.L1.T07")
    assert [(hour.name, hour.hour, hour.scans) for hour in train] == [("点位A", 8, 1)]


def test_a_days_scans_are_those_of_all_placements_rolled_up_or_not(world: World) -> None:
    def scans(day: int) -> dict[int, int]:
        with database.transaction() as session:
            return {hour: count for hour, count in enumerate(hours.scans(session, day=date(2026, 3, day))) if count}

    for place, at in (("A", 8), ("B", 8), ("C", 17)):
        world.scan(place, beijing(3, 1, at))
    assert scans(1) == {8: 2, 17: 1}
    rollups.roll_up()
    assert scans(1) == {8: 2, 17: 1}
    world.scan("B", beijing(3, 1, 8, 20))
    assert scans(1) == {8: 3, 17: 1}
    assert scans(2) == {}


def test_an_impossible_question_is_refused(world: World) -> None:
    with pytest.raises(errors.ImpossiblePeriod):
        found(date(2026, 3, 2), date(2026, 3, 2))
    with pytest.raises(errors.UnknownPlacement):
        found(date(2026, 3, 1), date(2026, 3, 2), under="METRO.HF.L9")
