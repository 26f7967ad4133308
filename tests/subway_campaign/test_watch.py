"""Silence as evidence: the arithmetic of attribution.md 3.5, and what opens an alert."""

import math
from datetime import date, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from config import database
from subway_campaign import alerts, bindings, crews, placements, rollups, rounds, visits, watch
from subway_campaign.field_models import AlertKind, AlertResolution, Finding
from subway_campaign.landing import Landing, LandingKind
from subway_campaign.lifecycle import Level
from subway_campaign.watch import Hung
from tests.subway_campaign.conftest import World, beijing
from tests.subway_campaign.test_crews import scan, take_down

TODAY = date(2026, 3, 10)


def car(*scans: int, days: int = 1, before: int = 0, car: str = "C1") -> list[Hung]:
    """Codes of one car: each has `before` scans three weeks ago, then so many on each of `days`."""
    since = TODAY - timedelta(days=30)
    return [
        Hung(
            f"{car}{at:02d}",
            f"METRO.HF.L1.T07.{car}.P{at:02d}",
            "",
            since if before else TODAY - timedelta(days=days - 1),
            since if before else TODAY - timedelta(days=days - 1),
            {TODAY - timedelta(days=25): before} | {TODAY - timedelta(days=back): n for back in range(days)},
        )
        for at, n in enumerate(scans)
    ]


def test_one_of_twenty_codes_silent_while_the_car_has_a_hundred_scans() -> None:
    """p = 0.6 %."""
    assert watch.chance_of_silence(1 / 20, 100) == pytest.approx(0.0059, abs=0.0001)
    silent = watch.judge(car(0, *([5] * 18), 10), today=TODAY)[0]
    assert (silent.code, silent.siblings, silent.others, silent.level) == ("C100", 19, 100, "suspect")
    assert silent.share == pytest.approx(1 / 20)
    assert silent.chance == pytest.approx(0.006, abs=0.0005)


def test_a_thousand_codes_give_one_false_alarm() -> None:
    """λ = 6.9; at 0.26 scans a code and day that takes 26.6 days."""
    assert math.log(watch.AT_LEAST) == pytest.approx(6.9, abs=0.01)
    # Of a thousand siblings, the expected scans of this code are its share of theirs.
    assert watch.others_needed(0.001, 1_000) * 0.001 == pytest.approx(6.9, abs=0.01)
    assert watch.others_needed(0.001, 1_000) / (0.26 * 1_000) == pytest.approx(26.6, abs=0.1)
    assert watch.others_needed(0.05, 1_000) == pytest.approx(134.7, abs=0.1)
    assert watch.others_needed(0.05, 10_000) > watch.others_needed(0.05, 1_000)
    assert watch.judge(car(0, *([7] * 18), 8), today=TODAY)[0].level == "suspect"
    assert watch.judge(car(0, *([7] * 18), 9), today=TODAY)[0].level == "alert"


def test_a_code_that_was_scanned_rarely_is_given_more_time() -> None:
    quiet, busy = car(0, *([10] * 19), before=10), car(0, *([10] * 19), before=10)
    quiet[0].days[TODAY - timedelta(days=25)] = 1
    judged = {name: {one.code: one for one in watch.judge(codes, today=TODAY)} for name, codes in
              (("quiet", quiet), ("busy", busy))}  # fmt: skip
    assert judged["quiet"]["C100"].share < judged["busy"]["C100"].share
    assert judged["quiet"]["C100"].chance > 0.1
    assert judged["busy"]["C100"].level == "alert"
    assert judged["quiet"]["C100"].detection_days > judged["busy"]["C100"].detection_days


def test_few_siblings_are_joined_by_the_rest_of_the_train_and_none_say_nothing() -> None:
    two, rest = car(0, 5), car(*([9] * 20), car="C2")
    judged = {one.code: one for one in watch.judge([*two, *rest], today=TODAY)}
    assert judged["C100"].group == "METRO.HF.L1.T07"
    assert judged["C200"].group == "METRO.HF.L1.T07.C2"
    (alone,) = watch.judge(car(0), today=TODAY)
    assert (alone.chance, alone.level, alone.detection_days) == (None, "unknown", None)
    nobody = watch.judge(car(*([0] * 20)), today=TODAY)[0]
    assert (nobody.chance, nobody.detection_days, nobody.level) == (1, None, "fine")


