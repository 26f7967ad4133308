"""Things to do later: a thread that waits for the next due moment and a few hands that do what is due.

Nothing here survives a restart; whoever enters something can enter it again from the books.
"""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

HANDS = 8
_log = logging.getLogger(__name__)


class Agenda:
    """Calls in order of their due time (real seconds since the epoch)."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], object]]] = []
        self._tickets = itertools.count()
        self._changed = threading.Condition()
        self._hands = ThreadPoolExecutor(HANDS, thread_name_prefix="agenda")
        self._is_open = True
        threading.Thread(target=self._watch, name="agenda", daemon=True).start()

    def after(self, seconds: float, call: Callable[[], object]) -> None:
        """Do `call` in so many real seconds; at once when that is past."""
        with self._changed:
            heapq.heappush(self._heap, (time.time() + seconds, next(self._tickets), call))
            self._changed.notify()

    def close(self) -> None:
        """Do nothing more; what is under way is finished."""
        with self._changed:
            self._is_open = False
            self._changed.notify()
        self._hands.shutdown(cancel_futures=True)

    def _watch(self) -> None:
        while True:
            with self._changed:
                while self._is_open and (not self._heap or self._heap[0][0] > time.time()):
                    self._changed.wait(self._heap[0][0] - time.time() if self._heap else None)
                if not self._is_open:
                    return
                _, _, call = heapq.heappop(self._heap)
                self._hands.submit(_do, call)


def _do(call: Callable[[], object]) -> None:
    try:
        call()
    except Exception:  # noqa: BLE001 - one failed thing must not take the others with it
        _log.exception("a thing on the agenda failed")
