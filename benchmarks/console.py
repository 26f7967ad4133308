"""What the pages of the staff console cost: each that opens by its address alone, for somebody with all roles in-house.

Invariant: the very application answers, in this process, from the stand's database. What leads elsewhere or is not a
page is left out.
"""

import os
import secrets
import time
from collections.abc import Iterator
from datetime import date, timedelta

from flask import Flask
from flask.testing import FlaskClient

from benchmarks.stand import Stand
from config import clock, database
from config.settings import Settings
from storefront import sessions
from storefront.app import create_app
from storefront.roles import Grant, Role
from storefront.staff import accounts

ROUNDS = 5
_ROLES = (Role.ADMIN, Role.ANALYST, Role.CAMPAIGN, Role.FINANCE, Role.FULFILMENT, Role.CREW)


def timed(place: Stand, *, from_day: date, to_day: date) -> Iterator[tuple[str, float]]:
    """Yield each page with the milliseconds that one answer took, `ROUNDS` times, for the days up to `to_day`."""
    os.environ.update(place.environment)
    app = create_app(Settings.from_env())
    client = _somebody(app)
    period = f"from={from_day}&to={to_day - timedelta(days=1)}"
    for path in _paths(app):
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            answer = client.get(f"{path}?{period}", headers={"Accept": "text/html"})
            taken = (time.perf_counter() - begun) * 1000
            if answer.status_code >= 500:
                raise SystemExit(f"{path} answered {answer.status_code}.")
            if answer.status_code == 200 and answer.mimetype == "text/html":
                yield path, taken
    database.engine().dispose()


def _paths(app: Flask) -> list[str]:
    return sorted(
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/staff") and "GET" in (rule.methods or ()) and not rule.arguments
    )


def _somebody(app: Flask) -> FlaskClient:
    now = clock.now()
    grants = tuple(Grant(role=role) for role in _ROLES)
    with database.transaction() as session:
        added = accounts.add(
            session, username=f"bench-{now:%H%M%S%f}", password=secrets.token_hex(), grants=grants, now=now
        )
        opened = sessions.open_for_staff(session, staff_id=added.staff_id, now=now)
    client = app.test_client()
    cookie = sessions.cookie(opened, now=now)
    client.set_cookie(cookie["key"], cookie["value"])
    return client
