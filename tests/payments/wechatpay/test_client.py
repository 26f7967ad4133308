"""The wire believes only WeChat, makes no call that it was not asked for, and calls every failure unknown."""

import inspect
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
import wechatpayv3
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from wechatpayv3 import core as library_core
from wechatpayv3 import transaction as library_calls
from wechatpayv3 import utils as library_utils
from wechatpayv3.type import RequestType

from config import clock, database
from config import settings as process_settings
from config.settings import Settings
from payments import errors
from payments.lifecycle import Channel
from payments.wechatpay import answers, bodies, client, transport
from tests.payments.conftest import Wechat, Writer, with_settings

NOW = datetime(2020, 11, 20, 8, 0, tzinfo=UTC)
CONTENT = {"out_trade_no": "P123456", "trade_state": "SUCCESS"}


def body_of(wechat: Wechat, number: str, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "channel": Channel.MINIPROGRAM,
        "number": number,
        "mchid": wechat.settings.wechatpay_mchid,
        "appid": wechat.settings.wechat_miniprogram_appid,
        "amount_fen": 100,
        "description": "砀山酥梨",
        "pay_until": clock.now() + timedelta(minutes=30),
        "notify_url": f"{wechat.inbox.url}/wechatpay/notifications/payments",
        "openid": wechat.openid(),
        "client_ip": None,
    }
    return bodies.prepay(**{**values, **changes})


@pytest.fixture
def reader(settings: Settings) -> client.Client:
    """A client that reads notifications; whoever calls out with it reaches nobody."""
    return client.Client(settings)


@pytest.fixture
def watched(settings: Settings, listener: tuple[str, Callable[[], int]]) -> tuple[client.Client, Callable[[], int]]:
    """A client and the number of connections that it has made."""
    url, connections = listener
    return client.Client(with_settings(settings, wechatpay_base_url=url)), connections


