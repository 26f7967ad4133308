"""From a page to the mini-program that it opened: joined once, touches only, and parted again (R11)."""

import threading
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from config import database
from subway_campaign import errors, reviews, tokens, visitors
from tests.subway_campaign.conftest import World, beijing

AT = beijing(3, 1)


def mint(visitor: UUID, *, now: datetime = AT) -> str:
    return tokens.seal_handoff(uuid4(), visitor=visitor, now=now)


def hand_off(token: str, visitor: UUID, *, now: datetime = AT) -> bool:
    with database.transaction() as session:
        return visitors.hand_off(session, token=token, visitor=visitor, now=now)


def merges() -> list[str]:
    return [number for (number,) in database.statement("SELECT number FROM visitor_merges ORDER BY id")]


def test_r11_a_scan_on_a_page_earns_the_order_in_the_mini_program(world: World) -> None:
    page, program = world.scan("A", AT).visitor, uuid4()
    assert hand_off(mint(page), program)
    world.order("N1", program, beijing(3, 1, 9))
    assert world.credits("N1") == {"A": 9_900}


def test_r11_without_it_the_sale_is_nobodys_and_a_late_one_decides_again(world: World) -> None:
    page, program = world.scan("A", AT).visitor, uuid4()
    later = beijing(3, 1, 9)
    world.order("N1", program, later)
    assert world.reason("N1") == "no_touch"
    assert hand_off(mint(page, now=later), program, now=later)
    reviews.review_due(now=later + timedelta(minutes=1))
    assert {place: fen for place, fen in world.credits("N1").items() if fen} == {"A": 9_900}


@pytest.mark.parametrize("late", [timedelta(minutes=30), timedelta(days=1)])
def test_a_token_is_good_for_half_an_hour(world: World, late: timedelta) -> None:
    page, program = uuid4(), uuid4()
    assert not hand_off(mint(page), program, now=AT + late)
    assert hand_off(mint(page), program, now=AT + timedelta(minutes=29, seconds=59))


@pytest.mark.parametrize("token", ["", "x", "A" * 200, "一二三", tokens.urlsafe_b64encode(b"\0" * 56).decode()])
def test_what_we_did_not_mint_joins_nothing(world: World, token: str) -> None:
    assert not hand_off(token, uuid4())
    assert merges() == []


def test_a_token_of_another_purpose_joins_nothing(world: World) -> None:
    opened = world.scan("A", AT)
    assert not hand_off(opened.token, uuid4())
    assert not hand_off(tokens.seal_visitor(opened.visitor), uuid4())


def test_a_forwarded_link_joins_whoever_comes_first_and_nobody_else(world: World) -> None:
    page, first, second = uuid4(), uuid4(), uuid4()
    token = mint(page)
    assert hand_off(token, first)
    assert not hand_off(token, second)
    assert not hand_off(token, first)
    assert len(merges()) == 1


def test_the_same_two_are_joined_once(world: World) -> None:
    page, program = uuid4(), uuid4()
    assert hand_off(mint(page), program)
    assert not hand_off(mint(page), program)
    assert not hand_off(mint(program), page)
    assert not hand_off(mint(page), page)
    assert len(merges()) == 1


def test_what_was_parted_stays_parted(world: World) -> None:
    page, program = world.scan("A", AT).visitor, uuid4()
    hand_off(mint(page), program)
    world.order("N1", program, beijing(3, 1, 9))
    [merge] = merges()
    with database.transaction() as session:
        visitors.undo(session, merge=merge, now=beijing(3, 1, 10))
        with pytest.raises(errors.UnknownMerge):
            visitors.undo(session, merge=merge, now=beijing(3, 1, 10))
    reviews.review_due(now=beijing(3, 1, 11))
    assert world.reason("N1") == "no_touch"
    assert not hand_off(mint(page, now=beijing(3, 1, 11)), program, now=beijing(3, 1, 11))


def test_r11_people_with_different_openids_of_one_app_are_not_joined(world: World) -> None:
    page, program = uuid4(), uuid4()
    for visitor, openid in ((page, "o1"), (program, "o2")):
        with database.transaction() as session:
            visitors.link(session, visitor=visitor, kind="mp_openid", app="wx1", value=openid, person=uuid4(), now=AT)
    assert not hand_off(mint(page), program)
    assert merges() == []


def test_two_uses_of_one_token_at_once_join_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the row that spends a token both phones are joined; with it one is."""

    def race() -> int:
        token, gate = mint(uuid4()), threading.Barrier(2)

        def use(joined: list[bool]) -> None:
            gate.wait(5)
            joined.append(hand_off(token, uuid4()))

        joined: list[bool] = []
        phones = [threading.Thread(target=use, args=(joined,)) for _ in range(2)]
        for phone in phones:
            phone.start()
        for phone in phones:
            phone.join(20)
        return sum(joined)

    assert race() == 1
    unspent: Any = visitors.text(
        "SELECT 1 WHERE cast(:handoff AS uuid) IS NOT NULL AND cast(:now AS timestamptz) IS NOT NULL"
    )
    monkeypatch.setattr(visitors, "_SPEND", unspent)
    assert race() == 2
