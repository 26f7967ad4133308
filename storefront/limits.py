"""Rate limits: how often one caller may do one thing.

Invariant: a limit counts in Redis alone and lets everybody through while Redis is away, because it guards comfort
and never money; it is keyed by session or visitor, since a whole train shares one address of its carrier.
"""

import redis

from config import logs
from config import redis as shared_redis
from storefront.errors import TooFast

# One address may be a whole train behind a carrier's NAT: 1,500 riders who all scan within a minute, at half a dozen
# requests for a landing page each, must pass. This stops only floods.
FLOOD_LIMIT = 12_000
FLOOD_WINDOW_S = 60


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
        pipeline = client.pipeline(transaction=True)
        pipeline.set(name, 0, ex=window_s, nx=True)
        pipeline.incr(name)
        pipeline.pttl(name)
        _, used, left_ms = pipeline.execute()
    except redis.RedisError as error:
        logs.get(__name__).warning("limits.open", reason=type(error).__name__)
        return
    if used > limit:
        raise TooFast(retry_after=max(1, -(-left_ms // 1000)))


def stop_flood(address: str) -> None:
    """Let a request of the network `address` pass unless the address floods us. Raises `TooFast`."""
    allow(f"flood:{address}", limit=FLOOD_LIMIT, window_s=FLOOD_WINDOW_S)
