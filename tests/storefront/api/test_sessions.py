"""Logging in and out over HTTP."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from config import database
from storefront.actors import WeChatIdentity
from tests.storefront.api.conftest import Caller, code_of, log_in
from tests.storefront.conftest import Oracle

OPENID = "oAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def wechat_knows(oracle: Oracle, **answer: Any) -> None:
    oracle.answer = lambda _: (200, {"openid": OPENID, "session_key": "k", **answer})


def enter(client: FlaskClient, js_code: str = "0aBcD", **more: Any) -> Any:
    headers = more.pop("headers", {})
    return client.post("/api/v1/sessions/miniprogram", json={"js_code": js_code, **more}, headers=headers)


def test_a_mini_program_gets_a_token_that_opens_its_cart(client: FlaskClient, oracle: Oracle) -> None:
    wechat_knows(oracle)
    answer = enter(client)
    assert answer.status_code == 201
    body = answer.get_json()
    assert set(body) == {"token", "expires_at", "shopper"}
    assert "Set-Cookie" not in answer.headers
    bearer = {"Authorization": f"Bearer {body['token']}"}
    assert client.get("/api/v1/cart", headers=bearer).status_code == 200
    current = client.get("/api/v1/sessions/current", headers=bearer).get_json()
    assert current == {"kind": "shopper", "shopper": body["shopper"], "csrf_token": None}


def test_the_same_person_is_the_same_shopper_and_the_old_token_ends(client: FlaskClient, oracle: Oracle) -> None:
    wechat_knows(oracle)
    first = enter(client).get_json()
    held = {"Authorization": f"Bearer {first['token']}"}
    second = enter(client, headers=held).get_json()
    assert first["shopper"] == second["shopper"]
    assert code_of(client.get("/api/v1/cart", headers=held)) == (401, "session.required")


def test_a_bad_or_used_code_is_refused_and_a_silent_wechat_is_503(client: FlaskClient, oracle: Oracle) -> None:
    oracle.answer = lambda _: (200, {"errcode": 40163, "errmsg": "code been used"})
    assert code_of(enter(client)) == (401, "session.code_rejected")
    oracle.answer = lambda _: (502, b"bad gateway")
    assert code_of(enter(client)) == (503, "session.wechat_unavailable")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"js_code": ""}, 422),
        ({"js_code": None}, 422),
        ({"js_code": 7}, 422),
        ({"js_code": "x" * 129}, 422),
        ({"js_code": "a\x00"}, 422),
        ({"js_code": "👍"}, 401),
        ({"js_code": "0aB", "visitor": "x"}, 422),
        ({"js_code": "0aB", "visitor_token": "x" * 201}, 422),
        ([], 422),
    ],
)
def test_bodies_that_are_no_login_never_reach_wechat(
    client: FlaskClient, oracle: Oracle, body: Any, status: int
) -> None:
    assert client.post("/api/v1/sessions/miniprogram", json=body).status_code == status
    assert oracle.asked == []


def test_a_forged_visitor_token_spoils_no_login(client: FlaskClient, oracle: Oracle) -> None:
    wechat_knows(oracle)
    assert enter(client, visitor_token="A" * 43).status_code == 201
    assert database.statement("SELECT count(*) FROM visitor_links") == [(0,)]


def test_a_guest_is_known_by_a_cookie_that_no_script_reads(client: FlaskClient) -> None:
    answer = client.post("/api/v1/sessions/guest")
    assert answer.status_code == 201
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "token" not in answer.get_json()
    current = client.get("/api/v1/sessions/current").get_json()
    assert current["kind"] == "guest"
    assert current["csrf_token"] == answer.get_json()["csrf_token"]


def test_a_browser_that_has_a_session_keeps_it(browser: Caller) -> None:
    before = browser.get("/sessions/current").get_json()
    again = browser.post("/sessions/guest")
    assert (again.status_code, again.get_json()["shopper"]) == (200, before["shopper"])
    assert again.get_json()["csrf_token"] == before["csrf_token"]
    assert "Set-Cookie" not in again.headers
    browser.delete("/sessions/current")
    for ended in ("x" * 43, "x"):
        browser.client.set_cookie("hall_session", ended)
        assert browser.post("/sessions/guest").status_code == 201, "an ended session is none"


def test_another_site_cannot_make_a_browser_a_guest(client: FlaskClient) -> None:
    answer = client.post("/api/v1/sessions/guest", headers={"Origin": "https://evil.example"})
    assert code_of(answer) == (403, "session.csrf_rejected")
    assert "Set-Cookie" not in answer.headers


def test_leaving_ends_the_session_for_token_and_cookie_alike(shopper: Caller, browser: Caller) -> None:
    for caller in (shopper, browser):
        assert caller.get("/cart").status_code == 200
        assert caller.delete("/sessions/current").status_code == 204
        assert code_of(caller.get("/cart")) == (401, "session.required")
        assert code_of(caller.delete("/sessions/current")) == (401, "session.required")


def test_a_cookie_without_the_page_s_token_changes_nothing(browser: Caller) -> None:
    token = browser.headers.pop("X-CSRF-Token")
    assert code_of(browser.delete("/sessions/current")) == (403, "session.csrf_rejected")
    browser.headers["X-CSRF-Token"] = token
    assert browser.delete("/sessions/current").status_code == 204


def test_a_guest_s_cart_comes_along_to_the_mini_program_only_by_token(
    app: Flask, client: FlaskClient, oracle: Oracle
) -> None:
    wechat_knows(oracle)
    guest = client.post("/api/v1/sessions/guest")
    assert enter(client).status_code == 201
    assert client.get("/api/v1/sessions/current").get_json()["shopper"] == guest.get_json()["shopper"]
    other = log_in(app, WeChatIdentity(appid="wx00000000000000a1", openid=OPENID))
    assert other.get("/sessions/current").get_json()["shopper"] != guest.get_json()["shopper"]
