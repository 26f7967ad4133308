"""The mini-program's and the official account's servers, through wechatpy.

Invariant: every call has a time limit and is made outside transactions; a login code is spent at most once and asks
for no access token; however many threads and processes need a new access token, one call fetches it, and a token
that WeChat no longer likes is replaced once per call and then, rarely, by force, never in a loop.
"""

import json
import re
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from wechatpy import WeChatClient
from wechatpy.exceptions import WeChatClientException
from wechatpy.oauth import WeChatOAuth

from config import database, logs, settings
from storefront.actors import WeChatIdentity
from storefront.errors import CodeRejected, SnapshotUser, WeChatUnavailable
from storefront.wechat.token_store import TokenStore

WECHAT = "https://api.weixin.qq.com/"
# Seconds to connect and to wait for an answer: a shopper who logs in waits no longer than this.
TIMEOUT_S = (3.0, 5.0)
# A refresh takes one round trip; whoever waits this long for another's refresh gives up.
REFRESH_WAIT_S = 10.0
# How often whoever waits looks whether the other's token has come.
LOOK_EVERY_S = 0.1
# WeChat's clock and ours may differ, and a request may be under way when the token ends.
TOKEN_MARGIN_S = 300
SHORTEST_TOKEN_S = 60

# Wrong or expired, used before, blocked as risky: all of them are the shopper's to repeat with a new code.
CODE_REFUSALS = frozenset({40029, 40163, 40226})
TOKEN_REFUSALS = frozenset({40001, 40014, 42001})
# What only the operator can mend: application id, secret, allow-list, frozen secret, missing permission.
MISCONFIGURED = frozenset({40001, 40002, 40013, 40125, 40164, 40243, 41002, 41004, 48001, 89503})

_CODE = re.compile(r"[0-9A-Za-z_-]{1,128}")
_OPENID = re.compile(r"[0-9A-Za-z_-]{6,128}")


class Client(WeChatClient):
    """wechatpy's client with its measured faults closed.

    It neither retries without end nor calls without a time limit, asks for no access token where none is needed, and
    sends no stampede for a new one.
    """

    def __init__(self, appid: str, secret: str, *, base_url: str) -> None:
        super().__init__(appid, secret, session=TokenStore(), timeout=TIMEOUT_S, auto_retry=False)
        self._http.mount(WECHAT, _Elsewhere(base_url))
        self._refresh_mutex = threading.Lock()

    @property
    def access_token(self) -> str:
        """Return the token for calls in the application's name, fetched when there is none."""
        known: str | None = self.session.get(self.access_token_key)
        return known or self._refresh(stale=None)

    def fetch_access_token(self) -> dict[str, str]:
        """Answer wechatpy's own calls as `access_token` does."""
        return {"access_token": self._refresh(stale=None)}

    def call(
        self, method: str, path: str, *, data: dict[str, Any] | None = None, params: dict[str, str] | None = None
    ) -> Any:
        """Call `path`, such as `"wxa/generate_urllink"`, in the application's name.

        A token that WeChat refuses is fetched again, then, as the last resort, replaced by force. Raises
        `WeChatClientException`, `requests.RequestException`, and `WeChatUnavailable` when no turn came.
        """
        token = self.access_token
        for renew in (self._refresh, self._force):
            try:
                return self._ask_with(token, method, path, data, params)
            except WeChatClientException as refusal:
                if refusal.errcode not in TOKEN_REFUSALS:
                    raise
                renewed = renew(stale=token)
                if renewed is None:
                    raise
                token = renewed
        return self._ask_with(token, method, path, data, params)

    def redeem(self, path: str, **params: str) -> dict[str, Any]:
        """Spend a login code at `path`, authorised by the application's secret instead of an access token."""
        # wechatpy fetches an access token unless the key is there; requests leaves a None out of the URL.
        secrets = {"appid": self.appid, "secret": self.secret, "access_token": None}
        answer = self._ask("get", path, params={**secrets, "grant_type": "authorization_code", **params})
        if not isinstance(answer, dict):
            raise TypeError("the answer is not a JSON object")
        return answer

    def _ask(self, method: str, path: str, **kwargs: Any) -> Any:
        database.refuse_transaction()
        return self._request(method, path, api_base_url=WECHAT, allow_redirects=False, **kwargs)

    def _ask_with(
        self, token: str, method: str, path: str, data: dict[str, Any] | None, params: dict[str, str] | None
    ) -> Any:
        return self._ask(method, path, data=data, params={**(params or {}), "access_token": token})

    def _refresh(self, *, stale: str | None) -> str:
        """Return a token other than `stale` that somebody has fetched by now, else WeChat's present one."""
        with self._turn(stale) as known:
            return known or self._fetch(is_forced=False)

    def _force(self, *, stale: str) -> str | None:
        """Make WeChat issue a new token, the last resort, at most once in two hours; None when that was used."""
        with self._turn(stale) as known:
            if known is not None:
                return known
            if not self.session.may_force(self.access_token_key):
                return None
            logs.alarm("wechat.token_forced", appid=self.appid)
            return self._fetch(is_forced=True)

    def _fetch(self, *, is_forced: bool) -> str:
        body = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
        answer = self._ask(
            "post",
            "cgi-bin/stable_token",
            # Given, so that wechatpy does not ask for the very token that is being fetched.
            params={"access_token": None},
            data=json.dumps({**body, "force_refresh": is_forced}).encode(),
        )
        token, lifetime = str(answer["access_token"]), int(answer["expires_in"])
        self.session.set(self.access_token_key, token, max(SHORTEST_TOKEN_S, lifetime - TOKEN_MARGIN_S))
        return token

    @contextmanager
    def _turn(self, stale: str | None) -> Generator[str | None]:
        """Wait for the turn to fetch, or for a token other than `stale`, whichever comes first; give that token."""
        database.refuse_transaction()
        key, ends_at = self.access_token_key, time.monotonic() + REFRESH_WAIT_S
        if not self._refresh_mutex.acquire(timeout=REFRESH_WAIT_S):
            raise WeChatUnavailable
        try:
            while (turn := self.session.take_turn(key)) is None:
                if known := self._other_than(stale):
                    yield known
                    return
                if time.monotonic() > ends_at:
                    raise WeChatUnavailable
                time.sleep(LOOK_EVERY_S)
            try:
                yield self._other_than(stale)
            finally:
                self.session.end_turn(key, turn)
        finally:
            self._refresh_mutex.release()

    def _other_than(self, stale: str | None) -> str | None:
        known: str | None = self.session.reread(self.access_token_key)
        return known if known != stale else None


