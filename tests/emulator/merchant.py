"""A merchant that signs and checks by hand: the rules of the documents written down once more."""

import base64
import json
import secrets
import time
from pathlib import Path
from typing import Any

import requests
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.emulator.conftest import Wechat


class Merchant:
    """Calls of one merchant, with the settings alone."""

    def __init__(self, wechat: Wechat) -> None:
        self.url, known = wechat.url, wechat.settings
        self.mchid, self.serial = known["WECHATPAY_MCHID"], known["WECHATPAY_MERCHANT_SERIAL"]
        self.apiv3_key, self.public_key_id = known["WECHATPAY_APIV3_KEY"], known["WECHATPAY_PUBLIC_KEY_ID"]
        self._key: Any = serialization.load_pem_private_key(
            Path(known["WECHATPAY_MERCHANT_KEY_FILE"]).read_bytes(), password=None
        )
        self.keys: dict[str, Any] = {
            self.public_key_id: serialization.load_pem_public_key(Path(known["WECHATPAY_PUBLIC_KEY_FILE"]).read_bytes())
        }
        self.skew = 0.0

    def call(self, method: str, target: str, body: Any = None, **headers: str) -> requests.Response:
        """Sign and send; `target` may be a full address of the same host."""
        path = target.removeprefix(self.url)
        raw = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        stamp, nonce = str(int(time.time() + self.skew)), secrets.token_hex(16)
        message = b"\n".join((method.encode(), path.encode(), stamp.encode(), nonce.encode(), raw, b""))
        signature = base64.b64encode(self._key.sign(message, PKCS1v15(), hashes.SHA256())).decode()
        parts = {"mchid": self.mchid, "nonce_str": nonce, "timestamp": stamp, "serial_no": self.serial}
        pairs = ",".join(f'{name}="{value}"' for name, value in (parts | {"signature": signature}).items())
        sent = {
            "Authorization": f"WECHATPAY2-SHA256-RSA2048 {pairs}",
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": "a merchant",
        }
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.request(method, self.url + path, data=raw, headers=sent | named, timeout=30)

    def is_signed(self, headers: Any, body: bytes) -> bool:
        """Check the five headers of an answer or a notification with the key that its serial names."""
        if headers.get("Wechatpay-Signature-Type") != "WECHATPAY2-SHA256-RSA2048":
            return False
        stamp, nonce = headers["Wechatpay-Timestamp"].encode(), headers["Wechatpay-Nonce"].encode()
        try:
            self.keys[headers["Wechatpay-Serial"]].verify(
                base64.b64decode(headers["Wechatpay-Signature"]),
                b"\n".join((stamp, nonce, body, b"")),
                PKCS1v15(),
                hashes.SHA256(),
            )
        except (InvalidSignature, KeyError, ValueError):
            return False
        return True

    def vouched(self, answer: requests.Response) -> tuple[int, Any]:
        """Return status and JSON of an answer that must be well signed."""
        assert self.is_signed(answer.headers, answer.content), (answer.status_code, answer.text)
        return answer.status_code, json.loads(answer.content) if answer.content else None

    def opened(self, sealed: dict[str, str], apiv3_key: str | None = None) -> bytes:
        """Decrypt a resource or a certificate."""
        return AESGCM((apiv3_key or self.apiv3_key).encode()).decrypt(
            sealed["nonce"].encode(), base64.b64decode(sealed["ciphertext"]), sealed["associated_data"].encode()
        )

    def concealed(self, text: str, serial: str) -> str:
        """Encrypt a name or an account number for WeChat."""
        padding = OAEP(MGF1(hashes.SHA1()), hashes.SHA1(), None)
        return base64.b64encode(self.keys[serial].encrypt(text.encode(), padding)).decode()
