"""Terms by JSON: agreed once, never changed, and what settling waits for."""

from collections.abc import Callable

from flask import Flask

from storefront.roles import Role
from tests.storefront.api.conftest import code_of
from tests.storefront.staff.conftest import Clerk

WANTED = {"supplier": "SUP0001", "share_bp": 8000, "fee_bp": 60, "effective_at": "2026-12-01T00:00:00+08:00"}


def test_terms_are_entered_once_and_never_changed(app: Flask, seeded: None, clerk: Callable[..., Clerk]) -> None:
    finance = clerk(Role.FINANCE)
    assert (finance.post("/settlement/terms", WANTED).status_code, finance.post("/settlement/terms", WANTED).json) == (
        201,
        {"is_new": False},
    )
    assert code_of(finance.post("/settlement/terms", WANTED | {"share_bp": 7000})) == (409, "settlement.terms_taken")
    for wrong in (
        {"price_fen": 100},
        {"share_bp": None},
        {"share_bp": 10_001},
        {"fee_bp": -1},
        {"effective_at": "2026-12-01"},
        {"supplier": ""},
    ):
        assert code_of(finance.post("/settlement/terms", WANTED | wrong))[0] == 422, wrong
    work = finance.get("/settlement/work").get_json()
    assert (work["payouts"], work["commissions"], work["without_terms"]) == ([], [], [])
    [terms] = [each for each in work["terms"] if each["entered_by"] == finance.actor.username]
    assert (terms["supplier"], terms["share_bp"], terms["sku"]) == ("SUP0001", 8000, None)
    supplier = clerk(Role.SUPPLIER, supplier="SUP0001")
    assert code_of(supplier.get("/settlement/work")) == (403, "staff.not_permitted")
