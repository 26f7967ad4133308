"""Forgetting riders: the tracks go, the figures stay."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from config import database
from subway_campaign import decisions, erasure, exclusions, reports, retention, touches, visitors
from subway_campaign.lifecycle import Exclusion, Level, View
from subway_campaign.touches import Launch
from tests.subway_campaign.conftest import World, beijing

LATER = beijing(9, 1)


def every_figure(
    levels: tuple[Level, ...] = (Level.POSITION, Level.MEDIUM), views: tuple[View, ...] = tuple(View)
) -> list[dict[str, Any]]:
    """Reports of single days, of a month and of the whole year."""
    days = [(date(2026, 3, day), date(2026, 3, day + 1)) for day in range(1, 8)]
    spans = [*days, (date(2026, 3, 1), date(2026, 4, 1)), (date(2026, 1, 1), date(2027, 1, 1))]
    with database.transaction() as session:
        return [
            reports.placements(session, from_day=first, to_day=last, level=level, view=view)
            for first, last in spans
            for level in levels
            for view in views
        ]


def visitors_of_touches() -> list[UUID]:
    with database.transaction() as session:
        return list(session.execute(text("SELECT visitor_id FROM touches ORDER BY occurred_at, id")).scalars())


def test_each_day_of_a_rider_gets_a_name_of_its_own_and_no_figure_moves(world: World) -> None:
    rider = world.scan("A", beijing(3, 1, 8)).visitor
    world.scan("B", beijing(3, 1, 18), rider)
    world.scan("A", beijing(3, 2, 8), rider)
    world.order("N1", rider, beijing(3, 2, 9), 9_990, 500, freight_fen=800)
    world.refund("N1", "R1", beijing(3, 20), {1: 3_330})
    before = every_figure()
    assert retention.forget_visitors(before=LATER) == 3
    first, second, third = visitors_of_touches()
    assert first == second != third
    assert rider not in {first, third}
    assert every_figure() == before


def test_a_run_across_midnight_keeps_one_name(world: World) -> None:
    rider = world.scan("A", beijing(3, 1, 23, 50)).visitor
    for minute in (5, 25, 45):
        world.scan("A", beijing(3, 2, 0, minute), rider)
    world.scan("A", beijing(3, 2, 9), rider)
    world.scan("A", beijing(3, 3, 9), rider)
    before = every_figure()
    retention.forget_visitors(before=LATER)
    assert len(set(visitors_of_touches())) == 2
    assert every_figure() == before


def test_what_runs_into_the_day_that_stays_waits_for_the_next_time(world: World) -> None:
    rider = world.scan("A", beijing(3, 1, 23, 50)).visitor
    world.scan("A", beijing(3, 2, 0, 10), rider)
    assert retention.forget_visitors(before=beijing(3, 2, 12)) == 0
    assert set(visitors_of_touches()) == {rider}
    assert retention.forget_visitors(before=beijing(3, 3, 12)) == 2


def test_forgetting_again_changes_nothing_and_later_days_are_left_alone(world: World) -> None:
    rider = world.scan("A", beijing(3, 1)).visitor
    world.scan("A", beijing(3, 5), rider)
    assert retention.forget_visitors(before=beijing(3, 4)) == 1
    names = visitors_of_touches()
    assert names[1] == rider
    assert retention.forget_visitors(before=beijing(3, 4)) == 0
    assert visitors_of_touches() == names


def test_staff_phones_stay_out_of_the_figures_after_their_names_are_forgotten(world: World) -> None:
    rider = world.scan("A", beijing(3, 1, 8)).visitor
    world.scan("A", beijing(3, 1, 12), rider)
    with database.transaction() as session:
        exclusions.exclude(session, reason=Exclusion.STAFF, valid_from=beijing(3, 1, 12), visitor=rider)
        exclusions.end(session, at=beijing(3, 2, 12), visitor=rider)
    world.scan("A", beijing(3, 2, 8), rider)
    world.scan("A", beijing(3, 2, 13), rider)
    person, companion = uuid4(), world.scan("A", beijing(3, 2, 8)).visitor
    with database.transaction() as session:
        visitors.bind(session, visitor=companion, person=person, now=beijing(3, 2))
        exclusions.exclude(session, reason=Exclusion.CREW, valid_from=beijing(1, 1), person=person)
    before = every_figure()
    assert retention.forget_visitors(before=LATER) == 5
    assert every_figure() == before
    erasure.forget_old(now=LATER)
    assert every_figure() == before


def test_a_launch_that_was_forgotten_is_still_known_by_its_id(world: World) -> None:
    launch = Launch(scene=1011, q=f"http://127.0.0.1:8000/s/{world.codes['A']}", scancode_time=1_772_323_200)
    made = touches.record(touch=uuid4(), launch=launch, visitor=None, now=beijing(3, 1))
    retention.forget_visitors(before=LATER)
    again = touches.record(touch=made.touch, launch=launch, visitor=made.visitor, now=beijing(3, 1))
    assert (again.touch, again.kind) == (made.touch, made.kind)
    assert again.visitor != made.visitor


def test_a_forgotten_touch_still_explains_its_order(world: World) -> None:
    rider, person = world.scan("A", beijing(3, 1)).visitor, uuid4()
    with database.transaction() as session:
        visitors.link(session, visitor=rider, kind="oa_openid", app="wx1", value="U1", person=person, now=beijing(3, 1))
    world.order("N1", rider, beijing(3, 1, 10), person=person)
    before = every_figure()
    retention.forget_visitors(before=LATER)
    erasure.forget_old(now=LATER)
    assert every_figure() == before
    with database.transaction() as session:
        assert decisions.explain(session, order="N1")["recomputed_equal"]


SCANS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from("AB"), st.integers(0, 4 * 24 * 12)), min_size=1, max_size=14
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scans=SCANS, cut=st.integers(1, 5))
def test_no_history_changes_its_figures_by_being_forgotten(
    world: World, scans: list[tuple[int, str, int]], cut: int
) -> None:
    with database.transaction() as session:
        for table in ("touches", "touch_keys", "touch_confirmations"):
            session.execute(text(f"DELETE FROM {table}"))
    riders = [uuid4() for _ in range(3)]
    for rider, place, five_minutes in scans:
        world.scan(place, beijing(3, 1, 0) + timedelta(minutes=5 * five_minutes), riders[rider])
    before = every_figure((Level.POSITION,), (View.COHORT,))
    retention.forget_visitors(before=beijing(3, cut))
    assert every_figure((Level.POSITION,), (View.COHORT,)) == before
    retention.forget_visitors(before=LATER)
    assert every_figure((Level.POSITION,), (View.COHORT,)) == before
    assert not set(riders) & set(visitors_of_touches())
