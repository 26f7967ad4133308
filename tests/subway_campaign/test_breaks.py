"""Broken identities: which orders are open, which tell the share, and when nothing is said."""

from datetime import date
from uuid import UUID, uuid4

import pytest

from config import database
from subway_campaign import breaks, errors, tokens, visitors, visits
from subway_campaign.breaks import ENOUGH_KNOWN, Breaks
from tests.subway_campaign.conftest import World, beijing

MARCH = (date(2026, 3, 1), date(2026, 4, 1))


def found() -> Breaks:
    with database.transaction() as session:
        return breaks.of_period(session, from_day=MARCH[0], to_day=MARCH[1])


def show(kind: str, value: str, person: UUID, visitor: UUID | None = None) -> None:
    with database.transaction() as session:
        visitors.link(
            session,
            visitor=visitor,
            kind=kind,
            app="app" if kind != "unionid" else "",
            value=value,
            person=person,
            now=beijing(3, 2),
        )


def rider(name: str, *, page: UUID | None = None) -> UUID:
    """A buyer of the mini-program; with the cookie of a `page` also known there, by one unionid."""
    person = uuid4()
    show("mp_openid", f"mp-{name}", person)
    if page is not None:
        on_page = uuid4()
        show("oa_openid", f"oa-{name}", on_page, page)
        show("unionid", f"u-{name}", on_page)
        show("unionid", f"u-{name}", person)
    return person


def test_r28_a_break_is_estimated_from_those_whose_both_sides_are_known(world: World) -> None:
    scanned = world.scan("A", beijing(3, 3)).visitor
    world.order("KNOWN-EARNED", None, beijing(3, 4), person=rider("one", page=scanned))
    world.order("KNOWN-NOT", None, beijing(3, 4), person=rider("two", page=uuid4()))
    world.order("OPEN", None, beijing(3, 4), 5_000, 700, person=rider("three"))
    world.refund("OPEN", "R1", beijing(3, 9), {1: 1_000})
    world.order("ON-A-PAGE", None, beijing(3, 4), person=uuid4())
    world.order("APRIL", None, beijing(4, 4), person=rider("five"))
    world.order("NOT-PAID", None, beijing(3, 4), person=rider("four"), pay=False)
    assert found() == Breaks(open_orders=1, open_net_fen=4_700, known_orders=2, earned_orders=1)
    assert world.reason("OPEN") == "no_touch", "an estimate credits nobody"


def test_whoever_came_by_a_hand_off_tells_nothing_of_others(world: World) -> None:
    here = uuid4()
    person = rider("one")
    show("mp_openid", "mp-one", person, here)
    page = visits.open(slug=world.codes["A"], visitor=None, now=beijing(3, 3))
    with database.transaction() as session:
        token = tokens.seal_handoff(uuid4(), visitor=page.visitor, now=beijing(3, 3))
        assert visitors.hand_off(session, token=token, visitor=here, now=beijing(3, 3, 8, 1))
    world.order("HANDED", None, beijing(3, 4), person=person)
    assert found() == Breaks(0, 0, 0, 0)


def test_below_thirty_known_orders_nothing_is_said() -> None:
    few = Breaks(10, 100_000, ENOUGH_KNOWN - 1, 5)
    assert (few.is_enough, few.share, few.net_fen) == (False, None, None)
    enough = Breaks(10, 100_000, 40, 2)
    assert enough.share is not None
    assert [round(part, 4) for part in enough.share] == [0.05, 0.0105, 0.1509]
    assert enough.net_fen == (5_000, 1_053, 15_087)


def test_of_very_many_orders_a_part_is_looked_at_and_reckoned_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        world.order(f"OPEN-{number}", None, beijing(3, 4), 5_000, 0, person=rider(str(number)))
    monkeypatch.setattr(breaks, "MOST_LOOKED_AT", 2)
    assert found() == Breaks(open_orders=2, open_net_fen=10_000, known_orders=0, earned_orders=0, one_in=3)
    assert Breaks(10, 100_000, 40, 2, one_in=3).net_fen == (15_000, 3_160, 45_260)


def test_an_impossible_period_is_refused(world: World) -> None:
    with pytest.raises(errors.ImpossiblePeriod), database.transaction() as session:
        breaks.of_period(session, from_day=MARCH[1], to_day=MARCH[0])
