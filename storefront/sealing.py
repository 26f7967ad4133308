"""Names that lie encrypted in the database: AES-256-GCM under keys of the settings, each bound to what it is about.

Invariant: what was sealed opens only whole, under the key that it names, and only for the same `about`; a key's id
tells nothing of the key.
"""

import hashlib
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from config import settings

# What GCM takes. Drawn anew for each sealing it must never repeat under one key: for four thousand million sealings the
# chance is 2^-33, and a province has some hundred thousand households.
_NONCE_BYTES = 12


class Unreadable(Exception):
    """No key of the settings opens this: the key is missing, or what was sealed has been changed."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What stands in the database."""

    key_id: str
    box: bytes


def seal(plain: bytes, *, about: str) -> Sealed:
    """Return `plain` encrypted under the present key, to be opened for the same `about` only."""
    key_id, key = _keys()[0]
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return Sealed(key_id, nonce + AESGCM(key).encrypt(nonce, plain, about.encode()))


def unseal(sealed: Sealed, *, about: str) -> bytes:
    """Return what was sealed. Raises `Unreadable`."""
    key = dict(_keys()).get(sealed.key_id)
    if key is None:
        raise Unreadable
    try:
        return AESGCM(key).decrypt(sealed.box[:_NONCE_BYTES], sealed.box[_NONCE_BYTES:], about.encode())
    except (InvalidTag, ValueError):
        raise Unreadable from None


def present_key_id() -> str:
    """Return the id of the key that seals now."""
    return _keys()[0][0]


def _keys() -> list[tuple[str, bytes]]:
    """Return (id, key) of what the settings give, the one that seals first.

    The one made of `SECRET_KEY` goes on opening, so that a shop which began without a key of its own can take one.
    """
    given = settings.current()
    secrets_ = (given.household_key, given.household_key_previous, given.secret_key)
    keys = [hashlib.sha256(b"storefront.sealing:" + each.encode()).digest() for each in secrets_ if each]
    return [(hashlib.sha256(b"storefront.sealing.id:" + key).hexdigest()[:8], key) for key in keys]
