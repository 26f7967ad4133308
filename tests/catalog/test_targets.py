"""Targets and what stands: each figure equals the rows that the same condition lists."""

from datetime import date
from typing import Any

import orjson
import pytest

from catalog import errors, hall_views, products, seeding, targets
from catalog.cache import Cache
from catalog.hall_views import Filters
from catalog.models import HallKind, HallPresence, RegionLevel, ZoneKind
from catalog.target_models import Subject
from config import database
from tests.catalog.accrediting import NOW, brought
from tests.catalog.accrediting import State as Badge
from tests.catalog.opening import drafted, opened

pytestmark = pytest.mark.usefixtures("seeded")

COUNTY, CITY = RegionLevel.COUNTY, RegionLevel.PREFECTURE


def figures(level: RegionLevel = COUNTY) -> dict[str, dict[str, Any]]:
    with database.transaction() as session:
        return {row["region_code"]: row for row in targets.figures(session, level=level, now=NOW)}


def listed() -> dict[str, dict[str, Any]]:
    with database.transaction() as session:
        return {row["key"]: row for row in targets.listing(session)}


def put(**change: Any) -> str:
    wanted: dict[str, Any] = {
        "subject": Subject.PHYSICAL_HALL,
        "level": COUNTY,
        "region_code": None,
        "amount": 2,
        "due_on": date(2026, 12, 31),
    } | change
    with database.transaction() as session:
        return targets.put(session, by="li", now=NOW, **wanted)


def test_the_programmes_targets_are_seeded_with_their_deadlines() -> None:
    found = listed()
    assert len(found) == 14
    assert found["sales-province"]["amount"] == 600_000_000_000
    assert {found[f"{one}-hall-county"]["due_on"] for one in ("online", "physical", "enterprise")} == {
        date(2020, 9, 30)
    }
    assert found["online-zone-county"]["due_on"] == date(2020, 12, 31)
    assert all(row["wording"] and row["source"] for row in found.values())


def test_a_fresh_shop_has_online_halls_and_nothing_else() -> None:
    for level, regions in ((COUNTY, 104), (CITY, 16)):
        rows = figures(level).values()
        assert len(rows) == regions
        assert {row["online_hall"] for row in rows} == {1}
        for subject in (*targets.HALLS[1:], Subject.ACCREDITED_PRODUCTS):
            assert {row[subject] for row in rows} == {0}


def test_each_figure_equals_the_rows_behind_it() -> None:
    opened()
    opened(slug="stall-two", zone_kind=ZoneKind.HOTEL, presence=HallPresence.ONLINE)
    opened(slug="place", kind=HallKind.LOCAL, zone_kind=None)
    opened(slug="firm", kind=HallKind.ENTERPRISE, zone_kind=None, presence=HallPresence.ONLINE, owner="某合作社")
    opened(slug="city-zone", region_code="341300", zone_kind=ZoneKind.WHOLESALE)
    drafted(slug="not-yet")
    brought(Badge.PUBLISHED)
    Cache.forget_all()
    seen = 0
    for level in (COUNTY, CITY):
        for code, row in figures(level).items():
            for subject, chosen in targets.FILTERS.items():
                with database.transaction() as session:
                    rows = hall_views.listing(
                        session, areas=[""], filters=Filters(region=code, state="open", **chosen), limit=9
                    )
                assert row[subject] == len(rows), (code, subject)
                seen += len(rows)
            assert sum(row[f"zone_{kind}"] for kind in ZoneKind) == row["online_zone"] + row["physical_zone"]
    assert seen == 120 + 5
    dangshan, suzhou = figures()["341321"], figures(CITY)["341300"]
    assert [dangshan[subject] for subject in targets.HALLS] == [1, 1, 1, 1, 1]
    assert (dangshan["zone_supermarket"], dangshan["zone_hotel"], suzhou["zone_wholesale"]) == (1, 1, 1)
    badges = orjson.loads(products.page(county="341321", certificate="accreditation"))["items"]
    assert dangshan["accredited_products"] == suzhou["accredited_products"] == len(badges) == 1


def test_a_target_is_changed_in_its_place_and_set_for_one_region_beside() -> None:
    assert put() == "physical-hall-county"
    changed = listed()["physical-hall-county"]
    assert (changed["amount"], changed["due_on"], changed["set_by"]) == (2, date(2026, 12, 31), "li")
    assert changed["programme"] == "C3"
    assert put(region_code="341321", amount=3, due_on=None) == put(region_code="341321", amount=4)
    found = listed()
    assert len(found) == 15
    assert (found["physical-hall-341321"]["amount"], found["physical-hall-341321"]["region"]) == (4, "砀山县")
    seeding.seed(lambda what, done, total: None)
    assert listed() == found


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"amount": 0}, ["amount"]),
        ({"amount": targets.MOST + 1}, ["amount"]),
        ({"region_code": "341300"}, ["region_code"]),
        ({"region_code": "\x00"}, ["region_code"]),
        ({"subject": Subject.CABINETS}, ["subject"]),
    ],
)
def test_a_target_that_nobody_could_count_is_refused(change: dict[str, Any], fields: list[str]) -> None:
    with pytest.raises(errors.TargetInvalid) as refused:
        put(**change)
    assert refused.value.details["fields"] == fields
