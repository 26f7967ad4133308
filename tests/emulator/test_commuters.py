"""The simulation's command line; what it makes of a whole shop is for the journeys to show."""

from pathlib import Path

import pytest

from emulator import __main__
from emulator.commuters import ROUGH
from emulator.faults import ALL
from emulator.stories import STORIES


def test_without_a_shop_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["simulate", "--account", str(tmp_path / "none.json")]) == 2
    assert "start the shop first" in capsys.readouterr().out


def test_the_stories_are_a_hundred_commuters_and_say_what_they_are() -> None:
    assert sum(STORIES.values()) == 100
    assert all(story.__doc__ for story in STORIES)


def test_a_bad_day_consists_of_faults_that_exist() -> None:
    assert {rule["fault"] for rule in ROUGH} <= set(ALL)
