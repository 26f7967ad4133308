"""Rate limits: how often one caller may do one thing.

Invariant: a limit counts in Redis alone and lets everybody through while Redis is away, because it guards comfort
and never money; it is keyed by session or visitor, since a whole train shares one address of its carrier. A process
tells Redis of a caller's uses in bundles, each a sixteenth of the limit at most: so much more may pass in each.
"""

import hashlib
import threading
import time

import redis

from config import logs
from config import redis as shared_redis
from storefront.errors import TooFast

# One address may be a whole train behind a carrier's NAT: 1,500 riders who all scan within a minute, at half a dozen
# requests for a landing page each, must pass. This stops only floods.
FLOOD_LIMIT = 12_000
FLOOD_WINDOW_S = 60

# Asking Redis costs as much as a statement, and nearly everybody stays far below every limit. A limit so low that a
# bundle would hold less than two is told use by use, and is exact.
BUNDLES = 16
# Of callers; beyond it all begin a new bundle.
MAX_CALLERS = 5_000

# Counts ARGV[3] more uses and answers 0, or the milliseconds until the window ends when those were too many.
_COUNT = """
local used = redis.call('INCRBY', KEYS[1], ARGV[3])
if used == tonumber(ARGV[3]) then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
if used > tonumber(ARGV[2]) then return redis.call('PTTL', KEYS[1]) end
return 0
"""
_COUNT_SHA = hashlib.sha1(_COUNT.encode()).hexdigest()  # noqa: S324 - Redis names scripts by it

# By caller: the uses that Redis has not been told of, and until when; or 0 and until when nothing more may pass.
_callers: dict[str, tuple[int, float]] = {}
_guard = threading.Lock()


def allow(key: str, *, limit: int, window_s: int) -> None:
    """Count one more use of `key`, such as `"quotes:<session>"`, and let it pass while there are at most `limit`.

    They are counted in a window of `window_s` seconds, which starts with the first that Redis is told of. Raises
    `TooFast` with the seconds until the window ends.
    """
    uses = _bundle(key, limit // BUNDLES, window_s)
    client = shared_redis.shared() if uses else None
    if client is None:
        return
    try:
        left_ms = _count(client, f"limit:{key}", window_s, limit, uses)
    except redis.RedisError as error:
        logs.get(__name__).warning("limits.open", reason=type(error).__name__)
        return
    if left_ms:
        if uses > 1:
            _callers[key] = (0, time.monotonic() + left_ms / 1000)
        raise TooFast(retry_after=max(1, -(-left_ms // 1000)))


def _bundle(key: str, most: int, window_s: int) -> int:
    """Add a use to the caller's bundle and return how many to tell Redis of, 0 while it is not full.

    Raises `TooFast` for a caller whose last bundle was refused.
    """
    if most < 2:
        return 1
    now = time.monotonic()
    with _guard:
        untold, until = _callers.get(key, (0, now))
        if now >= until:
            untold, until = 0, now + window_s
        elif untold == 0:
            raise TooFast(retry_after=max(1, -(-int((until - now) * 1000) // 1000)))
        if untold + 1 == most:
            del _callers[key]
            return most
        if len(_callers) >= MAX_CALLERS:
            _callers.clear()
        _callers[key] = (untold + 1, until)
        return 0


def _count(client: redis.Redis, name: str, window_s: int, limit: int, uses: int) -> int:
    try:
        return int(client.evalsha(_COUNT_SHA, 1, name, window_s, limit, uses))
    except redis.exceptions.NoScriptError:
        return int(client.eval(_COUNT, 1, name, window_s, limit, uses))


def stop_flood(address: str) -> None:
    """Let a request of the network `address` pass unless the address floods us. Raises `TooFast`."""
    allow(f"flood:{address}", limit=FLOOD_LIMIT, window_s=FLOOD_WINDOW_S)


def forget() -> None:
    """Begin every caller's bundle anew, as when Redis was emptied."""
    with _guard:
        _callers.clear()
