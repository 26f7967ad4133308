from datetime import UTC, date, datetime

import pytest

from storefront.h5 import formats


@pytest.mark.parametrize(
    ("fen", "shown"), [(0, "0.00"), (5, "0.05"), (2990, "29.90"), (600_000_000_000, "6000000000.00"), (-105, "-1.05")]
)
def test_yuan_has_two_decimals(fen: int, shown: str) -> None:
    assert formats.yuan(fen) == shown


def test_instants_are_shown_by_beijing_time() -> None:
    at = datetime(2026, 11, 21, 16, 5, tzinfo=UTC)
    assert formats.clock_time(at) == "00:05"
    assert formats.moment(at) == "2026-11-22 00:05"
    assert formats.day(date(2020, 9, 8)) == "2020年9月8日"


@pytest.mark.parametrize(
    ("phone", "shown"), [("13812341234", "138****1234"), ("05515551234", "055****1234"), ("110", "****")]
)
def test_telephones_are_masked(phone: str, shown: str) -> None:
    assert formats.masked(phone) == shown