class TestNotifications:
    """What is believed of what arrives."""

    def test_a_genuine_notification_is_read_from_its_raw_bytes(self, reader: client.Client, writer: Writer) -> None:
        body = writer.envelope(CONTENT, name="EV-1")
        read = reader.read_notification(writer.headers(body, at=NOW), body, now=NOW)
        assert read == answers.Notification(id="EV-1", event_type="TRANSACTION.SUCCESS", resource=CONTENT)

    def test_associated_data_may_be_empty(self, reader: client.Client, writer: Writer) -> None:
        body = writer.envelope(CONTENT, associated="")
        assert reader.read_notification(writer.headers(body, at=NOW), body, now=NOW).resource == CONTENT

    @pytest.mark.parametrize("seconds", [-301, -300, 300, 301, 7200])
    def test_outside_five_minutes_nothing_is_believed(
        self, reader: client.Client, writer: Writer, seconds: int
    ) -> None:
        body = writer.envelope(CONTENT)
        with pytest.raises(errors.BadSignature):
            reader.read_notification(writer.headers(body, at=NOW + timedelta(seconds=seconds)), body, now=NOW)

    @pytest.mark.parametrize("seconds", [-299, 299])
    def test_within_five_minutes_it_is(self, reader: client.Client, writer: Writer, seconds: int) -> None:
        body = writer.envelope(CONTENT)
        reader.read_notification(writer.headers(body, at=NOW + timedelta(seconds=seconds)), body, now=NOW)

    @pytest.mark.parametrize(
        "forged",
        [
            {"Wechatpay_Serial": "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"},
            {"Wechatpay_Serial": "PUB_KEY_ID_0999999999999999999999999999999999"},
            {"Wechatpay_Serial": ""},
            {"Wechatpay_Serial": "not hex"},
            {"Wechatpay_Signature_Type": "WECHATPAY2-SM2-WITH-SM3"},
            {"Wechatpay_Signature_Type": ""},
            {"Wechatpay_Signature": "WECHATPAY/SIGNTEST/c2lnbmF0dXJl"},
            {"Wechatpay_Signature": "***"},
            {"Wechatpay_Signature": "签名"},
            {"Wechatpay_Signature": ""},
            {"Wechatpay_Nonce": "another"},
            {"Wechatpay_Timestamp": ""},
            {"Wechatpay_Timestamp": "１６０５８５９２００"},
            {"Wechatpay_Timestamp": "-1605859200"},
            {"Wechatpay_Timestamp": "9" * 400},
        ],
    )
    def test_a_forged_notification_is_refused_without_any_call(
        self, watched: tuple[client.Client, Callable[[], int]], writer: Writer, forged: dict[str, str]
    ) -> None:
        reader, connections = watched
        body = writer.envelope(CONTENT)
        with pytest.raises(errors.BadSignature):
            reader.read_notification(writer.headers(body, at=NOW, **forged), body, now=NOW)
        assert connections() == 0

    def test_after_a_thousand_forgeries_a_genuine_one_is_still_believed(
        self, watched: tuple[client.Client, Callable[[], int]], writer: Writer
    ) -> None:
        reader, connections = watched
        body = writer.envelope(CONTENT)
        for number in range(1000):
            with pytest.raises(errors.BadSignature):
                reader.read_notification(writer.headers(body, at=NOW, Wechatpay_Serial=f"{number:040X}"), body, now=NOW)
        assert reader.read_notification(writer.headers(body, at=NOW), body, now=NOW).resource == CONTENT
        assert connections() == 0

    @pytest.mark.parametrize(
        "body", [b"", b"\xff\xfe", b"<xml><return_code>SUCCESS</return_code></xml>", b"{}", "签名".encode("gbk")]
    )
    def test_without_a_signature_nothing_is_looked_at(self, reader: client.Client, body: bytes) -> None:
        with pytest.raises(errors.BadSignature):
            reader.read_notification({}, body, now=NOW)

    def test_one_changed_byte_breaks_it(self, reader: client.Client, writer: Writer) -> None:
        body = writer.envelope(CONTENT)
        headers = writer.headers(body, at=NOW)
        for changed in (body + b" ", body.replace(b"\n", b""), body.replace("支付".encode(), "支负".encode())):
            with pytest.raises(errors.BadSignature):
                reader.read_notification(headers, changed, now=NOW)

    def test_more_than_64_kib_is_refused_before_anything_is_computed(
        self, reader: client.Client, writer: Writer
    ) -> None:
        body = writer.envelope({**CONTENT, "attach": "x" * 64 * 1024})
        with pytest.raises(errors.NotificationTooLarge):
            reader.read_notification(writer.headers(body, at=NOW), body, now=NOW)

    @pytest.mark.parametrize(
        "body",
        [
            b"[]",
            b"null",
            b"<xml/>",
            b"{}",
            b"[" * 50_000,
            *(
                b'{"id": "1", "event_type": "X", "resource": ' + resource + b"}"
                for resource in (
                    b"null",
                    b"{}",
                    b'{"algorithm": "AES"}',
                    b'{"algorithm": "AEAD_AES_256_GCM", "nonce": 1, "ciphertext": 2}',
                    b'{"algorithm": "AEAD_AES_256_GCM", "nonce": "", "ciphertext": "*"}',
                )
            ),
        ],
    )
    def test_signed_nonsense_is_malformed_and_no_crash(
        self, reader: client.Client, writer: Writer, body: bytes
    ) -> None:
        with pytest.raises(errors.MalformedNotification):
            reader.read_notification(writer.headers(body, at=NOW), body, now=NOW)

    @pytest.mark.parametrize("content", [b"[]", b"no json", b'{"a": "\\u0000"}', b'{"a": "\\ud800"}', b'{"a": NaN}'])
    def test_content_that_cannot_be_kept_is_malformed(
        self, reader: client.Client, writer: Writer, content: bytes
    ) -> None:
        body = writer.envelope(content)
        with pytest.raises(errors.MalformedNotification):
            reader.read_notification(writer.headers(body, at=NOW), body, now=NOW)

    @pytest.mark.parametrize("name", ["", "x" * 65, "a\nb"])
    def test_a_notification_without_a_usable_id_is_malformed(
        self, reader: client.Client, writer: Writer, name: str
    ) -> None:
        body = orjson.dumps({**orjson.loads(writer.envelope(CONTENT)), "id": name})
        with pytest.raises(errors.MalformedNotification):
            reader.read_notification(writer.headers(body, at=NOW), body, now=NOW)

    def test_a_wrong_api_v3_key_is_our_fault_and_must_be_sent_again(self, settings: Settings, writer: Writer) -> None:
        reader = client.Client(with_settings(settings, wechatpay_apiv3_key="f" * 32))
        body = writer.envelope(CONTENT)
        with pytest.raises(errors.UndecryptableNotification) as refusal:
            reader.read_notification(writer.headers(body, at=NOW), body, now=NOW)
        assert refusal.value.status == 503

    def test_while_the_api_v3_key_changes_both_open(self, settings: Settings, writer: Writer) -> None:
        changed = with_settings(
            settings, wechatpay_apiv3_key="f" * 32, wechatpay_apiv3_key_previous=settings.wechatpay_apiv3_key
        )
        body = writer.envelope(CONTENT)
        assert client.Client(changed).read_notification(writer.headers(body, at=NOW), body, now=NOW).resource == CONTENT

    def test_while_the_signing_key_changes_both_are_believed(
        self, settings: Settings, writer: Writer, tmp_path: Path
    ) -> None:
        other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        serial = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
        (tmp_path / f"{serial}.pem").write_bytes(
            other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )
        reader = client.Client(with_settings(settings, wechatpay_extra_keys_dir=tmp_path))
        for each in (writer, Writer(other, serial, writer.apiv3_key), writer):
            body = each.envelope(CONTENT)
            assert reader.read_notification(each.headers(body, at=NOW), body, now=NOW).resource == CONTENT
        crossed = Writer(other, writer.serial, writer.apiv3_key)
        with pytest.raises(errors.BadSignature):
            reader.read_notification(crossed.headers(body, at=NOW), body, now=NOW)

    def test_an_api_v3_key_of_another_length_stops_the_start(self, settings: Settings) -> None:
        with pytest.raises(ValueError, match="32 bytes"):
            client.Client(with_settings(settings, wechatpay_apiv3_key_previous="short"))


