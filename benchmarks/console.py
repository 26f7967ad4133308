"""What the pages of the staff console cost: each that opens by its address alone, for somebody with all roles in-house.

Invariant: the very application answers, in this process, from the stand's database. What leads elsewhere or is not a
page is left out. Pages with filters are opened once more for each, narrowed to what has most of what they show.
"""

import os
import secrets
import time
from collections.abc import Iterator
from datetime import date, timedelta
from urllib.parse import urlencode

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


# The filters of the pages that have any.
_REPORT = ("under", "campaign", "hall", "product", "campaign hall")
_FILTERS = {
    "/staff/report": _REPORT,
    "/staff/report/compare": _REPORT,
    "/staff/report/models": _REPORT,
    "/staff/report/ways": _REPORT,
    "/staff/metro": ("campaign", "hall", "product"),
    "/staff/train": ("campaign", "hall", "product"),
    "/staff/codes": ("under", "campaign"),
    "/staff/codes/sheet": ("under", "campaign"),
    "/staff/costs": ("under", "campaign"),
}
# Of every filter the choice with the most behind it.
_LARGEST = """
    WITH sold AS (SELECT product, count(*) AS lines FROM conversion_lines GROUP BY product)
    SELECT 'campaign', (SELECT g.number FROM code_bindings b JOIN campaigns g ON g.id = b.campaign_id
                        GROUP BY g.number ORDER BY count(*) DESC LIMIT 1)
    UNION ALL
    SELECT 'hall', (SELECT h.slug FROM sold JOIN products p ON p.slug = sold.product JOIN halls h ON h.id = p.hall_id
                    GROUP BY h.slug ORDER BY sum(lines) DESC LIMIT 1)
    UNION ALL
    SELECT 'product', (SELECT product FROM sold ORDER BY lines DESC LIMIT 1)
    UNION ALL
    SELECT 'under', (SELECT n.number FROM placements n JOIN placements p ON starts_with(p.number, n.number || '.')
                     WHERE n.level = 'line' GROUP BY n.number ORDER BY count(*) DESC, n.number LIMIT 1)
"""


def timed(place: Stand, *, from_day: date, to_day: date) -> Iterator[tuple[str, float]]:
    """Yield each page with the milliseconds that one answer took, `ROUNDS` times, for the days up to `to_day`."""
    os.environ.update(place.environment)
    app = create_app(Settings.from_env())
    client = _somebody(app)
    period = {"from": from_day, "to": to_day - timedelta(days=1)}
    with place.connect() as connection:
        largest = dict(connection.execute(_LARGEST).fetchall())
    for path, filters in _paths(app):
        asked = urlencode(period | {name: largest[name] for name in filters})
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            answer = client.get(f"{path}?{asked}", headers={"Accept": "text/html"})
            taken = (time.perf_counter() - begun) * 1000
            if answer.status_code >= 500:
                raise SystemExit(f"{path} answered {answer.status_code}.")
            if answer.status_code == 200 and answer.mimetype == "text/html":
                yield " by ".join([path, *filters]), taken
    database.engine().dispose()


def _paths(app: Flask) -> list[tuple[str, list[str]]]:
    """Return every page with the filters to open it by: none, and each of those that it has."""
    plain = sorted(
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/staff") and "GET" in (rule.methods or ()) and not rule.arguments
    )
    return [(path, filters.split()) for path in plain for filters in ("", *_FILTERS.get(path, ()))]


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
