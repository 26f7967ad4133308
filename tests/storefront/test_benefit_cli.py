"""The commands that verify and rebuild benefit entries."""

from typing import Any

from flask import Flask

from config import database
from tests.storefront.benefiting import linked, opened, paid, sku_of
from tests.storefront.conftest import Buyer


def run(app: Flask, *arguments: str) -> Any:
    return app.test_cli_runner().invoke(args=["benefit", *arguments])


def test_verify_fails_until_rebuild_has_posted_what_is_missing(app: Flask, buyer: Buyer) -> None:
    linked(opened(), 1000)
    order = paid(buyer, {sku_of(): 1})
    failed = run(app, "verify")
    assert failed.exit_code == 1
    assert f"{order}, line 1, link L" in failed.output
    assert "1 lines differ" in failed.output
    rebuilt = run(app, "rebuild")
    assert (rebuilt.exit_code, "1 entries posted." in rebuilt.output) == (0, True)
    assert "No drift." in run(app, "verify").output
    database.statement(
        "INSERT INTO benefit_entries (order_id, line_no, link_id, refund, share_bp, fen, occurred_at)"
        " SELECT order_id, line_no, link_id, 'R9', share_bp, 1, occurred_at FROM benefit_entries"
    )
    assert run(app, "rebuild").exit_code == 1


def test_on_an_empty_shop_they_have_nothing_to_do(app: Flask) -> None:
    assert "0 entries posted." in run(app, "rebuild").output
    assert run(app, "verify").output == "No drift.\n"
    assert run(app, "verfy").exit_code == 2