class TestCalls:
    """What is known after a call."""

    def test_prepay_query_and_close(self, wechat: Wechat) -> None:
        pay = client.current()
        body = body_of(wechat, "Ptest-wire-1")
        opened = pay.prepay(Channel.MINIPROGRAM, body)
        assert isinstance(opened, answers.Prepaid)
        assert opened.token.startswith("wx")
        found = pay.query("Ptest-wire-1")
        assert isinstance(found, answers.Transaction)
        assert (found.trade_state, found.is_paid, found.total_fen) == ("NOTPAY", False, 100)
        assert pay.close("Ptest-wire-1") == answers.Closed()
        closed = pay.query("Ptest-wire-1")
        assert isinstance(closed, answers.Transaction)
        assert closed.is_closed
        assert pay.prepay(Channel.MINIPROGRAM, body) == answers.Refused(400, "ORDER_CLOSED")

    def test_the_same_body_is_the_same_bytes_whatever_the_order_of_its_keys(self, wechat: Wechat) -> None:
        pay = client.current()
        body = body_of(wechat, "Ptest-wire-2")
        assert isinstance(pay.prepay(Channel.MINIPROGRAM, body), answers.Prepaid)
        turned = dict(reversed([(name, value) for name, value in body.items()]))
        assert isinstance(pay.prepay(Channel.MINIPROGRAM, turned), answers.Prepaid)
        refused = pay.prepay(Channel.MINIPROGRAM, {**body, "description": "another"})
        assert refused == answers.Refused(403, "OUT_TRADE_NO_USED")

    def test_each_channel_has_its_token(self, wechat: Wechat) -> None:
        for channel, start in ((Channel.H5, "http"), (Channel.NATIVE, "http")):
            body = body_of(
                wechat,
                f"Ptest-{channel}",
                channel=channel,
                client_ip="203.0.113.9",
                appid=wechat.settings.wechat_official_appid,
            )
            opened = client.current().prepay(channel, body)
            assert isinstance(opened, answers.Prepaid)
            assert opened.token.startswith(start)

    def test_an_unknown_number_is_missing(self, wechat: Wechat) -> None:
        assert client.current().query("Pnever-seen") == answers.Missing()
        assert client.current().query_refund("Rnever-seen") == answers.Missing()

    @pytest.mark.parametrize("number", ["A|B123", "A?mchid=2&a=1", "A/../../v3", ""])
    def test_a_number_that_could_change_the_path_is_never_sent(self, wechat: Wechat, number: str) -> None:
        pay = client.current()
        for call in (pay.query, pay.close, pay.query_refund):
            with pytest.raises(ValueError, match="path"):
                call(number)
        with pytest.raises(ValueError, match="path"):
            pay.prepay(Channel.NATIVE, {"out_trade_no": number})
        with pytest.raises(ValueError, match="path"):
            pay.refund({"out_refund_no": number})
        assert wechat.calls() == []

    @pytest.mark.parametrize(
        ("fault", "told"),
        [
            ("error", {}),
            ("error", {"options": {"status": 503}}),
            ("limited", {}),
            ("limited", {"when": "after"}),
            ("forged_response", {}),
            ("reset", {"times": 2}),
            ("reset", {"times": 2, "when": "after"}),
        ],
    )
    def test_every_failure_of_a_call_is_unknown(self, wechat: Wechat, fault: str, told: dict[str, Any]) -> None:
        wechat.fault(fault, on="prepay", **told)
        found = client.current().prepay(Channel.MINIPROGRAM, body_of(wechat, f"Punknown-{fault}"))
        assert isinstance(found, answers.Unknown)
        assert not isinstance(found, answers.NotSent)

    def test_an_answer_that_never_comes_is_unknown(
        self, wechat: Wechat, impatient: Callable[[Callable[[], Any]], None]
    ) -> None:
        impatient(lambda: wechat.knows("Ptimeout-1"))
        wechat.fault("timeout", on="prepay", when="after", options={"seconds": 60})
        found = client.current().prepay(Channel.MINIPROGRAM, body_of(wechat, "Ptimeout-1"))
        assert found == answers.Unknown("ReadTimeout")
        assert wechat.book("Ptimeout-1")["state"] == "NOTPAY"

    def test_a_broken_connection_is_tried_once_more_with_the_same_request(self, wechat: Wechat) -> None:
        wechat.fault("reset", on="prepay", when="after", times=1)
        found = client.current().prepay(Channel.MINIPROGRAM, body_of(wechat, "Preset-1"))
        assert isinstance(found, answers.Prepaid)
        assert len(wechat.book("Preset-1")["prepay_ids"]) == 2

    def test_an_address_that_is_down_is_replaced_by_the_backup(self, wechat: Wechat) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as closed_soon:
            nobody = f"http://127.0.0.1:{closed_soon.getsockname()[1]}"
        with_settings(wechat.settings, wechatpay_base_url=nobody, wechatpay_backup_base_url=wechat.url)
        assert client.current().query("Pnever-seen") == answers.Missing()

    def test_nobody_there_is_unknown(self, db: None) -> None:
        assert client.current().query("Pnever-seen") == answers.Unknown("ConnectionError")

    def test_a_redirect_is_not_followed(self, db: None, settings: Settings, redirector: tuple[str, list[str]]) -> None:
        url, seen = redirector
        with_settings(settings, wechatpay_base_url=url)
        assert isinstance(client.current().query("Pnever-seen"), answers.Unknown)
        assert len(seen) == 1

    def test_a_clock_that_is_off_is_refused_by_wechat_and_alarms(
        self, wechat: Wechat, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with clock.frozen(datetime.now(UTC) + timedelta(minutes=10)):
            assert client.current().query("Pnever-seen") == answers.Refused(401, "SIGN_ERROR")
        assert "payments.wechatpay_rejects_us" in "".join(capsys.readouterr())

    def test_a_netrc_of_the_machine_does_not_replace_our_signature(
        self, wechat: Wechat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "netrc").write_text("default login somebody password secret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        assert client.current().query("Pnever-seen") == answers.Missing()

    def test_a_stale_answer_is_unknown(self, wechat: Wechat) -> None:
        """The request goes out in time; its answer is looked at five minutes later."""
        core = client.SafeCore(wechat.settings)
        path = "/v3/pay/transactions/out-trade-no/P123456?mchid=1"
        answer = core._transport.exchange(transport.Request("GET", path, b"", is_repeatable=True))
        assert answer.status == 400
        text = answer.content.decode()
        assert core.is_signed(answer.headers, text, now=clock.now())
        assert not core.is_signed(answer.headers, text, now=clock.now() + timedelta(seconds=301))

    def test_no_call_is_made_inside_a_transaction(self, wechat: Wechat) -> None:
        with database.transaction(), pytest.raises(AssertionError, match="inside a transaction"):
            client.current().query("Pnever-seen")
        assert wechat.calls() == []

    def test_connections_are_kept_and_shared_by_threads(self, wechat: Wechat, monkeypatch: pytest.MonkeyPatch) -> None:
        made = []
        connect = socket.socket.connect
        monkeypatch.setattr(socket.socket, "connect", lambda s, address: (made.append(address), connect(s, address))[1])
        pay = client.Client(wechat.settings)
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda n: pay.query(f"Pnever-seen-{n}"), range(40)))
        assert found == [answers.Missing()] * 40
        to_wechat = [address for address in made if address[1] == int(wechat.url.rsplit(":", 1)[1])]
        assert len(to_wechat) <= 8

    def test_one_client_serves_the_process(self, settings: Settings) -> None:
        process_settings.use(settings)
        assert client.current() is client.current()


