"""The commands that rebuild and verify the rollups."""

from typing import Any

import pytest
from flask import Flask

from config import database
from subway_campaign import rollups
from tests.subway_campaign.conftest import World, beijing, world  # noqa: F401 - the fixture of a small inventory


def run(app: Flask, *arguments: str) -> Any:
    return app.test_cli_runner().invoke(args=["rollups", *arguments])


def test_rebuild_counts_every_day_and_verify_finds_no_drift(app: Flask, world: World) -> None:  # noqa: F811
    world.scan("A", beijing(3, 1))
    world.scan("A", beijing(3, 2))
    rebuilt = run(app, "rebuild")
    assert rebuilt.exit_code == 0
    assert "2 days counted." in rebuilt.output
    verified = run(app, "verify")
    assert verified.exit_code == 0
    assert "No drift. 0 days wait" in verified.output


def test_verify_fails_with_the_rows_that_differ(app: Flask, world: World) -> None:  # noqa: F811
    world.scan("A", beijing(3, 1))
    rollups.roll_up()
    database.statement("UPDATE visitor_days SET visitors = 7 WHERE level = 'line'")
    verified = run(app, "verify")
    assert verified.exit_code == 1
    assert "visitor_days: day 2026-03-01, level line" in verified.output
    assert "holds {'visitors': 7}, the log says {'visitors': 1}" in verified.output
    assert "1 rows differ" in verified.output
    assert run(app, "rebuild").exit_code == 0
    assert run(app, "verify").exit_code == 0


@pytest.mark.parametrize("arguments", [["rebiuld"], ["rebuild", "2026-03-01"], ["verify", "--days", "3"]])
def test_bad_input_changes_nothing(app: Flask, arguments: list[str], world: World) -> None:  # noqa: F811
    world.scan("A", beijing(3, 1))
    refused = run(app, *arguments)
    assert refused.exit_code == 2
    assert "Usage" in refused.output
    assert database.statement("SELECT count(*) FROM scan_days") == [(0,)]


def test_on_an_empty_shop_both_have_nothing_to_do(app: Flask) -> None:
    assert "0 days counted." in run(app, "rebuild").output
    assert "No drift. 0 days wait" in run(app, "verify").output
