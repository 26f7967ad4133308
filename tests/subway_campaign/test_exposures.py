from datetime import date, timedelta
from typing import Any

import pytest

from config import database
from subway_campaign import errors, exposures
from subway_campaign.exposures import Estimate, Impressions
from tests.subway_campaign.conftest import World, beijing

MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
NOW = beijing(3, 1)


def estimate(placement: str = "METRO.HF.L1", **other: Any) -> Estimate:
    usual: dict[str, Any] = {"from_day": MARCH, "to_day": APRIL, "passers": 1_000, "source": "示例"}
    seen = {"seen_low": 300, "seen": 500, "seen_high": 800, "is_illustrative": True}
    return Estimate(placement=placement, **(usual | seen | other))


def enter(wanted: Estimate, key: str = "key-00001") -> tuple[exposures.Entered, bool]:
    with database.transaction() as session:
        return exposures.enter(session, estimate=wanted, by="li", key=key, now=NOW)


def seen(under: str = "METRO", since: date = MARCH, until: date = APRIL) -> Impressions | None:
    with database.transaction() as session:
        return exposures.of_period(session, under=under, since=since, until=until)


def test_what_nobody_estimated_is_unknown_and_not_zero(world: World) -> None:
    assert seen() is None
    enter(estimate("METRO.HF.L4"))
    assert seen("METRO.HF.L1") is None


def test_impressions_are_ridership_times_looks_with_a_range(world: World) -> None:
    enter(estimate())
    assert seen() == Impressions(count=15_500, low=9_300, high=24_800, days=31, is_illustrative=True)
    week = seen(since=MARCH - timedelta(days=3), until=MARCH + timedelta(days=4))
    assert week == Impressions(count=2_000, low=1_200, high=3_200, days=4, is_illustrative=True)


def test_a_later_version_stands_for_its_days_only(world: World) -> None:
    enter(estimate())
    again, is_new = enter(estimate(to_day=MARCH + timedelta(days=1), passers=9_000, is_illustrative=False), "key-00002")
    assert (again.version, is_new) == (2, True)
    found = seen()
    assert found is not None
    assert found.count == 4_500 + 30 * 500
    day = seen(until=MARCH + timedelta(days=1))
    assert day is not None
    assert not day.is_illustrative
    assert enter(estimate(), "key-00002") == (again, False)
    with database.transaction() as session:
        assert [one.version for one in exposures.listing(session, under="METRO.HF")] == [2, 1]


def test_who_passes_a_line_is_not_counted_again_at_its_panels(world: World) -> None:
    enter(estimate())
    enter(estimate("METRO.HF.L1.LB1", passers=100), "key-00002")
    enter(estimate("METRO.HF.L4", passers=100), "key-00003")
    found, panel = seen(), seen("METRO.HF.L1.LB1")
    assert found is not None
    assert panel is not None
    assert (found.count, panel.count) == (31 * 550, 31 * 50)


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"seen_low": 600}, errors.ExposureImplausible),
        ({"seen_high": exposures.MOST_SEEN + 1}, errors.ExposureImplausible),
        ({"passers": -1}, errors.ExposureImplausible),
        ({"passers": exposures.MOST_PASSERS + 1}, errors.ExposureImplausible),
        ({"source": "  "}, errors.ExposureImplausible),
        ({"to_day": date(2090, 1, 1)}, errors.ExposureImplausible),
        ({"to_day": MARCH}, errors.ImpossiblePeriod),
        ({"placement": "METRO.HF.L9"}, errors.UnknownPlacement),
    ],
)
def test_what_cannot_be_is_refused(world: World, wrong: dict[str, Any], refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        enter(estimate(**wrong))
    assert seen() is None
