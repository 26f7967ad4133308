"""Sessions: opened once, found by digest, ended for good."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from config import database
from config import settings as process_settings
from config.settings import Settings
from storefront import sessions, shoppers, tokens
from storefront.actors import ActorKind, WeChatIdentity
from storefront.errors import SessionRequired
from storefront.roles import Grant, Role, Scope
from storefront.shopper_models import LoginSession
from storefront.staff import accounts
from tests.storefront.conftest import NOW

SECOND = timedelta(seconds=1)


def open_guest(guest: int) -> sessions.Opened:
    with database.transaction() as session:
        return sessions.open_for_shopper(session, shopper_id=guest, kind=ActorKind.GUEST, now=NOW)


def test_a_token_speaks_for_its_shopper_until_it_expires(db: None) -> None:
    with database.transaction() as session:
        identity = WeChatIdentity(appid="wx1", openid="oAAAAAA1")
        shopper = shoppers.arrive(session, identity=identity, now=NOW)
        opened = sessions.open_for_shopper(session, shopper_id=shopper.shopper_id, kind=ActorKind.SHOPPER, now=NOW)
    actor = sessions.verify(opened.token, now=opened.expires_at - SECOND)
    assert (actor.kind, actor.shopper_id, actor.number, actor.person, actor.appid) == (
        ActorKind.SHOPPER,
        shopper.shopper_id,
        shopper.number,
        shopper.person,
        "wx1",
    )
    assert (actor.staff_id, actor.grants) == (None, ())
    with pytest.raises(SessionRequired):
        sessions.verify(opened.token, now=opened.expires_at)


def test_the_database_never_holds_a_token(guest: int) -> None:
    opened = open_guest(guest)
    with database.transaction() as session:
        row = session.scalars(select(LoginSession)).one()
        assert row.token_digest == tokens.digest(opened.token)
    assert opened.token not in repr(opened)


def test_leaving_ends_a_session_once_and_says_whose_it_was(guest: int) -> None:
    opened, other = open_guest(guest), open_guest(guest)
    with database.transaction() as session:
        assert sessions.leave(session, token=opened.token, now=NOW) == sessions.Left(
            kind=ActorKind.GUEST, shopper_id=guest
        )
        assert sessions.leave(session, token=opened.token, now=NOW) is None
        assert sessions.leave(session, token="nobody's", now=NOW) is None
    with pytest.raises(SessionRequired):
        sessions.verify(opened.token, now=NOW)
    assert sessions.verify(other.token, now=NOW).shopper_id == guest


def test_an_expired_session_has_nothing_to_leave(guest: int) -> None:
    opened = open_guest(guest)
    with database.transaction() as session:
        assert sessions.leave(session, token=opened.token, now=opened.expires_at) is None


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "x" * 42 + "\x00", "' OR 1=1 --", "中" * 43, "x" * 100_000])
def test_no_other_text_is_a_session(db: None, token: str) -> None:
    with pytest.raises(SessionRequired):
        sessions.verify(token, now=NOW)


def test_staff_come_with_their_roles_and_leave_when_disabled(db: None) -> None:
    grants = (
        Grant(role=Role.FULFILMENT, scope=Scope(area="3413", supplier="S1")),
        Grant(role=Role.ANALYST),
    )
    with database.transaction() as session:
        added = accounts.add(session, username="packer", password="right password", grants=grants, now=NOW)
        opened = sessions.open_for_staff(session, staff_id=added.staff_id, now=NOW)
    actor = sessions.verify(opened.token, now=NOW)
    assert (actor.kind, actor.staff_id, actor.username, actor.grants) == (
        ActorKind.STAFF,
        added.staff_id,
        "packer",
        grants,
    )
    assert actor.shopper_id is None
    with database.transaction() as session:
        accounts.disable(session, username="packer", now=NOW)
    with pytest.raises(SessionRequired):
        sessions.verify(opened.token, now=NOW)


@pytest.mark.parametrize("question", [sessions._SHOPPER, sessions._STAFF])
def test_being_asked_costs_one_indexed_statement(guest: int, question: str) -> None:
    token = open_guest(guest).token
    with database.transaction() as session:
        # As many sessions as a morning brings, and their statistics: else the planner guesses.
        session.connection().exec_driver_sql(
            "INSERT INTO sessions (token_digest, kind, shopper_id, created_at, expires_at)"
            " SELECT sha256(n::text::bytea), kind, shopper_id, created_at, expires_at"
            " FROM sessions, generate_series(1, 2000) AS n"
        )
        session.connection().exec_driver_sql("ANALYZE sessions")
        session.connection().exec_driver_sql("SET LOCAL enable_seqscan = off")
        asked = {"digest": tokens.digest(token), "asked_at": NOW}
        plan = session.connection().exec_driver_sql("EXPLAIN " + question, asked)
        text = "\n".join(line for (line,) in plan)
    assert "uq_sessions_token_digest" in text
    assert "Seq Scan" not in text


def test_a_header_goes_before_a_cookie(db: None) -> None:
    mine, yours = tokens.secret(), tokens.secret()
    cookies = {"hall_session": yours, "hall_staff": mine}
    assert sessions.presented(authorization=f"Bearer {mine}", cookies=cookies) == sessions.Presented(
        token=mine, by_cookie=False
    )
    by_cookie = sessions.presented(authorization=None, cookies=cookies)
    assert by_cookie == sessions.Presented(token=yours, by_cookie=True)
    staff = sessions.presented(authorization=None, cookies=cookies, staff=True)
    assert staff == sessions.Presented(token=mine, by_cookie=True)
    for cookie in ({}, {"hall_session": ""}, {"hall_session": "x"}, {"hall_session": "\ud800" * 43}):
        assert sessions.presented(authorization=None, cookies=cookie) is None


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic dTpw", "Bearer a b", "Bearer " + "x" * 44])
def test_another_authorization_is_refused(db: None, header: str) -> None:
    with pytest.raises(SessionRequired):
        sessions.presented(authorization=header, cookies={"hall_session": tokens.secret()})


def test_cookies_are_bare_on_a_desk_and_secure_in_public(guest: int, settings: Settings) -> None:
    from dataclasses import replace

    opened = open_guest(guest)
    desk = sessions.cookie(opened, now=NOW)
    assert desk == {
        "key": "hall_session",
        "value": opened.token,
        "max_age": 90 * 86400,
        "path": "/",
        "secure": False,
        "httponly": True,
        "samesite": "Lax",
    }
    process_settings.use(replace(settings, public_base_url="https://hall.example"))
    public = sessions.cookie(opened, now=NOW)
    assert (public["key"], public["secure"]) == ("__Host-hall_session", True)


def test_purging_forgets_what_has_expired(guest: int) -> None:
    opened = open_guest(guest)
    with database.transaction() as session:
        sessions.purge(session, before=opened.expires_at)
        assert session.scalars(select(LoginSession.id)).all() != []
        sessions.purge(session, before=opened.expires_at + SECOND)
        assert session.scalars(select(LoginSession.id)).all() == []
