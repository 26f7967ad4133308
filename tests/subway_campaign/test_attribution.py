"""The rules of credit, each by its own example; the times are Asia/Shanghai."""

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subway_campaign import attribution
from subway_campaign.attribution import Candidate
from subway_campaign.lifecycle import Exclusion, Model, Outcome, TouchKind
from tests.subway_campaign.conftest import beijing

ORDER = beijing(3, 8)
PLACES = {"A": 1, "B": 2, "C": 3}


def touch(number: int, place: str | None, at: datetime, **changes: Any) -> Candidate:
    found = Candidate(
        UUID(int=number),
        at,
        TouchKind.SCAN,
        place,
        PLACES.get(place or ""),
        PLACES.get(place or ""),
        place,
        True,
        None,
        None,
    )
    return replace(found, **changes)


def last(*touches: Candidate, placed_at: datetime = ORDER) -> str | None:
    found = attribution.decide(touches, placed_at=placed_at).last
    return found and found.placement


def reason(*touches: Candidate, placed_at: datetime = ORDER) -> str:
    return attribution.decide(touches, placed_at=placed_at).reason


def test_r07_window_is_inclusive() -> None:
    scan = touch(1, "A", beijing(3, 1))
    assert last(scan, placed_at=beijing(3, 8)) == "A"
    assert last(touch(1, "A", ORDER)) == "A"
    late = attribution.decide([scan], placed_at=beijing(3, 8, 8, 0, 1))
    assert (late.outcome, late.reason) == (Outcome.UNATTRIBUTED, "expired_window")


def test_r08_cut_off_is_the_orders_creation() -> None:
    a, c = touch(1, "A", beijing(3, 7)), touch(2, "C", beijing(3, 8, 8, 3))
    assert last(a, c) == "A"
    assert last(a, replace(c, occurred_at=beijing(3, 8, 7, 55))) == "C"
    assert reason(c) == "late_touch_only"
    assert attribution.decide([a, c], placed_at=ORDER).verdicts[c.touch] == "after_order"


def test_r09_models_side_by_side() -> None:
    path = [touch(1, "A", beijing(3, 1)), touch(2, "B", beijing(3, 2))]
    weights = attribution.decide(path, placed_at=beijing(3, 4)).weights
    half = Fraction(1, 2)
    assert weights[Model.LAST] == (0, 1)
    assert weights[Model.FIRST] == (1, 0)
    assert weights[Model.LINEAR] == weights[Model.POSITION] == (half, half)
    three = [*path, touch(3, "C", beijing(3, 3))]
    assert attribution.weigh(Model.POSITION, three, placed_at=beijing(3, 4)) == (
        Fraction(2, 5),
        Fraction(1, 5),
        Fraction(2, 5),
    )
    assert attribution.weigh(Model.POSITION, path[:1], placed_at=beijing(3, 4)) == (1,)


def test_r09_decay_halves_with_a_quarter_of_the_window() -> None:
    path = [touch(1, "A", ORDER - timedelta(days=7) / 4), touch(2, "B", ORDER)]
    assert attribution.decide(path, placed_at=ORDER).weights[Model.DECAY] == (Fraction(1, 3), Fraction(2, 3))


def test_r09_ties_go_by_touch_id() -> None:
    assert last(touch(2, "B", ORDER), touch(1, "A", ORDER)) == "B"


def test_r10_neighbours_of_one_placement_collapse_to_the_latest() -> None:
    scans = [
        touch(1, "A", beijing(3, 7, 8, 0)),
        touch(2, "B", beijing(3, 7, 8, 10)),
        touch(3, "A", beijing(3, 7, 8, 20)),
        touch(4, "A", beijing(3, 7, 8, 21)),
    ]
    path = attribution.decide(scans, placed_at=ORDER).journey
    assert [c.placement for c in path] == ["A", "B", "A"]
    assert path[-1].touch == UUID(int=4)


def test_r03_a_share_earns_nothing_but_is_shown() -> None:
    share = touch(1, "A", beijing(3, 7), kind=TouchKind.SHARE_OPEN)
    decision = attribution.decide([share], placed_at=ORDER)
    assert decision.reason == "shared_only"
    assert decision.earned_via == share
    assert reason(touch(1, "A", beijing(3, 7), kind=TouchKind.SCAN_LONGPRESS)) == "shared_only"


def test_r04_a_share_neither_makes_nor_erases_a_scan() -> None:
    scan = touch(1, "B", beijing(3, 7))
    share = touch(2, "A", beijing(3, 8, 7), kind=TouchKind.SHARE_OPEN)
    decision = attribution.decide([scan, share], placed_at=ORDER)
    assert decision.last == scan
    assert decision.earned_via is None


