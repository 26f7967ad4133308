"""Where a list was left off, as an opaque word.

Invariant: a cursor holds the sort order, the last sort key and the last slug, so a walk by keyset sees every row that
stays put exactly once; a cursor of another sort order is refused.
"""

import base64

import orjson

from catalog import errors, identifiers

MAX_LENGTH = 256
_BIGGEST_KEY = 2**62


def write(*, sort: str, key: int, slug: str) -> str:
    """Return the cursor that continues after `slug`."""
    return base64.urlsafe_b64encode(orjson.dumps([sort, key, slug])).decode().rstrip("=")


def sort_of(cursor: str) -> str:
    """Return the sort order that a cursor was made for. Raises `CursorInvalid` for what `write` did not make."""
    return _parse(cursor)[0]


def read(cursor: str, *, sort: str) -> tuple[int, str]:
    """Return the last key and slug. Raises `CursorInvalid` for anything that `write` did not make for `sort`."""
    made_for, key, slug = _parse(cursor)
    if made_for != sort:
        raise errors.CursorInvalid
    return key, slug


def _parse(cursor: str) -> tuple[str, int, str]:
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(cursor[:MAX_LENGTH] + "=" * (-len(cursor) % 4)))
    except ValueError as fault:
        raise errors.CursorInvalid from fault
    match parts:
        case [str(sort), int(key), str(slug)] if not isinstance(key, bool) and abs(key) <= _BIGGEST_KEY:
            if identifiers.is_slug(slug):
                return sort, key, slug
    raise errors.CursorInvalid
