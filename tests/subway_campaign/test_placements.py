from datetime import timedelta

import pytest

from config import database
from subway_campaign import bindings, errors, placements
from subway_campaign.landing import Landing, LandingKind
from subway_campaign.lifecycle import Level
from tests.subway_campaign.conftest import World, beijing

HALL = Landing(LandingKind.HALL, "anhui")


def test_a_placement_is_numbered_by_its_path(world: World) -> None:
    with database.transaction() as session:
        number = placements.create(session, parent="METRO.HF.L1", level=Level.ASSET, label="S01", name="站")
        placements.rename(session, number=number, name="大东门站")
        (found,) = placements.listing(session, now=beijing(3, 1), under=number)
    assert (found.number, found.parent, found.level, found.name) == (
        "METRO.HF.L1.S01",
        "METRO.HF.L1",
        Level.ASSET,
        "大东门站",
    )


@pytest.mark.parametrize(
    ("parent", "level", "label"),
    [
        ("METRO.HF.L1", Level.ASSET, "T07"),
        ("METRO.HF.L1", Level.NETWORK, "X"),
        ("METRO.HF.L1", Level.LINE, "X"),
        (None, Level.LINE, "X"),
        (None, Level.MEDIUM, "a.b"),
        (None, Level.MEDIUM, ""),
    ],
)
def test_taken_numbers_wrong_labels_and_rising_levels_are_refused(
    world: World, parent: str | None, level: Level, label: str
) -> None:
    with database.transaction() as session:
        with pytest.raises(errors.PlacementTaken):
            placements.create(session, parent=parent, level=level, label=label, name="x")
        with pytest.raises(errors.UnknownPlacement):
            placements.create(session, parent="NOWHERE", level=level, label="X", name="x")
        with pytest.raises(errors.UnknownPlacement):
            placements.rename(session, number="NOWHERE", name="x")


def test_the_listing_pages_through_the_tree(world: World) -> None:
    found, after = [], None
    with database.transaction() as session:
        while page := placements.listing(session, now=beijing(3, 1), after=after, limit=4):
            found += page
            after = page[-1].number
    assert len(found) == 11
    assert {code for view in found for code in view.codes} == set(world.codes.values())


def test_a_code_hangs_in_one_place_at_a_time(world: World) -> None:
    code, day = world.codes["A"], timedelta(days=1)
    since = beijing(3, 1)

    def bind(**changed: object) -> None:
        asked = {
            "code": code,
            "placement": world.numbers["B"],
            "campaign": "DRIVE",
            "landing": HALL,
            "valid_from": since,
            "valid_until": since + day,
        }
        with database.transaction() as session:
            bindings.bind(session, **(asked | changed))

    with pytest.raises(errors.BindingOverlaps):
        bind()
    with database.transaction() as session:
        bindings.take_down(session, code=code.lower(), at=since)
    bind()
    bind(valid_from=since + day, valid_until=None)
    with pytest.raises(errors.ImpossiblePeriod):
        bind(valid_until=since)
    with pytest.raises(errors.UnknownPlacement):
        bind(placement="NOWHERE")
    with pytest.raises(errors.UnknownCampaign):
        bind(campaign="NOWHERE")
    with pytest.raises(errors.UnknownCampaign):
        bind(creative="NOWHERE")
    with pytest.raises(errors.UnknownCode):
        bind(code="0000000")
    with database.transaction() as session:
        history = bindings.find(session, code=code).bindings
        assert [b["valid_from"] for b in history] == [since + day, since, beijing(1, 1)]
        bindings.retire(session, code=code, at=since)
        with pytest.raises(errors.UnknownCode):
            bindings.retire(session, code=code, at=since)
        with pytest.raises(errors.UnknownCode):
            bindings.find(session, code="NOPE")
        with pytest.raises(errors.UnknownCode):
            bindings.take_down(session, code="NOPE", at=since)


class _Repeats:
    """A random source that draws the same code until it has been asked twice."""

    def __init__(self) -> None:
        self.asked = 0

    def choices(self, population: str, k: int) -> list[str]:
        self.asked += 1
        return [population[0 if self.asked <= 2 else 1]] * k


def test_a_code_is_never_used_again(world: World) -> None:
    source = _Repeats()
    with database.transaction() as session:
        first = bindings.mint(session, count=1, now=beijing(3, 1), rng=source)
        second = bindings.mint(session, count=1, now=beijing(3, 1), rng=source)
    assert first != second
    assert source.asked == 3
