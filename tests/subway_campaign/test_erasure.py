from datetime import date, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from config import database
from subway_campaign import decisions, erasure, exclusions, reports, visitors
from subway_campaign.lifecycle import Exclusion, Model
from tests.subway_campaign.conftest import World, beijing


def everything(order: str) -> tuple[object, ...]:
    with database.transaction() as session:
        found = [
            reports.placements(session, from_day=date(2026, 3, 1), to_day=date(2026, 4, 1), model=model)
            for model in Model
        ]
        return *found, decisions.explain(session, order=order)


def trails() -> tuple[int, ...]:
    with database.transaction() as session:
        return tuple(
            session.execute(
                text("""
                    SELECT (SELECT count(*) FROM visitor_links), (SELECT count(*) FROM visitor_identities),
                           (SELECT count(*) FROM conversions WHERE num_nonnulls(visitor_id, person_id) > 0)
                """)
            ).one()
        )


def shopper(world: World) -> tuple[object, object]:
    """Scans A twice and B once, logs in, buys."""
    person, rider = uuid4(), world.scan("A", beijing(3, 1)).visitor
    world.scan("A", beijing(3, 1, 8, 10), rider)
    world.scan("B", beijing(3, 2), rider)
    with database.transaction() as session:
        visitors.link(session, visitor=rider, kind="oa_openid", app="wx1", value="o1", person=person, now=beijing(3, 3))
    world.order("N1", rider, beijing(3, 3), person=person)
    return person, rider


def test_r27_i10_erasure_leaves_every_report_as_it_was(world: World) -> None:
    person, rider = shopper(world)
    before = everything("N1")
    with database.transaction() as session:
        assert erasure.erase(session, person=person) == 3
        assert erasure.erase(session, person=person) == 0
    assert everything("N1") == before
    assert trails() == (0, 0, 0)
    world.order("N2", rider, beijing(3, 4), person=person)
    assert world.reason("N2") == "no_touch"


def test_r27_links_go_after_180_days_and_younger_ones_stay(world: World) -> None:
    shopper(world)
    before = everything("N1")
    erasure.forget_old(now=beijing(3, 3) + timedelta(days=180))
    assert trails() == (1, 1, 1)
    erasure.forget_old(now=beijing(3, 3, 9) + timedelta(days=180))
    assert everything("N1") == before
    assert trails() == (0, 0, 0)


@pytest.mark.parametrize("way", ["erased", "aged"])
def test_r27_a_forgotten_crew_member_stays_excluded(world: World, way: str) -> None:
    person, rider = uuid4(), world.scan("A", beijing(3, 1)).visitor
    with database.transaction() as session:
        exclusions.exclude(session, person=person, reason=Exclusion.CREW, valid_from=beijing(2, 1))
        visitors.bind(session, visitor=rider, person=person, now=beijing(3, 1))
    world.order("N1", rider, beijing(3, 3), person=person)
    before = everything("N1")
    if way == "erased":
        with database.transaction() as session:
            erasure.erase(session, person=person)
            left = session.execute(text("SELECT count(*) FROM excluded_identities WHERE person_id IS NOT NULL"))
            assert left.scalar_one() == 0
    else:
        erasure.forget_old(now=beijing(3, 3) + timedelta(days=181))
    assert everything("N1") == before
    assert trails() == (0, 0, 0)
