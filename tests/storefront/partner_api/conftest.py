"""A partner's program: its key, and how it asks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from config import clock, database
from storefront import partner_keys, partners
from storefront.partner_models import PartnerKind


@dataclass
class Program:
    """A program of a partner."""

    client: FlaskClient
    number: str
    key: str

    def call(self, method: str, path: str, json: Any = None, **headers: str) -> TestResponse:
        bearer = {"Authorization": f"Bearer {self.key}", **headers}
        return self.client.open(f"/api/partner/v1{path}", method=method, json=json, headers=bearer)

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.call("GET", path, **headers)

    def post(self, path: str, json: Any = None, **headers: str) -> TestResponse:
        return self.call("POST", path, json, **headers)


def sign_up(
    client: FlaskClient, kind: PartnerKind = PartnerKind.SELLER, *, seller: str = "S0001", name: str = "某某电商"
) -> Program:
    """Sign a partner up with a key for everything that its kind may have."""
    now = clock.now()
    with database.transaction() as session:
        number = partners.create(
            session, kind=kind, name=name, seller=seller if kind is PartnerKind.SELLER else None, now=now
        ).number
        scopes = partner_keys.SCOPES[kind]
        key = partner_keys.issue(session, partner=number, label="test", scopes=scopes, now=now).key
    return Program(client, number, key)


@pytest.fixture
def program(client: FlaskClient) -> Callable[..., Program]:
    """Sign somebody up, as `sign_up` does."""
    return lambda *of, **more: sign_up(client, *of, **more)
