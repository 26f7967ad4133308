"""The two factors of a staff login: a password, and a code that changes every 30 seconds.

Invariant: a password is kept as an argon2 hash, a code's secret sealed with the shop's secret key; checking a
password takes equally long whether or not the account exists.
"""

import threading
from datetime import datetime
from functools import lru_cache

import argon2
import pyotp

from config import logs, sealing

STEP_S = 30
# A phone's clock may be one step off, in either direction.
DRIFT_STEPS = 1
ISSUER = "地方馆"
_SEALED_FOR = "storefront.staff.totp"

# 19 MiB and two passes are OWASP's minimum for argon2id: with the library's own 64 MiB a handful of logins at once
# would burst a worker's memory budget. For the same reason at most two are computed at a time.
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_COMPUTING = threading.BoundedSemaphore(2)


def hash_password(password: str) -> str:
    """Return the argon2id hash to store for `password`."""
    with _COMPUTING:
        return _HASHER.hash(_bytes(password))


def password_matches(stored: str | None, password: str) -> bool:
    """Tell whether `password` is the one behind the hash `stored`; None (no such account) takes as long and is not."""
    with _COMPUTING:
        try:
            return _HASHER.verify(stored or _nobody(), _bytes(password)) and stored is not None
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False


def new_secret() -> str:
    """Return a new secret for one-time codes, in base 32 as authenticator apps read it."""
    return pyotp.random_base32()


def enrolment_uri(secret: str, username: str) -> str:
    """Return the `otpauth://` address that an authenticator app scans. It holds the secret: show it once."""
    return pyotp.TOTP(secret, interval=STEP_S).provisioning_uri(name=username, issuer_name=ISSUER)


def seal(secret: str) -> str:
    """Return `secret` encrypted, so that a copy of the database makes no codes."""
    return sealing.seal(secret, purpose=_SEALED_FOR)


def unsealed(sealed: str) -> str | None:
    """Return the secret that was sealed, None for what this shop never sealed."""
    try:
        return sealing.unseal(sealed, purpose=_SEALED_FOR)
    except sealing.Unreadable:
        return None


def matching_step(sealed: str, code: str, *, now: datetime) -> int | None:
    """Return the step whose code is `code`, or None. The caller lets each step pass once.

    A secret that was sealed with another `SECRET_KEY` matches nothing and raises an alarm.
    """
    try:
        totp = pyotp.TOTP(sealing.unseal(sealed, purpose=_SEALED_FOR), interval=STEP_S)
    except sealing.Unreadable:
        logs.alarm("staff.totp_unreadable")
        return None
    present = int(now.timestamp()) // STEP_S
    for step in range(present - DRIFT_STEPS, present + DRIFT_STEPS + 1):
        if pyotp.utils.strings_equal(totp.at(step * STEP_S), code):
            return step
    return None


def _bytes(password: str) -> bytes:
    # Standard input may hand over bytes that are no UTF-8 as lone surrogates: they are a password like any other.
    return password.encode(errors="surrogatepass")


@lru_cache(maxsize=1)
def _nobody() -> str:
    return _HASHER.hash("nobody's password")
