"""The mini-program's and the official account's perishables: access tokens, tickets, single-use codes, message quotas.

All of it lives in memory only, as WeChat may withdraw any of it at any time: after a restart a client meets 40001 once
and asks for a new token.
"""

import secrets
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from emulator.clock import Clock
from emulator.keys import Keys

TOKEN_LIFETIME = timedelta(seconds=7200)
# A token replaced by /cgi-bin/token still works this long.
TOKEN_GRACE = timedelta(minutes=5)
CODE_LIFETIME = timedelta(minutes=5)


class Refused(Exception):
    """An errcode of the account APIs."""

    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(errmsg)
        self.errcode = errcode
        self.errmsg = errmsg


@dataclass(frozen=True)
class Token:
    """An access token and the account it speaks for."""

    value: str
    appid: str
    expires_at: datetime


@dataclass(frozen=True)
class Code:
    """A login, OAuth or phone code: five minutes, once."""

    appid: str
    person: str
    kind: str
    issued_at: datetime
    scope: str = "snsapi_base"
    is_used: bool = False


class Accounts:
    """What the two accounts have out at the moment."""

    def __init__(self, keys: Keys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: dict[str, Token] = {}
        self._latest: dict[tuple[str, str], Token] = {}
        self._codes: dict[str, Code] = {}
        self._quotas: Counter[tuple[str, str]] = Counter()
        self._templates: dict[str, tuple[str, ...]] = {}
        self.order_detail_path = ""

    def require_secret(self, appid: str, secret: str) -> None:
        """Refuse (40013, 41004, 40125) anything but an account of ours with its secret."""
        if appid not in self._keys.secrets_by_appid:
            raise Refused(40013, "invalid appid")
        if not secret:
            raise Refused(41004, "appsecret missing")
        if not secrets.compare_digest(self._keys.secrets_by_appid[appid].encode(), secret.encode()):
            raise Refused(40125, "invalid appsecret")

    def stable_token(self, appid: str, *, is_forced: bool) -> tuple[str, int]:
        """Return the account's stable token and its remaining seconds; a forced call kills the old one at once."""
        with self._lock:
            now = self._clock.now()
            known = self._latest.get(("stable", appid))
            if known is not None and is_forced:
                self._tokens.pop(known.value, None)
            if known is None or is_forced or known.expires_at <= now or known.value not in self._tokens:
                known = self._issue("stable", appid, now)
            return known.value, int((known.expires_at - now).total_seconds())

    def plain_token(self, appid: str) -> tuple[str, int]:
        """Return a new token of the older kind; the one before it works for another five minutes."""
        with self._lock:
            now = self._clock.now()
            known = self._latest.get(("plain", appid))
            if known is not None and known.value in self._tokens:
                self._tokens[known.value] = replace(known, expires_at=min(known.expires_at, now + TOKEN_GRACE))
            return self._issue("plain", appid, now).value, int(TOKEN_LIFETIME.total_seconds())

    def appid_of(self, token: str) -> str:
        """Return the account that a token speaks for; refuses 41001, 40001, 42001."""
        if not token:
            raise Refused(41001, "access_token missing")
        with self._lock:
            known = self._tokens.get(token)
        if known is None:
            raise Refused(40001, "invalid credential, access_token is invalid or not latest")
        if known.expires_at <= self._clock.now():
            raise Refused(42001, "access_token expired")
        return known.appid

    def kill_tokens(self) -> None:
        """Invalidate every token that is out."""
        with self._lock:
            self._tokens.clear()

    def issue_code(self, *, appid: str, person: str, kind: str, scope: str = "snsapi_base") -> str:
        """Return a new code with which `person` shows up at `appid`."""
        code = "0" + secrets.token_urlsafe(24)[:31]
        with self._lock:
            self._codes[code] = Code(appid, person, kind, self._clock.now(), scope)
        return code

    def redeem(self, code: str, *, appid: str, kind: str) -> Code:
        """Use a code up and return it; refuses 40029 (unknown, another account's, expired) and 40163 (used)."""
        with self._lock:
            known = self._codes.get(code)
            if known is None or (known.appid, known.kind) != (appid, kind):
                raise Refused(40029, "invalid code")
            if known.is_used:
                raise Refused(40163, "code been used")
            if self._clock.now() - known.issued_at > CODE_LIFETIME:
                raise Refused(40029, "invalid code")
            self._codes[code] = replace(known, is_used=True)
            return known

    def describe_template(self, template_id: str, keys: Iterable[str]) -> None:
        """Let a template exist with these keys; once one is described, the others do not exist."""
        with self._lock:
            self._templates[template_id] = tuple(keys)

    def template_keys(self, template_id: str) -> tuple[str, ...] | None:
        """Return a template's keys, None while no template is described at all; refuses 40037 one that is not."""
        with self._lock:
            if not template_id or (self._templates and template_id not in self._templates):
                raise Refused(40037, "invalid template_id")
            return self._templates.get(template_id)

    def messages_left(self, openid: str, template_id: str) -> int:
        """Return how many messages of a template a user still lets through."""
        with self._lock:
            return self._quotas[openid, template_id]

    def grant_messages(self, openid: str, template_id: str, times: int) -> None:
        """Let so many subscribe messages of a template through to a user: what a tap on 允许 does."""
        with self._lock:
            self._quotas[openid, template_id] += times

    def spend_message(self, openid: str, template_id: str) -> None:
        """Use one grant; refuses 43101 when none is left, which is a normal answer."""
        with self._lock:
            if self._quotas[openid, template_id] <= 0:
                raise Refused(43101, "user refuse to accept the msg")
            self._quotas[openid, template_id] -= 1

    def _issue(self, kind: str, appid: str, now: datetime) -> Token:
        token = Token(f"{secrets.token_urlsafe(64)}", appid, now + TOKEN_LIFETIME)
        self._tokens[token.value] = token
        self._latest[kind, appid] = token
        return token
