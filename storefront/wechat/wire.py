"""The mini-program's and the official account's servers, through wechatpy.

Invariant: every call has a time limit and is made outside transactions; a login code is spent at most once and asks
for no access token; however many threads and processes need a new access token, one call fetches it, and a token
that WeChat no longer likes is replaced once per call, never in a loop.
"""

import json
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import redis
import requests
import sqlalchemy
from requests.adapters import HTTPAdapter
from wechatpy import WeChatClient
from wechatpy.exceptions import WeChatClientException
from wechatpy.oauth import WeChatOAuth

from config import database, logs, settings
from config import redis as shared_redis
from storefront.actors import WeChatIdentity
from storefront.errors import CodeRejected, SnapshotUser, WeChatUnavailable
from storefront.wechat.token_store import TokenStore

WECHAT = "https://api.weixin.qq.com/"
# Seconds to connect and to wait for an answer: a shopper who logs in waits no longer than this.
TIMEOUT_S = (3.0, 5.0)
# A refresh takes one round trip; whoever waits this long for another's refresh gives up.
REFRESH_WAIT_S = 10.0
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

        A token that WeChat refuses is replaced once. Raises `WeChatClientException`, `requests.RequestException`.
        """
        token = self.access_token
        try:
            return self._ask(method, path, data=data, params={**(params or {}), "access_token": token})
        except WeChatClientException as refusal:
            if refusal.errcode not in TOKEN_REFUSALS:
                raise
        token = self._refresh(stale=token)
        return self._ask(method, path, data=data, params={**(params or {}), "access_token": token})

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

    def _refresh(self, *, stale: str | None) -> str:
        database.refuse_transaction()
        with self._refreshing():
            known: str | None = self.session.get(self.access_token_key)
            if known and known != stale:
                return known
            body = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
            answer = self._ask(
                "post",
                "cgi-bin/stable_token",
                # Given, so that wechatpy does not ask for the very token that is being fetched.
                params={"access_token": None},
                data=json.dumps({**body, "force_refresh": False}).encode(),
            )
            token, lifetime = str(answer["access_token"]), int(answer["expires_in"])
            self.session.set(self.access_token_key, token, max(SHORTEST_TOKEN_S, lifetime - TOKEN_MARGIN_S))
            return token

    @contextmanager
    def _refreshing(self) -> Generator[None]:
        """Let one refresher in at a time: a mutex guards this process, Redis (or PostgreSQL without it) all of them."""
        if not self._refresh_mutex.acquire(timeout=REFRESH_WAIT_S):
            raise WeChatUnavailable
        try:
            client = shared_redis.shared()
            with _redis_lock(client, self.appid) if client is not None else _advisory_lock(self.appid):
                yield
        finally:
            self._refresh_mutex.release()


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


@contextmanager
def _redis_lock(client: "redis.Redis", appid: str) -> Generator[None]:
    # It outlives any call within its time limit, and a killed holder by a few seconds.
    lock = client.lock(f"wechat:{appid}:refreshing", timeout=15, blocking_timeout=REFRESH_WAIT_S)
    try:
        if not lock.acquire():
            raise WeChatUnavailable
    except redis.RedisError:
        with _advisory_lock(appid):
            yield
        return
    try:
        yield
    finally:
        try:
            lock.release()
        except redis.RedisError:
            # It ran out, or Redis went away: either way nobody waits for it.
            logs.get(__name__).warning("wechat.lock_lost", appid=appid)


@contextmanager
def _advisory_lock(appid: str) -> Generator[None]:
    key = {"key": f"wechat:{appid}:refreshing"}
    with database.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sqlalchemy.text("SELECT pg_advisory_lock(hashtextextended(:key, 0))"), key)
        try:
            yield
        finally:
            connection.execute(sqlalchemy.text("SELECT pg_advisory_unlock(hashtextextended(:key, 0))"), key)


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
