"""The wire to the mini-program's and the official account's servers, against the emulator and a hostile stand-in."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
import requests
from sqlalchemy import text
from wechatpy.exceptions import WeChatClientException

from config import clock, database, logs
from config import settings as process_settings
from config.settings import Settings
from storefront.errors import CodeRejected, SnapshotUser, WeChatUnavailable
from storefront.wechat import token_store, wire
from tests.contracts.test_house import ROOT
from tests.emulator.conftest import Wechat
from tests.storefront.conftest import Asked, Oracle
from tests.waits import wait_until

OPENID = "oAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@pytest.fixture(autouse=True)
def forgotten_tokens(db: None) -> Iterator[None]:
    """Every test starts as a new process would, with no token kept."""
    wire._clients.clear()
    yield
    wire._clients.clear()


def forget_all() -> None:
    with database.transaction() as session:
        session.execute(text("DELETE FROM wechat_access_tokens"))


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


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "guard off"])
def test_29_an_answer_that_leads_elsewhere_is_not_followed(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """The address holds our secret and somebody's code, and would travel on as the referrer."""
    who = {"openid": "o6zAJs-x", "session_key": "k"}
    oracle.location = "/stolen"
    oracle.answer = lambda asked: (200, who) if asked.path == "/stolen" else (302, b"")
    if not guarded:
        ask = requests.Session.request
        monkeypatch.setattr(
            requests.Session, "request", lambda *of, **told: ask(*of, **{**told, "allow_redirects": True})
        )
        assert wire.code2session("0aB").openid == "o6zAJs-x"
    else:
        with pytest.raises(WeChatUnavailable):
            wire.code2session("0aB")
    assert oracle.paths() == ["/sns/jscode2session", *([] if guarded else ["/stolen"])]


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
    def _turn(self, stale: str | None) -> Iterator[str | None]:
        yield None


@pytest.mark.parametrize("shared", [True, False])
def test_twenty_at_once_fetch_one_token(oracle: Oracle, settings: Settings, shared: bool, patient: None) -> None:
    # Nobody is answered before everybody has asked.
    tokens_of(oracle, before=threading.Barrier(20, timeout=60).wait)
    stampede(Unguarded, settings, oracle.url, shared=shared)
    assert len(oracle.asked) == 20, "without the guard there is a stampede"
    oracle.asked.clear()
    forget_all()
    tokens_of(oracle)
    assert stampede(wire.Client, settings, oracle.url, shared=shared) == ["T1"] * 20
    assert oracle.paths() == ["/cgi-bin/stable_token"]


# Python and the libraries are loaded once; each child is then a process of its own that has never seen a token.
FLOCK = """
import os, sys, time
from config import database, settings
from storefront.wechat import wire
from storefront.wechat.wire import Client

settings.use(settings.Settings.from_env())
wire.LOOK_EVERY_S, wire.REFRESH_WAIT_S, wire.TIMEOUT_S = 0.3, 60.0, (60.0, 60.0)
children = []
for _ in range(int(sys.argv[1])):
    pid = os.fork()
    if pid == 0:
        database.configure(settings.current().database_url, pool_size=1)
        time.sleep(max(0.0, float(sys.argv[2]) - time.time()))
        os._exit(0 if wire.miniprogram().access_token == "T1" else 1)
    children.append(pid)
sys.exit(sum(os.waitpid(pid, 0)[1] != 0 for pid in children))
"""


