"""Points at which a call or a sending stands still until it is told to go on: for kills at a chosen moment.

A hold catches its next so many passers-by; nobody is kept longer than two minutes, so that a forgotten one ends.
"""

import itertools
import threading
from dataclasses import asdict, dataclass
from typing import Any

LONGEST_SECONDS = 120
THEN = ("continue", "reset")


@dataclass(kw_only=True)
class Hold:
    """One such point: where (`on`), before or after it takes effect, for whom; `then` is set when it is let go."""

    id: int
    on: str
    when: str = "before"
    match: str | None = None
    times: int = 1
    caught: int = 0
    then: str | None = None


class Holds:
    """The points that are set."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._ids = itertools.count(1)
        self._holds: dict[int, Hold] = {}

    def add(self, **values: Any) -> Hold:
        """Set a point."""
        if values.get("when", "before") not in ("before", "after"):
            raise ValueError("when is before or after")
        hold = Hold(id=next(self._ids), **values)
        with self._changed:
            self._holds[hold.id] = hold
        return hold

    def stop(self, on: str, *, when: str, reference: str | None) -> str:
        """Stand still if a point is set for this chance, and return what to do then: continue or reset."""
        with self._changed:
            for hold in self._holds.values():
                is_meant = hold.on in ("any", on) and hold.when == when and hold.match in (None, reference)
                if is_meant and hold.then is None and hold.caught < hold.times:
                    hold.caught += 1
                    self._changed.notify_all()
                    self._changed.wait_for(lambda hold=hold: hold.then is not None, LONGEST_SECONDS)  # type: ignore[misc]
                    return hold.then or "continue"
        return "continue"

    def await_caught(self, number: int, seconds: float) -> Hold:
        """Return a point once it has caught somebody, or after so many seconds. Raises KeyError for an unknown one."""
        with self._changed:
            hold = self._holds[number]
            self._changed.wait_for(lambda: hold.caught > 0, min(seconds, LONGEST_SECONDS))
            return hold

    def release(self, number: int, then: str = "continue") -> Hold:
        """Let everybody at a point go on, or hang up on them. Raises KeyError, ValueError."""
        if then not in THEN:
            raise ValueError(f"then is one of {THEN}")
        with self._changed:
            hold = self._holds[number]
            hold.then = then
            self._changed.notify_all()
            return hold

    def clear(self) -> None:
        """Lift every point and let everybody go on."""
        with self._changed:
            for hold in self._holds.values():
                hold.then = hold.then or "continue"
            self._holds.clear()
            self._changed.notify_all()

    def listing(self) -> list[dict[str, Any]]:
        """Return the points and how many each has caught."""
        with self._changed:
            return [asdict(hold) for hold in self._holds.values()]
