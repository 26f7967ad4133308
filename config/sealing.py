"""Secrets of others that we must be able to read again: sealed with the shop's secret key before they are stored.

Invariant: what was sealed for one purpose opens for no other, and a copy of the database alone opens nothing.
"""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken

from config import settings


class Unreadable(Exception):
    """It was sealed with another secret key, for another purpose, or is no seal at all."""


def seal(text: str, *, purpose: str) -> str:
    """Return `text` encrypted for `purpose`, a dotted name; sealing twice gives two different seals."""
    return _key(purpose).encrypt(text.encode()).decode()


def unseal(sealed: str, *, purpose: str) -> str:
    """Return what was sealed for `purpose`. Raises `Unreadable`."""
    try:
        return _key(purpose).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unreadable from None


def _key(purpose: str) -> Fernet:
    key = hashlib.sha256(f"{purpose}:{settings.current().secret_key}".encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
