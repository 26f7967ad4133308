"""The settings of one process, read once from the environment.

Invariant: a `Settings` object that exists is complete and safe; every fault of an environment is reported at once,
and no weak secret and no plain-http WeChat is ever accepted, except on a desk (`ALLOW_EMULATED_WECHAT=1`).
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
# What the notice of shipping says under which key of its template, as the commonest template has them.
SHIPPED_TEMPLATE_KEYS = (
    "character_string1=order,thing2=goods,thing3=carrier,character_string4=tracking,time5=shipped_at"
)
_TEMPLATE_KEY = "[a-z_]+[0-9]+=(order|goods|carrier|tracking|shipped_at)"
WEAK_SECRETS = {"secret", "changeme", "password", "dev", "test", "default"}


class SettingsError(Exception):
    """The environment cannot run the shop; `faults` lists every reason."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("The settings have faults:\n" + "\n".join(f"  - {fault}" for fault in faults))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that the outside world may set. Each attribute is the environment's name in lower case (docs/settings.md)."""

    database_url: str
    redis_url: str | None
    public_base_url: str
    secret_key: str
    household_key: str | None
    household_key_previous: str | None
    trusted_proxies: int
    hall_data_dir: Path
    allow_emulated_wechat: bool
    log_level: str
    wechat_miniprogram_appid: str
    wechat_miniprogram_secret: str
    wechat_official_appid: str
    wechat_official_secret: str
    wechat_api_base_url: str
    wechat_open_base_url: str
    wechat_push_token: str | None
    wechat_push_aes_key: str | None
    wechat_shipped_template_id: str | None
    wechat_shipped_template_keys: str
    wechatpay_base_url: str
    wechatpay_backup_base_url: str | None
    wechatpay_mchid: str
    wechatpay_merchant_serial: str
    wechatpay_merchant_key_file: Path
    wechatpay_apiv3_key: str
    wechatpay_apiv3_key_previous: str | None
    wechatpay_public_key_id: str
    wechatpay_public_key_file: Path
    wechatpay_extra_keys_dir: Path | None
    verification_files_dir: Path | None
    storage_dir: Path
    storage_bucket_url: str | None
    storage_region: str
    storage_key_id: str | None
    storage_secret: str | None
    storage_public_url: str | None
    webhook_desk_ca_file: Path | None
    operator_name: str | None
    service_contact: str | None
    business_licence_number: str | None
    food_licence_number: str | None
    alcohol_licence_number: str | None
    icp_number: str | None
    public_security_number: str | None
    order_pay_minutes: int
    order_receive_days: int
    attribution_half_life_hours: int
    attribution_repeat: str
    refund_second_person_fen: int

    @cached_property
    def is_public_https(self) -> bool:
        """Tell whether browsers reach us over https, so that cookies must be `Secure`."""
        return urlsplit(self.public_base_url).scheme == "https"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the environment (`os.environ` unless given). Raises `SettingsError` with every fault at once."""
        reader = _Reader(os.environ if environ is None else environ)
        emulated = reader.flag("ALLOW_EMULATED_WECHAT")
        settings = cls(
            database_url=reader.database("DATABASE_URL"),
            redis_url=reader.optional("REDIS_URL"),
            public_base_url=reader.base_url("PUBLIC_BASE_URL", default="http://127.0.0.1:8000"),
            secret_key=reader.secret("SECRET_KEY", at_least=32),
            household_key=reader.optional_secret("HOUSEHOLD_KEY", at_least=32),
            household_key_previous=reader.optional_secret("HOUSEHOLD_KEY_PREVIOUS", at_least=32),
            trusted_proxies=reader.integer("TRUSTED_PROXIES", default=0, lowest=0, highest=5),
            hall_data_dir=Path(reader.optional("HALL_DATA_DIR") or ".data").absolute(),
            allow_emulated_wechat=emulated,
            log_level=reader.choice("LOG_LEVEL", {"DEBUG", "INFO", "WARNING", "ERROR"}, default="INFO"),
            wechat_miniprogram_appid=reader.required("WECHAT_MINIPROGRAM_APPID"),
            wechat_miniprogram_secret=reader.required("WECHAT_MINIPROGRAM_SECRET"),
            wechat_official_appid=reader.required("WECHAT_OFFICIAL_APPID"),
            wechat_official_secret=reader.required("WECHAT_OFFICIAL_SECRET"),
            wechat_api_base_url=reader.wechat_url("WECHAT_API_BASE_URL", "https://api.weixin.qq.com", emulated),
            wechat_open_base_url=reader.wechat_url("WECHAT_OPEN_BASE_URL", "https://open.weixin.qq.com", emulated),
            wechat_push_token=reader.optional("WECHAT_PUSH_TOKEN"),
            wechat_push_aes_key=reader.matching(
                "WECHAT_PUSH_AES_KEY", "[0-9A-Za-z+/]{43}", "must be the 43 characters of the console"
            ),
            wechat_shipped_template_id=reader.optional("WECHAT_SHIPPED_TEMPLATE_ID"),
            wechat_shipped_template_keys=reader.matching(
                "WECHAT_SHIPPED_TEMPLATE_KEYS",
                f"{_TEMPLATE_KEY}(,{_TEMPLATE_KEY})*",
                "must be key=value pairs of notices",
            )
            or SHIPPED_TEMPLATE_KEYS,
            wechatpay_base_url=reader.wechat_url("WECHATPAY_BASE_URL", "https://api.mch.weixin.qq.com", emulated),
            wechatpay_backup_base_url=reader.optional("WECHATPAY_BACKUP_BASE_URL"),
            wechatpay_mchid=reader.required("WECHATPAY_MCHID"),
            wechatpay_merchant_serial=reader.required("WECHATPAY_MERCHANT_SERIAL"),
            wechatpay_merchant_key_file=reader.file("WECHATPAY_MERCHANT_KEY_FILE"),
            wechatpay_apiv3_key=reader.exactly("WECHATPAY_APIV3_KEY", 32),
            wechatpay_apiv3_key_previous=reader.optional("WECHATPAY_APIV3_KEY_PREVIOUS"),
            wechatpay_public_key_id=reader.required("WECHATPAY_PUBLIC_KEY_ID"),
            wechatpay_public_key_file=reader.file("WECHATPAY_PUBLIC_KEY_FILE"),
            wechatpay_extra_keys_dir=reader.folder("WECHATPAY_EXTRA_KEYS_DIR"),
            verification_files_dir=reader.folder("VERIFICATION_FILES_DIR"),
            **_files(reader),
            webhook_desk_ca_file=reader.optional_file("WEBHOOK_DESK_CA_FILE"),
            operator_name=reader.optional("OPERATOR_NAME"),
            service_contact=reader.optional("SERVICE_CONTACT"),
            business_licence_number=reader.optional("BUSINESS_LICENCE_NUMBER"),
            food_licence_number=reader.optional("FOOD_LICENCE_NUMBER"),
            alcohol_licence_number=reader.optional("ALCOHOL_LICENCE_NUMBER"),
            icp_number=reader.optional("ICP_NUMBER"),
            public_security_number=reader.optional("PUBLIC_SECURITY_NUMBER"),
            order_pay_minutes=reader.integer("ORDER_PAY_MINUTES", default=30, lowest=5, highest=1440),
            order_receive_days=reader.integer("ORDER_RECEIVE_DAYS", default=10, lowest=1, highest=60),
            attribution_half_life_hours=reader.integer(
                "ATTRIBUTION_HALF_LIFE_HOURS", default=42, lowest=1, highest=720
            ),
            attribution_repeat=reader.choice("ATTRIBUTION_REPEAT", {"EVERY", "ONCE"}, default="EVERY").lower(),
            refund_second_person_fen=reader.integer(
                "REFUND_SECOND_PERSON_FEN", default=50_000, lowest=0, highest=10_000_000
            ),
        )
        settings._weigh_together(reader)
        if reader.faults:
            raise SettingsError(reader.faults)
        return settings

    def _weigh_together(self, reader: "_Reader") -> None:
        """Add the faults that no setting has by itself."""
        emulated = self.allow_emulated_wechat
        if emulated and self.is_public_https and urlsplit(self.public_base_url).hostname not in LOOPBACK:
            reader.faults.append(
                "ALLOW_EMULATED_WECHAT=1 is for a desk: PUBLIC_BASE_URL must not be a public https site"
            )
        if self.webhook_desk_ca_file and not emulated:
            reader.faults.append("WEBHOOK_DESK_CA_FILE is for a desk: it goes with ALLOW_EMULATED_WECHAT=1 only")
        if not emulated and not self.is_public_https:
            reader.faults.append("PUBLIC_BASE_URL must be https: WeChat refuses to notify anything else")
        if bool(self.wechat_push_token) != bool(self.wechat_push_aes_key):
            reader.faults.append("WECHAT_PUSH_TOKEN and WECHAT_PUSH_AES_KEY go together")
        if self.wechatpay_backup_base_url and not emulated:
            reader.wechat_url("WECHATPAY_BACKUP_BASE_URL", "", emulated)


def _files(reader: "_Reader") -> dict[str, Any]:
    """Return where files are kept: a folder, or a bucket with everything that it needs."""
    folder = reader.optional("STORAGE_DIR") or Path(reader.optional("HALL_DATA_DIR") or ".data") / "files"
    bucket = {
        "storage_bucket_url": reader.address("STORAGE_BUCKET_URL"),
        "storage_key_id": reader.optional("STORAGE_KEY_ID"),
        "storage_secret": reader.optional("STORAGE_SECRET"),
    }
    if any(bucket.values()) and not all(bucket.values()):
        reader.faults.append("STORAGE_BUCKET_URL, STORAGE_KEY_ID and STORAGE_SECRET go together")
    return {
        **bucket,
        "storage_dir": Path(folder).absolute(),
        "storage_region": reader.optional("STORAGE_REGION") or "us-east-1",
        "storage_public_url": reader.address("STORAGE_PUBLIC_URL"),
    }


class _Reader:
    """Reads names from a mapping and collects faults instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.faults: list[str] = []

    def optional(self, name: str) -> str | None:
        return self.environ.get(name, "").strip() or None

    def required(self, name: str) -> str:
        value = self.optional(name)
        if value is None:
            self.faults.append(f"{name} is not set")
        return value or ""

    def _checked(self, name: str, value: str, holds: Callable[[str], bool], fault: str) -> str:
        if value and not holds(value):
            self.faults.append(f"{name} {fault}")
        return value

    def matching(self, name: str, pattern: str, fault: str) -> str | None:
        value = self.optional(name)
        if value is not None:
            self._checked(name, value, lambda v: re.fullmatch(pattern, v, re.ASCII) is not None, fault)
        return value

    def exactly(self, name: str, length: int) -> str:
        value = self.required(name)
        return self._checked(name, value, lambda v: len(v.encode()) == length, f"must be exactly {length} bytes long")

    def secret(self, name: str, *, at_least: int) -> str:
        return self._strong(name, self.required(name), at_least)

    def optional_secret(self, name: str, *, at_least: int) -> str | None:
        return self._strong(name, self.optional(name) or "", at_least) or None

    def _strong(self, name: str, value: str, at_least: int) -> str:
        def is_strong(value: str) -> bool:
            return len(value) >= at_least and len(set(value)) >= 8 and value.lower() not in WEAK_SECRETS

        return self._checked(name, value, is_strong, f"is too weak: give at least {at_least} random characters")

    def flag(self, name: str) -> bool:
        value = self.optional(name) or "0"
        return self._checked(name, value, lambda v: v in {"0", "1"}, "must be 0 or 1") == "1"

    def choice(self, name: str, allowed: set[str], *, default: str) -> str:
        value = (self.optional(name) or default).upper()
        return self._checked(name, value, lambda v: v in allowed, f"must be one of {', '.join(sorted(allowed))}")

    def integer(self, name: str, *, default: int, lowest: int, highest: int) -> int:
        value = self.optional(name)
        if value is None:
            return default
        if not value.isascii() or not value.isdigit() or not lowest <= int(value) <= highest:
            self.faults.append(f"{name} must be a whole number from {lowest} to {highest}")
            return default
        return int(value)

    def base_url(self, name: str, *, default: str) -> str:
        value = (self.optional(name) or default).rstrip("/")
        return self._checked(name, value, _is_base_url, "must be http(s)://host with neither path nor query")

    def address(self, name: str) -> str | None:
        """Return an address that may have a path, without its last slash: https, or http on this machine."""
        value = (self.optional(name) or "").rstrip("/")
        return self._checked(name, value, _is_address, "must be https://host, with a path if need be") or None

    def wechat_url(self, name: str, default: str, emulated: bool) -> str:
        value = self.base_url(name, default=default)
        if not emulated and urlsplit(value).scheme != "https":
            self.faults.append(f"{name} must be https (ALLOW_EMULATED_WECHAT=1 allows an emulator on a desk)")
        return value

    def database(self, name: str) -> str:
        value = self.required(name)
        if not value:
            return value
        try:
            url = make_url(value)
        except ArgumentError:
            self.faults.append(f"{name} is not a database URL")
            return value
        if url.get_backend_name() not in {"postgresql", "postgres"}:
            self.faults.append(f"{name} must be a PostgreSQL URL")
            return value
        return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)

    def file(self, name: str) -> Path:
        value = self.required(name)
        self._checked(name, value, lambda v: Path(v).is_file(), "does not name a readable file")
        return Path(value)

    def optional_file(self, name: str) -> Path | None:
        return self.file(name) if self.optional(name) else None

    def folder(self, name: str) -> Path | None:
        value = self.optional(name)
        if value is None:
            return None
        self._checked(name, value, lambda v: Path(v).is_dir(), "does not name a folder")
        return Path(value)


def _is_base_url(value: str) -> bool:
    parts = urlsplit(value)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.path and not parts.query


def _is_address(value: str) -> bool:
    parts = urlsplit(value)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    return is_safe and bool(parts.hostname) and not parts.query and not parts.fragment


_current: Settings | None = None


def use(settings: Settings) -> None:
    """Make `settings` those of this process. Called once by the composition root (and by tests)."""
    global _current
    _current = settings


def current() -> Settings:
    """Return the settings of this process. Raises `RuntimeError` before `use` was called."""
    if _current is None:
        raise RuntimeError("settings.use() has not been called: start through wsgi.py or `flask --app wsgi`")
    return _current
