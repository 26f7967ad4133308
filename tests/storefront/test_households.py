"""Households: sealed at rest, read by nobody by accident, forgotten in time and when they ask."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from structlog.testing import capture_logs

from config import database
from config import settings as process_settings
from config.settings import Settings
from storefront import benefit_errors as errors
from storefront import households, purging, sealing
from tests.storefront.benefiting import NOW, joined, opened

KEY, NEXT = "own-key-0123456789abcdefghijklmnopqr", "next-key-0123456789abcdefghijklmnop"
pytestmark = pytest.mark.usefixtures("seeded")


@pytest.fixture(autouse=True)
def back(settings: Settings) -> Iterator[None]:
    yield
    process_settings.use(settings)


def of(group: str) -> list[tuple[str | None, str]]:
    with database.transaction() as session:
        return [(held.name, held.phone) for held in households.of_group(session, group=group)]


def add(**changes: Any) -> str:
    given = {"name": "王大山", "phone": "13800001111", "consented_on": date(2026, 11, 1), "by": "x", "now": NOW}
    with database.transaction() as session:
        return households.add(session, **(given | changes))


def test_a_household_is_read_as_it_was_written_and_stands_nowhere_in_clear() -> None:
    group = opened()
    joined(group, "王大山", "13800001111")
    joined(group, "阿依古丽·买买提", "")
    assert of(group) == [("王大山", "13800001111"), ("阿依古丽·买买提", "")]
    with database.transaction() as session:
        [first, _] = households.of_group(session, group=group)
    assert "王大山" not in repr(first)
    assert "138" not in repr(first)
    [(stored,)] = database.statement("SELECT string_agg(h::text, ' ') FROM benefit_households h")
    assert "王大山" not in stored
    assert "13800001111" not in stored
    boxes = [bytes(row[0]) for row in database.statement("SELECT sealed FROM benefit_households")]
    assert all("王大山".encode() not in box and b"13800001111" not in box for box in boxes)


def test_what_is_no_name_and_no_phone_is_refused_and_no_identity_number_is_taken() -> None:
    group = opened()
    for field, value in (
        ("name", "王"),
        ("name", "342201197003121234"),
        ("name", "王大山342201197003121234"),
        ("name", "王\n<b>"),
        ("name", "长" * 31),
        ("phone", "342201197003121234"),
        ("phone", "12345"),
        ("phone", "１３８００００１１１１"),
        ("consented_on", None),
        ("consented_on", date(2026, 11, 22)),
        ("consented_on", date(1900, 1, 1)),
    ):
        with pytest.raises(errors.HouseholdInvalid) as caught:
            add(group=group, **{field: value})
        assert list(caught.value.details["fields"]) == [field]
        assert str(value) not in str(caught.value.details)


def test_a_household_is_in_its_group_once(monkeypatch: pytest.MonkeyPatch) -> None:
    group = opened()
    number = add(group=group)
    with pytest.raises(errors.HouseholdTaken) as caught:
        add(group=group, name=" 王大山 ")
    assert caught.value.details == {"number": number}
    add(group=group, phone="13800002222")
    monkeypatch.setattr(households, "MOST", 2)
    with pytest.raises(errors.HouseholdsTooMany):
        add(group=group, phone="13800003333")
    with pytest.raises(errors.GroupUnknown):
        add(group="G0")


def test_who_left_is_forgotten_a_year_later_and_who_asks_at_once() -> None:
    group = opened()
    left, asked, stays = (add(group=group, phone=f"1380000111{n}") for n in range(3))
    with database.transaction() as session:
        assert households.leave(session, number=left, now=NOW)
        assert not households.leave(session, number=left, now=NOW)
        assert households.forget(session, number=asked, now=NOW)
        assert not households.forget(session, number=asked, now=NOW)
        with pytest.raises(errors.HouseholdUnknown):
            households.forget(session, number="H0", now=NOW)
    assert len(of(group)) == 2
    purging.purge(now=NOW + households.NAMES_LIVE)
    assert len(of(group)) == 2
    purging.purge(now=NOW + households.NAMES_LIVE + timedelta(seconds=1))
    with database.transaction() as session:
        assert [held.number for held in households.of_group(session, group=group)] == [stays]
    assert database.statement("SELECT count(*) FROM benefit_households") == [(3,)]
    add(group=group, phone="13800001110")


def test_a_new_key_takes_over_by_a_command(app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    group = opened()
    monkeypatch.setattr(households, "AT_ONCE", 2)
    for n in range(5):
        add(group=group, phone=f"1380000111{n}")

    def rekey() -> Any:
        return app.test_cli_runner().invoke(args=["benefit", "rekey"])

    process_settings.use(replace(settings, household_key=KEY))
    assert "5 households sealed anew." in rekey().output
    assert "0 households sealed anew." in rekey().output
    assert {row[0] for row in database.statement("SELECT key_id FROM benefit_households")} == {sealing.present_key_id()}
    process_settings.use(replace(settings, household_key=NEXT, household_key_previous=KEY, secret_key=NEXT))
    assert "5 households sealed anew." in rekey().output
    process_settings.use(replace(settings, household_key=NEXT))
    assert len(of(group)) == 5
    [(acts,)] = database.statement("SELECT count(*) FROM staff_audit WHERE act = 'households.rekeyed'")
    assert acts == 3


def test_a_key_that_is_gone_is_told_and_loses_nothing(app: Flask, settings: Settings) -> None:
    process_settings.use(replace(settings, household_key=KEY))
    group = opened()
    add(group=group)
    process_settings.use(replace(settings, household_key=NEXT))
    with capture_logs() as logs:
        assert of(group) == [(None, "")]
    assert [line["alarm"] for line in logs] == ["households.unreadable"]
    failed = app.test_cli_runner().invoke(args=["benefit", "rekey"])
    assert failed.exit_code == 1
    assert "1 cannot be opened" in failed.output
    process_settings.use(replace(settings, household_key=NEXT, household_key_previous=KEY))
    assert of(group) == [("王大山", "13800001111")]
