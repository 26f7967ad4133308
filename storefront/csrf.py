"""Proof that a request with a cookie was meant by the page that we served.

Invariant: pure; a request that changes something and is known by its cookie passes only with our own origin and
with a token that only this very session's pages carry.
"""

import hashlib
from urllib.parse import urlsplit

import itsdangerous

from storefront.errors import CsrfRejected

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# The hidden field of our forms and the header of our scripts that carry the token.
FIELD = "csrf_token"
HEADER = "X-CSRF-Token"


def token(session_token: str, *, secret_key: str) -> str:
    """Return the token for pages of the session. It changes when the session is rotated and reveals nothing of it."""
    return _signer(secret_key).get_signature(session_token).decode()


def check(
    *, method: str, session_token: str | None, given: str | None, origin: str | None, base_url: str, secret_key: str
) -> None:
    """Let a request pass that its own page sent. Call it for requests by cookie; a bearer token is proof enough.

    `session_token` is the cookie's (None: nobody is logged in yet, so only the origin is compared), `given` the form
    field or header, `origin` the `Origin` header or, where a browser sends none, `Referer`.
    Raises `CsrfRejected`.
    """
    if method.upper() in SAFE_METHODS:
        return
    if not same_origin(origin, base_url):
        raise CsrfRejected
    if session_token is None:
        return
    if not _signer(secret_key).verify_signature(session_token, (given or "").encode(errors="replace")):
        raise CsrfRejected


def same_origin(origin: str | None, base_url: str) -> bool:
    """Tell whether `origin` (an `Origin` or `Referer` header) is the site at `base_url`; absent or `null` is not."""
    if not origin:
        return False
    try:
        theirs, ours = urlsplit(origin), urlsplit(base_url)
        return (theirs.scheme, theirs.hostname, _port(theirs.scheme, theirs.port)) == (
            ours.scheme,
            ours.hostname,
            _port(ours.scheme, ours.port),
        )
    except ValueError:
        return False


def _port(scheme: str, port: int | None) -> int | None:
    return port if port is not None else {"http": 80, "https": 443}.get(scheme)


def _signer(secret_key: str) -> itsdangerous.Signer:
    return itsdangerous.Signer(secret_key, salt="storefront.csrf", key_derivation="hmac", digest_method=hashlib.sha256)
