"""The cache: short-lived, computed once for a crowd, bounded."""

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from catalog import cache


def test_an_answer_is_kept_for_a_moment_and_then_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(cache, "time", SimpleNamespace(monotonic=lambda: now))
    kept: cache.Cache[int] = cache.Cache()
    answers = iter(range(10))
    assert kept.get("a", lambda: next(answers)) == 0
    now += cache.TTL_SECONDS - 0.01
    assert kept.get("a", lambda: next(answers)) == 0
    now += 0.01
    assert kept.get("a", lambda: next(answers)) == 1


def test_the_house_promise_leaves_room_for_the_query() -> None:
    assert cache.TTL_SECONDS <= 0.5


def test_a_crowd_that_asks_at_once_computes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "time", SimpleNamespace(monotonic=lambda: 100.0))
    kept: cache.Cache[int] = cache.Cache()
    barrier, crowd, asked, misses = threading.Barrier(8, timeout=60), threading.Event(), [], []
    fresh = kept._fresh

    def note_misses(key: object) -> int | None:
        found = fresh(key)
        if found is None:
            misses.append(key)
            # Each asker missed before it queued for the lock; the one that holds it missed once more.
            if len(misses) == 9:
                crowd.set()
        return found

    monkeypatch.setattr(kept, "_fresh", note_misses)

    def compute() -> int:
        asked.append(1)
        # Nobody finds the answer before everybody has missed it.
        assert crowd.wait(60)
        return 7

    def ask(_: int) -> int:
        barrier.wait()
        return kept.get("a", compute)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [7] * 8
    assert len(asked) == 1


def test_a_failure_is_passed_on_and_not_kept() -> None:
    kept: cache.Cache[int] = cache.Cache()

    def fail() -> int:
        raise LookupError("gone")

    for _ in range(2):
        with pytest.raises(LookupError):
            kept.get("a", fail)
    assert kept.get("a", lambda: 1) == 1
    assert not kept._computing


def test_the_cache_is_bounded_and_forgets_the_oldest() -> None:
    kept: cache.Cache[int] = cache.Cache()
    for number in range(cache.MAX_ENTRIES + 5):
        kept.get(number, lambda number=number: number)
    assert len(kept._answers) == cache.MAX_ENTRIES
    assert 0 not in kept._answers


def test_forgetting_empties_every_cache() -> None:
    kept: cache.Cache[int] = cache.Cache()
    kept.get("a", lambda: 1)
    cache.Cache.forget_all()
    assert kept.get("a", lambda: 2) == 2


def test_equal_bodies_have_equal_tags_and_others_do_not() -> None:
    assert cache.etag(b"a") == cache.etag(b"a") != cache.etag(b"b")
    assert cache.etag(b"a").startswith('"')
