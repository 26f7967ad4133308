"""People who work here: programs with a token and browsers with a cookie, by role and scope."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, select
from werkzeug.test import TestResponse

from config import clock, database
from config import settings as process_settings
from storefront import csrf, sessions
from storefront.actors import Actor, ActorKind
from storefront.roles import Grant, Role, Scope
from storefront.staff_models import AuditEntry, StaffAccount, StaffRole
from subway_campaign import bindings, seeding, visits
from subway_campaign.landing import Landing, LandingKind
from tests.apps import application
from tests.journeys.conftest import Desk, desk  # noqa: F401 - fixtures
from tests.payments.conftest import Wechat, emulator, inbox, wechat  # noqa: F401 - fixtures

ORIGIN = "http://127.0.0.1:8000"


@dataclass
class Clerk:
    """Somebody of the staff: calls the API by token, opens pages by cookie."""

    client: FlaskClient
    actor: Actor
    token: str
    origin: str = ORIGIN
    headers: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, json: Any = None, **headers: str) -> TestResponse:
        bearer = {"Authorization": f"Bearer {self.token}", **headers}
        return self.client.open(f"/api/staff/v1{path}", method=method, json=json, headers=bearer)

    def get(self, path: str) -> TestResponse:
        return self.call("GET", path)

    def post(self, path: str, json: Any = None, **headers: str) -> TestResponse:
        return self.call("POST", path, json, **headers)

    def open(self, path: str) -> TestResponse:
        """Open a page as a browser does."""
        return self.client.get(f"/staff{path}", headers={"Accept": "text/html"})

    def send(self, path: str, **fields: Any) -> TestResponse:
        """Send a form of ours, with its proof."""
        proof = csrf.token(self.token, secret_key=process_settings.current().secret_key)
        return self.client.post(
            f"/staff{path}",
            data={"csrf_token": proof, **fields},
            headers={"Accept": "text/html", "Origin": self.origin},
        )


def hire(app: Flask, *grants: Grant, username: str = "", has_second_factor: bool = True) -> Clerk:
    """An account with roles, logged in."""
    name = username or f"clerk-{grants[0].role.value}"
    now = clock.now()
    with database.transaction() as session:
        account = session.scalar(
            insert(StaffAccount)
            .values(username=name, password_hash="x", totp_sealed="x" if has_second_factor else None, created_at=now)
            .returning(StaffAccount.id)
        )
        for grant in grants:
            session.execute(
                insert(StaffRole).values(
                    staff_id=account, role=grant.role, area=grant.scope.area, supplier=grant.scope.supplier
                )
            )
        opened = sessions.open_for_staff(session, staff_id=account, now=now)
    client = app.test_client()
    cookie = sessions.cookie(opened, now=now)
    client.set_cookie(cookie["key"], cookie["value"])
    actor = Actor(
        kind=ActorKind.STAFF, staff_id=account, username=name, grants=grants, has_second_factor=has_second_factor
    )
    origin = process_settings.current().public_base_url
    return Clerk(client, actor, opened.token, origin)


@pytest.fixture
def clerk(app: Flask) -> Callable[..., Clerk]:
    """Hire somebody: `clerk(Role.FINANCE)`, `clerk(Role.FULFILMENT, area="3413")`."""

    def make(role: Role, username: str = "", has_second_factor: bool = True, **scope: str) -> Clerk:
        grant = Grant(role=role, scope=Scope(**scope))
        return hire(app, grant, username=username, has_second_factor=has_second_factor)

    return make


@pytest.fixture
def codes(seeded: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Placement number → code, for the whole inventory, the same in every run; all lead to the pears."""
    luck = Random(7)
    monkeypatch.setattr(bindings, "SystemRandom", lambda: luck)
    landing = Landing(kind=LandingKind.PRODUCT, slug="dangshansuli")
    seeding.seed(lambda what, done, total: None, now=clock.now(), landings=[landing])
    return dict(
        database.statement(
            "SELECT p.number, c.slug FROM codes c JOIN code_bindings b ON b.code_id = c.id"
            " JOIN placements p ON p.id = b.placement_id ORDER BY p.number"
        )
    )


@dataclass(frozen=True)
class Counter:
    """A shop with WeChat behind it, in which things were bought."""

    desk: Desk
    app: Flask

    def hire(self, *roles: Role) -> Clerk:
        return hire(self.app, *(Grant(role=role) for role in roles), username=f"c-{'-'.join(roles)}"[:30])

    def scan(self, slug: str) -> None:
        opened = visits.open(slug=slug, visitor=self.desk.buyer.visitor, now=clock.now())
        assert visits.confirm(token=opened.token, visitor=self.desk.buyer.visitor, now=clock.now())

    def buy(self, *, settle: bool = True, **more: Any) -> str:
        """An order that was paid; its credit is decided unless `settle` is False."""
        number = self.desk.place(**more)
        self.desk.wechat.pay(self.desk.open(number))
        if settle:
            self.desk.drain()
        return number

    def finish_refund(self, refund: str) -> None:
        """Let WeChat pay a requested refund out and say so."""
        self.desk.drain()
        self.desk.wechat.order("/settle", out_refund_no=refund)
        self.desk.wechat.order("/redeliver", out_refund_no=refund)
        self.desk.drain()


@pytest.fixture
def counter(desk: Desk, wechat: Wechat) -> Counter:  # noqa: F811
    """The counter. Its pages live where WeChat's settings say, so that forms come from their own origin."""
    return Counter(desk, application(replace(wechat.settings, redis_url=None)))


def audited() -> list[tuple[str, str]]:
    """What stands in the audit trail: (act, subject), oldest first."""
    with database.transaction() as session:
        rows = session.execute(select(AuditEntry.act, AuditEntry.subject).order_by(AuditEntry.id))
        return [(row.act, row.subject) for row in rows]
