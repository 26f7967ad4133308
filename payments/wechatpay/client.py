"""The one place that speaks to WeChat Pay, over a hardened wechatpayv3.

Only a known key's signature, not older than five minutes, is believed; nothing that arrives can make us call out;
and every failure of a call is *unknown*, because WeChat may have carried it out.
"""

import copy
import functools
import re
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO, Protocol

import orjson
from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3.core import Core
from wechatpayv3.type import RequestType
from wechatpayv3.utils import aes_decrypt, rsa_sign, rsa_verify

from config import clock, database, logs, settings
from payments import errors, numbers
from payments.lifecycle import Channel
from payments.wechatpay import answers, keys
from payments.wechatpay.breaker import Breaker
from payments.wechatpay.transport import Request, Transport

_SCHEME = "WECHATPAY2-SHA256-RSA2048"
_ALGORITHM = "AEAD_AES_256_GCM"
_FRESH_FOR = timedelta(minutes=5)
# WeChat refuses what is five minutes off; there is time to mend a clock before that. Told once in ten minutes.
_CLOCKS_AGREE_WITHIN = timedelta(minutes=1)
_DRIFT_TOLD_EVERY_S = 600.0
_LONGEST_NOTIFICATION = 64 * 1024
_USER_AGENT = "localhall-payments/1"

# What WeChat takes for the same request when it comes again with the same body: a payment by its number and identical
# parameters, a close because it is re-entrant, a refund by its number. Any other POST is sent once.
_REPEATABLE = re.compile(
    r"/v3/pay/transactions/(jsapi|h5|native)|/v3/pay/transactions/out-trade-no/[^/]+/close|/v3/refund/domestic/refunds"
)
_TIMESTAMP = re.compile(r"[0-9]{10}")
_PRODUCTS = {
    Channel.MINIPROGRAM: WeChatPayType.MINIPROG,
    Channel.OFFICIAL: WeChatPayType.JSAPI,
    Channel.H5: WeChatPayType.H5,
    Channel.NATIVE: WeChatPayType.NATIVE,
}
_TOKENS = {
    Channel.MINIPROGRAM: "prepay_id",
    Channel.OFFICIAL: "prepay_id",
    Channel.H5: "h5_url",
    Channel.NATIVE: "code_url",
}
# The older spelling is still met. A bare 404 says nothing: it may come from a wrong address.
_MISSING_CODES = frozenset({"ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS"})

# One for the process: whichever client finds an operation failing, the others leave it alone too.
_breaker = Breaker()

log = logs.get(__name__)


class Headers(Protocol):
    """Headers as any web library gives them: looked up without regard to case."""

    def get(self, key: str, default: str, /) -> str:
        """The value of a header."""


