"""What WeChat signs and seals with: its public keys, its platform certificates, and the merchant's APIv3 key of today.

A desk begins with the one public key of its settings; whatever a switch-over adds is journalled. What was once handed
out stays good for answers until it is retired.
"""

import hashlib
import threading
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from emulator.journal import Journal
from emulator.keys import Keys, new_key, private_pem, public_pem, random_digits

CERTIFICATE_LIFETIME = timedelta(days=5 * 365)


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A key of WeChat's and the name under which the merchant knows it."""

    serial: str
    key: rsa.RSAPrivateKey
    certificate: x509.Certificate | None = None

    @property
    def public(self) -> dict[str, Any]:
        """What the merchant's console shows of it."""
        shown = {"serial": self.serial, "kind": "public_key", "pem": public_pem(self.key).decode()}
        if self.certificate is None:
            return shown
        pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()
        return shown | {"kind": "certificate", "certificate_pem": pem}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which keys are in use: for answers to requests that name none, and for notifications by their shares."""

    apiv3_key: str
    answers: str
    notifications: dict[str, float] = field(default_factory=dict)


class Keyring:
    """The keys of one desk."""

    def __init__(self, keys: Keys, journal: Journal) -> None:
        who = keys.identity
        self._journal = journal
        self._lock = threading.Lock()
        self._merchant = who.mchid
        self.signers = {who.public_key_id: Signer(serial=who.public_key_id, key=keys.wechatpay)}
        self.choice = Choice(apiv3_key=who.apiv3_key, answers=who.public_key_id)
        for (kind, key), row in journal.rows.items():
            if kind == "signer":
                self.signers[key] = _revive(key, row)
            if kind == "key_choice":
                self.choice = Choice(**row)

    def make(self, kind: str, *, now: datetime) -> Signer:
        """Add a key of a kind, `public_key` or `certificate`; nothing is signed with it before it is chosen."""
        if kind not in ("public_key", "certificate"):
            raise ValueError(f"no such kind of key: {kind}")
        key = new_key()
        signer = Signer(serial=f"PUB_KEY_ID_01{self._merchant}{random_digits(16)}", key=key)
        if kind == "certificate":
            certificate = _certify(key, now)
            signer = Signer(serial=f"{certificate.serial_number:040X}", key=key, certificate=certificate)
        with self._lock:
            self.signers[signer.serial] = signer
            certificate_pem = signer.public.get("certificate_pem")
            row = {"private_pem": private_pem(key).decode(), "certificate_pem": certificate_pem}
            self._journal.write("signer", signer.serial, row)
        return signer

    def choose(self, told: dict[str, Any]) -> Choice:
        """Use other keys from now on; refuses (ValueError) unknown serials and an APIv3 key that is not 32 bytes."""
        chosen = asdict(self.choice) | told
        unknown = {chosen["answers"], *chosen["notifications"]} - self.signers.keys()
        if told.keys() - asdict(self.choice).keys() or unknown:
            raise ValueError(f"no such key, or no such choice: {sorted(unknown) or sorted(told)}")
        if len(chosen["apiv3_key"].encode()) != 32:
            raise ValueError("an APIv3 key is 32 bytes")
        with self._lock:
            self.choice = Choice(**chosen)
            self._journal.write("key_choice", "present", chosen)
            return self.choice

    def for_answer(self, asked: str) -> Signer:
        """Return the signer that a request names by its Wechatpay-Serial, else the one in use."""
        return self.signers.get(asked) or self.signers[self.choice.answers]

    def for_notification(self, reference: str, sending: int) -> Signer:
        """Return the signer of one sending, drawn by the shares in use, always the same for the same sending."""
        shares = self.choice.notifications or {self.choice.answers: 1.0}
        drawn = int.from_bytes(hashlib.sha256(f"{reference} {sending}".encode()).digest()[:4]) / 2**32
        point = drawn * sum(shares.values())
        for serial, share in shares.items():
            point -= share
            if point < 0:
                return self.signers[serial]
        return self.signers[self.choice.answers]

    def certificates(self) -> list[Signer]:
        """Return the signers that are platform certificates, the newest last."""
        with self._lock:
            return [each for each in self.signers.values() if each.certificate is not None]


def _revive(serial: str, row: dict[str, Any]) -> Signer:
    key = serialization.load_pem_private_key(row["private_pem"].encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(f"{serial} is no RSA key")
    pem = row["certificate_pem"]
    certificate = x509.load_pem_x509_certificate(pem.encode()) if pem else None
    return Signer(serial=serial, key=key, certificate=certificate)


def _certify(key: rsa.RSAPrivateKey, now: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com sign")])
    # The first digit is not zero, so that the serial has forty digits.
    serial = (0x5 << 156) | (x509.random_serial_number() >> 4)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + CERTIFICATE_LIFETIME)
        .sign(key, hashes.SHA256())
    )
