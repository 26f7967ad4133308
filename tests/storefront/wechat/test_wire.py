"""The wire to the mini-program's and the official account's servers, against the emulator and a hostile stand-in."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
import requests
from wechatpy.exceptions import WeChatClientException

from config import database
from config import redis as shared_redis
from config import settings as process_settings
from config.settings import Settings
from storefront.errors import CodeRejected, SnapshotUser, WeChatUnavailable
from storefront.wechat import wire
from tests.emulator.conftest import Wechat
from tests.storefront.conftest import Asked, Oracle
from tests.waits import wait_until

OPENID = "oAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@pytest.fixture(autouse=True)
def forgotten_tokens(db: None) -> Iterator[None]:
    """Every test starts as a new process would, with an empty Redis."""
    client = shared_redis.shared()
    assert client is not None
    client.flushdb()
    wire._clients.clear()
    yield
    wire._clients.clear()


@pytest.fixture
def no_redis(oracle: Oracle) -> None:
    process_settings.use(replace(process_settings.current(), redis_url=None))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody gives up for being late: what is proved here is who asks, not how fast."""
    monkeypatch.setattr(wire, "TIMEOUT_S", (60.0, 60.0))
    monkeypatch.setattr(wire, "REFRESH_WAIT_S", 60.0)


def tokens_of(oracle: Oracle, *, before: Callable[[], object] = lambda: None) -> None:
    """Let the stand-in issue a stable token, after it has called `before`."""

    def answer(asked: Asked) -> tuple[int, object]:
        before()
        return 200, {"access_token": "T1", "expires_in": 7200}

    oracle.answer = answer


def test_a_login_code_tells_who_it_is_and_works_once(desk: Wechat) -> None:
    code = desk.control("POST", "/js_codes", person="李明")["js_code"]
    identity = wire.code2session(code)
    who = desk.control("GET", "/people/李明")
    assert (identity.openid, identity.unionid) == (who["miniprogram_openid"], who["unionid"])
    assert identity.appid == desk.settings["WECHAT_MINIPROGRAM_APPID"]
    with pytest.raises(CodeRejected):
        wire.code2session(code)
    targets = [entry["target"] for entry in desk.control("GET", "/log")]
    assert not [target for target in targets if "token" in target], "a login asks for no access token"


def test_a_page_code_tells_who_it_is_and_works_once(desk: Wechat) -> None:
    code = desk.control("POST", "/oauth_codes", person="李明")["code"]
    identity = wire.exchange(code)
    assert identity.openid == desk.openid("李明")
    assert identity.appid == desk.settings["WECHAT_OFFICIAL_APPID"]
    with pytest.raises(CodeRejected):
        wire.exchange(code)


def test_a_code_of_the_other_application_is_refused(desk: Wechat) -> None:
    with pytest.raises(CodeRejected):
        wire.code2session(desk.control("POST", "/oauth_codes", person="李明")["code"])


@pytest.mark.parametrize("code", ["", " ", "a b", "a&secret=x", "中文", "a\x00", "a\n", "x" * 129])
def test_text_that_is_no_code_is_never_sent(oracle: Oracle, code: str) -> None:
    for spend in (wire.code2session, wire.exchange):
        with pytest.raises(CodeRejected):
            spend(code)
    assert oracle.asked == []


@pytest.mark.parametrize("errcode", sorted(wire.CODE_REFUSALS))
def test_a_refused_code_is_the_shopper_s_to_repeat(oracle: Oracle, errcode: int) -> None:
    oracle.answer = lambda _: (200, {"errcode": errcode, "errmsg": "no"})
    with pytest.raises(CodeRejected):
        wire.code2session("0aB")
    assert len(oracle.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"errcode": -1, "errmsg": "system error"}),
        (200, {"errcode": 45011}),
        (200, {"errcode": 45009, "errmsg": "limit"}),
        (200, {"errcode": 40125, "errmsg": "invalid appsecret"}),
        (200, {"errcode": 40001, "errmsg": "invalid credential"}),
        (200, {"errcode": "many"}),
        (200, {"errcode": None}),
        (200, {}),
        (200, {"openid": ""}),
        (200, {"openid": None}),
        (200, {"openid": 12345678}),
        (200, {"openid": "o'; DROP TABLE shoppers"}),
        (200, {"openid": OPENID, "unionid": "\x00\x00\x00\x00\x00\x00"}),
        (200, [OPENID]),
        (200, b"<html>busy</html>"),
        (200, b""),
        (200, b"\xff\xfe\x00"),
        (302, b""),
        (500, {"openid": OPENID}),
        (502, b"bad gateway"),
    ],
)
def test_any_other_answer_is_unavailable_and_asked_once(oracle: Oracle, answer: tuple[int, object]) -> None:
    oracle.answer = lambda _: answer
    for spend in (wire.code2session, wire.exchange):
        with pytest.raises(WeChatUnavailable) as refused:
            spend("0aB")
        assert refused.value.__cause__ is None
        assert refused.value.__suppress_context__ or refused.value.__context__ is None
    assert len(oracle.asked) == 2


