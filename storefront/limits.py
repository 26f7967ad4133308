"""Rate limits: how often one caller may do one thing.

Invariant: a limit counts in Redis alone and lets everybody through while Redis is away, because it guards comfort
and never money; it is keyed by session or visitor, since a whole train shares one address of its carrier.
"""

import hashlib

import redis

from config import logs
from config import redis as shared_redis
from storefront.errors import TooFast

# One address may be a whole train behind a carrier's NAT: 1,500 riders who all scan within a minute, at half a dozen
# requests for a landing page each, must pass. This stops only floods.
FLOOD_LIMIT = 12_000
FLOOD_WINDOW_S = 60

# Counts one more use and answers 0, or the milliseconds until the window ends when that was one too many.
_COUNT = """
local used = redis.call('INCR', KEYS[1])
if used == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
if used > tonumber(ARGV[2]) then return redis.call('PTTL', KEYS[1]) end
return 0
"""
_COUNT_SHA = hashlib.sha1(_COUNT.encode()).hexdigest()  # noqa: S324 - Redis names scripts by it


def allow(key: str, *, limit: int, window_s: int) -> None:
    """Count one more use of `key`, such as `"quotes:<session>"`, and let it pass while there are at most `limit`.

    They are counted in a window of `window_s` seconds, which starts with the first use. Raises `TooFast` with the
    seconds until the window ends.
    """
    client = shared_redis.shared()
    if client is None:
        return
    name = f"limit:{key}"
    try:
        left_ms = _count(client, name, window_s, limit)
    except redis.RedisError as error:
        logs.get(__name__).warning("limits.open", reason=type(error).__name__)
        return
    if left_ms:
        raise TooFast(retry_after=max(1, -(-left_ms // 1000)))


def _count(client: redis.Redis, name: str, window_s: int, limit: int) -> int:
    try:
        return int(client.evalsha(_COUNT_SHA, 1, name, window_s, limit))
    except redis.exceptions.NoScriptError:
        return int(client.eval(_COUNT, 1, name, window_s, limit))


def stop_flood(address: str) -> None:
    """Let a request of the network `address` pass unless the address floods us. Raises `TooFast`."""
    allow(f"flood:{address}", limit=FLOOD_LIMIT, window_s=FLOOD_WINDOW_S)