@pytest.fixture
def redirector() -> Iterator[tuple[str, list[str]]]:
    """A server that sends everybody elsewhere, once."""
    seen: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"

        def serve() -> None:
            while True:
                try:
                    connection = server.accept()[0]
                except OSError:
                    return
                with connection:
                    seen.append(connection.recv(4096).decode().split("\r\n")[0])
                    connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: {url}/x\r\nContent-Length: 0\r\n\r\n".encode())

        thread = threading.Thread(target=serve)
        thread.start()
        yield url, seen
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_the_page_is_signed_anew_for_every_tap(settings: Settings) -> None:
    pay = client.Client(settings)
    first, second = (pay.page_parameters(appid="wx1", prepay_id="wx42", now=NOW) for _ in range(2))
    assert set(first) == {"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"}
    assert (first["timeStamp"], first["package"], first["signType"]) == ("1605859200", "prepay_id=wx42", "RSA")
    assert len(first["nonceStr"]) <= 32
    assert first["nonceStr"] != second["nonceStr"]
    message = f"wx1\n{first['timeStamp']}\n{first['nonceStr']}\nprepay_id=wx42\n".encode()
    key = client.SafeCore(settings)._private_key.public_key()
    key.verify(library_utils.b64decode(first["paySign"]), message, PKCS1v15(), SHA256())


