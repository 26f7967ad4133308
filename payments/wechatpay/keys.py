"""Reads the keys between us and WeChat Pay, in every form in which operators keep them, and again when they change.

A key that cannot be read stops the start, never the first notification; one that turns bad later leaves the good ones.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate

from config import logs

# Whoever puts a key into the folder waits no longer for it; looking costs a few system calls.
LOOK_EVERY_S = 5.0
_APIV3_KEY_BYTES = 32


def merchant_key_pem(path: Path) -> str:
    """Read the merchant's private key as the one form that the library accepts: PKCS#8 with plain line feeds.

    Carriage returns and `BEGIN RSA PRIVATE KEY` are accepted. Raises `ValueError` for anything but an RSA private key.
    """
    key = serialization.load_pem_private_key(_unix_lines(path), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise ValueError(f"{path.name} does not hold an RSA private key")  # noqa: TRY004 - a wrong file
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")


@dataclass(frozen=True, slots=True)
class Verifier:
    """A key that WeChat signs with. A platform certificate has its own serial and an end, a public key has neither."""

    key: RSAPublicKey
    serial: str | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    def is_valid(self, at: datetime) -> bool:
        """Whether a signature made at `at` may be believed."""
        return (self.valid_from is None or self.valid_from <= at) and (
            self.valid_until is None or at <= self.valid_until
        )


@dataclass(frozen=True, slots=True)
class _Ring:
    verifiers: Mapping[str, Verifier]
    apiv3_keys: Sequence[str]


class Keyring:
    """All that WeChat may sign and seal with just now, read again while the process runs."""

    def __init__(self, *, serial: str, file: Path, folder: Path | None, apiv3_keys: Sequence[str]) -> None:
        """Read the public key `serial` of `file`, and of `folder` every `*.pem` and every API v3 key in `*.key`.

        Raises `ValueError` or `OSError` for one that cannot be read.
        """
        self._serial, self._file, self._folder, self._apiv3_keys = serial, file, folder, apiv3_keys
        self._seen = self._look()
        self._ring = self._read()
        self._look_at = time.monotonic() + LOOK_EVERY_S

    def find(self, serial: str, *, at: datetime) -> RSAPublicKey | None:
        """Return the key under a serial if it is valid at `at`. An unknown serial costs no more than a known one."""
        verifier = self._present().verifiers.get(serial)
        return verifier.key if verifier is not None and verifier.is_valid(at) else None

    def apiv3_keys(self) -> Sequence[str]:
        """Return the API v3 keys to try, the present one first."""
        return self._present().apiv3_keys

    def _present(self) -> _Ring:
        now = time.monotonic()
        if now >= self._look_at:
            # Set first: threads that come meanwhile take what stands.
            self._look_at = now + LOOK_EVERY_S
            seen = self._look()
            if seen != self._seen:
                self._seen = seen
                try:
                    self._ring = self._read()
                except (OSError, ValueError) as fault:
                    logs.alarm("payments.keys_unreadable", reason=type(fault).__name__, files=len(seen))
        return self._ring

    def _look(self) -> list[tuple[str, int, int]]:
        """What tells that a file came, went or changed."""
        found = []
        for path in [self._file, *(sorted(self._folder.iterdir()) if self._folder and self._folder.is_dir() else ())]:
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            found.append((path.name, status.st_mtime_ns, status.st_size))
        return found

    def _read(self) -> _Ring:
        extra = extra_verifiers(self._folder)
        more = [_apiv3_key(path) for path in sorted(self._folder.glob("*.key"))] if self._folder else []
        keys = [*self._apiv3_keys, *more]
        if any(len(key.encode()) != _APIV3_KEY_BYTES for key in keys):
            raise ValueError("an API v3 key has exactly 32 bytes")
        return _Ring({**extra, self._serial: verifier(self._file)}, keys)


def public_key(path: Path) -> RSAPublicKey:
    """Read one of WeChat Pay's keys, from a public key or a platform certificate. Raises `ValueError` for others."""
    return verifier(path).key


def verifier(path: Path) -> Verifier:
    """Read one of WeChat Pay's keys with what its certificate, if it is one, says. Raises `ValueError` for others."""
    pem = _unix_lines(path)
    certificate = load_pem_x509_certificate(pem) if b"BEGIN CERTIFICATE" in pem else None
    key = certificate.public_key() if certificate is not None else serialization.load_pem_public_key(pem)
    if not isinstance(key, RSAPublicKey):
        raise ValueError(f"{path.name} does not hold an RSA public key")  # noqa: TRY004 - a wrong file
    if certificate is None:
        return Verifier(key)
    return Verifier(
        key, f"{certificate.serial_number:040X}", certificate.not_valid_before_utc, certificate.not_valid_after_utc
    )


def public_key_pem(key: RSAPublicKey) -> str:
    """Write a public key in the form that the library accepts."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def extra_verifiers(folder: Path | None) -> Mapping[str, Verifier]:
    """Read every `*.pem` of a folder: keys that WeChat also signs with while it moves from one to the next.

    A public key is known by its file's name, a certificate by that and by its own serial.
    """
    found = {path.stem: verifier(path) for path in sorted(folder.glob("*.pem"))} if folder is not None else {}
    return {**found, **{each.serial: each for each in found.values() if each.serial is not None}}


def _apiv3_key(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


def _unix_lines(path: Path) -> bytes:
    return path.read_bytes().replace(b"\r\n", b"\n")
