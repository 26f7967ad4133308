"""Random names and secrets: public numbers, session tokens, links.

Invariant: names and secrets come from the system's randomness, and only digests of secrets are ever stored.
"""

import hashlib
import hmac
import re
import secrets

from config import settings

# Crockford's alphabet: read aloud over a telephone, no letter is taken for a digit.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
NUMBER_LENGTH = 12

_SECRET = re.compile(r"[0-9A-Za-z_-]{43}")


def number(prefix: str) -> str:
    """Return a new public number: `prefix` and 60 random bits. It names a thing and opens nothing."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(NUMBER_LENGTH))


def secret() -> str:
    """Return a new 256-bit secret in 43 characters that are safe in headers, cookies and forms."""
    return secrets.token_urlsafe(32)


def is_secret(value: str) -> bool:
    """Tell whether `value` has the shape of `secret()`, so that anything else never reaches the database."""
    return _SECRET.fullmatch(value) is not None


def digest(value: str) -> bytes:
    """Return the 32 bytes under which a secret is stored. A random secret needs neither salt nor a slow hash."""
    return hashlib.sha256(value.encode()).digest()


def pseudonym(value: str) -> str:
    """Return what stands for an outside identity such as a unionid where the identity itself must not go."""
    key = settings.current().secret_key.encode()
    return hmac.new(key, b"storefront.pseudonym:" + value.encode(), hashlib.sha256).hexdigest()
