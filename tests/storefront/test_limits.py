"""Limits count in Redis, and stand open without it."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from config import redis as shared_redis
from config import settings as process_settings
from config.settings import Settings
from storefront import limits
from storefront.errors import TooFast


@pytest.fixture(autouse=True)
def empty_redis(db: None) -> None:
    client = shared_redis.shared()
    assert client is not None
    client.flushdb()
    limits.forget()


def test_the_limit_holds_within_the_window() -> None:
    for _ in range(3):
        limits.allow("quotes:a", limit=3, window_s=60)
    with pytest.raises(TooFast) as refused:
        limits.allow("quotes:a", limit=3, window_s=60)
    assert refused.value.retry_after is not None
    assert 1 <= refused.value.retry_after <= 60
    limits.allow("quotes:b", limit=3, window_s=60)


def test_a_new_window_starts_from_nothing() -> None:
    limits.allow("quotes:a", limit=1, window_s=60)
    client = shared_redis.shared()
    assert client is not None
    client.pexpire("limit:quotes:a", 1)
    while client.exists("limit:quotes:a"):
        pass
    limits.allow("quotes:a", limit=1, window_s=60)


def test_uses_at_once_are_all_counted() -> None:
    def passes(_: int) -> bool:
        try:
            limits.allow("quotes:a", limit=10, window_s=60)
        except TooFast:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(passes, range(40))) == 10


def test_one_network_is_stopped_only_in_a_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.FLOOD_LIMIT >= 1500 * 6, "a whole train scans within a minute"
    monkeypatch.setattr(limits, "FLOOD_LIMIT", 30)
    for _ in range(limits.FLOOD_LIMIT):
        limits.stop_flood("203.0.113.9")
    with pytest.raises(TooFast):
        limits.stop_flood("203.0.113.9")
    limits.stop_flood("203.0.113.10")


@pytest.mark.parametrize("most", [None, 600])
def test_a_whole_train_behind_one_address_passes(most: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,500 riders who scan within a minute, six requests each; the usual limit of an address would stop them."""
    if most is not None:
        monkeypatch.setattr(limits, "FLOOD_LIMIT", most)
    passed = 0
    with suppress(TooFast):
        for _ in range(1_500 * 6):
            limits.stop_flood("203.0.113.20")
            passed += 1
    assert (passed == 1_500 * 6) is (most is None)


def test_what_is_limited_by_address_is_known_and_nothing_that_a_train_does() -> None:
    """Whoever limits something else by address writes down here why a carrier's whole train never does it."""
    root = Path(__file__).resolve().parents[2]
    found = {
        f"{path.relative_to(root)}: {key}"
        for path in (root / "storefront").rglob("*.py")
        for key in re.findall(r"limits\.allow\(f\"(\w+):\{\w+\.remote_addr", path.read_text(encoding="utf-8"))
    }
    assert found == {
        # A code on a parcel at home, 600 a minute.
        "storefront/api/tracing.py: trace",
        "storefront/h5/tracing.py: trace",
        # An objection to a certification, with name and reason.
        "storefront/api/notices.py: objections",
        "storefront/h5/notices.py: objections",
    }


def test_without_redis_everybody_passes(settings: Settings) -> None:
    for url in (None, "redis://127.0.0.1:9/0"):
        process_settings.use(replace(settings, redis_url=url))
        for _ in range(5):
            limits.allow("quotes:a", limit=1, window_s=60)
    process_settings.use(settings)


def uses(key: str) -> int:
    client = shared_redis.shared()
    assert client is not None
    return int(client.get(f"limit:{key}") or 0)  # type: ignore[arg-type]


def test_redis_is_told_in_bundles_of_a_sixteenth_of_the_limit() -> None:
    for _ in range(3):
        limits.allow("changes:a", limit=64, window_s=60)
    assert uses("changes:a") == 0
    limits.allow("changes:a", limit=64, window_s=60)
    assert uses("changes:a") == 4


def test_whoever_goes_beyond_is_refused_again_and_again_until_the_window_ends() -> None:
    passed = 0
    with pytest.raises(TooFast):
        for _ in range(200):
            limits.allow("changes:a", limit=64, window_s=60)
            passed += 1
    assert 64 <= passed < 64 + 64 // limits.BUNDLES
    told = uses("changes:a")
    for _ in range(10):
        with pytest.raises(TooFast) as refused:
            limits.allow("changes:a", limit=64, window_s=60)
        assert 1 <= (refused.value.retry_after or 0) <= 60
    assert uses("changes:a") == told, "Redis is not asked for somebody who is refused"
    limits._callers["changes:a"] = (0, time.monotonic())
    limits.allow("changes:a", limit=64, window_s=60)


def test_another_process_stops_whoever_was_counted_elsewhere() -> None:
    for _ in range(64):
        limits.allow("changes:a", limit=64, window_s=60)
    limits.forget()
    with pytest.raises(TooFast):
        for _ in range(64 // limits.BUNDLES):
            limits.allow("changes:a", limit=64, window_s=60)


def test_bundles_at_once_lose_no_use() -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: limits.allow("changes:a", limit=640, window_s=60), range(400)))
    assert uses("changes:a") == 400


def test_what_was_not_told_in_its_window_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        limits.allow("changes:a", limit=64, window_s=60)
    later = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: later)
    limits.allow("changes:a", limit=64, window_s=60)
    assert uses("changes:a") == 0


def test_a_crowd_of_callers_takes_no_more_room_than_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_CALLERS", 10)
    for caller in range(100):
        limits.allow(f"changes:{caller}", limit=64, window_s=60)
        assert len(limits._callers) <= 10
