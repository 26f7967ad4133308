"""Where access tokens of WeChat are kept between calls, and whose turn it is to fetch the next.

Invariant: the table is what all processes share, with or without Redis; a turn is a row's lease, not a lock, so that
nobody holds a connection of the database while WeChat is asked; tokens are stored sealed.
"""

import base64
import hashlib
import threading
import time
from datetime import datetime, timedelta
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import String, text
from sqlalchemy.orm import Mapped, mapped_column
from wechatpy.session import SessionStorage

from config import clock, database, settings
from config.database import Base, Instant

# Longer than any call within its time limit; a killed holder keeps the others waiting a few seconds more than that.
TURN_LASTS = timedelta(seconds=15)
# WeChat forces a new token twenty times a day at most; twelve leave some for whoever repairs things by hand.
FORCED_APART = timedelta(hours=2)


class AccessToken(Base):
    """The token of one application, and the lease of whoever is fetching another."""

    __tablename__ = "wechat_access_tokens"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    sealed: Mapped[str | None] = mapped_column(String(4096))
    lives_until: Mapped[Instant | None]
    turn_until: Mapped[Instant | None]
    forced_at: Mapped[Instant | None]


_READ = text("SELECT sealed, lives_until FROM wechat_access_tokens WHERE key = :key AND lives_until > :now")
_KEEP = text("""
    INSERT INTO wechat_access_tokens (key, sealed, lives_until) VALUES (:key, :sealed, :until)
    ON CONFLICT (key) DO UPDATE SET sealed = excluded.sealed, lives_until = excluded.lives_until
""")
_FORGET = text("UPDATE wechat_access_tokens SET sealed = NULL, lives_until = NULL WHERE key = :key")
_TAKE_TURN = text("""
    INSERT INTO wechat_access_tokens AS kept (key, turn_until) VALUES (:key, :until)
    ON CONFLICT (key) DO UPDATE SET turn_until = excluded.turn_until
    WHERE kept.turn_until IS NULL OR kept.turn_until <= :now
    RETURNING key
""")
_END_TURN = text("UPDATE wechat_access_tokens SET turn_until = NULL WHERE key = :key AND turn_until = :until")
_FORCE = text("""
    UPDATE wechat_access_tokens SET forced_at = :now
    WHERE key = :key AND (forced_at IS NULL OR forced_at <= :before) RETURNING key
""")


class TokenStore(SessionStorage):
    """wechatpy's storage over this process's memory and, behind it, the table of all processes."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._remembered: dict[str, tuple[str, float]] = {}

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of `key` while it lives."""
        with self._mutex:
            value, until = self._remembered.get(key, (default, 0.0))
        return value if time.monotonic() < until else self.reread(key) or default

    def reread(self, key: str) -> str | None:
        """Return what the table says of `key` now, whatever this process remembers."""
        now = clock.now()
        with database.transaction() as session:
            row = session.execute(_READ, {"key": key, "now": now}).first()
        if row is None:
            return None
        try:
            value = _sealer().decrypt(row.sealed).decode()
        except InvalidToken:
            # Sealed under another SECRET_KEY: as good as none.
            return None
        self._remember(key, value, (row.lives_until - now).total_seconds())
        return value

    def set(self, key: str, value: Any, ttl: int | None = None) -> None:
        """Keep `value` for `ttl` seconds."""
        until = clock.now() + timedelta(seconds=ttl or 0)
        with database.transaction() as session:
            sealed = _sealer().encrypt(str(value).encode()).decode()
            session.execute(_KEEP, {"key": key, "sealed": sealed, "until": until})
        self._remember(key, value, ttl or 0)

    def delete(self, key: str) -> None:
        """Forget `key`."""
        with self._mutex:
            self._remembered.pop(key, None)
        with database.transaction() as session:
            session.execute(_FORGET, {"key": key})

    def take_turn(self, key: str) -> datetime | None:
        """Take the turn to fetch `key`, unless somebody has it; returns what `end_turn` wants back."""
        now = clock.now()
        with database.transaction() as session:
            until = now + TURN_LASTS
            return until if session.execute(_TAKE_TURN, {"key": key, "now": now, "until": until}).first() else None

    def end_turn(self, key: str, until: datetime) -> None:
        """Let the next one in; does nothing when the turn ran out and is somebody else's by now."""
        with database.transaction() as session:
            session.execute(_END_TURN, {"key": key, "until": until})

    def may_force(self, key: str) -> bool:
        """Take the one forced refresh of `key` that is allowed in two hours; False when it was used."""
        now = clock.now()
        with database.transaction() as session:
            parameters = {"key": key, "now": now, "before": now - FORCED_APART}
            return session.execute(_FORCE, parameters).first() is not None

    def _remember(self, key: str, value: str, seconds: float) -> None:
        with self._mutex:
            self._remembered[key] = (value, time.monotonic() + seconds)


def _sealer() -> Fernet:
    digest = hashlib.sha256(b"wechat access tokens:" + settings.current().secret_key.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))
