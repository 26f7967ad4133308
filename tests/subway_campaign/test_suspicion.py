"""What no rider does, as pure functions of what was seen (R18)."""

from datetime import datetime, timedelta
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subway_campaign import suspicion
from subway_campaign.suspicion import Sighting
from tests.subway_campaign.conftest import beijing

START = beijing(3, 1)


def seen(number: int, seconds: float, code: int, **where: str) -> Sighting:
    return Sighting(UUID(int=number), START + timedelta(seconds=seconds), code, **where)


def test_r18_twelve_codes_in_fifty_seconds_are_a_sweep() -> None:
    walk = [seen(n, n * 50 / 11, n) for n in range(12)]
    assert suspicion.of(walk) == {suspicion.SWEEP: {s.touch for s in walk}}


def test_r18_seven_codes_in_a_minute_and_eight_in_more_are_none() -> None:
    assert suspicion.of([seen(n, n, n) for n in range(7)]) == {}
    assert suspicion.of([seen(n, n * 61 / 7, n) for n in range(8)]) == {}
    assert suspicion.of([seen(n, n * 60 / 7, n) for n in range(8)]) != {}


def test_r18_one_code_scanned_often_is_no_sweep() -> None:
    assert suspicion.of([seen(n, n, 1) for n in range(20)]) == {}


def test_r18_before_and_after_a_sweep_a_rider_is_a_rider() -> None:
    walk = [seen(n, n, n) for n in range(8)]
    found = suspicion.of([seen(90, -600, 90), *walk, seen(91, 600, 91)])
    assert found[suspicion.SWEEP] == {s.touch for s in walk}


def test_r18_two_vehicles_of_different_lines_within_a_minute() -> None:
    here, there = {"line": "L1", "vehicle": "L1.T7"}, {"line": "L4", "vehicle": "L4.T2"}
    both = [seen(1, 0, 1, **here), seen(2, 59, 2, **there)]
    assert suspicion.of(both) == {suspicion.IMPOSSIBLE: {s.touch for s in both}}
    assert suspicion.of([seen(1, 0, 1, **here), seen(2, 60, 2, **there)]) == {}
    assert suspicion.of([seen(1, 0, 1, **here), seen(2, 5, 2, line="L1", vehicle="L1.T8")]) == {}
    assert suspicion.of([seen(1, 0, 1, **here), seen(2, 5, 2, line="L4")]) == {}


@pytest.mark.parametrize(
    ("closed", "at", "is_closed"),
    [
        ("00:30-05:00", beijing(3, 1, 1, 10), True),
        ("00:30-05:00", beijing(3, 1, 5, 0), False),
        ("23:30-05:00", beijing(3, 1, 23, 40), True),
        ("23:30-05:00", beijing(3, 1, 4, 59), True),
        ("23:30-05:00", beijing(3, 1, 12, 0), False),
    ],
)
def test_r18_depot_hours_are_shanghais_and_may_run_over_midnight(closed: str, at: datetime, is_closed: bool) -> None:
    assert suspicion.is_closed(closed, at) is is_closed
    scan = Sighting(UUID(int=1), at, 1, closed=closed)
    assert suspicion.of([scan]) == ({suspicion.DEPOT: {scan.touch}} if is_closed else {})


sightings = st.lists(
    st.builds(
        lambda seconds, code, line: seen(0, seconds, code, **({"line": line, "vehicle": line} if line else {})),
        st.integers(0, 200),
        st.integers(1, 12),
        st.sampled_from(["L1", "L4", ""]),
    ),
    max_size=20,
).map(lambda found: [Sighting(UUID(int=i), s.occurred_at, s.code, s.line, s.vehicle) for i, s in enumerate(found)])


@given(sightings, st.randoms(use_true_random=False))
def test_order_is_irrelevant_and_more_touches_clear_nobody(found: list[Sighting], rng: Random) -> None:
    suspected = suspicion.of(found)
    assert suspicion.of(rng.sample(found, len(found))) == suspected
    for kind, touches in suspicion.of(found[:-1]).items():
        assert touches <= suspected[kind]
