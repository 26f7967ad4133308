"""Requests by cookie prove that our own page sent them."""

import pytest

from storefront import csrf
from storefront.errors import CsrfRejected

BASE = "https://hall.example"
KEY = "0123456789abcdefghijklmnopqrstuvwxyz"
# Fixed, so that every test process collects the same tests.
SESSION = "a" * 21 + "B" * 22
GOOD = csrf.token(SESSION, secret_key=KEY)


def check(**changed: object) -> None:
    given = {"method": "POST", "session_token": SESSION, "given": GOOD, "origin": BASE, "base_url": BASE}
    csrf.check(**{**given, "secret_key": KEY, **changed})  # type: ignore[arg-type]


def test_our_own_page_passes() -> None:
    check()
    check(method="patch", origin=f"{BASE}/orders/1?x=2")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "get"])
def test_reading_needs_no_proof(method: str) -> None:
    check(method=method, given=None, origin=None)


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "",
        "null",
        "https://evil.example",
        "https://hall.example.evil.example",
        "https://hall.example@evil.example",
        "http://hall.example",
        "https://hall.example:8443",
        "https://hall.example:99999",
        "https://[",
        "hall.example",
    ],
)
def test_another_origin_is_refused(origin: str | None) -> None:
    with pytest.raises(CsrfRejected):
        check(origin=origin)
    with pytest.raises(CsrfRejected):
        check(origin=origin, session_token=None)


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "x",
        GOOD[:-1],
        GOOD + "A",
        "中文" * 20,
        "\ud800",
        csrf.token(SESSION[::-1], secret_key=KEY),
        csrf.token(SESSION, secret_key=KEY + "x"),
    ],
)
def test_a_token_of_another_session_is_refused(given: str | None) -> None:
    with pytest.raises(CsrfRejected):
        check(given=given)


def test_nobody_logged_in_is_judged_by_origin_alone() -> None:
    check(session_token=None, given=None)


def test_the_token_does_not_reveal_the_session() -> None:
    assert SESSION not in GOOD
    assert csrf.token(SESSION, secret_key=KEY) == GOOD