def fill(world: World) -> tuple[str, list[str]]:
    """Nineteen more codes in the car of A; returns A's and theirs."""
    others = []
    with database.transaction() as session:
        for slug, at in zip(bindings.mint(session, count=19, now=beijing(1, 1)), range(20, 39), strict=True):
            where = placements.create(
                session, parent="METRO.HF.L1.T07.C1", level=Level.POSITION, label=f"P{at}", name=f"点位{at}"
            )
            bindings.bind(
                session, code=slug, placement=where, campaign="DRIVE", landing=Landing(LandingKind.PRODUCT, "tea"),
                valid_from=beijing(3, 1),
            )  # fmt: skip
            others.append(slug)
    return world.codes["A"], others


def scanned(world: World, codes: list[str], at, times: int) -> None:  # noqa: ANN001
    for slug in codes:
        for _ in range(times):
            opened = visits.open(slug=slug, visitor=uuid4(), now=at)
            visits.confirm(token=opened.token, visitor=opened.visitor, now=at)


def test_a_silent_code_opens_one_alert_until_somebody_says_that_it_is_fine(world: World) -> None:
    code, others = fill(world)
    scanned(world, [*others, world.codes["C"]], beijing(3, 5), 8)
    now = beijing(3, 6, 1)
    rollups.roll_up(now=now)
    assert watch.watch_due(now=now) == 1
    assert watch.watch_due(now=now) == 0
    with database.transaction() as session:
        (alert,) = alerts.listing(session, is_open=True)
        assert (alert["kind"], alert["subject"], alert["placement"]) == ("silent", code, world.numbers["A"])
        assert (alert["evidence"]["siblings"], alert["evidence"]["others"]) == (19, 152)
        assert alert["evidence"]["chance"] < 0.001
        assert alert["evidence"]["detection_days"] == pytest.approx(134.7 / 152 * 2, rel=0.05)
        due = rounds.due(session, now=now, under="METRO.HF.L1.T07.C1")
        assert [one["why"] for one in due] == ["alert", *(["never"] * 19)]
        assert due[0]["code"] == code
    given = scan(code)
    with database.transaction() as session:
        crews.inspect(session, scan=given, finding=Finding.FINE, now=now)
        alerts.close(
            session, number=alert["number"], resolution=AlertResolution.HARMLESS, note="", by="li", now=now
        )  # fmt: skip
        assert code not in [one["code"] for one in rounds.due(session, now=now)]
        assert code in [one["code"] for one in rounds.due(session, now=now + rounds.DUE_AFTER * 1.1)]
        assert rounds.hanging(session, now=now, under="METRO.HF.L1") == 21
    assert watch.watch_due(now=now) == 0


def test_a_code_that_is_scanned_while_it_hangs_nowhere_opens_an_alert_and_crews_do_not(world: World) -> None:
    code, gap = world.codes["A"], beijing(2, 11, 1, 10)
    take_down(code)
    crew = world.scan("A", gap).visitor
    with database.transaction() as session:
        session.execute(
            text("""
                INSERT INTO excluded_identities (visitor_id, reason, valid_from, recorded_at)
                VALUES (:crew, 'excluded_crew', :at, :at)
            """),
            {"crew": crew, "at": beijing(1, 1)},
        )
    assert watch.watch_due(now=beijing(2, 11, 2)) == 0
    world.scan("A", gap)
    world.scan("A", gap + timedelta(minutes=3))
    assert watch.watch_due(now=beijing(2, 11, 2)) == 1
    with database.transaction() as session:
        (alert,) = alerts.listing(session, is_open=True, kind=AlertKind.ORPHAN)
        assert alert["evidence"] == {
            "touches": 2,
            "latest": (gap + timedelta(minutes=3)).isoformat(),
            "in_swap": True,
        }
        alerts.close(
            session, number=alert["number"], resolution=AlertResolution.FIXED, note="", by="li", now=beijing(2, 11, 2)
        )
    assert watch.watch_due(now=beijing(2, 11, 3)) == 0