@pytest.mark.parametrize(
    ("changes", "verdict", "why"),
    [
        ({"dropped": "wechat_crawler"}, "wechat_crawler", "no_touch"),
        ({"confirmed": False}, "unconfirmed", "no_touch"),
        ({"kind": TouchKind.REVISIT}, "revisit", "no_touch"),
        ({"excluded": "excluded_crew"}, "excluded_crew", "no_touch"),
        ({"placement_id": None, "binding_id": None}, "orphan_code", "orphan_code"),
    ],
)
def test_r05_r06_r12_r16_r28_each_drop_has_its_reason(changes: dict, verdict: str, why: str) -> None:
    dropped = touch(1, "A", beijing(3, 7), **changes)
    decision = attribution.decide([dropped], placed_at=ORDER)
    assert decision.verdicts == {dropped.touch: verdict}
    assert (decision.outcome, decision.reason) == (Outcome.UNATTRIBUTED, why)


def test_r01_album_scans_and_typed_codes_are_eligible() -> None:
    assert last(touch(1, "A", beijing(3, 7), kind=TouchKind.SCAN_ALBUM)) == "A"
    assert last(touch(1, "A", beijing(3, 7), kind=TouchKind.TYPED)) == "A"


def test_r16_an_excluded_buyer_is_never_credited() -> None:
    decision = attribution.decide([touch(1, "A", beijing(3, 7))], placed_at=ORDER, excluded=Exclusion.STAFF)
    assert (decision.outcome, decision.reason, decision.last) == (Outcome.EXCLUDED, "excluded_staff", None)


def test_r28_no_touch_is_a_reason() -> None:
    assert reason() == "no_touch"


def test_r28_the_nearest_reason_is_told() -> None:
    old = touch(1, "A", beijing(2, 1))
    share = touch(2, "A", beijing(3, 7), kind=TouchKind.SHARE_OPEN)
    late = touch(3, "A", beijing(3, 8, 9))
    assert reason(late, share) == "shared_only"
    assert reason(late, share, old) == "expired_window"


def test_a_journey_begins_with_the_first_scan_of_its_run() -> None:
    scans = [
        touch(n, "A", beijing(3, 7, 8) + timedelta(minutes=m)) for n, m in enumerate([0, 40, 60, 89, 118], start=1)
    ]
    start = attribution.journey_start(scans, scans[-1])
    assert start == scans[1]
    other = touch(9, "B", beijing(3, 7, 9, 57))
    assert attribution.journey_start([*scans, other], scans[-1]) == scans[1]


def test_evidence_reads_back() -> None:
    candidate = touch(1, "A", beijing(3, 7), kind=TouchKind.SHARE_OPEN)
    assert Candidate.from_evidence(candidate.as_evidence()) == candidate


touches = st.lists(
    st.builds(
        lambda place, minutes, kind, confirmed, dropped: touch(
            0, place, ORDER + timedelta(minutes=minutes), kind=kind, confirmed=confirmed, dropped=dropped
        ),
        st.sampled_from(["A", "B", "C", None]),
        st.integers(-12_000, 100),
        st.sampled_from(TouchKind),
        st.booleans(),
        st.sampled_from([None, None, "head"]),
    ),
    max_size=9,
).map(lambda found: [replace(c, touch=UUID(int=i)) for i, c in enumerate(found)])


@given(touches, st.randoms(use_true_random=False))
def test_i02_i05_i06_properties(candidates: list[Candidate], rng: Random) -> None:
    decision = attribution.decide(candidates, placed_at=ORDER)
    eligible = [c for c in candidates if decision.verdicts[c.touch] is None]
    shuffled = rng.sample(candidates, len(candidates))
    again = attribution.decide(shuffled, placed_at=ORDER)
    assert (again.journey, again.weights, again.reason) == (decision.journey, decision.weights, decision.reason)
    # I5, I6: what is not eligible, or came after the order, changes no weight.
    pure = attribution.decide(eligible, placed_at=ORDER)
    assert (pure.journey, pure.weights) == (decision.journey, decision.weights)
    # I2: weights sum to 1, or nobody earned anything.
    assert bool(eligible) == (decision.outcome is Outcome.ATTRIBUTED)
    for weights in decision.weights.values():
        assert sum(weights) == 1
        assert min(weights) >= 0
    assert all(a.placement_id != b.placement_id for a, b in pairwise(decision.journey))
