import threading
from datetime import date, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from config import database
from subway_campaign import exclusions, reports, visitors
from subway_campaign.lifecycle import Exclusion
from tests.subway_campaign.conftest import World, beijing


def link(visitor: UUID | None, person: UUID, at: datetime, *, kind: str = "oa_openid", value: str = "o1") -> None:
    with database.transaction() as session:
        visitors.link(session, visitor=visitor, kind=kind, app="wx1", value=value, person=person, now=at)


def test_r11_the_cookies_scans_go_to_whoever_logs_in_first(world: World) -> None:
    person, rider = uuid4(), world.scan("A", beijing(3, 1)).visitor
    link(rider, person, beijing(3, 2))
    world.order("N1", None, beijing(3, 4), person=person)
    assert world.credits("N1") == {"A": 9_900}


def test_r11_scan_in_a_browser_buy_in_the_mini_program(world: World) -> None:
    """Joined by the unionid; without a link the sale is nobody's."""
    browser, program = uuid4(), uuid4()
    rider = world.scan("A", beijing(3, 1)).visitor
    link(rider, browser, beijing(3, 1))
    world.order("N1", uuid4(), beijing(3, 4), person=program)
    assert world.reason("N1") == "no_touch"
    link(None, browser, beijing(3, 4), kind="unionid", value="u1")
    link(None, program, beijing(3, 4), kind="unionid", value="u1")
    world.order("N2", uuid4(), beijing(3, 4, 9), person=program)
    assert world.credits("N2") == {"A": 9_900}


def test_r11_the_cookie_moves_to_the_next_person_from_then_on(world: World) -> None:
    first, second = uuid4(), uuid4()
    phone = world.scan("A", beijing(3, 1)).visitor
    link(phone, first, beijing(3, 1, 9))
    link(phone, second, beijing(3, 2), value="o2")
    world.scan("B", beijing(3, 2, 9), phone)
    world.order("N1", None, beijing(3, 3), person=first)
    world.order("N2", None, beijing(3, 3), person=second)
    assert world.credits("N1") == {"A": 9_900}
    assert world.credits("N2") == {"B": 9_900}
    world.order("N3", phone, beijing(3, 3), person=first)
    assert world.credits("N3") == {"A": 9_900}


def test_r11_different_openids_of_one_app_are_never_merged(world: World) -> None:
    one, other = uuid4(), uuid4()
    rider = world.scan("A", beijing(3, 1)).visitor
    link(rider, one, beijing(3, 1))
    link(None, other, beijing(3, 1), value="o2")
    for person in (one, other):
        link(None, person, beijing(3, 2), kind="phone", value="138")
    world.order("N1", None, beijing(3, 3), person=other)
    assert world.reason("N1") == "no_touch"


def test_r11_a_guest_on_a_persons_phone_is_that_person(world: World) -> None:
    person = uuid4()
    old, new = world.scan("A", beijing(3, 1)).visitor, world.scan("B", beijing(3, 2)).visitor
    link(old, person, beijing(3, 3))
    link(new, person, beijing(3, 3))
    world.order("N1", old, beijing(3, 3, 9))
    assert world.credits("N1") == {"B": 9_900}


def test_r06_logging_in_confirms_the_scan(world: World) -> None:
    person, rider = uuid4(), world.scan("A", beijing(3, 1), confirm=False).visitor
    link(rider, person, beijing(3, 1, 9))
    world.order("N1", None, beijing(3, 2), person=person)
    assert world.credits("N1") == {"A": 9_900}


def test_identities_are_kept_as_pseudonyms(world: World) -> None:
    link(uuid4(), uuid4(), beijing(3, 1), value="openid-of-a-person")
    with database.transaction() as session:
        kept = session.execute(text("SELECT value_hmac FROM visitor_identities")).scalar_one()
    assert len(kept) == 32
    assert b"openid-of-a-person" not in bytes(kept)


def test_r16_staff_scan_and_buy_without_counting(world: World) -> None:
    cashier, crew = world.scan("A", beijing(3, 1)).visitor, uuid4()
    with database.transaction() as session:
        for _ in range(2):
            exclusions.exclude(session, visitor=cashier, reason=Exclusion.STAFF, valid_from=beijing(2, 1))
        exclusions.exclude(session, person=crew, reason=Exclusion.CREW, valid_from=beijing(2, 1))
    world.order("N1", cashier, beijing(3, 2))
    phone = world.scan("A", beijing(3, 2)).visitor
    link(phone, crew, beijing(3, 2))
    world.order("N2", phone, beijing(3, 3))
    with database.transaction() as session:
        found = reports.placements(session, from_day=date(2026, 3, 1), to_day=date(2026, 4, 1))
    assert found["rows"] == []
    assert {(line["reason"], line["scans"], line["net_fen"]) for line in found["excluded"]} == {
        ("excluded_staff", 1, 9_900),
        ("excluded_crew", 1, 9_900),
    }
    assert found["total"]["net_fen"] == 19_800


def test_r16_exclusions_are_dated(world: World) -> None:
    phone = world.scan("A", beijing(3, 1)).visitor
    with database.transaction() as session:
        exclusions.exclude(session, visitor=phone, reason=Exclusion.TEST, valid_from=beijing(3, 2))
        exclusions.end(session, visitor=phone, at=beijing(3, 4))
    world.scan("B", beijing(3, 3), phone)
    world.order("N1", phone, beijing(3, 5))
    assert world.credits("N1") == {"A": 9_900}


@pytest.mark.parametrize("same", [True, False])
def test_race_two_logins_of_one_identity(world: World, same: bool) -> None:
    rider = world.scan("A", beijing(3, 1)).visitor
    people = [uuid4()] * 4 if same else [uuid4() for _ in range(4)]
    ready = threading.Barrier(4, timeout=60)

    def login(person: UUID) -> None:
        ready.wait()
        link(rider, person, beijing(3, 2), kind="unionid", value="u1")

    threads = [threading.Thread(target=login, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.transaction() as session:
        counts = session.execute(
            text("""
                SELECT (SELECT count(*) FROM visitor_identities), (SELECT count(*) FROM person_links),
                       (SELECT count(*) FROM visitor_links WHERE unlinked_at IS NULL)
            """)
        ).one()
    assert tuple(counts) == (1, 0 if same else 3, 1)
