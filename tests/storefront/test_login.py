"""Logging in, against the emulated WeChat: one shopper, a rotated session, a state that works once and here alone."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
import requests
from sqlalchemy import func, select

from config import database
from config import settings as process_settings
from config.settings import Settings
from storefront import login, orders, sessions, tokens
from storefront.actors import ActorKind
from storefront.errors import (
    CodeRejected,
    NextRejected,
    OrderNotFound,
    SessionRequired,
    StateRejected,
    WeChatUnavailable,
)
from storefront.shopper_models import LoginSession, LoginState, Shopper
from subway_campaign import tokens as campaign_tokens
from tests.emulator.conftest import Wechat
from tests.storefront.conftest import NOW, Buyer


def enter(
    desk: Wechat, person: str = "李明", previous: str | None = None, visitor_token: str | None = None
) -> login.LoggedIn:
    code = desk.control("POST", "/js_codes", person=person)["js_code"]
    return login.miniprogram(js_code=code, visitor_token=visitor_token, previous=previous, now=NOW)


def person_of(entered: login.LoggedIn) -> UUID:
    person = sessions.verify(entered.opened.token, now=NOW).person
    assert person is not None
    return person


def trails() -> list[tuple[UUID, UUID]]:
    """(visitor, person) of every cookie that belongs to somebody now."""
    return [
        (visitor, person)
        for visitor, person in database.statement(
            "SELECT visitor_id, person_id FROM visitor_links WHERE unlinked_at IS NULL ORDER BY id"
        )
    ]


def humans() -> list[set[UUID]]:
    """Pairs of persons whom the campaign takes for one human."""
    return [{one, other} for one, other in database.statement("SELECT person_id, same_as FROM person_links")]


def depart(next_path: str = "/orders/L1?x=1") -> tuple[login.Departure, str]:
    """Start a login; returns the departure and the state in its address."""
    with database.transaction() as session:
        departure = login.start(session, next_path=next_path, now=NOW)
    return departure, parse_qs(urlsplit(departure.url).query)["state"][0]


def come_back(desk: Wechat, departure: login.Departure) -> dict[str, str]:
    """Follow the address as WeChat's browser does; returns what it brings to the callback."""
    answer = requests.get(departure.url, params={"as": "李明"}, allow_redirects=False, timeout=5)
    assert answer.status_code == 302
    back = urlsplit(answer.headers["Location"])
    assert back.path == login.CALLBACK_PATH
    return {name: values[0] for name, values in parse_qs(back.query).items()}


def arrive(brought: dict[str, str], departure: login.Departure, **changed: object) -> login.LoggedIn:
    given = {**brought, "browser": departure.browser, "visitor": None, "previous": None, "now": NOW, **changed}
    return login.official(**given)  # type: ignore[arg-type]


def test_a_mini_program_user_is_the_same_shopper_at_every_login(desk: Wechat) -> None:
    first, second = enter(desk), enter(desk)
    assert first.number == second.number
    assert first.opened.token != second.opened.token
    actor = sessions.verify(second.opened.token, now=NOW)
    assert (actor.kind, actor.number) == (ActorKind.SHOPPER, first.number)
    assert enter(desk, "王芳").number != first.number


def test_a_login_ends_the_session_that_the_client_held(desk: Wechat) -> None:
    first = enter(desk)
    second = enter(desk, previous=first.opened.token)
    with pytest.raises(SessionRequired):
        sessions.verify(first.opened.token, now=NOW)
    assert sessions.verify(second.opened.token, now=NOW)


def test_two_logins_at_once_are_one_shopper(desk: Wechat) -> None:
    codes = [desk.control("POST", "/js_codes", person="李明")["js_code"] for _ in range(6)]
    together = Barrier(6, timeout=60)

    def go(code: str) -> str:
        together.wait()
        return login.miniprogram(js_code=code, visitor_token=None, previous=None, now=NOW).number

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(go, codes))) == 1
    with database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(Shopper)) == 1


def test_a_failed_login_leaves_nothing_behind_and_nobody_logged_out(desk: Wechat) -> None:
    first = enter(desk)
    with pytest.raises(CodeRejected):
        login.miniprogram(js_code="0nonsense", visitor_token=None, previous=first.opened.token, now=NOW)
    desk.control("POST", "/faults", fault="errcode", on="jscode2session")
    with pytest.raises(WeChatUnavailable):
        enter(desk, previous=first.opened.token)
    assert sessions.verify(first.opened.token, now=NOW).number == first.number
    with database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(LoginSession)) == 1


