"""A browser inside WeChat logs in: there, and back again by itself only."""

from urllib.parse import parse_qs, urlsplit

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from storefront import login
from tests.storefront.api.conftest import code_of
from tests.storefront.conftest import Oracle

OPENID = "oAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def depart(client: FlaskClient, next_path: str = "/orders/1?x=2") -> str:
    """Leave for WeChat and return the state."""
    answer = client.get("/wechat/oauth/start", query_string={"next": next_path})
    assert answer.status_code == 302
    there = urlsplit(answer.headers["Location"])
    assert there.path == "/connect/oauth2/authorize"
    query = parse_qs(there.query)
    assert query["redirect_uri"] == ["http://127.0.0.1:8000/wechat/oauth/callback"]
    return query["state"][0]


def come_back(client: FlaskClient, state: str, code: str = "0aBcD") -> TestResponse:
    return client.get("/wechat/oauth/callback", query_string={"code": code, "state": state, "from": "menu"})


def test_a_browser_logs_in_and_goes_on_to_where_it_was_going(client: FlaskClient, oracle: Oracle) -> None:
    oracle.answer = lambda _: (200, {"openid": OPENID, "access_token": "x"})
    answer = come_back(client, depart(client))
    assert (answer.status_code, answer.headers["Location"]) == (302, "/orders/1?x=2")
    assert client.get("/api/v1/sessions/current").get_json()["kind"] == "shopper"
    assert client.get_cookie(login.browser_cookie_name()) is None


def test_the_guest_s_cart_comes_along(client: FlaskClient, oracle: Oracle, seeded: None) -> None:
    oracle.answer = lambda _: (200, {"openid": OPENID, "access_token": "x"})
    proof = client.post("/api/v1/sessions/guest").get_json()["csrf_token"]
    headers = {"X-CSRF-Token": proof, "Origin": "http://127.0.0.1:8000"}
    client.put("/api/v1/cart/lines/AH001A", json={"quantity": 2}, headers=headers)
    before = client.get_cookie("hall_session")
    come_back(client, depart(client))
    assert client.get_cookie("hall_session") != before, "the session is rotated"
    assert client.get("/api/v1/cart").get_json()["pieces"] == 2


def test_a_state_works_once_and_in_its_own_browser(client: FlaskClient, oracle: Oracle) -> None:
    oracle.answer = lambda _: (200, {"openid": OPENID, "access_token": "x"})
    state = depart(client)
    stranger = client.application.test_client()
    assert code_of(come_back(stranger, state)) == (401, "session.state_rejected")
    assert come_back(client, state).status_code == 302
    assert code_of(come_back(client, state)) == (401, "session.state_rejected")
    for forged in ("", "x", "0" * 64, "👍"):
        depart(client)
        assert code_of(come_back(client, forged)) == (401, "session.state_rejected"), forged
    assert len(oracle.asked) == 1


def test_a_bad_code_a_snapshot_and_a_silent_wechat_log_nobody_in(client: FlaskClient, oracle: Oracle) -> None:
    oracle.answer = lambda _: (200, {"errcode": 40029, "errmsg": "invalid code"})
    assert code_of(come_back(client, depart(client))) == (401, "session.code_rejected")
    assert code_of(come_back(client, depart(client), code="")) == (401, "session.code_rejected")
    oracle.answer = lambda _: (200, {"openid": OPENID, "access_token": "x", "is_snapshotuser": 1})
    assert code_of(come_back(client, depart(client))) == (403, "session.snapshot_user")
    oracle.answer = lambda _: (500, b"")
    assert code_of(come_back(client, depart(client))) == (503, "session.wechat_unavailable")
    assert client.get_cookie("hall_session") is None


def test_nobody_is_sent_to_another_site(client: FlaskClient) -> None:
    for path in ("https://evil.example", "//evil.example", "/\\evil.example", "evil", "/a\nb", "/" + "x" * 600, ""):
        answer = client.get("/wechat/oauth/start", query_string={"next": path})
        assert answer.status_code == 422, path
        assert "Location" not in answer.headers
