"""Cursors: what was written is read back, and nothing else is."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import cursors, errors


@given(st.integers(-(2**62), 2**62))
def test_what_was_written_is_read_back(key: int) -> None:
    cursor = cursors.write(sort="price", key=key, slug="dangshansuli")
    assert cursors.read(cursor, sort="price") == (key, "dangshansuli")
    assert cursors.sort_of(cursor) == "price"


@given(st.text(max_size=300))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(errors.CursorInvalid):
        cursors.read(text, sort="shelf")


@pytest.mark.parametrize(
    "inside",
    [
        b"[]",
        b"{}",
        b"null",
        b'["shelf",1]',
        b'["shelf",1.5,"a"]',
        b'["shelf",true,"a"]',
        b'["shelf",1,null]',
        b'["shelf",1,"a\\u0000"]',
        b'["shelf",1,""]',
        b'["price",1,"a"]',
        b'["shelf",9223372036854775808,"a"]',
        b'["shelf",1,"a","b"]',
        b"[" * 150,
        b"\xff",
    ],
)
def test_a_forged_cursor_is_refused(inside: bytes) -> None:
    with pytest.raises(errors.CursorInvalid):
        cursors.read(base64.urlsafe_b64encode(inside).decode(), sort="shelf")