class SafeCore(Core):
    """wechatpayv3's core with our own transport: time limits, pooled connections, known keys only, a replay window."""

    def __init__(self, config: settings.Settings) -> None:
        """Load the keys of `config`. Raises `ValueError` or `OSError` for one that cannot be read; makes no call."""
        main = keys.public_key(config.wechatpay_public_key_file)
        super().__init__(
            mchid=config.wechatpay_mchid,
            cert_serial_no=config.wechatpay_merchant_serial,
            private_key=keys.merchant_key_pem(config.wechatpay_merchant_key_file),
            apiv3_key=config.wechatpay_apiv3_key,
            public_key=keys.public_key_pem(main),
            public_key_id=config.wechatpay_public_key_id,
        )
        self._keyring = keys.Keyring(
            serial=config.wechatpay_public_key_id,
            file=config.wechatpay_public_key_file,
            folder=config.wechatpay_extra_keys_dir,
            apiv3_keys=[
                key for key in (config.wechatpay_apiv3_key, config.wechatpay_apiv3_key_previous) if key is not None
            ],
        )
        self._drift_told_until = 0.0
        self._transport = Transport(config.wechatpay_base_url, config.wechatpay_backup_base_url, self._headers)

    def _update_certificates(self) -> None:
        """Never download certificates: a forged serial would make us call out, a failure would forget good ones."""

    def _verify_signature(self, headers: Headers, body: str) -> bool:
        return self.is_signed(headers, body, now=clock.now())

    def is_signed(self, headers: Headers, body: str, *, now: datetime) -> bool:
        """Whether WeChat signed exactly this body within five minutes of `now`, with a key that we know."""
        key = self._keyring.find(headers.get("Wechatpay-Serial", ""), at=now)
        timestamp = headers.get("Wechatpay-Timestamp", "")
        if key is None or headers.get("Wechatpay-Signature-Type", "") != _SCHEME or not _TIMESTAMP.fullmatch(timestamp):
            return False
        if abs(now.timestamp() - int(timestamp)) >= _FRESH_FOR.total_seconds():
            return False
        nonce, signature = headers.get("Wechatpay-Nonce", ""), headers.get("Wechatpay-Signature", "")
        return bool(rsa_verify(timestamp, nonce, body, signature, key))

    def decrypt_resource(self, resource: Mapping[str, str]) -> str | None:
        """Decrypt with the present API v3 key or, while it is being changed, with another that is known.

        Returns None when neither fits. Raises `ValueError` or `KeyError` for a resource that is not as documented.
        """
        if resource["algorithm"] != _ALGORITHM:
            raise ValueError("unknown algorithm")
        for key in self._keyring.apiv3_keys():
            plain = aes_decrypt(
                nonce=resource["nonce"],
                ciphertext=resource["ciphertext"],
                associated_data=resource.get("associated_data") or "",
                apiv3_key=key,
            )
            if plain is not None:
                return str(plain)
        return None

    def request(
        self,
        path: str,
        method: RequestType = RequestType.GET,
        data: Mapping[str, Any] | None = None,
        cipher_data: bool = False,
    ) -> tuple[int, str]:
        """Send one signed request and return (status, text). The same `data` is always the same bytes.

        `cipher_data` changes nothing: the serial that the library would add for it is always sent.
        Raises `requests.RequestException` without an answer and `ValueError` for a 2xx that WeChat did not sign.
        """
        body = b"" if data is None else orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
        is_repeatable = method is RequestType.GET or _REPEATABLE.fullmatch(path) is not None
        answer = self._transport.exchange(Request(method.value, path, body, is_repeatable))
        self._compare_clocks(answer.headers)
        text = answer.content.decode()
        if 200 <= answer.status < 300 and not self._verify_signature(answer.headers, text):
            raise ValueError("unsigned answer")
        return answer.status, text

    def download(self, target: str, file: BinaryIO) -> tuple[int, str]:
        """Write the file that lies at a path of WeChat Pay's into `file`, and return (status, text of a refusal).

        What comes is not signed: only its hash, which came signed, tells whether it is what it should be.
        """
        answer = self._transport.exchange(Request("GET", target, b"", is_repeatable=True, accept="*/*"), into=file)
        self._compare_clocks(answer.headers)
        return answer.status, answer.content.decode()

    def _compare_clocks(self, headers: Headers) -> None:
        try:
            theirs = parsedate_to_datetime(headers.get("Date", ""))
        except ValueError:
            return
        if abs(clock.now() - theirs) > _CLOCKS_AGREE_WITHIN and time.monotonic() >= self._drift_told_until:
            self._drift_told_until = time.monotonic() + _DRIFT_TOLD_EVERY_S
            logs.alarm("payments.clock_drift", seconds=round((clock.now() - theirs).total_seconds()))

    def _headers(self, request: Request) -> dict[str, str]:
        body = request.body.decode()
        headers = {
            "Accept": request.accept,
            "User-Agent": _USER_AGENT,
            "Wechatpay-Serial": self._public_key_id,
            "Authorization": self.authorization(request.method, request.path, body),
        }
        return {**headers, "Content-Type": "application/json"} if body else headers

    def authorization(self, method: str, path: str, body: str) -> str:
        """Sign a request as the merchant."""
        timestamp, nonce = str(int(clock.now().timestamp())), secrets.token_hex(16)
        signature = rsa_sign(self._private_key, f"{method}\n{path}\n{timestamp}\n{nonce}\n{body}\n")
        return (
            f'{_SCHEME} mchid="{self._mchid}",nonce_str="{nonce}",signature="{signature}",'
            f'timestamp="{timestamp}",serial_no="{self._cert_serial_no}"'
        )


