"""WeChat's message pushes in safe mode: proved, opened, and read as one flat dictionary.

Invariant: nothing is parsed further than to its sealed part before its signature held, in constant time and within
five minutes; the plain mode, which anybody who sees it could repeat in other words, is not taken.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import orjson
from wechatpy.crypto import PrpCrypto

from config import logs, settings
from storefront.errors import PushNotConfigured, PushRejected, PushUnreadable

# As long as WeChat Pay's notifications: longer than any repetition of one sending, shorter than a thief needs.
WINDOW = timedelta(minutes=5)
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)

Event = dict[str, Any]


def echo(query: Mapping[str, str], *, now: datetime) -> str:
    """Return what proves to WeChat that this server is ours. Raises `PushNotConfigured`, `PushRejected`."""
    token, _ = _secrets()
    _prove(token, query, query.get("signature", ""), now)
    return query.get("echostr", "")


def read(query: Mapping[str, str], body: bytes, *, now: datetime) -> Event:
    """Return the event of a push, whether it came as JSON or as XML.

    Raises `PushNotConfigured`, `PushRejected`, and `PushUnreadable` when it is WeChat's but not to be opened.
    """
    token, key = _secrets()
    sealed = _sealed(body)
    _prove(token, query, query.get("msg_signature", ""), now, sealed)
    try:
        opened = PrpCrypto(key).decrypt(sealed, settings.current().wechat_miniprogram_appid)
        return _parsed(opened)
    # The library fails in whatever way the bytes make it.
    except Exception as fault:  # noqa: BLE001
        logs.alarm("wechat.push_unreadable", reason=type(fault).__name__)
        raise PushUnreadable from None


def key_of(encoding_aes_key: str) -> bytes:
    """Return the 32 bytes that the 43 characters of the console stand for."""
    return base64.b64decode(f"{encoding_aes_key}=")


def _secrets() -> tuple[str, bytes]:
    config = settings.current()
    if not config.wechat_push_token or not config.wechat_push_aes_key:
        raise PushNotConfigured
    return config.wechat_push_token, key_of(config.wechat_push_aes_key)


def _prove(token: str, query: Mapping[str, str], signature: str, now: datetime, *sealed: str) -> None:
    timestamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
    signed = "".join(sorted((token, timestamp, nonce, *sealed))).encode()
    # WeChat's scheme is SHA-1 over sorted parts; what it protects is sealed as well.
    expected = hashlib.sha1(signed, usedforsecurity=False).hexdigest()
    is_signed = hmac.compare_digest(expected.encode(), signature.encode())
    if not (is_signed and _TIMESTAMP.fullmatch(timestamp)):
        raise PushRejected
    if abs(now.timestamp() - int(timestamp)) > WINDOW.total_seconds():
        raise PushRejected


def _sealed(body: bytes) -> str:
    try:
        sealed = _parsed(body.decode()).get("Encrypt")
    except Exception:  # noqa: BLE001 - whatever a stranger sends
        raise PushRejected from None
    if not isinstance(sealed, str):
        raise PushRejected
    return sealed


def _parsed(text: str) -> Event:
    event = _from_xml(text) if text.lstrip().startswith("<") else orjson.loads(text)
    if not isinstance(event, dict):
        raise TypeError("not an event")
    return event


def _from_xml(text: str) -> Event:
    # WeChat declares nothing; without declarations there are no entities, near or far.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("declarations are not taken")
    return {child.tag: child.text or "" for child in ET.fromstring(text)}  # noqa: S314
