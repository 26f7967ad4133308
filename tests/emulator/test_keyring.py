"""The switch-over: several public keys, platform certificates, mixed notifications, another APIv3 key."""

import json
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization

from emulator import keys
from emulator.journal import Journal
from emulator.keyring import Keyring
from tests.emulator.conftest import Shop, Till, Wechat
from tests.emulator.merchant import Merchant


@pytest.fixture
def merchant(wechat: Wechat) -> Merchant:
    return Merchant(wechat)


def made(wechat: Wechat, merchant: Merchant, kind: str) -> str:
    """Have one more key made and told to the merchant."""
    shown = wechat.control("POST", "/keys", kind=kind)
    merchant.keys[shown["serial"]] = serialization.load_pem_public_key(shown["pem"].encode())
    return str(shown["serial"])


def test_an_answer_is_signed_with_the_key_that_the_request_names(wechat: Wechat, merchant: Merchant) -> None:
    second, certificate = made(wechat, merchant, "public_key"), made(wechat, merchant, "certificate")
    assert (second[:11], len(certificate), certificate.upper()) == ("PUB_KEY_ID_", 40, certificate)
    target = f"/v3/pay/transactions/out-trade-no/NOBODY-01?mchid={merchant.mchid}"
    for serial in (merchant.public_key_id, second, certificate):
        answer = merchant.call("GET", target, Wechatpay_Serial=serial)
        assert (answer.headers["Wechatpay-Serial"], merchant.vouched(answer)[0]) == (serial, 404)
    wechat.control("POST", "/keys/use", answers=certificate)
    assert merchant.call("GET", target).headers["Wechatpay-Serial"] == certificate
    assert merchant.call("GET", target, Wechatpay_Serial=second).headers["Wechatpay-Serial"] == second


def test_certificates_are_sealed_with_the_apiv3_key_of_the_day(wechat: Wechat, merchant: Merchant) -> None:
    serials = [made(wechat, merchant, "certificate") for _ in range(2)]
    status, told = merchant.vouched(merchant.call("GET", "/v3/certificates"))
    assert (status, [each["serial_no"] for each in told["data"]]) == (200, serials)
    for each in told["data"]:
        assert each["encrypt_certificate"]["associated_data"] == "certificate"
        certificate = x509.load_pem_x509_certificate(merchant.opened(each["encrypt_certificate"]))
        assert f"{certificate.serial_number:X}" == each["serial_no"]
        assert certificate.not_valid_after_utc == datetime.fromisoformat(each["expire_time"])
        assert certificate.public_key().public_numbers() == merchant.keys[each["serial_no"]].public_numbers()


def test_notifications_move_over_by_shares(pos: Till, wechat: Wechat, shop: Shop, merchant: Merchant) -> None:
    old, new = made(wechat, merchant, "certificate"), merchant.public_key_id
    wechat.control("POST", "/keys/use", notifications={old: 50, new: 50})
    for number in range(16):
        pos.prepay(f"MOVE-{number:04d}")
        wechat.control("POST", "/pay", out_trade_no=f"MOVE-{number:04d}")
    received = shop.wait_for(16)
    assert all(merchant.is_signed(*each) for each in received)
    assert set(Counter(headers["Wechatpay-Serial"] for headers, _ in received)) == {old, new}


def test_another_apiv3_key_from_one_moment_to_the_next(
    pos: Till, wechat: Wechat, shop: Shop, merchant: Merchant
) -> None:
    pos.prepay("SEAL-0001")
    wechat.control("POST", "/keys/use", apiv3_key="k" * 32)
    wechat.control("POST", "/pay", out_trade_no="SEAL-0001")
    sealed = json.loads(shop.wait_for(1)[0][1])["resource"]
    with pytest.raises(InvalidTag):
        merchant.opened(sealed)
    assert json.loads(merchant.opened(sealed, "k" * 32))["out_trade_no"] == "SEAL-0001"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/keys", {"kind": "password"}),
        ("/keys/use", {"answers": "PUB_KEY_ID_0"}),
        ("/keys/use", {"notifications": {"PUB_KEY_ID_0": 1}}),
        ("/keys/use", {"apiv3_key": "short"}),
        ("/keys/use", {"surprise": 1}),
    ],
)
def test_nonsense(wechat: Wechat, path: str, told: dict[str, object]) -> None:
    assert requests.post(f"{wechat.url}/_control{path}", json=told, timeout=30).status_code == 422


def test_a_restart_forgets_no_key(identity: keys.Keys, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    ring = Keyring(identity, journal)
    serials = [
        ring.make(kind, now=datetime.fromisoformat("2026-11-21T00:00:00Z")).serial
        for kind in ("public_key", "certificate")
    ]
    ring.choose({"answers": serials[1], "apiv3_key": "x" * 32})
    journal.close()
    journal = Journal(tmp_path / "journal.jsonl")
    again = Keyring(identity, journal)
    assert list(again.signers) == [identity.identity.public_key_id, *serials]
    assert again.choice == ring.choice
    assert again.certificates()[0].certificate == ring.certificates()[0].certificate
    journal.close()