class TestLibrary:
    """Every private thing of the library that the hardening relies on is still there."""

    def test_the_library_is_the_one_that_was_read(self) -> None:
        assert wechatpayv3.__version__ == "2.0.4"

    def test_the_core_keeps_what_we_read_from_it(self, settings: Settings) -> None:
        core = client.SafeCore(settings)
        assert core._mchid == settings.wechatpay_mchid
        assert core._cert_serial_no == settings.wechatpay_merchant_serial
        assert core._public_key_id == settings.wechatpay_public_key_id
        assert isinstance(core._private_key, rsa.RSAPrivateKey)
        assert {"_update_certificates", "_verify_signature", "request"} <= set(vars(library_core.Core))

    def test_a_core_with_a_public_key_starts_without_any_call(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(requests.Session, "send", lambda *_, **__: pytest.fail("called out"))
        client.SafeCore(settings)

    def test_the_front_reads_only_what_our_constructor_sets(self, settings: Settings) -> None:
        pay = client.SafePay(settings, client.SafeCore(settings))
        original = inspect.getsource(wechatpayv3.WeChatPay.__init__)
        assigned = {line.split("=")[0].strip() for line in original.splitlines() if line.strip().startswith("self._")}
        assert {f"self.{name}" for name in vars(pay)} == assigned

    def test_the_front_calls_the_core_as_our_core_is_declared(self, settings: Settings) -> None:
        asked: list[tuple[str, RequestType, Any]] = []

        class Notebook(client.SafeCore):
            def request(self, path: str, method: RequestType = RequestType.GET, data: Any = None) -> tuple[int, str]:
                asked.append((path, method, data))
                return 200, "{}"

        pay = client.SafePay(settings, Notebook(settings))
        sent = {
            "appid": "wx1",
            "mchid": "19",
            "description": "d",
            "out_trade_no": "P123456",
            "time_expire": "t",
            "notify_url": "n",
            "amount": {"total": 1},
            "payer": {"openid": "o"},
            "scene_info": {"payer_client_ip": "i"},
        }
        back = {"transaction_id": "42", "out_refund_no": "R123456", "notify_url": "n", "amount": {}, "reason": "r"}
        for channel in Channel:
            pay.pay(pay_type=client._PRODUCTS[channel], **sent)
        pay.query(out_trade_no="P123456")
        pay.close(out_trade_no="P123456")
        pay.refund(**{**back, "amount": {"refund": 1}})
        pay.query_refund("R123456")
        mchid = settings.wechatpay_mchid
        assert asked == [
            ("/v3/pay/transactions/jsapi", RequestType.POST, sent),
            ("/v3/pay/transactions/jsapi", RequestType.POST, sent),
            ("/v3/pay/transactions/h5", RequestType.POST, sent),
            ("/v3/pay/transactions/native", RequestType.POST, sent),
            (f"/v3/pay/transactions/out-trade-no/P123456?mchid={mchid}", RequestType.GET, None),
            ("/v3/pay/transactions/out-trade-no/P123456/close", RequestType.POST, {"mchid": mchid}),
            ("/v3/refund/domestic/refunds", RequestType.POST, {**back, "amount": {"refund": 1}}),
            ("/v3/refund/domestic/refunds/R123456", RequestType.GET, None),
        ]

    def test_the_helpers_have_the_shape_that_we_use(self) -> None:
        assert list(inspect.signature(library_utils.rsa_sign).parameters) == ["private_key", "sign_str"]
        assert list(inspect.signature(library_utils.rsa_verify).parameters) == [
            "timestamp",
            "nonce",
            "body",
            "signature",
            "public_key",
        ]
        assert set(inspect.signature(library_utils.aes_decrypt).parameters) == {
            "nonce",
            "ciphertext",
            "associated_data",
            "apiv3_key",
        }
        assert {"pay", "close", "query", "refund", "query_refund"} <= set(vars(library_calls))
