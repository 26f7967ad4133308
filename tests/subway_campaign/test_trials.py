from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import exc, text

from config import database
from subway_campaign import bindings, designs, errors, placements, trials
from subway_campaign.landing import Landing, LandingKind
from subway_campaign.lifecycle import Level
from subway_campaign.trials import Wanted
from tests.subway_campaign.conftest import World, beijing

NOW = beijing(3, 2)
UNITS = ("METRO.HF.L1", "METRO.HF.L4", "METRO.HF.L5", "METRO.HF.L8")


@pytest.fixture
def lines(world: World) -> World:
    """Two lines more, with a light box each that leads to the tea."""
    with database.transaction() as session:
        codes = bindings.mint(session, count=2, now=beijing(1, 1))
        for letter, line, code in zip("EF", ("L5", "L8"), codes, strict=True):
            placements.create(session, parent="METRO.HF", level=Level.LINE, label=line, name=line)
            world.numbers[letter] = placements.create(
                session, parent=f"METRO.HF.{line}", level=Level.POSITION, label="LB1", name=line
            )
            world.codes[letter] = code
            bindings.bind(
                session,
                code=code,
                placement=world.numbers[letter],
                campaign="DRIVE",
                landing=Landing(LandingKind.PRODUCT, "tea"),
                valid_from=beijing(1, 1),
            )
    return world


def wanted(**other: Any) -> Wanted:
    usual: dict[str, Any] = {"name": "亮灯", "units": UNITS, "weeks": 2, "starts_on": date(2026, 3, 9)}
    return Wanted(**({"baseline_weeks": 4} | usual | other))


def plan(asked: Wanted, key: str = "key-00001", seed: int = 7) -> tuple[trials.Trial, bool]:
    with database.transaction() as session:
        return trials.plan(session, wanted=asked, seed=seed, by="li", key=key, now=NOW)


def sell(world: World, place: str, order: str, at: datetime, fen: int) -> None:
    world.order(order, world.scan(place, at).visitor, at + timedelta(minutes=5), fen)


def test_a_plan_is_drawn_from_our_own_sales_and_kept(lines: World) -> None:
    for i, (place, fen) in enumerate({"A": 9_000, "B": 8_000, "E": 100, "F": 200}.items()):
        sell(lines, place, f"N{i}", beijing(2, 10), fen)
    trial, is_new = plan(wanted())
    assert (is_new, trial.state, trial.seed, trial.baseline_from) == (True, "planned", 7, date(2026, 2, 2))
    assert trial.baseline["METRO.HF.L1"] == [0, 9_000, 0, 0]
    assert [{pair.early, pair.late} for pair in trial.pairs] == [set(UNITS[:2]), set(UNITS[2:])]
    assert list(trial.pairs) == designs.draw(trial.baseline, weeks=2, seed=7)
    assert plan(wanted(), seed=8) == (trial, False)
    with database.transaction() as session:
        assert trials.listing(session) == [trial]


def test_a_started_test_shows_the_difference_within_its_pairs(lines: World) -> None:
    trial, _ = plan(wanted())
    with database.transaction() as session:
        assert trials.start(session, number=trial.number, by="wang", now=NOW).state == "started"
    letters = {number.rsplit(".", 1)[0]: letter for letter, number in lines.numbers.items() if letter in "CEF"}
    letters["METRO.HF.L4"] = "B"
    for i, pair in enumerate(trial.pairs):
        at = beijing(3, 10) + timedelta(weeks=pair.on_week)
        sell(lines, letters[pair.early], f"E{i}", at, 5_000 + 1_000 * i)
        sell(lines, letters[pair.late], f"L{i}", at, 1_000)
    with database.transaction() as session:
        started = trials.find(session, number=trial.number)
        soon = trials.finding(session, trial=started, now=beijing(3, 12))
        found = trials.finding(session, trial=started, now=beijing(4, 20))
    assert soon == trials.Finding(weeks_over=0, difference=None)
    assert found.weeks_over == 2
    assert found.difference is not None
    assert (found.difference.fen, found.difference.pairs) == (4_500.0, 2)


def test_a_started_or_withdrawn_test_is_fixed(lines: World) -> None:
    running, given_up = plan(wanted())[0].number, plan(wanted(), "key-00002")[0].number
    with database.transaction() as session:
        trials.start(session, number=running, by="li", now=NOW)
        assert trials.withdraw(session, number=given_up, now=NOW).state == "withdrawn"
        for number in (running, given_up):
            with pytest.raises(errors.TrialFixed):
                trials.start(session, number=number, by="li", now=NOW)
            with pytest.raises(errors.TrialFixed):
                trials.withdraw(session, number=number, now=NOW)
        with pytest.raises(errors.UnknownTrial):
            trials.start(session, number="ST0", by="li", now=NOW)
    late = plan(wanted(), "key-00003")[0].number
    with database.transaction() as session, pytest.raises(errors.TrialFixed):
        trials.start(session, number=late, by="li", now=beijing(3, 10))
    for change in ("UPDATE switch_trials SET seed = 1", "DELETE FROM switch_trials"):
        with pytest.raises(exc.IntegrityError, match="never changed"), database.transaction() as session:
            session.execute(text(change))


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"units": UNITS[:3]}, errors.TrialImpossible),
        ({"units": (*UNITS, "METRO.HF.L1.T07")}, errors.TrialImpossible),
        ({"units": (*UNITS, "METRO.HF.L9")}, errors.UnknownPlacement),
        ({"weeks": 1}, errors.TrialImpossible),
        ({"weeks": 53}, errors.TrialImpossible),
        ({"baseline_weeks": 3}, errors.TrialImpossible),
        ({"starts_on": date(2026, 3, 2)}, errors.TrialImpossible),
        ({"starts_on": date(2028, 3, 2)}, errors.TrialImpossible),
    ],
)
def test_a_test_that_could_show_nothing_is_refused(
    lines: World, wrong: dict[str, Any], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        plan(wanted(**wrong))
