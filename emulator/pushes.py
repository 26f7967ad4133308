"""Message pushes of the mini-program: where its server listens, and how an event is signed and sealed for it.

Safe mode only: the event is AES-256-CBC under the EncodingAESKey, and msg_signature covers what is sealed.
"""

import base64
import hashlib
import secrets
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode
from xml.sax.saxutils import escape

import orjson
import requests
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from emulator.journal import Journal

# What may happen to a push; the others are things of WeChat Pay's.
PUSH_FAULTS = frozenset({"lost", "late", "reordered", "doubled", "forged_signature", "wrong_key", "old_timestamp"})
# WeChat pads to 32 bytes although AES wants 16.
_PAD_BITS = 256


@dataclass(frozen=True, kw_only=True)
class Site:
    """What the mini-program's console says about its server."""

    url: str
    token: str
    aes_key: str
    form: str = "json"

    def __post_init__(self) -> None:
        if len(self.aes_key) != 43 or self.form not in ("json", "xml") or not self.token:
            raise ValueError("an aes_key is 43 characters, a form json or xml, and a token not empty")


class Pushes:
    """The site in force, if any."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        row = journal.rows.get(("push", "site"))
        self.site = Site(**row) if row else None

    def set_site(self, site: Site, *, timestamp: int) -> None:
        """Send events there from now on, once it has echoed what only our server would; refuses (ValueError) others."""
        echo, nonce = secrets.token_hex(8), secrets.token_hex(5)
        query = {"timestamp": str(timestamp), "nonce": nonce, "echostr": echo}
        query["signature"] = digest(site.token, str(timestamp), nonce)
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.get(site.url, params=query, timeout=5, allow_redirects=False)
        except requests.RequestException as failure:
            raise ValueError(f"the server did not answer: {type(failure).__name__}") from None
        if (answer.status_code, answer.text) != (200, echo):
            raise ValueError(f"the server did not echo: {answer.status_code}")
        self.site = site
        self._journal.write("push", "site", asdict(site))


def digest(*parts: str) -> str:
    """Return the signature of a push: SHA-1 over its parts in sorted order."""
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


def envelope(
    site: Site, event: dict[str, Any], *, appid: str, timestamp: int, fault: str | None
) -> tuple[str, dict[str, str], bytes]:
    """Return the address, the headers and the body of one sending, spoiled as `fault` wants."""
    stamp, nonce = str(timestamp - 301 if fault == "old_timestamp" else timestamp), secrets.token_hex(5)
    key = base64.b64decode(site.aes_key + "=")
    if fault == "wrong_key":
        key = secrets.token_bytes(32)
    sealed = _seal(key, _text(event, site.form).encode(), appid)
    signature = digest(site.token, stamp, nonce, sealed)
    query = {
        "signature": digest(site.token, stamp, nonce),
        "timestamp": stamp,
        "nonce": nonce,
        "encrypt_type": "aes",
        "msg_signature": signature[::-1] if fault == "forged_signature" else signature,
    }
    body = _text({"ToUserName": event["ToUserName"], "Encrypt": sealed}, site.form).encode()
    kind = "application/json" if site.form == "json" else "text/xml"
    return f"{site.url}?{urlencode(query)}", {"Content-Type": kind, "User-Agent": "Mozilla/4.0"}, body


def _text(event: dict[str, Any], form: str) -> str:
    if form == "json":
        return orjson.dumps(event).decode()
    cells = (
        f"<{name}>{value}</{name}>" if isinstance(value, int) else f"<{name}><![CDATA[{escape(value)}]]></{name}>"
        for name, value in event.items()
    )
    return f"<xml>{''.join(cells)}</xml>"


def _seal(key: bytes, message: bytes, appid: str) -> str:
    padder = PKCS7(_PAD_BITS).padder()
    plain = secrets.token_bytes(16) + len(message).to_bytes(4) + message + appid.encode()
    encryptor = Cipher(AES(key), CBC(key[:16])).encryptor()
    padded = padder.update(plain) + padder.finalize()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()
