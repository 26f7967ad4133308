"""Random names and secrets."""

import pytest

from storefront import tokens


def test_numbers_are_short_and_never_the_same() -> None:
    made = {tokens.number("U") for _ in range(2000)}
    assert len(made) == 2000
    assert all(len(number) == 13 and set(number[1:]) <= set(tokens.ALPHABET) for number in made)


def test_a_secret_has_256_bits_and_is_stored_as_a_digest() -> None:
    secret = tokens.secret()
    assert tokens.is_secret(secret)
    assert len(tokens.digest(secret)) == 32
    assert tokens.digest(secret) != tokens.digest(tokens.secret())


@pytest.mark.parametrize(
    "value", ["", "x" * 42, "x" * 44, "x" * 42 + "\n", "x" * 42 + "é", "x" * 42 + "\x00", "x" * 9999]
)
def test_other_text_is_no_secret(value: str) -> None:
    assert not tokens.is_secret(value)


def test_a_pseudonym_is_the_same_for_the_same_and_shows_nothing(db: None) -> None:
    assert tokens.pseudonym("u123456") == tokens.pseudonym("u123456") != tokens.pseudonym("u123457")
    assert "u123456" not in tokens.pseudonym("u123456")