def test_the_official_account_logs_in_and_comes_back_to_where_it_was(desk: Wechat) -> None:
    departure, _ = depart()
    entered = arrive(come_back(desk, departure), departure)
    assert entered.next_path == "/orders/L1?x=1"
    actor = sessions.verify(entered.opened.token, now=NOW)
    assert actor.appid == desk.settings["WECHAT_OFFICIAL_APPID"]
    assert actor.number == entered.number != enter(desk).number


def test_a_state_works_once(desk: Wechat) -> None:
    departure, state = depart()
    arrive(come_back(desk, departure), departure)
    again = desk.control("POST", "/oauth_codes", person="李明")["code"]
    with pytest.raises(StateRejected):
        arrive({"code": again, "state": state}, departure)


def test_two_callbacks_at_once_spend_one_state(desk: Wechat) -> None:
    departure, state = depart()
    together = Barrier(4, timeout=60)

    def go(code: str) -> bool:
        together.wait()
        try:
            arrive({"code": code, "state": state}, departure)
        except StateRejected:
            return False
        return True

    codes = [desk.control("POST", "/oauth_codes", person="李明")["code"] for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(go, codes)) == 1


def test_a_state_belongs_to_its_browser(desk: Wechat) -> None:
    departure, _ = depart()
    brought = come_back(desk, departure)
    other, _ = depart()
    for browser in (None, "", other.browser, tokens.secret(), "\ud800", "x" * 9999):
        with pytest.raises(StateRejected):
            arrive(brought, departure, browser=browser)
    assert arrive(brought, departure).next_path == "/orders/L1?x=1"


def test_a_state_ends(desk: Wechat) -> None:
    departure, _ = depart()
    with pytest.raises(StateRejected):
        arrive(come_back(desk, departure), departure, now=NOW + login.STATE_LIFETIME)


@pytest.mark.parametrize("state", ["", "x", "0" * 64, "中", "\x00", "0" * 63 + "\n", "0" * 9999])
def test_a_state_of_somebody_else_s_making_is_refused_unasked(desk: Wechat, state: str) -> None:
    departure, _ = depart()
    with pytest.raises(StateRejected):
        arrive({"code": "0abc", "state": state}, departure)
    assert "/sns/oauth2/access_token" not in [entry["target"] for entry in desk.control("GET", "/log")]


@pytest.mark.parametrize("path", ["/", "/p/dangshan-pear", "/orders/L1?a=1&b=%E4%B8%AD#x", "/a//b", "/" + "x" * 511])
def test_next_may_be_a_path_of_ours(db: None, path: str) -> None:
    assert depart(path)[0].url


@pytest.mark.parametrize(
    "path",
    [
        "",
        "orders",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/a\r\nSet-Cookie: x=1",
        "/a b",
        "/a\\b",
        "/中文",
        "/a\x00",
        "/x\n",
        " /x",
        "/" + "x" * 512,
    ],
)
def test_next_is_nothing_else(db: None, path: str) -> None:
    with pytest.raises(NextRejected):
        depart(path)
    with database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(LoginState)) == 0


def test_the_browser_is_sent_back_to_our_public_address(db: None, settings: Settings) -> None:
    process_settings.use(replace(settings, public_base_url="https://hall.example"))
    departure, _ = depart()
    assert "redirect_uri=https%3A%2F%2Fhall.example%2Fwechat%2Foauth%2Fcallback" in departure.url
    assert departure.browser not in departure.url
    assert departure.browser not in repr(departure)


def test_guests_own_what_their_cookie_owns(db: None) -> None:
    with database.transaction() as session:
        first = login.guest(session, now=NOW)
        second = login.guest(session, now=NOW)
    mine, theirs = (sessions.verify(each.opened.token, now=NOW) for each in (first, second))
    assert mine.kind is ActorKind.GUEST
    assert mine.appid is None
    assert mine.shopper_id != theirs.shopper_id
    assert mine.person != theirs.person


def test_a_login_takes_the_trail_of_scans_along(desk: Wechat) -> None:
    visitor = uuid4()
    entered = enter(desk, visitor_token=campaign_tokens.seal_visitor(visitor))
    assert trails() == [(visitor, person_of(entered))]
    departure, _ = depart()
    cookie = uuid4()
    official = arrive(come_back(desk, departure), departure, visitor=cookie)
    assert trails()[1] == (cookie, person_of(official))


@pytest.mark.parametrize("token", ["", "x", "中文", "\ud800", "A" * 43, "A" * 9999])
def test_a_forged_trail_is_passed_over(desk: Wechat, token: str) -> None:
    assert enter(desk, visitor_token=token).number
    assert trails() == []


