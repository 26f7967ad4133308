"""Every route of the application says who may call it, and means it."""

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.routing import Rule

from config.settings import Settings
from storefront import guard
from storefront.app import create_app
from tests.storefront.conftest import app  # noqa: F401 - fixture

# Whoever adds a public view writes it down here, with open eyes.
CHANGING_AND_PUBLIC = {
    "scans.mint_handoff",
    "touches.take_handoff",
    "accreditation_notices.object_to",
    "sessions.log_in_by_miniprogram",
    "sessions.log_in_as_guest",
    "touches.record",
    "quotes.quote",
    "scans.confirm",
}
SIGNED = {"notifications.take_payment", "notifications.take_refund", "pushes.prove", "pushes.take"}
NEEDS_A_SESSION = re.compile(r"/api/v1/(cart|addresses|orders|sessions/current)\b")


def rules(app: Flask) -> Iterator[tuple[Rule, str, str]]:  # noqa: F811
    """Each rule with a method that its view serves, and its guard."""
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            kind, _ = getattr(app.view_functions[rule.endpoint], "guard", (None, None))
            yield rule, method, kind


def sample(rule: Rule) -> str:
    """A path of the rule."""
    return re.sub(r"<[^>]+>", "X1", rule.rule)


def test_no_view_is_naked(app: Flask) -> None:  # noqa: F811
    assert guard.unguarded(app) == []
    assert {rule.endpoint for rule, _, kind in rules(app) if kind is None} <= guard.OPEN_ENDPOINTS


def test_a_shop_with_a_naked_view_does_not_open(settings: Settings, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storefront.health.healthz.guard", None, raising=False)
    monkeypatch.delattr("storefront.health.healthz.guard")
    with pytest.raises(RuntimeError, match=r"health\.healthz"):
        create_app(settings)


def test_what_anybody_may_change_is_written_down(app: Flask) -> None:  # noqa: F811
    changing = {
        rule.endpoint
        for rule, method, kind in rules(app)
        if method != "GET" and kind == guard.PUBLIC and rule.rule.startswith(("/api/v1", "/s/", "/wechatpay"))
    }
    assert changing == CHANGING_AND_PUBLIC
    assert {rule.endpoint for rule, _, kind in rules(app) if kind == guard.SIGNED} == SIGNED


def test_every_guarded_route_refuses_whoever_comes_without_a_session(app: Flask) -> None:  # noqa: F811
    client = app.test_client()
    tried = 0
    for rule, method, kind in rules(app):
        if kind not in {guard.SHOPPER, guard.STAFF, guard.PARTNER}:
            continue
        for headers in ({}, {"Authorization": f"Bearer {'x' * 43}"}):
            answer = client.open(sample(rule), method=method, json={}, headers=headers)
            # One that asks along with its question has to read it first, and says so of one that cannot be read.
            is_read_first = headers and getattr(app.view_functions[rule.endpoint], "is_asking", False)
            assert answer.status_code == (422 if is_read_first else 401), f"{method} {rule.rule}: {answer.status_code}"
            tried += 1
    assert tried >= 26


def test_whatever_belongs_to_somebody_needs_a_session(app: Flask) -> None:  # noqa: F811
    for rule, method, kind in rules(app):
        if NEEDS_A_SESSION.match(rule.rule):
            assert kind == guard.SHOPPER, f"{method} {rule.rule}"
        if rule.rule.startswith("/api/partner/v1"):
            assert kind == guard.PARTNER, f"{method} {rule.rule}"
        if rule.rule.startswith("/api/staff/v1") and not rule.rule.endswith("/sessions"):
            assert kind == guard.STAFF, f"{method} {rule.rule}"
