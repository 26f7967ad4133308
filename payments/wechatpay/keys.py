"""Reads the keys between us and WeChat Pay, in every form in which operators keep them.

A key that cannot be read stops the start, never the first notification.
"""

from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate


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


def public_key(path: Path) -> RSAPublicKey:
    """Read one of WeChat Pay's keys, from a public key or a platform certificate. Raises `ValueError` for others."""
    pem = _unix_lines(path)
    key = (
        load_pem_x509_certificate(pem).public_key()
        if b"BEGIN CERTIFICATE" in pem
        else serialization.load_pem_public_key(pem)
    )
    if not isinstance(key, RSAPublicKey):
        raise ValueError(f"{path.name} does not hold an RSA public key")  # noqa: TRY004 - a wrong file
    return key


def public_key_pem(key: RSAPublicKey) -> str:
    """Write a public key in the form that the library accepts."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def extra_public_keys(folder: Path | None) -> Mapping[str, RSAPublicKey]:
    """Read every `<serial>.pem` of a folder: keys that WeChat also signs with while it moves from one to the next."""
    if folder is None:
        return {}
    return {path.stem: public_key(path) for path in sorted(folder.glob("*.pem"))}


def _unix_lines(path: Path) -> bytes:
    return path.read_bytes().replace(b"\r\n", b"\n")
