"""The member of staff of a simulation: knows where the codes hang, gives money back, fetches the report."""

import base64
import hashlib
import hmac
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson

from emulator.browser import Browser, GaveUp

API = "/api/staff/v1"
TOTP_STEP_SECONDS = 30


@dataclass(frozen=True)
class Account:
    """Who logs in: a name, a password, perhaps the secret of a one-time code."""

    username: str
    password: str
    totp_secret: str | None = None


@dataclass(frozen=True)
class Spot:
    """A placement with a code that hangs there."""

    placement: str
    name: str
    code: str


def read_account(path: Path) -> Account:
    """Read the account that a desk prints at its start. Raises GaveUp when there is none."""
    try:
        kept = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        raise GaveUp(f"no staff account: {path} does not exist (start the shop first, or name an account)") from None
    return Account(kept["username"], kept["password"], kept.get("totp_secret"))


class Staff:
    """A logged-in member of staff."""

    def __init__(
        self, shop: str, account: Account | None, token: str | None = None, *, now: Callable[[], float] = time.time
    ) -> None:
        self._now = now
        self._browser = Browser(shop)
        self._browser.token = token
        self._account = account

    @property
    def token(self) -> str | None:
        """The token of the present session."""
        return self._browser.token

    def login(self) -> None:
        """Log in; a one-time code that was used already is followed by the next one. Raises GaveUp."""
        if self._browser.token or self._account is None:
            return
        for _ in range(3):
            body = {"username": self._account.username, "password": self._account.password}
            if self._account.totp_secret:
                body["totp"] = one_time_code(self._account.totp_secret, self._now())
            answer = self._browser.call("POST", f"{API}/sessions", body, accept=(401, 403, 422))
            if answer.status < 300:
                self._browser.token = answer.json()["token"]
                return
            time.sleep(TOTP_STEP_SECONDS - self._now() % TOTP_STEP_SECONDS + 0.5)
        raise GaveUp(f"staff cannot log in: {answer.body.decode(errors='replace')[:300]}")

    def spots(self) -> list[Spot]:
        """Return every placement where a code hangs."""
        found: list[Spot] = []
        cursor: str | None = None
        while True:
            query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
            page = self._get(f"/placements?{urlencode(query)}")
            for item in page["items"]:
                found += [Spot(item["number"], item["name"], code) for code in item.get("codes", [])]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def refund(self, order: str, *, lines: dict[int, int], freight_fen: int, key: str) -> None:
        """Give back so much of each line (number → fen) and of the freight, once per key. Raises GaveUp."""
        body = {
            "lines": [{"line": line, "amount_fen": fen} for line, fen in lines.items()],
            "freight_fen": freight_fen,
            "reason": "坏果",
        }
        self._browser.call("POST", f"{API}/orders/{order}/refunds", body, key=key)

    def ship(self, order: str, *, carrier: str, tracking_number: str) -> None:
        """Send everything of an order that is still to be sent. Raises GaveUp."""
        body = {"carrier": carrier, "tracking_number": tracking_number}
        self._browser.call("POST", f"{API}/orders/{order}/shipments", body)

    def pay_stranded_refunds(self, *, paid_at: datetime) -> int:
        """Pay every refund that WeChat could not pay out by transfer, say so, and return how many. Raises GaveUp."""
        stranded = self._get("/stranded-refunds")["items"]
        for each in stranded:
            body = {"bank_reference": f"T{each['number']}", "paid_at": paid_at.isoformat()}
            self._browser.call("POST", f"{API}/stranded-refunds/{each['number']}/transfer", body)
        return len(stranded)

    def order(self, number: str) -> dict[str, Any]:
        """Return an order as staff see it."""
        return dict(self._get(f"/orders/{number}"))

    def login_again(self) -> None:
        """Log in anew, for sessions do not last for days."""
        if self._account is not None:
            self._browser.token = None
            self.login()

    def attribution(self, number: str) -> dict[str, Any]:
        """Return why an order was credited as it was; nothing while the campaign has not heard of it."""
        answer = self._browser.call("GET", f"{API}/orders/{number}/attribution", accept=(404,))
        return dict(answer.json()) if answer.status < 300 else {}

    def code(self, code: str) -> dict[str, Any]:
        """Return a code with everywhere it hung."""
        return dict(self._get(f"/codes/{code}"))

    def mint(self) -> str:
        """Return a new code, which hangs nowhere."""
        [minted] = self._browser.call("POST", f"{API}/codes", {"count": 1}).json()["items"]
        return str(minted["code"])

    def bind(self, code: str, body: dict[str, Any]) -> None:
        """Hang a code at a placement for a time. Raises GaveUp."""
        self._browser.call("POST", f"{API}/codes/{code}/bindings", body)

    def mark(self, phone: Browser, label: str) -> None:
        """Take somebody's phone, log in with it, and say that it is of the staff. Raises GaveUp."""
        page = phone.open("/staff/login")
        account = self._account
        if account is None:
            raise GaveUp("a phone is marked by somebody with a name and a password")
        entries = {"username": account.username, "password": account.password}
        for _ in range(3):
            code = one_time_code(account.totp_secret, self._now()) if account.totp_secret else ""
            page = phone.submit(page, page.form("/staff/login"), **entries, totp=code)
            if page.path != "/staff/login":
                break
            time.sleep(TOTP_STEP_SECONDS - self._now() % TOTP_STEP_SECONDS + 0.5)
        page = phone.open("/staff/phone")
        phone.submit(page, page.form("/phone/mark"), label=label)

    def report(self, *, around: date) -> dict[str, Any]:
        """Return the placement report of the days around a day, so that midnight changes nothing."""
        return self.report_of(around - timedelta(days=1), around + timedelta(days=2))

    def report_of(self, from_day: date, to_day: date, *, model: str = "last", view: str = "cohort") -> dict[str, Any]:
        """Return the placement report of the days from `from_day` up to, not including, `to_day`."""
        query = {"from": str(from_day), "to": str(to_day), "model": model, "view": view}
        return dict(self._get(f"/reports/placements?{urlencode(query)}"))

    def _get(self, path: str) -> Any:
        return self._browser.call("GET", API + path).json()


def one_time_code(secret: str, at: float) -> str:
    """Return the six digits of RFC 6238 for a base-32 secret at a moment."""
    key = base64.b32decode(secret.upper() + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(at) // TOTP_STEP_SECONDS), hashlib.sha1)
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start : start + 4]) & 0x7FFFFFFF) % 10**6:06d}"
