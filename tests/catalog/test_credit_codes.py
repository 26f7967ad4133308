"""Unified social credit codes and their check character."""

import pytest

from catalog import credit_codes

# The example of the standard, and codes of public records.
GOOD = ["91350100M000100Y43", "911101085923662400", "91110000802100433B"]


@pytest.mark.parametrize("code", GOOD)
def test_real_codes_pass(code: str) -> None:
    assert credit_codes.is_valid(code)


@pytest.mark.parametrize("code", GOOD)
def test_any_single_wrong_character_is_found(code: str) -> None:
    for place, right in enumerate(code):
        for wrong in {"0", "7", "Y", "A"} - {right}:
            assert not credit_codes.is_valid(code[:place] + wrong + code[place + 1 :])


@pytest.mark.parametrize(
    "code",
    ["", "91350100M000100Y4", "91350100M000100Y433", "9135010OM000100Y43", "９１３５０１００Ｍ０００１００Ｙ４３"],
)
def test_other_shapes_are_refused(code: str) -> None:
    assert not credit_codes.is_valid(code)


def test_a_code_typed_by_hand_is_read() -> None:
    assert credit_codes.normalise(" 9135 0100-m000100y43 ") == "91350100M000100Y43"
