"""Artworks as rows: their campaign, products, picture and time."""

from datetime import timedelta

import pytest

from config import database
from subway_campaign import creatives, decisions, errors
from tests.subway_campaign.conftest import World, beijing

SINCE, UNTIL = beijing(3, 1), beijing(4, 1)


def test_an_artwork_has_products_and_a_time(world: World) -> None:
    with database.transaction() as session:
        made = creatives.create(
            session, number="SPRING", campaign="DRIVE", name="春茶", products=["tea", "tea", "pears"],
            picture="PIC0", valid_from=SINCE, valid_until=UNTIL,
        )  # fmt: skip
        assert (made["products"], made["picture"], made["campaign_name"]) == (["pears", "tea"], "PIC0", "活动")
        with pytest.raises(errors.CreativeTaken):
            creatives.create(session, number="SPRING", campaign="DRIVE", name="又一个")
        with pytest.raises(errors.UnknownCampaign):
            creatives.create(session, number="OTHER", campaign="NONE", name="又一个")
        with pytest.raises(errors.ImpossiblePeriod):
            creatives.create(session, number="OTHER", campaign="DRIVE", name="", valid_from=UNTIL, valid_until=SINCE)
        changed = creatives.change(
            session, number="SPRING", name="夏茶", products=["tea", "plums"], picture=None, valid_from=None,
            valid_until=UNTIL,
        )  # fmt: skip
        assert (changed["name"], changed["products"], changed["picture"]) == ("夏茶", ["plums", "tea"], None)
        assert creatives.listing(session, campaign="DRIVE") == [changed]
        for at, fits in ((SINCE, True), (UNTIL, False)):
            if fits:
                creatives.require_valid(session, number="SPRING", now=at)
            else:
                with pytest.raises(errors.CreativeNotValid):
                    creatives.require_valid(session, number="SPRING", now=at)
        creatives.require_valid(session, number=None, now=UNTIL)
        with pytest.raises(errors.UnknownCreative):
            creatives.find(session, number="NONE")


def flags(order: str) -> list[str]:
    with database.transaction() as session:
        return decisions.explain(session, order=order)["flags"]


def test_r22_what_the_artwork_does_not_show_is_credited_the_same_and_flagged(world: World) -> None:
    """R22: an ad for fruit, tea is bought: A, halo. What the artwork shows later changes no decision."""
    with database.transaction() as session:
        for number, shown in (("TEA", ["tea"]), ("FRUIT", ["pears", "plums"])):
            creatives.create(session, number=number, campaign="DRIVE", name=number, products=shown)
    for place, number in (("A", "FRUIT"), ("B", "TEA")):
        database.statement(
            "UPDATE code_bindings SET creative_id = (SELECT id FROM creatives WHERE number = %s)"
            " WHERE code_id = (SELECT id FROM codes WHERE slug = %s)",
            (number, world.codes[place]),
        )
    for place in ("A", "B", "C"):
        rider = world.scan(place, SINCE).visitor
        world.order(f"O{place}", rider, SINCE + timedelta(hours=1))
        assert world.credits(f"O{place}") == {place: 9_900}
    assert [flags(f"O{place}") for place in ("A", "B", "C")] == [["halo"], [], []]
    with database.transaction() as session:
        creatives.change(
            session, number="FRUIT", name="", products=["tea"], picture=None, valid_from=None, valid_until=None
        )
        assert decisions.explain(session, order="OA")["recomputed_equal"]
    assert flags("OA") == ["halo"]
