"""Leafing through the inventory."""

from datetime import timedelta

import pytest

from config import database
from subway_campaign import bindings, errors, listings
from tests.subway_campaign.conftest import World, beijing

NOW = beijing(3, 1)


def test_a_code_is_listed_where_it_hangs_now(world: World) -> None:
    code = world.codes["A"]
    with database.transaction() as session:
        [row] = listings.hanging(session, now=NOW, q=code)
        assert (row.code, row.placement) == (code, world.numbers["A"])
        bindings.take_down(session, code=code, at=NOW)
        [row] = listings.hanging(session, now=NOW + timedelta(seconds=1), q=code.lower())
        assert (row.placement, row.landing) == (None, None)
        bindings.retire(session, code=code, at=NOW)
        assert listings.hanging(session, now=NOW, q=code) == []


def test_a_walk_sees_every_code_once_and_the_loose_ones_last(world: World) -> None:
    with database.transaction() as session:
        [loose] = bindings.mint(session, count=1, now=NOW)
        seen: list[listings.CodeRow] = []
        after = ("", "")
        while page := listings.hanging(session, now=NOW, after=after, limit=2):
            seen += page
            after = page[-1].position
    assert [row.code for row in seen][-1] == loose
    assert sorted(row.code for row in seen) == sorted([*world.codes.values(), loose])
    numbers = [row.placement for row in seen if row.placement]
    assert numbers == sorted(numbers)


def test_the_way_leads_from_the_root(world: World) -> None:
    number = world.numbers["A"]
    with database.transaction() as session:
        way = listings.way(session, number=number)
        assert [step["number"] for step in way] == [
            ".".join(number.split(".")[: depth + 1]) for depth in range(number.count(".") + 1)
        ]
        assert listings.names(session, numbers=[number, "NOWHERE", None]) == {number: way[-1]["name"]}
        with pytest.raises(errors.UnknownPlacement):
            listings.way(session, number=f"{number}.NOWHERE")
