"""The way in and out, as a browser goes it."""

from collections.abc import Callable

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from config import clock, database
from storefront.roles import Grant, Role
from storefront.staff import accounts
from tests.storefront.staff.conftest import ORIGIN, Clerk, audited

PASSWORD = "correct horse battery"


@pytest.fixture
def totp(db: None) -> pyotp.TOTP:
    with database.transaction() as session:
        added = accounts.add(
            session, username="wang", password=PASSWORD, grants=(Grant(role=Role.FINANCE),), now=clock.now()
        )
    return pyotp.TOTP(pyotp.parse_uri(added.enrolment_uri or "").secret)


def enter(client: FlaskClient, *, origin: str | None = ORIGIN, **fields: str) -> TestResponse:
    headers = {"Accept": "text/html"} | ({"Origin": origin} if origin else {})
    return client.post("/staff/login", data={"username": "wang", "password": PASSWORD, **fields}, headers=headers)


def test_a_page_asks_who_you_are_and_then_opens(client: FlaskClient, totp: pyotp.TOTP) -> None:
    asked = client.get("/staff/orders?state=paid", headers={"Accept": "text/html"})
    assert asked.status_code == 401
    assert 'value="/staff/orders?state=paid"' in asked.get_data(as_text=True)
    entered = enter(client, totp=totp.now(), next="/staff/orders?state=paid")
    assert (entered.status_code, entered.headers["Location"]) == (303, "/staff/orders?state=paid")
    assert client.get("/staff/orders?state=paid").status_code == 200


def test_a_forgotten_code_is_asked_for_and_a_wrong_one_says_no_more(client: FlaskClient, totp: pyotp.TOTP) -> None:
    forgotten = enter(client)
    assert forgotten.status_code == 401
    assert "请输入动态验证码" in forgotten.get_data(as_text=True)
    assert 'value="wang"' in forgotten.get_data(as_text=True)
    wrong = enter(client, totp="000000")
    assert "用户名、密码或动态验证码不正确" in wrong.get_data(as_text=True)
    assert PASSWORD not in wrong.get_data(as_text=True)


def test_guessing_is_told_to_wait(client: FlaskClient, totp: pyotp.TOTP) -> None:
    answers = [enter(client, password="wrong horse battery") for _ in range(6)]
    assert answers[-1].status_code == 429
    assert "秒再试" in answers[-1].get_data(as_text=True)
    assert "Retry-After" in answers[-1].headers


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example"])
def test_a_foreign_form_logs_nobody_in(client: FlaskClient, totp: pyotp.TOTP, origin: str | None) -> None:
    assert enter(client, origin=origin, totp=totp.now()).status_code == 403
    assert [act for act, _ in audited()] == ["staff.added"]


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/staff/\\evil.example", "/", "/api/v1/cart", "/staff"]
)
def test_the_way_leads_nowhere_else(client: FlaskClient, totp: pyotp.TOTP, target: str) -> None:
    assert enter(client, totp=totp.now(), next=target).headers["Location"] == "/staff/"


def test_leaving_ends_the_session_and_the_cookie(client: FlaskClient, totp: pyotp.TOTP) -> None:
    enter(client, totp=totp.now())
    page = client.get("/staff/").get_data(as_text=True)
    proof = page.split('name="csrf_token" value="')[1].split('"')[0]
    left = client.post("/staff/logout", data={"csrf_token": proof}, headers={"Origin": ORIGIN})
    assert left.headers["Location"] == "/staff/login"
    assert client.get("/staff/", headers={"Accept": "text/html"}).status_code == 401
    assert audited()[-1] == ("staff.logged_out", "wang")


def test_a_lost_device_is_logged_out_from_another(app: Flask, clerk: Callable[..., Clerk]) -> None:
    here, there = clerk(Role.FULFILMENT, username="li"), app.test_client()
    there.set_cookie("hall_staff", here.token)
    assert "在所有设备上退出" in here.open("/").get_data(as_text=True)
    assert here.send("/logout", everywhere="yes").headers["Location"] == "/staff/login"
    assert there.get("/staff/", headers={"Accept": "text/html"}).status_code == 401
    assert audited() == [("staff.sessions_ended", "li")]


def test_an_administrator_ends_the_sessions_of_another(clerk: Callable[..., Clerk]) -> None:
    admin, other = clerk(Role.ADMIN, username="chief"), clerk(Role.FULFILMENT, username="li")
    assert "结束其全部登录" in admin.open("/audit?username=li").get_data(as_text=True)
    assert other.send("/audit/log-out", username="chief").status_code == 403
    assert "done=logged_out" in admin.send("/audit/log-out", username="li").headers["Location"]
    assert other.open("/").status_code == 401
    assert "account_not_found" in admin.send("/audit/log-out", username="nobody").headers["Location"]
    assert admin.open("/").status_code == 200
