"""While WeChat moves between keys nothing that it signs is lost, and nothing that it did not sign costs much."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from payments import errors
from payments.wechatpay import client, keys
from tests.payments.conftest import Buyer, Wechat, Writer, facts_of, with_settings

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


def plug(wechat: Wechat, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shop of the emulator's settings with a folder for further keys, which it looks at before every letter."""
    monkeypatch.setattr(keys, "LOOK_EVERY_S", 0.0)
    with_settings(wechat.settings, wechatpay_extra_keys_dir=folder)


def make(wechat: Wechat, kind: str) -> dict[str, Any]:
    return dict(wechat.order("/keys", kind=kind))


@pytest.fixture
def restored(wechat: Wechat) -> Any:
    """WeChat signs with its first key again afterwards."""
    yield
    known = wechat.settings
    wechat.order(
        "/keys/use",
        answers=known.wechatpay_public_key_id,
        notifications={},
        apiv3_key=known.wechatpay_apiv3_key,
    )


@pytest.mark.usefixtures("restored")
class TestMoving:
    """The shop runs on meanwhile."""

    @pytest.mark.parametrize("kind", ["public_key", "certificate"])
    def test_a_key_that_is_put_into_the_folder_is_believed_without_a_restart(
        self, buyer: Buyer, wechat: Wechat, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plug(wechat, tmp_path, monkeypatch)
        now = datetime.now(UTC)
        made = make(wechat, kind)
        wechat.order("/keys/use", notifications={made["serial"]: 1.0})
        number = buyer.paid(now=now)
        assert wechat.inbox.answered == [401]
        pem = made.get("certificate_pem") or made["pem"]
        name = "cert" if kind == "certificate" else made["serial"]
        (tmp_path / f"{name}.pem").write_text(pem)
        wechat.order("/redeliver", out_trade_no=number)
        assert wechat.inbox.answered == [401, 204]
        assert len(facts_of("payment.succeeded")) == 1

    def test_letters_that_arrive_mixed_are_all_believed(
        self, buyer: Buyer, wechat: Wechat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plug(wechat, tmp_path, monkeypatch)
        now = datetime.now(UTC)
        made = make(wechat, "certificate")
        (tmp_path / "cert.pem").write_text(made["certificate_pem"])
        first = wechat.settings.wechatpay_public_key_id
        wechat.order("/keys/use", notifications={made["serial"]: 0.5, first: 0.5})
        for number in range(12):
            buyer.paid(f"O{number}", now=now)
        serials = {headers["Wechatpay-Serial"] for headers, _ in wechat.inbox.letters}
        assert serials == {first, made["serial"]}
        assert wechat.inbox.answered == [204] * 12

    def test_the_api_v3_key_changes_at_wechat_while_the_shop_runs(
        self, buyer: Buyer, wechat: Wechat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Both are known before: as settings, or as a file that is put there."""
        plug(wechat, tmp_path, monkeypatch)
        now = datetime.now(UTC)
        running = client.current()
        buyer.paid("O1", now=now)
        (tmp_path / "apiv3.key").write_text("n" * 32)
        wechat.order("/keys/use", apiv3_key="n" * 32)
        buyer.paid("O2", now=now)
        assert wechat.inbox.answered == [204, 204]
        assert client.current() is running


class TestForgeries:
    """What an attacker can make us compute for one request."""

    @pytest.fixture
    def work(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
        """How many RSA operations and decryptions were done."""
        done = {"rsa": 0, "aes": 0}
        verify, decrypt = client.rsa_verify, client.aes_decrypt

        def counted_verify(*given: Any, **named: Any) -> Any:
            done["rsa"] += 1
            return verify(*given, **named)

        def counted_decrypt(*given: Any, **named: Any) -> Any:
            done["aes"] += 1
            return decrypt(*given, **named)

        monkeypatch.setattr(client, "rsa_verify", counted_verify)
        monkeypatch.setattr(client, "aes_decrypt", counted_decrypt)
        return done

    @pytest.mark.parametrize(
        ("forged", "at_most"),
        [
            ({"Wechatpay_Serial": "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"}, 0),
            ({"Wechatpay_Serial": ""}, 0),
            ({"Wechatpay_Signature_Type": "RSA"}, 0),
            ({"Wechatpay_Timestamp": "1"}, 0),
            ({"Wechatpay_Timestamp": "1605859200"}, 0),
            ({"Wechatpay_Signature": "WECHATPAY/SIGNTEST/c2lnbmF0dXJl"}, 1),
            ({"Wechatpay_Signature": "A" * 60_000}, 1),
            ({"Wechatpay_Nonce": "n" * 60_000}, 1),
        ],
        ids=str,
    )
    def test_one_forgery_costs_at_most_one_rsa_operation(
        self, settings: Settings, writer: Writer, work: dict[str, int], forged: dict[str, str], at_most: int
    ) -> None:
        reader = client.Client(settings)
        body = writer.envelope({"out_trade_no": "P123456"})
        for _ in range(50):
            with pytest.raises(errors.BadSignature):
                reader.read_notification(writer.headers(body, at=NOW, **forged), body, now=NOW)
        assert work == {"rsa": 50 * at_most, "aes": 0}

    def test_one_that_is_too_long_costs_none(self, settings: Settings, writer: Writer, work: dict[str, int]) -> None:
        body = b" " * (64 * 1024 + 1)
        with pytest.raises(errors.NotificationTooLarge):
            client.Client(settings).read_notification(writer.headers(body, at=NOW), body, now=NOW)
        assert work == {"rsa": 0, "aes": 0}

    def test_without_the_order_of_checks_an_old_one_would_cost_one(
        self, settings: Settings, writer: Writer, work: dict[str, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The guard off: whoever kept one genuine letter could send it for ever."""
        body = writer.envelope({"out_trade_no": "P123456"})
        old = writer.headers(body, at=datetime(2020, 11, 20, tzinfo=UTC))
        with pytest.raises(errors.BadSignature):
            client.Client(settings).read_notification(old, body, now=NOW)
        assert work["rsa"] == 0
        monkeypatch.setattr(client, "_FRESH_FOR", NOW - datetime(2000, 1, 1, tzinfo=UTC))
        client.Client(settings).read_notification(old, body, now=NOW)
        assert work["rsa"] == 1
