"""The commands that have a mind of their own: which days are reconciled, and how it ends."""

from datetime import UTC, date, datetime

from flask import Flask
from sqlalchemy import select

from config import clock, database
from storefront import cli
from storefront.staff_models import AuditEntry

NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)


def run(app: Flask, *arguments: str) -> tuple[int, str]:
    with clock.frozen(NOW):
        result = app.test_cli_runner().invoke(args=["reconcile", *arguments])
    return result.exit_code, result.output


def test_a_month_is_its_days_that_are_over() -> None:
    days = cli._month(date(2026, 2, 1), date(2026, 11, 20))
    assert (days[0], days[-1], len(days)) == (date(2026, 2, 1), date(2026, 2, 28), 28)
    assert cli._month(date(2026, 11, 1), date(2026, 11, 20))[-1] == date(2026, 11, 20)
    assert cli._month(date(2026, 12, 1), date(2026, 11, 20)) == []


def test_days_that_cannot_be_had_are_told_and_end_it_badly(app: Flask) -> None:
    status, told = run(app, "--month", "2020-02")
    assert status == 1
    assert told.count("payment.bill_not_ready") == 29
    assert "29 of 29 days could not be compared" in told
    status, told = run(app, "--day", "2026-11-21", "--day", "2020-01-01")
    assert (status, told.count("payment.bill_not_ready")) == (1, 2)


def test_a_month_to_come_is_refused(app: Flask) -> None:
    status, told = run(app, "--month", "2026-12")
    assert status == 2
    assert "none of its days is over yet" in told


def staff(app: Flask, *arguments: str, stdin: str = "") -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=["staff", *arguments], input=stdin)
    return result.exit_code, result.output


def test_an_account_is_kept_from_the_command_line(app: Flask) -> None:
    status, told = staff(app, "add", "wang", "--role", "finance", stdin="correct horse battery\n")
    assert (status, told.count("otpauth://")) == (0, 1)
    status, told = staff(app, "totp", "wang")
    assert (status, told.count("otpauth://")) == (0, 1)
    assert staff(app, "password", "wang", stdin="staple battery horse\n")[0] == 0
    assert "staff.account_invalid" in staff(app, "password", "wang", stdin="short\n")[1]
    assert staff(app, "log-out", "wang") == (0, "Ended 0 sessions of wang.\n")
    assert staff(app, "disable", "wang")[0] == 0
    for command in ("totp", "disable"):
        status, told = staff(app, command, "wang")
        assert (status, "staff.account_not_found" in told) == (1, True)
    with database.transaction() as session:
        acts = list(session.scalars(select(AuditEntry.act).order_by(AuditEntry.id)))
    assert acts == [
        "staff.added",
        "staff.totp_enrolled",
        "staff.password_changed",
        "staff.sessions_ended",
        "staff.disabled",
    ]
