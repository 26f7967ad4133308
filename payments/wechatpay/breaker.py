"""Leaves an operation of WeChat Pay alone while it keeps failing, instead of letting every caller wait for its silence.

Closed, open, half open, one state for each operation: a few failures in a row open it; after a rest one caller at a
time tries, and the first usable answer closes it. It knows no clock and no network; each process has its own.
"""

import threading
from dataclasses import dataclass

# Two or three broken connections in a row happen to healthy servers; five are no accident.
_FAILURES = 5
# Long enough to spare a server that is starting again, short enough for a shopper who taps once more.
REST_S = 10.0


@dataclass(slots=True)
class _State:
    failures: int = 0
    rests_until: float = 0.0


class Breaker:
    """The states of all operations; safe to share between threads."""

    def __init__(self) -> None:
        """Begin with every operation closed."""
        self._mutex = threading.Lock()
        self._states: dict[str, _State] = {}

    def admits(self, operation: str, *, at: float) -> bool:
        """Whether a call may be made at `at` seconds. After the rest one caller may try while the others wait on."""
        with self._mutex:
            state = self._states.get(operation)
            if state is None or state.failures < _FAILURES:
                return True
            if at < state.rests_until:
                return False
            # Whoever tries next comes only after another rest, also when this one never reports.
            state.rests_until = at + REST_S
            return True

    def note(self, operation: str, *, is_usable: bool, at: float) -> bool:
        """Count how a call ended at `at` seconds; True when this very failure opened the operation."""
        with self._mutex:
            if is_usable:
                self._states.pop(operation, None)
                return False
            state = self._states.setdefault(operation, _State())
            state.failures += 1
            if state.failures >= _FAILURES:
                state.rests_until = at + REST_S
            return state.failures == _FAILURES