class SafePay(WeChatPay):
    """wechatpayv3's front with the safe core behind it; its own constructor would build the unsafe one."""

    def __init__(self, config: settings.Settings, core: SafeCore) -> None:
        """Set what the library's methods read, and nothing that calls out."""
        self._type = WeChatPayType.JSAPI
        self._mchid = config.wechatpay_mchid
        self._appid = config.wechat_official_appid
        self._notify_url = None
        self._partner_mode = False
        self._core = core


class Client:
    """WeChat Pay as the verbs see it: every call returns what is known afterwards, none raises for what WeChat does."""

    def __init__(self, config: settings.Settings) -> None:
        """Load the keys of `config`; raises for those that cannot be read."""
        self._core = SafeCore(config)
        self._pay = SafePay(config, self._core)

    def prepay(self, channel: Channel, body: Mapping[str, Any]) -> answers.Prepaid | answers.Refused | answers.Unknown:
        """Open the payment that `body` describes, or open it again when it is the same."""
        _check(body["out_trade_no"])
        found = _ask("prepay", body["out_trade_no"], lambda: self._pay.pay(pay_type=_PRODUCTS[channel], **body))
        if not isinstance(found, dict):
            return found
        token = found.get(_TOKENS[channel])
        return answers.Prepaid(token) if isinstance(token, str) and token else answers.Unknown("no token")

    def query(self, number: str) -> answers.Transaction | answers.Missing | answers.Refused | answers.Unknown:
        """Ask how the payment stands."""
        _check(number)
        found = _ask("query", number, lambda: self._pay.query(out_trade_no=number))
        return answers.transaction(found) if isinstance(found, dict) else _missing_or(found)

    def close(self, number: str) -> answers.Closed | answers.Refused | answers.Unknown:
        """Ask that nobody can pay any more."""
        _check(number)
        found = _ask("close", number, lambda: self._pay.close(out_trade_no=number))
        return answers.Closed() if isinstance(found, dict) else found

    def refund(self, body: Mapping[str, Any]) -> answers.RefundReport | answers.Refused | answers.Unknown:
        """Ask for the refund that `body` describes; the same number is one refund, however often it is asked for."""
        _check(body["out_refund_no"])
        found = _ask("refund", body["out_refund_no"], lambda: self._pay.refund(**body))
        return answers.refund_report(found) if isinstance(found, dict) else found

    def query_refund(self, number: str) -> answers.RefundReport | answers.Missing | answers.Refused | answers.Unknown:
        """Ask how the refund stands."""
        _check(number)
        found = _ask("query_refund", number, lambda: self._pay.query_refund(number))
        return answers.refund_report(found) if isinstance(found, dict) else _missing_or(found)

    def refund_to_card(
        self, number: str, *, refund_id: str, bank_type: str, account: str, holder: str
    ) -> answers.RefundReport | answers.Refused | answers.Unknown:
        """Ask that an abnormal refund goes to a bank card of the payer's; account and holder travel encrypted."""
        _check(number)
        _check(refund_id)
        found = _ask(
            "refund_to_card",
            number,
            lambda: self._pay.abnormal_refund(
                refund_id=refund_id,
                out_refund_no=number,
                type="USER_BANK_CARD",
                bank_type=bank_type,
                bank_account=account,
                real_name=holder,
            ),
        )
        return answers.refund_report(found) if isinstance(found, dict) else found

    def add_receiver(
        self, *, appid: str, kind: str, account: str, name: str | None
    ) -> answers.Added | answers.Refused | answers.Unknown:
        """Let a merchant (by its full name) or a person receive shares; its name travels sealed. Again is as once."""
        found = _ask(
            "share_receiver",
            "",
            lambda: self._pay.profitsharing_add_receiver(
                account_type=kind, account=account, relation_type="DISTRIBUTOR", name=name, appid=appid
            ),
        )
        return answers.Added() if isinstance(found, dict) else found

    def share(self, body: Mapping[str, Any]) -> answers.ShareReport | answers.Refused | answers.Unknown:
        """Ask that a payment be divided as `body` says, or that it be released when that names no receivers."""
        _check(body["out_order_no"])
        asked = self._pay.profitsharing_order if "receivers" in body else self._pay.profitsharing_unfreeze
        # The library seals names in the list that it is given: it gets one of its own.
        found = _ask("share", body["out_order_no"], lambda: asked(**copy.deepcopy(dict(body))))
        return answers.share_report(found) if isinstance(found, dict) else found

    def query_share(
        self, number: str, *, transaction_id: str
    ) -> answers.ShareReport | answers.Missing | answers.Refused | answers.Unknown:
        """Ask how a payment was divided."""
        _check(number)
        _check(transaction_id)
        asked = self._pay.profitsharing_order_query
        found = _ask("query_share", number, lambda: asked(transaction_id=transaction_id, out_order_no=number))
        return answers.share_report(found) if isinstance(found, dict) else _missing_or(found)

    def return_share(self, body: Mapping[str, Any]) -> answers.ReturnReport | answers.Refused | answers.Unknown:
        """Ask for a part of a share back; the same number is one return, however often it is asked for."""
        _check(body["out_return_no"])
        found = _ask("share_return", body["out_return_no"], lambda: self._pay.profitsharing_return(**body))
        return answers.return_report(found) if isinstance(found, dict) else found

    def query_return(
        self, number: str, *, share: str
    ) -> answers.ReturnReport | answers.Missing | answers.Refused | answers.Unknown:
        """Ask how a return stands."""
        _check(number)
        _check(share)
        asked = self._pay.profitsharing_return_query
        found = _ask("query_return", number, lambda: asked(out_order_no=share, out_return_no=number))
        return answers.return_report(found) if isinstance(found, dict) else _missing_or(found)

    def bill(self, kind: str, day: date) -> answers.BillAddress | answers.Refused | answers.Unknown:
        """Ask where a day's bill can be downloaded: `trade` or `fund_flow`, packed."""
        asked = self._pay.trade_bill if kind == "trade" else self._pay.fundflow_bill
        found = _ask("bill", day.isoformat(), lambda: asked(day.isoformat()))
        if not isinstance(found, dict):
            return found
        url, sha1 = found.get("download_url"), found.get("hash_value")
        is_complete = isinstance(url, str) and isinstance(sha1, str) and found.get("hash_type") == "SHA1"
        return answers.BillAddress(str(url), str(sha1).lower()) if is_complete else answers.Unknown("no address")

    def download(
        self, day: date, target: str, file: BinaryIO
    ) -> answers.Downloaded | answers.Refused | answers.Unknown:
        """Write the bill of `day` that lies at a path of WeChat Pay's into `file`, as it is on the wire."""
        found = _ask("bill_download", day.isoformat(), lambda: self._core.download(target, file))
        return answers.Downloaded() if isinstance(found, dict) else found

    def page_parameters(self, *, appid: str, prepay_id: str, now: datetime) -> dict[str, str]:
        """Sign the parameters with which a page inside WeChat opens the cashier; fresh for every tap."""
        timestamp, nonce, package = str(int(now.timestamp())), secrets.token_hex(16), f"prepay_id={prepay_id}"
        return {
            "appId": appid,
            "timeStamp": timestamp,
            "nonceStr": nonce,
            "package": package,
            "signType": "RSA",
            "paySign": str(self._pay.sign([appid, timestamp, nonce, package])),
        }

    def read_notification(self, headers: Headers, body: bytes, *, now: datetime) -> answers.Notification:
        """Verify and decrypt a notification from its raw bytes.

        Raises `NotificationTooLarge`, `BadSignature`, `MalformedNotification`, and `UndecryptableNotification`, which
        also raises an alarm.
        """
        if len(body) > _LONGEST_NOTIFICATION:
            raise errors.NotificationTooLarge
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise errors.BadSignature from None
        if not self._core.is_signed(headers, text, now=now):
            log.warning("notification.bad_signature", serial=headers.get("Wechatpay-Serial", "")[:64])
            raise errors.BadSignature
        try:
            envelope = orjson.loads(text)
            name, event_type = envelope["id"], envelope["event_type"]
            plain = self._core.decrypt_resource(envelope["resource"])
            if plain is None:
                logs.alarm("payments.apiv3_key", notification=name)
                raise errors.UndecryptableNotification
            content = orjson.loads(plain)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise errors.MalformedNotification from None
        # PostgreSQL cannot keep the character NUL, not even as evidence.
        if not (_is_name(name) and _is_name(event_type) and isinstance(content, dict)) or "\\u0000" in plain:
            raise errors.MalformedNotification
        return answers.Notification(id=name, event_type=event_type, resource=content)


