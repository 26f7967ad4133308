"""Turns: how many of a process's threads work on requests at once, though many more may be waiting for something.

Two threads keep a core busy, one in Python and one in PostgreSQL; with eight the same work costs a fifth more, because
each brings its own connection, whose server has to find its way back into the processor's caches. But a thread that
waits for WeChat or for a lock must not keep the others out: whoever has had a request in hand for `PATIENCE_S` loses
the turn to a thread in reserve, goes on without it, and goes into reserve afterwards.

Invariant: every turn is held by one thread or free for the next, so there are always `count` of them. It holds because
`dict.pop` takes a request's beginning out once, whether its thread comes back first or somebody takes the turn away.
"""

import queue
import time

# Nine in ten requests end sooner, also on a busy machine; nobody notices so long a wait for a thread in reserve.
PATIENCE_S = 0.02


class Turns:
    """`count` turns, for threads that name themselves by a number."""

    def __init__(self, count: int) -> None:
        self._free: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(count):
            self._free.put(None)
        # When each thread that has a turn began the request in its hands, by its clock.
        self._begun: dict[int, float] = {}

    def wait(self) -> None:
        """Wait in reserve until a turn is free, and take it."""
        self._free.get()

    def begin(self, thread: int) -> None:
        """Say that a thread with a turn has a request in hand from now on."""
        self._begun[thread] = time.monotonic()

    def end(self, thread: int) -> bool:
        """Say that the request is answered; return whether the thread still has its turn."""
        return self._begun.pop(thread, None) is not None

    def take_from_slow(self) -> None:
        """Let threads in reserve have the turns of those that began their request more than `PATIENCE_S` ago."""
        late = time.monotonic() - PATIENCE_S
        for thread, begun in list(self._begun.items()):
            if begun < late and self.end(thread):
                self._free.put(None)
