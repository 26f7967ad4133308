"""The metro's own geography."""

from datetime import UTC, datetime

from config import database
from subway_campaign import metro, seeding
from subway_campaign.landing import Landing, LandingKind


def test_three_lines_ran_in_2020_with_eighty_platforms() -> None:
    assert [(line.placement, line.name, len(line.stations)) for line in metro.lines()] == [
        ("METRO.HF.L1", "1号线", 23),
        ("METRO.HF.L2", "2号线", 24),
        ("METRO.HF.L3", "3号线", 33),
    ]
    places = [(station.longitude, station.latitude) for line in metro.lines() for station in line.stations]
    assert len(set(places)) == 77
    assert all(117 < longitude < 117.6 and 31.6 < latitude < 32.1 for longitude, latitude in places)


def test_every_station_is_a_placement(db: None) -> None:
    seeding.seed(
        lambda *_step: None, now=datetime(2026, 3, 1, tzinfo=UTC), landings=[Landing(LandingKind.HALL, "anhui")]
    )
    known = {number for (number,) in database.statement("SELECT number FROM placements")}
    assert {station.placement for line in metro.lines() for station in line.stations} <= known
    assert {line.placement for line in metro.lines()} <= known