class _Elsewhere(HTTPAdapter):
    """Sends what is meant for WeChat's fixed host to the one that the settings name."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        super().__init__(pool_maxsize=16)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send `request` to the same path and query of the other host."""
        parts = urlsplit(str(request.url))
        request.url = f"{self.base_url}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        return super().send(request, *args, **kwargs)


_clients: dict[tuple[str, str, str], Client] = {}
_clients_mutex = threading.Lock()


def miniprogram() -> Client:
    """Return this process's client of the mini-program."""
    now = settings.current()
    return _client(now.wechat_miniprogram_appid, now.wechat_miniprogram_secret)


def official() -> Client:
    """Return this process's client of the official account."""
    now = settings.current()
    return _client(now.wechat_official_appid, now.wechat_official_secret)


def _client(appid: str, secret: str) -> Client:
    key = (appid, secret, settings.current().wechat_api_base_url)
    with _clients_mutex:
        if key not in _clients:
            _clients[key] = Client(appid, secret, base_url=key[2])
        return _clients[key]


def code2session(js_code: str) -> WeChatIdentity:
    """Spend the mini-program's login code and return who logged in; the session key is not kept.

    It is never sent twice: after a time-out the client asks WeChat for a new code.
    Raises `CodeRejected` and `WeChatUnavailable`.
    """
    client = miniprogram()
    return _identity(client, _redeem(client, "sns/jscode2session", "js_code", js_code))


def exchange(code: str) -> WeChatIdentity:
    """Spend the official account's login code and return who logged in; the page token is not kept.

    Raises `CodeRejected`, `WeChatUnavailable`, and `SnapshotUser` for the made-up user of a 快照页.
    """
    client = official()
    answer = _redeem(client, "sns/oauth2/access_token", "code", code)
    if answer.get("is_snapshotuser"):
        raise SnapshotUser
    return _identity(client, answer)


def authorize_url(*, redirect_uri: str, state: str) -> str:
    """Return where to send a browser inside WeChat, so that it comes back silently with a code and `state` (hex)."""
    now = settings.current()
    oauth = WeChatOAuth(now.wechat_official_appid, now.wechat_official_secret, redirect_uri, "snsapi_base", state)
    oauth.OAUTH_BASE_URL = f"{now.wechat_open_base_url}/connect/"
    return str(oauth.authorize_url)


def _redeem(client: Client, path: str, parameter: str, code: str) -> dict[str, Any]:
    if not _CODE.fullmatch(code):
        raise CodeRejected
    # The library's exceptions hold the request with our secret and the code in its URL: none of them travels on.
    try:
        return client.redeem(path, **{parameter: code})
    except WeChatClientException as refusal:
        errcode = refusal.errcode
    except (requests.RequestException, ValueError, TypeError) as failure:
        logs.get(__name__).warning("wechat.unreachable", path=path, reason=type(failure).__name__)
        raise WeChatUnavailable from None
    if errcode in CODE_REFUSALS:
        raise CodeRejected
    if errcode in MISCONFIGURED:
        logs.alarm("wechat.misconfigured", path=path, errcode=errcode)
    else:
        logs.get(__name__).warning("wechat.refused", path=path, errcode=errcode)
    raise WeChatUnavailable


def _identity(client: Client, answer: dict[str, Any]) -> WeChatIdentity:
    openid, unionid = answer.get("openid"), answer.get("unionid") or None
    if not (isinstance(openid, str) and _OPENID.fullmatch(openid)):
        raise WeChatUnavailable
    if unionid is not None and not (isinstance(unionid, str) and _OPENID.fullmatch(unionid)):
        raise WeChatUnavailable
    return WeChatIdentity(appid=client.appid, openid=openid, unionid=unionid)
