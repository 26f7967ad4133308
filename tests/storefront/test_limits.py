"""Limits count in Redis, and stand open without it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

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


def test_without_redis_everybody_passes(settings: Settings) -> None:
    for url in (None, "redis://127.0.0.1:9/0"):
        process_settings.use(replace(settings, redis_url=url))
        for _ in range(5):
            limits.allow("quotes:a", limit=1, window_s=60)
    process_settings.use(settings)
