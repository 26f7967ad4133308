import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subway_campaign import codes

minted = st.integers(0, 2**32).map(lambda seed: codes.mint(random.Random(seed)))


@given(minted)
def test_a_minted_code_is_one_and_reads_back_in_any_spelling(code: str) -> None:
    assert codes.is_code(code)
    assert len(code) == codes.LENGTH
    assert codes.normalize(code.lower().replace("1", "l").replace("0", "o")) == code
    assert codes.normalize(code.replace("1", "I")) == code


@given(minted, st.integers(0, codes.LENGTH - 1), st.sampled_from(codes.ALPHABET))
def test_one_misread_symbol_is_noticed(code: str, at: int, symbol: str) -> None:
    wrong = code[:at] + symbol + code[at + 1 :]
    assert codes.is_code(wrong) == (wrong == code)


@given(minted, st.integers(0, codes.LENGTH - 1), st.integers(0, codes.LENGTH - 1))
def test_two_swapped_symbols_are_noticed(code: str, one: int, other: int) -> None:
    symbols = list(code)
    symbols[one], symbols[other] = symbols[other], symbols[one]
    assert codes.is_code("".join(symbols)) == ("".join(symbols) == code)


@pytest.mark.parametrize("text", ["", "U" * 8, "0000000", "000000000", "二维码二维码二维", "0000000U", "1234 678"])
def test_other_texts_are_no_codes(text: str) -> None:
    assert not codes.is_code(codes.normalize(text))
