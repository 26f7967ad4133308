"""Numbers survive WeChat, the library and a CSV file."""

import pytest

from payments import numbers


def test_new_numbers_are_valid_and_never_repeat() -> None:
    made = [make() for make in (numbers.payment, numbers.refund) for _ in range(500)]
    assert len(set(made)) == 1000
    assert all(numbers.is_valid(number) for number in made)


@pytest.mark.parametrize(
    "number",
    ["", "P1234", "P" * 33, "A|B123", "A?mchid=2&a=1", "A/../../x", "P12345\n", "Ｐ１２３４５", "P1 2345", "P123%7C"],
)
def test_a_number_that_could_change_the_path_is_not_valid(number: str) -> None:
    assert not numbers.is_valid(number)
