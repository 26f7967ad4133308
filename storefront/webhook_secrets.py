"""How a message to a partner is signed, in the manner of the Standard Webhooks specification.

Invariant: a secret is 256 random bits, sealed with the shop's secret key and shown to its partner once; while it is
being changed a message carries a signature by each of the two.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

from cryptography.fernet import Fernet, InvalidToken

from config import logs, settings

_PREFIX = "whsec_"


def new() -> str:
    """Return a new secret as partners write it: `whsec_` and the base 64 of the key."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def seal(secret: str) -> str:
    """Return `secret` encrypted, so that a copy of the database signs nothing."""
    return _key().encrypt(secret.encode()).decode()


def unseal(sealed: str, *, endpoint: str) -> str | None:
    """Return a secret; None, with an alarm, for one that was sealed with another `SECRET_KEY`."""
    try:
        return _key().decrypt(sealed.encode()).decode()
    except InvalidToken:
        logs.alarm("webhooks.secret_unreadable", endpoint=endpoint)
        return None


def headers(*, message: str, body: str, valid: Sequence[str], now: datetime) -> dict[str, str]:
    """Return the headers that prove a message: its id, the time of this attempt, a signature by each secret."""
    stamp = int(now.timestamp())
    signatures = [f"v1,{_sign(secret, f'{message}.{stamp}.{body}')}" for secret in valid]
    return {
        "webhook-id": message,
        "webhook-timestamp": str(stamp),
        "webhook-signature": " ".join(signatures),
        "Idempotency-Key": message,
    }


def _sign(secret: str, content: str) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return base64.b64encode(hmac.new(key, content.encode(), hashlib.sha256).digest()).decode()


def _key() -> Fernet:
    key = hashlib.sha256(b"storefront.webhooks:" + settings.current().secret_key.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
