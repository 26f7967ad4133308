"""Keys are read in every form in which operators keep them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from config import logs
from payments.wechatpay import keys
from tests.keys import write_pair


@pytest.fixture
def merchant(tmp_path: Path) -> Path:
    return write_pair(tmp_path)[0]


def private_key(path: Path) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def certificate(key: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com Root CA")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def test_carriage_returns_and_the_older_form_become_the_one_form(merchant: Path, tmp_path: Path) -> None:
    expected = keys.merchant_key_pem(merchant)
    assert expected.startswith("-----BEGIN PRIVATE KEY-----\n")
    crlf = tmp_path / "crlf.pem"
    crlf.write_bytes(merchant.read_bytes().replace(b"\n", b"\r\n"))
    older = tmp_path / "older.pem"
    older.write_bytes(
        private_key(merchant).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    assert keys.merchant_key_pem(crlf) == keys.merchant_key_pem(older) == expected


def test_what_is_no_rsa_key_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("nothing")
    with pytest.raises(ValueError):
        keys.merchant_key_pem(wrong)
    curve = ec.generate_private_key(ec.SECP256R1())
    wrong.write_bytes(
        curve.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with pytest.raises(ValueError, match=r"wrong\.pem"):
        keys.merchant_key_pem(wrong)
    wrong.write_bytes(
        curve.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(ValueError, match=r"wrong\.pem"):
        keys.public_key(wrong)


def test_extra_keys_are_known_by_their_file_and_certificates_by_their_serial(merchant: Path, tmp_path: Path) -> None:
    folder = tmp_path / "extra"
    folder.mkdir()
    (folder / "PUB_KEY_ID_02.pem").write_bytes((tmp_path / "wechatpay.pem").read_bytes().replace(b"\n", b"\r\n"))
    pem = certificate(private_key(merchant))
    (folder / "wechatpay_cert.pem").write_bytes(pem)
    (folder / "readme.txt").write_text("not a key")
    found = keys.extra_verifiers(folder)
    serial = f"{x509.load_pem_x509_certificate(pem).serial_number:040X}"
    assert set(found) == {"PUB_KEY_ID_02", "wechatpay_cert", serial}
    assert found[serial].key.public_numbers() == private_key(merchant).public_key().public_numbers()
    assert keys.extra_verifiers(None) == {}


class TestKeyring:
    """Keys come and go while the process runs."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        made = tmp_path / "extra"
        made.mkdir()
        return made

    @pytest.fixture
    def ring(self, merchant: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> keys.Keyring:
        monkeypatch.setattr(keys, "LOOK_EVERY_S", 0.0)
        return keys.Keyring(
            serial="PUB_KEY_ID_01", file=merchant.with_name("wechatpay.pem"), folder=folder, apiv3_keys=["a" * 32]
        )

    def test_a_key_that_comes_is_known_and_one_that_goes_is_not(
        self, ring: keys.Keyring, merchant: Path, folder: Path
    ) -> None:
        now = datetime.now(UTC)
        assert ring.find("PUB_KEY_ID_01", at=now) is not None
        assert ring.find("PUB_KEY_ID_02", at=now) is None
        (folder / "PUB_KEY_ID_02.pem").write_bytes(merchant.with_name("wechatpay.pem").read_bytes())
        assert ring.find("PUB_KEY_ID_02", at=now) is not None
        (folder / "PUB_KEY_ID_02.pem").unlink()
        assert ring.find("PUB_KEY_ID_02", at=now) is None

    def test_an_api_v3_key_comes_as_a_file(self, ring: keys.Keyring, folder: Path) -> None:
        assert ring.apiv3_keys() == ["a" * 32]
        (folder / "apiv3-2026.key").write_text("b" * 32 + "\n")
        assert ring.apiv3_keys() == ["a" * 32, "b" * 32]

    @pytest.mark.parametrize("name", ["PUB_KEY_ID_02.pem", "apiv3.key"])
    def test_a_bad_file_alarms_once_and_leaves_the_good_keys(
        self, ring: keys.Keyring, folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alarms: list[str] = []
        monkeypatch.setattr(logs, "alarm", lambda kind, **_: alarms.append(kind))
        (folder / name).write_text("half of a fi")
        for _ in range(3):
            assert ring.find("PUB_KEY_ID_01", at=datetime.now(UTC)) is not None
            assert ring.apiv3_keys() == ["a" * 32]
        assert alarms == ["payments.keys_unreadable"]

    def test_a_certificate_counts_within_its_years_only(self, ring: keys.Keyring, merchant: Path, folder: Path) -> None:
        (folder / "5157F09E.pem").write_bytes(certificate(private_key(merchant)))
        now = datetime.now(UTC)
        assert ring.find("5157F09E", at=now) is not None
        assert ring.find("5157F09E", at=now - timedelta(days=1)) is None
        assert ring.find("5157F09E", at=now + timedelta(days=2)) is None

    def test_the_folder_is_not_looked_at_for_every_serial(
        self, ring: keys.Keyring, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keys, "LOOK_EVERY_S", 60.0)
        ring.find("PUB_KEY_ID_01", at=datetime.now(UTC))
        looks: list[int] = []
        monkeypatch.setattr(keys.Keyring, "_look", lambda _: looks.append(1))
        for number in range(1000):
            assert ring.find(f"{number:040X}", at=datetime.now(UTC)) is None
        assert looks == []