def test_the_next_who_logs_in_on_a_phone_takes_over_its_trail(desk: Wechat) -> None:
    token = campaign_tokens.seal_visitor(visitor := uuid4())
    enter(desk, "李明", visitor_token=token)
    second = enter(desk, "王芳", visitor_token=token)
    assert trails() == [(visitor, person_of(second))]
    assert humans() == [], "two openids of one application are never one human"


def test_a_guest_who_logs_in_stays_the_same_human(desk: Wechat) -> None:
    with database.transaction() as session:
        before = login.guest(session, now=NOW)
    guest = person_of(before)
    departure, _ = depart()
    after = arrive(come_back(desk, departure), departure, previous=before.opened.token)
    assert humans() == [{guest, person_of(after)}]
    with pytest.raises(SessionRequired):
        sessions.verify(before.opened.token, now=NOW)


def test_the_orders_of_a_guest_follow_the_login(desk: Wechat, buyer: Buyer, skus: list[str]) -> None:
    known = enter(desk)
    actor = sessions.verify(known.opened.token, now=NOW)
    assert actor.shopper_id is not None
    mine = replace(buyer, shopper_id=actor.shopper_id).place({skus[0]: 1}, key="key-00000001")
    theirs = buyer.place({skus[0]: 1}, key="key-00000001"), buyer.place({skus[0]: 1}, key="key-00000002")
    with database.transaction() as session:
        guest = sessions.open_for_shopper(session, shopper_id=buyer.shopper_id, kind=ActorKind.GUEST, now=NOW)
    enter(desk, previous=guest.token)
    with database.transaction() as session:
        for number in (mine, *theirs):
            assert orders.find(session, shopper_id=actor.shopper_id, number=number)
        with pytest.raises(OrderNotFound):
            orders.find(session, shopper_id=buyer.shopper_id, number=theirs[0])
    again = replace(buyer, shopper_id=actor.shopper_id)
    assert again.place({skus[0]: 1}, key="key-00000001") == mine
    assert again.place({skus[0]: 1}, key="key-00000002") == theirs[1]


def test_the_orders_of_another_shopper_stay(desk: Wechat, buyer: Buyer, skus: list[str]) -> None:
    first = enter(desk, "王芳")
    owner = sessions.verify(first.opened.token, now=NOW).shopper_id
    assert owner is not None
    number = replace(buyer, shopper_id=owner).place({skus[0]: 1})
    enter(desk, "李明", previous=first.opened.token)
    with database.transaction() as session:
        assert orders.find(session, shopper_id=owner, number=number)


def test_the_browser_s_cookie_comes_back_with_a_link(db: None) -> None:
    departure, _ = depart()
    assert login.browser_cookie(departure) == {
        "key": "hall_login",
        "value": departure.browser,
        "max_age": 600,
        "path": "/",
        "secure": False,
        "httponly": True,
        "samesite": "Lax",
    }


def test_a_unionid_makes_two_shoppers_one_human_and_merges_nothing(desk: Wechat) -> None:
    mini = enter(desk)
    departure, _ = depart()
    code = desk.control("POST", "/oauth_codes", person="李明", scope="snsapi_userinfo")["code"]
    state = parse_qs(urlsplit(departure.url).query)["state"][0]
    official = arrive({"code": code, "state": state}, departure)
    assert mini.number != official.number
    assert humans() == [{person_of(mini), person_of(official)}]


def test_the_campaign_never_sees_an_openid(desk: Wechat) -> None:
    enter(desk)
    who = desk.control("GET", "/people/李明")
    known = {who["miniprogram_openid"], who["unionid"]}
    with database.transaction() as session:
        row = session.execute(select(Shopper.openid, Shopper.unionid)).one()
        assert set(row) == known
    blinded = {
        campaign_tokens.pseudonym(kind, app, value)
        for kind, app in (("mp_openid", desk.settings["WECHAT_MINIPROGRAM_APPID"]), ("unionid", ""))
        for value in known
    }
    kept = {bytes(value) for (value,) in database.statement("SELECT value_hmac FROM visitor_identities")}
    assert len(kept) == 2
    assert not kept & blinded


def test_purging_forgets_logins_that_never_came_back(db: None) -> None:
    depart()
    with database.transaction() as session:
        login.purge(session, before=NOW + login.STATE_LIFETIME)
        assert session.scalar(select(func.count()).select_from(LoginState)) == 1
        login.purge(session, before=NOW + login.STATE_LIFETIME + timedelta(seconds=1))
        assert session.scalar(select(func.count()).select_from(LoginState)) == 0
