"""The dice: rules strike as often as they were told to, for whom they were told to, and repeat with their seed."""

import pytest

from emulator.faults import Faults


def strikes(faults: Faults, chances: int, **where: str) -> list[bool]:
    place = {"on": "payment", "reference": "A"} | where
    return [faults.draw({"lost"}, **place) is not None for _ in range(chances)]


def test_a_rule_strikes_its_next_chances_and_no_more() -> None:
    faults = Faults()
    faults.add(fault="lost", times=2)
    assert strikes(faults, 4) == [True, True, False, False]
    assert faults.listing()[0]["struck"] == 2


def test_a_rule_is_meant_for_one_place_and_one_number() -> None:
    faults = Faults()
    faults.add(fault="lost", on="refund", match="B")
    assert strikes(faults, 1) == [False]
    assert strikes(faults, 1, on="refund") == [False]
    assert strikes(faults, 1, on="refund", reference="B") == [True]


def test_a_probability_repeats_with_its_seed_and_ends_only_when_lifted() -> None:
    runs = []
    for _ in range(2):
        faults = Faults(seed=7)
        faults.add(fault="lost", probability=0.3)
        runs.append(strikes(faults, 1000))
    assert runs[0] == runs[1]
    assert 250 < sum(runs[0]) < 350
    faults.clear()
    assert strikes(faults, 100) == [False] * 100


def test_unknown_faults_are_refused() -> None:
    with pytest.raises(ValueError, match="no such fault"):
        Faults().add(fault="earthquake")
