"""Signed random ids: a landing page's visit token (`tk`) and hand-off (`hk`), a mini-program's visitor token.

Invariant: a token proves only that we issued it; who may use it is decided by the cookie that comes with it (R3).
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from config import settings

# A forwarded link is told from its owner's for as long as the scan could still earn an order.
VISIT_LIFE = timedelta(days=7)
# Long enough to tap a button on a page that is open; a page that comes back mints another.
HANDOFF_LIFE = timedelta(minutes=30)
_MAC_BYTES = 16
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Visit:
    """The touch that a visit token names; the instant tells which partition holds it."""

    touch: UUID
    occurred_at: datetime


@dataclass(frozen=True)
class Handoff:
    """A hand-off and the visitor whose page minted it."""

    handoff: UUID
    visitor: UUID


def seal_visit(touch: UUID, *, occurred_at: datetime) -> str:
    """Return the token of a visit, good for seven days from the touch."""
    return _seal(b"visit", touch.bytes + ((occurred_at - _EPOCH) // _MICROSECOND).to_bytes(8, "big"))


def open_visit(token: str, *, now: datetime) -> Visit | None:
    """Return the visit of a token, or None when it is forged or over."""
    payload = _open(b"visit", token, 24)
    if payload is None:
        return None
    occurred_at = _EPOCH + int.from_bytes(payload[16:], "big") * _MICROSECOND
    return Visit(UUID(bytes=payload[:16]), occurred_at) if now < occurred_at + VISIT_LIFE else None


def seal_handoff(handoff: UUID, *, visitor: UUID, now: datetime) -> str:
    """Return the token by which a mini-program may show within 30 minutes from which browser's page it was opened."""
    until = (now + HANDOFF_LIFE - _EPOCH) // _MICROSECOND
    return _seal(b"handoff", handoff.bytes + visitor.bytes + until.to_bytes(8, "big"))


def open_handoff(token: str, *, now: datetime) -> Handoff | None:
    """Return what a hand-off token says, or None when it is forged or over."""
    payload = _open(b"handoff", token, 40)
    if payload is None or now >= _EPOCH + int.from_bytes(payload[32:], "big") * _MICROSECOND:
        return None
    return Handoff(UUID(bytes=payload[:16]), UUID(bytes=payload[16:32]))


def seal_visitor(visitor: UUID) -> str:
    """Return the token by which a mini-program shows again who it is; it is no login."""
    return _seal(b"visitor", visitor.bytes)


def open_visitor(token: str) -> UUID | None:
    """Return the visitor of a token, or None when it is forged."""
    payload = _open(b"visitor", token, 16)
    return None if payload is None else UUID(bytes=payload)


def pseudonym(kind: str, app: str, value: str) -> bytes:
    """Return the HMAC under which an outside identity is stored; the identity itself is not."""
    return _mac(b"identity", f"{kind}\0{app}\0{value}".encode(), length=32)


def _seal(purpose: bytes, payload: bytes) -> str:
    return urlsafe_b64encode(payload + _mac(purpose, payload)).rstrip(b"=").decode()


def _open(purpose: bytes, token: str, size: int) -> bytes | None:
    try:
        raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except ValueError:
        return None
    payload, mac = raw[:size], raw[size:]
    return payload if len(raw) == size + _MAC_BYTES and hmac.compare_digest(mac, _mac(purpose, payload)) else None


def _mac(purpose: bytes, payload: bytes, *, length: int = _MAC_BYTES) -> bytes:
    return hmac.digest(settings.current().secret_key.encode(), purpose + b"\0" + payload, sha256)[:length]