def test_a_server_that_hangs_is_given_up(oracle: Oracle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "TIMEOUT_S", (60.0, 0.2))
    done = threading.Event()

    def hang(_: Asked) -> tuple[int, object]:
        # It answers only after everybody has given it up.
        done.wait(60)
        return 200, {"openid": OPENID}

    oracle.answer = hang
    with pytest.raises(WeChatUnavailable):
        wire.code2session("0aB")
    assert not done.is_set()
    wait_until(lambda: oracle.asked, what="the call")
    done.set()
    assert len(oracle.asked) == 1, "a code is never sent twice"


def test_nobody_listening_is_unavailable(db: None) -> None:
    with pytest.raises(WeChatUnavailable):
        wire.code2session("0aB")


def test_a_made_up_user_must_not_order(oracle: Oracle) -> None:
    oracle.answer = lambda _: (200, {"openid": OPENID, "is_snapshotuser": 1})
    with pytest.raises(SnapshotUser):
        wire.exchange("0aB")


def test_the_secret_travels_and_no_token_does(oracle: Oracle, settings: Settings) -> None:
    oracle.answer = lambda _: (200, {"openid": OPENID, "session_key": "k"})
    identity = wire.code2session("0aB")
    assert identity.unionid is None
    assert oracle.asked[0].path == "/sns/jscode2session"
    assert oracle.asked[0].query == {
        "appid": settings.wechat_miniprogram_appid,
        "secret": settings.wechat_miniprogram_secret,
        "js_code": "0aB",
        "grant_type": "authorization_code",
    }


def test_the_network_is_refused_inside_a_transaction(oracle: Oracle) -> None:
    with database.transaction(), pytest.raises(AssertionError, match="network"):
        wire.code2session("0aB")
    assert oracle.asked == []


def test_the_address_to_log_in_at(db: None, settings: Settings) -> None:
    url = wire.authorize_url(redirect_uri="http://127.0.0.1:8000/wechat/oauth/callback", state="ab12")
    assert url.startswith(f"{settings.wechat_open_base_url}/connect/oauth2/authorize?appid=")
    assert url.endswith("&state=ab12#wechat_redirect")
    assert parse_qs(urlsplit(url).query) == {
        "appid": [settings.wechat_official_appid],
        "redirect_uri": ["http://127.0.0.1:8000/wechat/oauth/callback"],
        "response_type": ["code"],
        "scope": ["snsapi_base"],
        "state": ["ab12"],
    }


def stampede(make: type[wire.Client], settings: Settings, base_url: str, *, shared: bool) -> list[str]:
    """Ask for the token from 20 threads at once, of one process (`shared`) or of one process each."""
    one = make(settings.wechat_miniprogram_appid, settings.wechat_miniprogram_secret, base_url=base_url)
    together = threading.Barrier(20, timeout=60)

    def ask(_: int) -> str:
        client = one
        if not shared:
            client = make(settings.wechat_miniprogram_appid, settings.wechat_miniprogram_secret, base_url=base_url)
        together.wait()
        return client.access_token

    with ThreadPoolExecutor(20) as pool:
        return list(pool.map(ask, range(20)))


class Unguarded(wire.Client):
    """The client with its guard off, to show what it guards against."""

    @contextmanager
    def _refreshing(self) -> Iterator[None]:
        with nullcontext():
            yield


@pytest.mark.parametrize("shared", [True, False])
def test_twenty_at_once_fetch_one_token(oracle: Oracle, settings: Settings, shared: bool, patient: None) -> None:
    # Nobody is answered before everybody has asked.
    tokens_of(oracle, before=threading.Barrier(20, timeout=60).wait)
    stampede(Unguarded, settings, oracle.url, shared=shared)
    assert len(oracle.asked) == 20, "without the guard there is a stampede"
    oracle.asked.clear()
    client = shared_redis.shared()
    assert client is not None
    client.flushdb()
    tokens_of(oracle)
    assert stampede(wire.Client, settings, oracle.url, shared=shared) == ["T1"] * 20
    assert oracle.paths() == ["/cgi-bin/stable_token"]


