"""Where access tokens of WeChat are kept between calls.

Invariant: Redis is the shared place and keeps the lifetime; while it is away each process remembers its own, which
WeChat's stable tokens allow: a second caller is given the same one.
"""

import threading
import time
from typing import Any

import redis
from wechatpy.session import SessionStorage

from config import redis as shared_redis


class TokenStore(SessionStorage):
    """wechatpy's storage over the shared Redis and, without it, this process's memory."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._remembered: dict[str, tuple[str, float]] = {}

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of `key` while it lives."""
        client = shared_redis.shared()
        if client is not None:
            try:
                kept = client.get(_name(key))
                return kept.decode() if isinstance(kept, bytes) else default
            except redis.RedisError:
                pass
        with self._mutex:
            value, until = self._remembered.get(key, (default, 0.0))
        return value if time.monotonic() < until else default

    def set(self, key: str, value: Any, ttl: int | None = None) -> None:
        """Keep `value` for `ttl` seconds."""
        lifetime = ttl or 0
        with self._mutex:
            self._remembered[key] = (value, time.monotonic() + lifetime)
        client = shared_redis.shared()
        if client is not None:
            try:
                client.set(_name(key), value, ex=lifetime)
            except redis.RedisError:
                return

    def delete(self, key: str) -> None:
        """Forget `key`."""
        with self._mutex:
            self._remembered.pop(key, None)
        client = shared_redis.shared()
        if client is not None:
            try:
                client.delete(_name(key))
            except redis.RedisError:
                return


def _name(key: str) -> str:
    return f"wechat:{key}"
