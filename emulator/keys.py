"""Who the merchant and WeChat are on this desk: identifiers, secrets and key pairs, made once per directory.

A directory keeps its identity for ever: the settings written from it stay valid over restarts.
"""

import base64
import fcntl
import hashlib
import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

MERCHANT_KEY = "merchant_key.pem"
WECHATPAY_KEY = "wechatpay_key.pem"
WECHATPAY_PUBLIC_KEY = "wechatpay_public_key.pem"
IDENTITY = "identity.json"
SETTINGS = "settings.env"


@dataclass(frozen=True)
class Identity:
    """Every name and shared secret between the merchant and WeChat."""

    mchid: str
    merchant_serial: str
    apiv3_key: str
    public_key_id: str
    miniprogram_appid: str
    miniprogram_secret: str
    official_appid: str
    official_secret: str
    people_secret: str


class Keys:
    """The identity of one directory and the key pairs that prove it."""

    def __init__(self, directory: Path, identity: Identity) -> None:
        self.directory = directory
        self.identity = identity
        self.merchant = _read_key(directory / MERCHANT_KEY).public_key()
        self.wechatpay = _read_key(directory / WECHATPAY_KEY)

    @cached_property
    def stranger(self) -> rsa.RSAPrivateKey:
        """A key that nobody should trust, for the forgeries that the control plane orders."""
        return new_key()

    @property
    def secrets_by_appid(self) -> dict[str, str]:
        """The two accounts that this desk knows, by appid."""
        return {
            self.identity.miniprogram_appid: self.identity.miniprogram_secret,
            self.identity.official_appid: self.identity.official_secret,
        }

    def openid(self, appid: str, person: str) -> str:
        """Return a person's openid at an account: stable, different per account, recognised without a register."""
        root = _mac(self.identity.people_secret, f"person {person}")[:12]
        return "o" + base64.urlsafe_b64encode(root + self._seal(appid, root)).decode().rstrip("=")

    def unionid(self, person: str) -> str:
        """Return a person's unionid, the same over both accounts of this desk."""
        return "o" + base64.urlsafe_b64encode(_mac(self.identity.people_secret, f"union {person}")[:20]).decode()[:27]

    def is_openid_of(self, appid: str, openid: str) -> bool:
        """Tell whether `openid` was issued by this desk for this account."""
        try:
            raw = base64.urlsafe_b64decode(openid[1:] + "=")
        except ValueError:
            return False
        return openid[:1] == "o" and len(raw) == 20 and hmac.compare_digest(raw[12:], self._seal(appid, raw[:12]))

    def _seal(self, appid: str, root: bytes) -> bytes:
        return _mac(self.identity.people_secret, f"account {appid} {root.hex()}")[:8]

    def settings(self, *, api_url: str, public_url: str) -> dict[str, str]:
        """Return the thirteen settings that plug this desk into a shop."""
        who = self.identity
        return {
            "WECHAT_MINIPROGRAM_APPID": who.miniprogram_appid,
            "WECHAT_MINIPROGRAM_SECRET": who.miniprogram_secret,
            "WECHAT_OFFICIAL_APPID": who.official_appid,
            "WECHAT_OFFICIAL_SECRET": who.official_secret,
            "WECHAT_API_BASE_URL": api_url,
            "WECHAT_OPEN_BASE_URL": public_url,
            "WECHATPAY_BASE_URL": api_url,
            "WECHATPAY_MCHID": who.mchid,
            "WECHATPAY_MERCHANT_SERIAL": who.merchant_serial,
            "WECHATPAY_MERCHANT_KEY_FILE": str(self.directory / MERCHANT_KEY),
            "WECHATPAY_APIV3_KEY": who.apiv3_key,
            "WECHATPAY_PUBLIC_KEY_ID": who.public_key_id,
            "WECHATPAY_PUBLIC_KEY_FILE": str(self.directory / WECHATPAY_PUBLIC_KEY),
        }


def write_settings(keys: Keys, *, api_url: str, public_url: str) -> Path:
    """Write the settings as KEY=value lines, replacing the file in one step, and return its path."""
    values = keys.settings(api_url=api_url, public_url=public_url)
    text = "".join(f"{name}={value}\n" for name, value in values.items())
    path = keys.directory / SETTINGS
    _write(path, text.encode())
    return path


def load(directory: Path) -> Keys:
    """Return the identity of `directory`, making whatever of it does not exist yet."""
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    with _alone_in(directory):
        for name in (MERCHANT_KEY, WECHATPAY_KEY):
            if not (directory / name).exists():
                _write(directory / name, private_pem(new_key()))
        if not (directory / WECHATPAY_PUBLIC_KEY).exists():
            _write(directory / WECHATPAY_PUBLIC_KEY, public_pem(_read_key(directory / WECHATPAY_KEY)))
        if not (directory / IDENTITY).exists():
            _write(directory / IDENTITY, orjson.dumps(asdict(_new_identity()), option=orjson.OPT_INDENT_2))
        return Keys(directory, Identity(**orjson.loads((directory / IDENTITY).read_bytes())))


def _new_identity() -> Identity:
    mchid = "16" + random_digits(8)
    return Identity(
        mchid=mchid,
        merchant_serial=secrets.token_hex(20).upper(),
        apiv3_key=secrets.token_hex(16),
        public_key_id="PUB_KEY_ID_01" + mchid + random_digits(16),
        miniprogram_appid="wx" + secrets.token_hex(8),
        miniprogram_secret=secrets.token_hex(16),
        official_appid="wx" + secrets.token_hex(8),
        official_secret=secrets.token_hex(16),
        people_secret=secrets.token_hex(32),
    )


def random_digits(count: int) -> str:
    """Return so many decimal digits."""
    return "".join(secrets.choice("0123456789") for _ in range(count))


def _mac(secret: str, message: str) -> bytes:
    return hmac.digest(secret.encode(), message.encode(), hashlib.sha256)


def new_key() -> rsa.RSAPrivateKey:
    """Return a new RSA key of the size that WeChat uses."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _read_key(path: Path) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(f"{path} holds no RSA key")
    return key


def private_pem(key: rsa.RSAPrivateKey) -> bytes:
    """Return a private key as PKCS#8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    """Return the public half of a key as PEM."""
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(path.name + ".new")
    draft.write_bytes(content)
    draft.chmod(0o600)
    draft.replace(path)


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Let one process at a time make an identity, so that two starters agree on it."""
    with (directory / "identity.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
