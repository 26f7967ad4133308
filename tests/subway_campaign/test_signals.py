"""Suspicions hold touches back, and let go of them (R18)."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from config import database
from subway_campaign import bindings, errors, exclusions, placements, reports, retention, rollups, signals, suspicion
from subway_campaign.landing import Landing, LandingKind
from subway_campaign.lifecycle import Exclusion, Level, Resolution
from subway_campaign.signal_models import FraudSignal
from tests.subway_campaign.conftest import World, beijing

START = beijing(3, 2)


def more_codes(world: World, count: int) -> None:
    """Hang codes D0, D1 … in the car of A."""
    with database.transaction() as session:
        for n, code in enumerate(bindings.mint(session, count=count, now=beijing(1, 1))):
            place = placements.create(
                session, parent="METRO.HF.L1.T07.C1", level=Level.POSITION, label=f"D{n}", name=f"D{n}"
            )
            world.codes[f"D{n}"], world.numbers[f"D{n}"] = code, place
            bindings.bind(
                session,
                code=code,
                placement=place,
                campaign="DRIVE",
                landing=Landing(LandingKind.PRODUCT, "tea"),
                valid_from=beijing(1, 1),
            )


def sweep(world: World, codes: int = 8) -> UUID:
    """Walk through the car, a scan a second; return who did."""
    more_codes(world, codes)
    visitor = None
    for n in range(codes):
        visitor = world.scan(f"D{n}", START + timedelta(seconds=n), visitor).visitor
    assert visitor is not None
    return visitor


def report() -> dict[str, Any]:
    with database.transaction() as session:
        return reports.placements(session, from_day=date(2026, 3, 1), to_day=date(2026, 4, 1))


def open_signals() -> list[dict[str, Any]]:
    with database.transaction() as session:
        return signals.open_list(session)


def close(number: str, resolution: Resolution, now: Any = START + timedelta(hours=2)) -> None:
    with database.transaction() as session:
        signals.close(session, number=number, resolution=resolution, by="ana", now=now)


def test_r18_a_sweep_is_not_counted_and_earns_nothing_until_it_is_found_harmless(world: World) -> None:
    walker = sweep(world)
    world.order("N1", walker, START + timedelta(minutes=5))
    assert world.credits("N1") == {"D7": 9_900}
    world.review(START + timedelta(minutes=6))
    [signal] = open_signals()
    assert (signal["kind"], signal["touches"], signal["evidence"]["codes"]) == (suspicion.SWEEP, 8, 8)
    assert str(walker) not in str(signal)
    assert world.credits("N1") == {None: 9_900, "D7": 0}
    assert world.reason("N1") == "fraud_hold"
    held = report()
    assert held["total"]["scans"] == 8
    assert [(row["reason"], row["scans"]) for row in held["excluded"]] == [("fraud_hold", 8)]
    assert [row["net_fen"] for row in held["unattributed"]] == [9_900]
    world.settle()
    assert report() == held
    close(signal["number"], Resolution.HARMLESS)
    world.review(START + timedelta(hours=2))
    assert world.credits("N1") == {None: 0, "D7": 9_900}
    assert sum(row["scans"] for row in report()["rows"]) == 8
    assert open_signals() == []
    world.settle()


def test_r18_a_confirmed_sweep_stays_out(world: World) -> None:
    walker = sweep(world)
    world.order("N1", walker, START + timedelta(minutes=5))
    world.review(START + timedelta(minutes=6))
    close(open_signals()[0]["number"], Resolution.CONFIRMED)
    world.review(START + timedelta(hours=3))
    assert world.reason("N1") == "fraud_hold"
    assert [(row["reason"], row["scans"]) for row in report()["excluded"]] == [("fraud_hold", 8)]
    world.settle()


def test_r18_closing_twice_the_same_way_is_once_and_otherwise_is_refused(world: World) -> None:
    sweep(world)
    world.review(START + timedelta(minutes=6))
    number = open_signals()[0]["number"]
    close(number, Resolution.CONFIRMED)
    close(number, Resolution.CONFIRMED)
    with pytest.raises(errors.SignalClosed):
        close(number, Resolution.HARMLESS)
    with pytest.raises(errors.UnknownSignal):
        close("SG0", Resolution.HARMLESS)
    with database.transaction() as session:
        [closed] = session.execute(select(FraudSignal.closed_by, FraudSignal.resolution)).all()
    assert closed == ("ana", "confirmed")


def test_r18_what_was_found_harmless_is_not_suspected_again_and_new_scans_are(world: World) -> None:
    walker = sweep(world)
    world.review(START + timedelta(minutes=1))
    close(open_signals()[0]["number"], Resolution.HARMLESS)
    world.review(START + timedelta(minutes=2))
    world.scan("A", START + timedelta(seconds=9), walker)
    world.review(START + timedelta(minutes=3))
    [signal] = open_signals()
    assert signal["touches"] == 1


def test_r18_one_suspicion_a_day_of_a_visitor_grows(world: World) -> None:
    walker = sweep(world)
    world.review(START + timedelta(minutes=1))
    world.scan("A", START + timedelta(seconds=20), walker)
    world.review(START + timedelta(minutes=2))
    [signal] = open_signals()
    assert signal["touches"] == 9


def test_r18_the_crew_inspects_without_suspicion(world: World) -> None:
    visitor = world.scan("A", START - timedelta(seconds=5)).visitor
    with database.transaction() as session:
        exclusions.exclude(session, visitor=visitor, reason=Exclusion.CREW, valid_from=START - timedelta(days=1))
    world.scan("B", START, visitor)
    world.review(START + timedelta(minutes=1))
    assert open_signals() == []


def test_r18_two_lines_at_once_and_a_train_in_its_depot(world: World) -> None:
    with database.transaction() as session:
        session.execute(
            text("UPDATE placements SET meta = '{\"closed\": \"00:30-05:00\"}' WHERE number = 'METRO.HF.L1.T07'")
        )
    rider = world.scan("A", START).visitor
    world.scan("B", START + timedelta(seconds=30), rider)
    with database.transaction() as session:
        bindings.take_down(session, code=world.codes["A"], at=START + timedelta(hours=15))
    night = beijing(3, 3, 1, 10)
    for place in ("A", "B"):
        world.scan(place, night)
    world.review(night + timedelta(minutes=1))
    found = {signal["kind"]: signal["touches"] for signal in open_signals()}
    assert found == {suspicion.IMPOSSIBLE: 2, suspicion.DEPOT: 1}


def test_a_suspicion_about_a_place_is_opened_once_and_holds_what_it_is_given(world: World) -> None:
    scan = world.scan("A", START)
    with database.transaction() as session:
        numbers = {
            signals.suspect(
                session,
                kind="silence",
                code=world.codes["A"],
                placement=world.numbers["A"],
                evidence={"days": days},
                touches={scan.touch: START},
                now=START + timedelta(minutes=days),
            )
            for days in (1, 2)
        }
    [signal] = open_signals()
    assert {signal["number"]} == numbers
    assert (signal["code"], signal["placement"], signal["evidence"]) == (
        world.codes["A"],
        world.numbers["A"],
        {"days": 2},
    )
    assert [(row["reason"], row["scans"]) for row in report()["excluded"]] == [("fraud_hold", 1)]


def test_r27_a_suspicion_forgets_its_visitor_after_ninety_days_and_goes_on_holding(world: World) -> None:
    sweep(world)
    world.review(START + timedelta(minutes=1))
    before = report()
    retention.forget_visitors(before=START + timedelta(days=2))
    with database.transaction() as session:
        assert session.execute(text("SELECT visitor_id FROM fraud_signals")).scalars().all() == [None]
    assert report() == before
    rollups.roll_up()
    assert rollups.verify() == ([], 0)
