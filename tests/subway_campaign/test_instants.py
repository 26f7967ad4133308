from datetime import UTC, datetime, timedelta

import pytest

from subway_campaign import instants
from subway_campaign.lifecycle import Clock

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


@pytest.mark.parametrize("ago", [timedelta(hours=24), timedelta(minutes=3), timedelta(), timedelta(seconds=-5)])
def test_r20_wechats_clock_is_believed_within_its_bounds(ago: timedelta) -> None:
    found = instants.occurred(received_at=NOW, scancode_time=_seconds(NOW - ago), client_at=None, sent_at=None)
    assert found == (NOW - ago, Clock.WECHAT)


@pytest.mark.parametrize("ago", [timedelta(hours=24, seconds=1), timedelta(seconds=-6)])
def test_r20_outside_them_the_touch_is_clamped(ago: timedelta) -> None:
    found = instants.occurred(received_at=NOW, scancode_time=_seconds(NOW - ago), client_at=None, sent_at=None)
    assert found == (NOW, Clock.CLAMPED)


def test_r20_a_phone_two_months_slow_still_knows_its_delay() -> None:
    slow = NOW - timedelta(days=61)
    found = instants.occurred(received_at=NOW, scancode_time=None, client_at=slow - timedelta(minutes=2), sent_at=slow)
    assert found == (NOW - timedelta(minutes=2), Clock.CLIENT_ADJUSTED)


@pytest.mark.parametrize("queued", [timedelta(seconds=-1), timedelta(hours=25)])
def test_r20_an_impossible_delay_is_clamped(queued: timedelta) -> None:
    found = instants.occurred(received_at=NOW, scancode_time=None, client_at=NOW - queued, sent_at=NOW)
    assert found == (NOW, Clock.CLAMPED)


def test_r20_without_other_clocks_ours_counts() -> None:
    found = instants.occurred(received_at=NOW, scancode_time=None, client_at=None, sent_at=None)
    assert found == (NOW, Clock.SERVER)


@pytest.mark.parametrize("seconds", [10**30, -(10**30), 2**63])
def test_r20_an_absurd_nonce_is_no_instant(seconds: int) -> None:
    found = instants.occurred(received_at=NOW, scancode_time=seconds, client_at=None, sent_at=None)
    assert found == (NOW, Clock.CLAMPED)