def test_fifty_cold_processes_make_one_token_call(
    oracle: Oracle, environment: dict[str, str], redis_or_not: str
) -> None:
    tokens_of(oracle)
    known = {**os.environ, **environment, "REDIS_URL": redis_or_not, "WECHAT_API_BASE_URL": oracle.url}
    command = [sys.executable, "-c", FLOCK, "50", str(time.time() + 4)]
    done = subprocess.run(command, cwd=ROOT, env=known, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert oracle.paths() == ["/cgi-bin/stable_token"]


@pytest.fixture(params=["with Redis", "without Redis"])
def redis_or_not(request: pytest.FixtureRequest, environment: dict[str, str]) -> str:
    """Redis has no part in it, and must not get one."""
    return environment["REDIS_URL"] if request.param == "with Redis" else ""


def test_nobody_holds_a_connection_while_wechat_issues_a_token(oracle: Oracle) -> None:
    in_hand: list[int] = []

    def answer(_: Asked) -> tuple[int, object]:
        in_hand.append(database.engine().pool.checkedout())
        return 200, {"access_token": "T1", "expires_in": 7200}

    oracle.answer = answer
    assert wire.miniprogram().access_token == "T1"
    assert in_hand == [0]


def test_a_turn_whose_holder_was_killed_runs_out(oracle: Oracle) -> None:
    tokens_of(oracle)
    client, now = wire.miniprogram(), clock.now()
    with clock.frozen(now):
        assert client.session.take_turn(client.access_token_key) is not None
        assert client.session.take_turn(client.access_token_key) is None
    with clock.frozen(now + token_store.TURN_LASTS):
        assert client.access_token == "T1"


def test_whoever_waits_too_long_for_a_turn_gives_up(oracle: Oracle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "REFRESH_WAIT_S", 0.3)
    client = wire.miniprogram()
    client.session.take_turn(client.access_token_key)
    with pytest.raises(WeChatUnavailable):
        _ = client.access_token
    assert oracle.asked == []


def test_a_turn_that_ran_out_is_not_ended_for_its_next_holder(oracle: Oracle) -> None:
    store, key, now = wire.miniprogram().session, wire.miniprogram().access_token_key, clock.now()
    with clock.frozen(now):
        first = store.take_turn(key)
    with clock.frozen(now + token_store.TURN_LASTS):
        assert store.take_turn(key) is not None
        store.end_turn(key, first)
        assert store.take_turn(key) is None


def test_a_token_is_stored_sealed_and_another_secret_does_not_open_it(oracle: Oracle, settings: Settings) -> None:
    tokens_of(oracle)
    assert wire.miniprogram().access_token == "T1"
    [(sealed,)] = database.statement("SELECT sealed FROM wechat_access_tokens")
    assert "T1" not in sealed
    wire._clients.clear()
    process_settings.use(replace(process_settings.current(), secret_key="z0123456789abcdefghijklmnopqrstuvwxyz"))
    assert wire.miniprogram().access_token == "T1"
    assert len(oracle.asked) == 2


def test_a_cold_process_takes_the_kept_token_without_a_call(oracle: Oracle) -> None:
    tokens_of(oracle)
    assert wire.miniprogram().access_token == "T1"
    wire._clients.clear()
    assert wire.miniprogram().access_token == "T1"
    assert len(oracle.asked) == 1
    wire.miniprogram().session.delete(wire.miniprogram().access_token_key)
    assert wire.miniprogram().access_token == "T1"
    assert len(oracle.asked) == 2


def test_the_emulator_issues_one_token_to_twenty(desk: Wechat, patient: None) -> None:
    with ThreadPoolExecutor(20) as pool:
        assert len(set(pool.map(lambda _: wire.miniprogram().access_token, range(20)))) == 1
    asked = [entry for entry in desk.control("GET", "/log") if entry["target"] == "/cgi-bin/stable_token"]
    assert len(asked) == 1


def test_a_token_is_kept_for_less_than_it_lives(oracle: Oracle) -> None:
    now = clock.now()
    for lifetime, kept in ((7200, 6900), (100, 60)):
        oracle.answer = lambda _, lifetime=lifetime: (200, {"access_token": "T1", "expires_in": lifetime})
        forget_all()
        wire._clients.clear()
        with clock.frozen(now):
            assert wire.miniprogram().access_token == "T1"
        [(until,)] = database.statement("SELECT lives_until FROM wechat_access_tokens")
        assert until == now + timedelta(seconds=kept)
        wire._clients.clear()
        with clock.frozen(until):
            assert wire.miniprogram().session.get(wire.miniprogram().access_token_key) is None


def test_a_stale_token_is_replaced_once(desk: Wechat) -> None:
    client = wire.miniprogram()
    first = client.access_token
    desk.control("DELETE", "/tokens")
    answer = client.call("post", "wxa/sec/order/is_trade_managed", data={"appid": client.appid})
    assert answer["is_trade_managed"] is True
    assert client.access_token != first


class Dislike:
    """A WeChat that issues T0, T1, … by force only, or every time, and likes none of them, or one."""

    def __init__(self, oracle: Oracle, *, is_stable: bool, liked: str | None = None) -> None:
        self.issued = 0
        self.is_stable = is_stable
        self.liked = liked
        oracle.answer = self

    def __call__(self, asked: Asked) -> tuple[int, object]:
        if asked.path == "/cgi-bin/stable_token":
            self.issued += not self.is_stable or orjson.loads(asked.body)["force_refresh"] or not self.issued
            return 200, {"access_token": f"T{self.issued}", "expires_in": 7200}
        is_liked = asked.query["access_token"] == self.liked
        return 200, {"errcode": 0} if is_liked else {"errcode": 40001, "errmsg": "invalid credential"}


LINK = "/wxa/generate_urllink"
TOKEN = "/cgi-bin/stable_token"


@pytest.mark.parametrize("is_stable", [True, False])
def test_a_token_that_is_never_liked_is_not_fetched_for_ever(
    oracle: Oracle, is_stable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    alarms: list[str] = []
    monkeypatch.setattr(logs, "alarm", lambda kind, **_: alarms.append(kind))
    Dislike(oracle, is_stable=is_stable)
    for calls in ([TOKEN, LINK, TOKEN, LINK, TOKEN, LINK], [LINK, TOKEN, LINK]):
        oracle.asked.clear()
        with pytest.raises(WeChatClientException):
            wire.miniprogram().call("post", "wxa/generate_urllink", data={"path": "页面"})
        assert oracle.paths() == calls, "by force only once in two hours"
    assert alarms == ["wechat.token_forced"]
    assert "页面".encode() in oracle.asked[0].body


def test_the_last_resort_is_a_single_refresh_by_force(oracle: Oracle) -> None:
    """WeChat insists on a token that it refuses: asked without force, it gives the same one again."""
    Dislike(oracle, is_stable=True, liked="T2")
    client = wire.miniprogram()
    assert client.call("post", "wxa/generate_urllink", data={}) == {"errcode": 0}
    forced = [orjson.loads(asked.body)["force_refresh"] for asked in oracle.asked if asked.path == TOKEN]
    assert forced == [False, False, True]
    assert client.access_token == "T2"
    assert client.call("post", "wxa/generate_urllink", data={}) == {"errcode": 0}
    assert len(oracle.asked) == 7


def test_many_who_are_refused_at_once_force_once(oracle: Oracle, patient: None) -> None:
    Dislike(oracle, is_stable=True, liked="T2")
    client, together = wire.miniprogram(), threading.Barrier(8)

    def ask(_: int) -> object:
        together.wait()
        return client.call("post", "wxa/generate_urllink", data={})

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [{"errcode": 0}] * 8
    forced = [orjson.loads(asked.body)["force_refresh"] for asked in oracle.asked if asked.path == TOKEN]
    assert sum(forced) == 1


def test_without_its_limit_force_would_be_used_at_every_call(oracle: Oracle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard off: twenty a day are soon used up."""
    monkeypatch.setattr(token_store.TokenStore, "may_force", lambda *_: True)
    Dislike(oracle, is_stable=True)
    for _ in range(3):
        with pytest.raises(WeChatClientException):
            wire.miniprogram().call("post", "wxa/generate_urllink", data={})
    assert sum(orjson.loads(asked.body)["force_refresh"] for asked in oracle.asked if asked.path == TOKEN) == 3


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
