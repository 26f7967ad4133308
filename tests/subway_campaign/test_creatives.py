"""Artworks as rows: their campaign, products, picture and time."""

import pytest

from config import database
from subway_campaign import creatives, errors
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
