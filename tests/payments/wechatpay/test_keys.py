"""Keys are read in every form in which operators keep them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

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


def test_extra_keys_are_known_by_the_serial_that_names_their_file(merchant: Path, tmp_path: Path) -> None:
    folder = tmp_path / "extra"
    folder.mkdir()
    (folder / "PUB_KEY_ID_02.pem").write_bytes((tmp_path / "wechatpay.pem").read_bytes().replace(b"\n", b"\r\n"))
    (folder / "5157F09E.pem").write_bytes(certificate(private_key(merchant)))
    (folder / "readme.txt").write_text("not a key")
    found = keys.extra_public_keys(folder)
    assert set(found) == {"PUB_KEY_ID_02", "5157F09E"}
    assert found["5157F09E"].public_numbers() == private_key(merchant).public_key().public_numbers()
    assert keys.extra_public_keys(None) == {}