def current() -> Client:
    """The client of the present settings; built once, so that keys are parsed and connections opened once."""
    return _client(settings.current())


@functools.lru_cache(maxsize=2)
def _client(config: settings.Settings) -> Client:
    return Client(config)


def _ask(
    call: str, number: str, send: Callable[[], tuple[int, str]]
) -> dict[str, Any] | answers.Refused | answers.Unknown:
    """Make one call, unless its operation rests, and sort its outcome: a body, a refusal, or not known."""
    database.refuse_transaction()
    if not _breaker.admits(call, at=time.monotonic()):
        return answers.NotSent(call)
    status, found = _exchange(call, number, send)
    # 429 is an answer of a WeChat that is well: one payment's refunds come too fast, and the others are not to wait.
    is_usable = status is not None and status < 500
    if _breaker.note(call, is_usable=is_usable, at=time.monotonic()):
        logs.alarm("payments.wechatpay_paused", call=call)
    return found


def _exchange(
    call: str, number: str, send: Callable[[], tuple[int, str]]
) -> tuple[int | None, dict[str, Any] | answers.Refused | answers.Unknown]:
    """Return the status of a usable answer, if any came, and what is known now."""
    try:
        status, text = send()
        body = orjson.loads(text) if text else {}
    except Exception as error:  # noqa: BLE001 - whatever went wrong, WeChat may have carried the request out
        log.warning("wechatpay.no_answer", call=call, number=number, error=type(error).__name__)
        return None, answers.Unknown(type(error).__name__)
    if not isinstance(body, dict):
        return None, answers.Unknown("not an object")
    if status in (200, 204):
        return status, body
    code = str(body.get("code", ""))
    log.warning("wechatpay.refused", call=call, number=number, status=status, code=code)
    if status == 401:
        logs.alarm("payments.wechatpay_rejects_us", call=call, code=code)
    # 429 may have been accepted, 202 asks to be asked again, 5xx says nothing.
    is_refused = 400 <= status < 500 and status != 429
    return status, answers.Refused(status, code) if is_refused else answers.Unknown(f"{status} {code}")


def _missing_or(found: answers.Refused | answers.Unknown) -> answers.Missing | answers.Refused | answers.Unknown:
    return answers.Missing() if isinstance(found, answers.Refused) and found.code in _MISSING_CODES else found


def _check(number: str) -> None:
    if not numbers.is_valid(number):
        raise ValueError("the number could change the path of the call")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 64 and value.isprintable()
