"""Logging in to the staff API: two factors, a growing delay, a cookie that needs a proof."""

from collections.abc import Callable

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from config import clock, database
from storefront.roles import Grant, Role
from storefront.staff import accounts
from tests.storefront.api.conftest import code_of
from tests.storefront.staff.conftest import ORIGIN, Clerk, audited

PASSWORD = "correct horse battery"
PATH = "/api/staff/v1/sessions"


def add(role: Role) -> pyotp.TOTP | None:
    with database.transaction() as session:
        added = accounts.add(session, username="li.na", password=PASSWORD, grants=(Grant(role=role),), now=clock.now())
    return pyotp.TOTP(pyotp.parse_uri(added.enrolment_uri).secret) if added.enrolment_uri else None


def enter(client: FlaskClient, **changes: object) -> TestResponse:
    return client.post(PATH, json={"username": "li.na", "password": PASSWORD, **changes})


def test_a_token_and_a_cookie_open_the_same_session(app: Flask, client: FlaskClient) -> None:
    add(Role.FULFILMENT)
    answer = enter(client)
    assert answer.status_code == 201
    body = answer.get_json()
    assert body["staff"] == {"username": "li.na", "roles": ["fulfilment"]}
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    bearer = {"Authorization": f"Bearer {body['token']}"}
    assert app.test_client().get("/api/staff/v1/orders", headers=bearer).status_code == 200
    assert client.get("/api/staff/v1/orders").status_code == 200
    assert ("staff.logged_in", "li.na") in audited()


def test_money_asks_for_a_second_factor_that_works_once(client: FlaskClient) -> None:
    totp = add(Role.FINANCE)
    assert totp is not None
    assert code_of(enter(client)) == (401, "staff.totp_required")
    assert code_of(enter(client, totp="000000")) == (401, "staff.credentials_rejected")
    shown = totp.now()
    assert enter(client, totp=shown).status_code == 201
    assert code_of(enter(client, totp=shown)) == (401, "staff.credentials_rejected")


def test_guessing_earns_a_growing_wait(client: FlaskClient) -> None:
    add(Role.FULFILMENT)
    answers = [enter(client, password="wrong horse battery") for _ in range(6)]
    assert code_of(answers[0]) == (401, "staff.credentials_rejected")
    assert code_of(answers[-1]) == (429, "staff.login_delayed")
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert code_of(enter(client)) == (429, "staff.login_delayed")


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 403), ({"Origin": "https://evil.example"}, 403), ({"Origin": ORIGIN}, 403)],
    ids=["no origin", "foreign origin", "no token"],
)
def test_a_cookie_alone_changes_nothing(client: FlaskClient, headers: dict[str, str], status: int) -> None:
    add(Role.CAMPAIGN)
    enter(client)
    answer = client.post("/api/staff/v1/codes", json={"count": 1}, headers=headers)
    assert code_of(answer) == (status, "session.csrf_rejected")


def test_a_cookie_with_its_proof_changes_what_its_role_may(client: FlaskClient) -> None:
    add(Role.CAMPAIGN)
    proof = enter(client).get_json()["csrf_token"]
    headers = {"Origin": ORIGIN, "X-CSRF-Token": proof}
    assert client.post("/api/staff/v1/codes", json={"count": 1}, headers=headers).status_code == 201


def test_a_foreign_page_cannot_log_anybody_in(client: FlaskClient) -> None:
    add(Role.FULFILMENT)
    body = {"username": "li.na", "password": PASSWORD}
    answer = client.post(PATH, json=body, headers={"Origin": "https://evil.example"})
    assert code_of(answer) == (403, "session.csrf_rejected")


def test_leaving_ends_the_session(client: FlaskClient) -> None:
    add(Role.FULFILMENT)
    bearer = {"Authorization": f"Bearer {enter(client).get_json()['token']}"}
    assert client.delete(f"{PATH}/current", headers=bearer).status_code == 204
    assert code_of(client.get("/api/staff/v1/orders", headers=bearer)) == (401, "session.required")
    assert audited()[-1] == ("staff.logged_out", "li.na")


def test_sessions_are_ended_at_once_ones_own_and_by_an_administrator(clerk: Callable[..., Clerk]) -> None:
    admin, li, wang = clerk(Role.ADMIN), clerk(Role.FULFILMENT, username="li"), clerk(Role.FINANCE, username="wang")
    assert li.call("DELETE", "/accounts/wang/sessions").status_code == 403
    assert li.call("DELETE", "/sessions").status_code == 204
    assert code_of(li.get("/orders")) == (401, "session.required")
    assert wang.get("/orders").status_code == 200
    assert admin.call("DELETE", "/accounts/wang/sessions").status_code == 204
    assert wang.get("/orders").status_code == 401
    assert code_of(admin.call("DELETE", "/accounts/nobody/sessions")) == (404, "staff.account_not_found")
    assert audited() == [("staff.sessions_ended", "li"), ("staff.sessions_ended", "wang")]
