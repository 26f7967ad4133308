"""The cryptography of WeChat Pay API v3, both directions, as pure functions.

A message is signed byte for byte as it travels; nothing here re-serialises anything.
"""

import base64
import binascii
import re
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1

SCHEME = "WECHATPAY2-SHA256-RSA2048"
_PAIR = re.compile(r'([a-z_]+)="([^"]*)"')


@dataclass(frozen=True)
class Authorization:
    """The five values of a request's Authorization header."""

    mchid: str
    nonce: str
    signature: str
    timestamp: int
    serial: str


def parse_authorization(header: str) -> Authorization | None:
    """Read an Authorization header in whatever order its pairs stand, or return None when it is malformed."""
    scheme, _, rest = header.partition(" ")
    pairs = [_PAIR.fullmatch(part.strip()) for part in rest.split(",")]
    values = {pair[1]: pair[2] for pair in pairs if pair}
    complete = {"mchid", "nonce_str", "signature", "timestamp", "serial_no"} == values.keys() and all(pairs)
    if scheme != SCHEME or not complete or not re.fullmatch(r"[0-9]{1,12}", values["timestamp"]):
        return None
    return Authorization(
        mchid=values["mchid"],
        nonce=values["nonce_str"],
        signature=values["signature"],
        timestamp=int(values["timestamp"]),
        serial=values["serial_no"],
    )


def lines(*parts: str | int, body: bytes | None = None) -> bytes:
    """Join the parts of a message to sign, every line ended, with the raw body as its last line when there is one."""
    head = "".join(f"{part}\n" for part in parts).encode()
    return head if body is None else head + body + b"\n"


def sign(key: RSAPrivateKey, message: bytes) -> str:
    """Sign a message, RSASSA-PKCS1-v1_5 over SHA-256, as base64."""
    return base64.b64encode(key.sign(message, PKCS1v15(), hashes.SHA256())).decode()


def is_signed(key: RSAPublicKey, message: bytes, signature: str) -> bool:
    """Tell whether `signature` (base64) is the key's signature of exactly this message."""
    try:
        key.verify(base64.b64decode(signature, validate=True), message, PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def signature_headers(key: RSAPrivateKey, *, serial: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the five Wechatpay-* headers that vouch for `body`, in a response and in a notification alike."""
    nonce = secrets.token_hex(16)
    return {
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": sign(key, lines(timestamp, nonce, body=body)),
        "Wechatpay-Timestamp": str(timestamp),
        "Wechatpay-Serial": serial,
        "Wechatpay-Signature-Type": SCHEME,
    }


def reveal(key: RSAPrivateKey, text: str) -> str | None:
    """Decrypt a sensitive field, RSA-OAEP with SHA-1 both times, or return None when it is not for this key."""
    try:
        return key.decrypt(base64.b64decode(text, validate=True), OAEP(MGF1(SHA1()), SHA1(), None)).decode()
    except ValueError:
        return None


def seal(apiv3_key: str, plaintext: bytes, *, associated_data: str) -> dict[str, str]:
    """Encrypt a notification's resource with the merchant's APIv3 key; the nonce is 12 printable characters."""
    nonce = secrets.token_hex(6)
    sealed = AESGCM(apiv3_key.encode()).encrypt(nonce.encode(), plaintext, associated_data.encode())
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(sealed).decode(),
        "associated_data": associated_data,
        "nonce": nonce,
    }
