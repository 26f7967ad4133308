"""Ready answers, kept for a moment in this process.

Invariant: an answer is never older than its cache's time to live when it is handed out, so a commit is seen within
that time plus one query; the cache holds nothing that the database cannot give again.
"""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import ClassVar, Generic, TypeVar
from weakref import WeakSet

Answer = TypeVar("Answer")

# The house promises that a commit is visible within a second; half of it leaves room for the query and the network.
TTL_SECONDS = 0.5
# Where a scan leads may lag further: whoever lands on a page that has just gone is led on from there.
LANDING_TTL_SECONDS = 2.0
# Counts beside a list help to choose; nobody buys by them.
COUNTS_TTL_SECONDS = 10.0
# Queries come from people, so keys are unbounded; the pages that matter under load are few.
MAX_ENTRIES = 128


class Cache(Generic[Answer]):
    """Answers by key, computed once in `ttl_seconds` however many threads ask."""

    _all: ClassVar["WeakSet[Cache[object]]"] = WeakSet()

    def __init__(self, ttl_seconds: float = TTL_SECONDS) -> None:
        self._ttl_seconds = ttl_seconds
        self._answers: OrderedDict[Hashable, tuple[float, Answer]] = OrderedDict()
        self._computing: dict[Hashable, threading.Lock] = {}
        self._guard = threading.Lock()
        self._all.add(self)  # type: ignore[arg-type]

    def get(self, key: Hashable, compute: Callable[[], Answer]) -> Answer:
        """Return the answer kept for `key`, or compute and keep it. What `compute` raises is passed on, not kept."""
        known = self._fresh(key)
        if known is not None:
            return known
        with self._guard:
            lock = self._computing.setdefault(key, threading.Lock())
        with lock:
            known = self._fresh(key)
            if known is not None:
                return known
            asked_at = time.monotonic()
            try:
                answer = compute()
                self._keep(key, asked_at, answer)
            finally:
                with self._guard:
                    self._computing.pop(key, None)
            return answer

    @classmethod
    def forget_all(cls) -> None:
        """Empty every cache of this process, as when the database under it was replaced."""
        for kept in list(cls._all):
            kept.forget()

    def forget(self) -> None:
        """Empty this cache."""
        with self._guard:
            self._answers.clear()

    def _fresh(self, key: Hashable) -> Answer | None:
        kept = self._answers.get(key)
        return kept[1] if kept is not None and time.monotonic() - kept[0] < self._ttl_seconds else None

    def _keep(self, key: Hashable, asked_at: float, answer: Answer) -> None:
        with self._guard:
            self._answers[key] = (asked_at, answer)
            self._answers.move_to_end(key)
            while len(self._answers) > MAX_ENTRIES:
                self._answers.popitem(last=False)


@lru_cache(32)
def etag(body: bytes) -> str:
    """Return the strong validator of `body`, quoted as the header wants it."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
