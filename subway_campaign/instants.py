"""When a touch happened, from clocks of unequal honesty (R20).

Invariant: pure; a phone's absolute clock is never believed, only the distance between two of its own readings.
"""

from datetime import UTC, datetime, timedelta

from subway_campaign.lifecycle import Clock

OLDEST = timedelta(hours=24)
# WeChat's seconds and ours may disagree by this much before its nonce is no longer believed.
AHEAD = timedelta(seconds=5)


def occurred(
    *, received_at: datetime, scancode_time: int | None, client_at: datetime | None, sent_at: datetime | None
) -> tuple[datetime, Clock]:
    """Return the instant of a touch (aware UTC) and whose clock gave it. `scancode_time` is in Unix seconds."""
    if scancode_time is not None:
        scanned_at = _from_seconds(scancode_time)
        if scanned_at is not None and received_at - OLDEST <= scanned_at <= received_at + AHEAD:
            return scanned_at, Clock.WECHAT
    if client_at is not None and sent_at is not None:
        queued = sent_at - client_at
        if timedelta() <= queued <= OLDEST:
            return received_at - queued, Clock.CLIENT_ADJUSTED
    if scancode_time is None and client_at is None:
        return received_at, Clock.SERVER
    return received_at, Clock.CLAMPED


def _from_seconds(seconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
