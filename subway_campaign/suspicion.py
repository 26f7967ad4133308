"""What no rider does: many codes in a minute, two trains at once, a train in its depot (R18).

Invariant: pure; the same touches in any order arouse the same suspicion, and one more touch never clears another.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from uuid import UUID

from config import clock

SWEEP = "sweep"
IMPOSSIBLE = "impossible"
DEPOT = "depot"
SIGNATURE = "signature"
# A rider cannot read and scan this many posters in this time; somebody who tests a car's codes does.
SWEEP_CODES = 8
SWEEP_WITHIN = timedelta(seconds=60)
# Trains of different lines meet at no platform: changing between them takes longer than this.
CHANGE_AT_LEAST = timedelta(seconds=60)


@dataclass(frozen=True)
class Sighting:
    """One touch of one visitor: which code, and if it hung in a vehicle, on which line and when that one is closed."""

    touch: UUID
    occurred_at: datetime
    code: int
    line: str | None = None
    vehicle: str | None = None
    closed: str | None = None


def of(sightings: Sequence[Sighting]) -> dict[str, set[UUID]]:
    """Return which touches of one visitor are suspected of what; kinds without any are left out."""
    ordered = sorted(sightings, key=lambda s: (s.occurred_at, s.touch))
    found = {SWEEP: _swept(ordered), IMPOSSIBLE: _impossible(ordered), DEPOT: _in_depot(ordered)}
    return {kind: touches for kind, touches in found.items() if touches}


def is_closed(closed: str, at: datetime) -> bool:
    """Tell whether `at` lies in the hours `HH:MM-HH:MM` of Shanghai, which may run over midnight."""
    since, until = (time.fromisoformat(part) for part in closed.split("-"))
    now = at.astimezone(clock.SHANGHAI).time()
    return since <= now < until if since <= until else now >= since or now < until


def _swept(ordered: Iterable[Sighting]) -> set[UUID]:
    """Return the touches of every minute in which at least eight codes were scanned."""
    found: set[UUID] = set()
    minute: deque[Sighting] = deque()
    for sighting in ordered:
        minute.append(sighting)
        while sighting.occurred_at - minute[0].occurred_at > SWEEP_WITHIN:
            minute.popleft()
        if len({each.code for each in minute}) >= SWEEP_CODES:
            found |= {each.touch for each in minute}
    return found


def _impossible(ordered: Iterable[Sighting]) -> set[UUID]:
    """Return the touches in vehicles of two lines less than a minute apart."""
    found: set[UUID] = set()
    minute: deque[Sighting] = deque()
    for sighting in (s for s in ordered if s.vehicle is not None):
        while minute and sighting.occurred_at - minute[0].occurred_at >= CHANGE_AT_LEAST:
            minute.popleft()
        for other in minute:
            if other.line != sighting.line:
                found |= {other.touch, sighting.touch}
        minute.append(sighting)
    return found


def _in_depot(ordered: Iterable[Sighting]) -> set[UUID]:
    return {s.touch for s in ordered if s.closed is not None and is_closed(s.closed, s.occurred_at)}
