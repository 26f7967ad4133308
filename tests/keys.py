"""RSA keys for tests: a merchant's private key and WeChat Pay's public key, as PEM files."""

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def write_pair(folder: Path) -> tuple[Path, Path]:
    """Write merchant.pem (private) and wechatpay.pem (public), plus wechatpay-private.pem to sign with in tests."""
    merchant = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    wechat = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    files = {"merchant.pem": merchant, "wechatpay-private.pem": wechat}
    for name, key in files.items():
        (folder / name).write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    (folder / "wechatpay.pem").write_bytes(
        wechat.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return folder / "merchant.pem", folder / "wechatpay.pem"