def test_the_emulator_issues_one_token_to_twenty(desk: Wechat, patient: None) -> None:
    with ThreadPoolExecutor(20) as pool:
        assert len(set(pool.map(lambda _: wire.miniprogram().access_token, range(20)))) == 1
    asked = [entry for entry in desk.control("GET", "/log") if entry["target"] == "/cgi-bin/stable_token"]
    assert len(asked) == 1


def test_without_redis_a_process_fetches_one_token(
    oracle: Oracle, settings: Settings, no_redis: None, patient: None
) -> None:
    tokens_of(oracle)
    assert stampede(wire.Client, settings, oracle.url, shared=True) == ["T1"] * 20
    assert oracle.paths() == ["/cgi-bin/stable_token"]


def test_without_redis_processes_fetch_one_after_the_other(
    oracle: Oracle, settings: Settings, no_redis: None, patient: None
) -> None:
    inside, most = 0, 0
    mutex = threading.Lock()

    def answer(_: Asked) -> tuple[int, object]:
        nonlocal inside, most
        with mutex:
            inside += 1
            most = max(most, inside)
        time.sleep(0.02)
        with mutex:
            inside -= 1
        return 200, {"access_token": "T1", "expires_in": 7200}

    oracle.answer = answer
    assert stampede(wire.Client, settings, oracle.url, shared=False) == ["T1"] * 20
    assert most == 1
    assert len(oracle.asked) == 20


def test_a_token_is_kept_for_less_than_it_lives(oracle: Oracle) -> None:
    for lifetime, kept in ((7200, 6900), (100, 60)):
        oracle.answer = lambda _, lifetime=lifetime: (200, {"access_token": "T1", "expires_in": lifetime})
        client = shared_redis.shared()
        assert client is not None
        client.flushdb()
        assert wire.miniprogram().access_token == "T1"
        names = list(client.scan_iter("*access_token*"))
        assert len(names) == 1
        assert kept - 5 <= client.ttl(names[0]) <= kept


def test_a_stale_token_is_replaced_once(desk: Wechat) -> None:
    client = wire.miniprogram()
    first = client.access_token
    desk.control("DELETE", "/tokens")
    answer = client.call("post", "wxa/sec/order/is_trade_managed", data={"appid": client.appid})
    assert answer["is_trade_managed"] is True
    assert client.access_token != first


def test_a_token_that_is_never_liked_is_not_fetched_for_ever(oracle: Oracle) -> None:
    issued = iter(range(100))

    def answer(asked: Asked) -> tuple[int, object]:
        if asked.path == "/cgi-bin/stable_token":
            return 200, {"access_token": f"T{next(issued)}", "expires_in": 7200}
        return 200, {"errcode": 40001, "errmsg": "invalid credential"}

    oracle.answer = answer
    with pytest.raises(WeChatClientException):
        wire.miniprogram().call("post", "wxa/generate_urllink", data={"path": "页面"})
    assert oracle.paths() == [
        "/cgi-bin/stable_token",
        "/wxa/generate_urllink",
        "/cgi-bin/stable_token",
        "/wxa/generate_urllink",
    ]
    assert [asked.query["access_token"] for asked in oracle.asked[1::2]] == ["T0", "T1"]
    assert "页面".encode() in oracle.asked[1].body
    body = orjson.loads(oracle.asked[0].body)
    assert (body["grant_type"], body["force_refresh"]) == ("client_credential", False)


def test_other_refusals_are_not_repeated(oracle: Oracle) -> None:
    def answer(asked: Asked) -> tuple[int, object]:
        if asked.path == "/cgi-bin/stable_token":
            return 200, {"access_token": "T1", "expires_in": 7200}
        return 200, {"errcode": 45009, "errmsg": "limit"}

    oracle.answer = answer
    with pytest.raises(WeChatClientException):
        wire.miniprogram().call("get", "cgi-bin/ticket/getticket", params={"type": "jsapi"})
    assert len(oracle.asked) == 2


def test_a_token_endpoint_that_fails_leaves_nobody_locked_out(oracle: Oracle) -> None:
    oracle.answer = lambda _: (500, b"")
    for _ in range(2):
        with pytest.raises((WeChatClientException, requests.RequestException)):
            _ = wire.miniprogram().access_token
    oracle.answer = lambda _: (200, {"access_token": "T1", "expires_in": 7200})
    assert wire.miniprogram().access_token == "T1"
