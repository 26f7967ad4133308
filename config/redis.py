"""The shared Redis, which may vanish at any moment.

Invariant: nothing that is only in Redis is missed when it is gone; callers treat None and errors as "no cache".
"""

import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config import logs, settings

# A Redis that is down must not cost every request a connection timeout: leave it alone for this long.
RETRY_AFTER_S = 2.0
# Asking before every use would double its cost; whoever is disappointed within this time treats it as "no cache".
TRUST_S = 1.0

_pool: dict[str, redis.Redis] = {}
_down_until: dict[str, float] = {}
_up_until: dict[str, float] = {}


def shared() -> redis.Redis | None:
    """Return a client that answered within the last second, or None when Redis is not configured or does not."""
    url, now = settings.current().redis_url, time.monotonic()
    if url is None or now < _down_until.get(url, 0.0):
        return None
    client = _pool.get(url)
    if client is None:
        # No retries: the library's default would hold a request for seconds while Redis is away.
        client = _pool[url] = redis.Redis.from_url(
            url, socket_timeout=0.5, socket_connect_timeout=0.5, retry=Retry(NoBackoff(), 0)
        )
    if now < _up_until.get(url, 0.0):
        return client
    try:
        client.ping()
    except redis.RedisError as error:
        _down_until[url] = time.monotonic() + RETRY_AFTER_S
        logs.get(__name__).warning("redis.unavailable", reason=type(error).__name__)
        return None
    _up_until[url] = now + TRUST_S
    return client
