"""Accounts made on a page: a role, a scope that fits it, and nothing that moves money."""

from collections.abc import Callable

import pytest

from config import database
from storefront.roles import Role
from tests.catalog.supplying import COOP, opened
from tests.storefront.staff.conftest import Clerk, audited

pytestmark = pytest.mark.usefixtures("app", "seeded")
PASSWORD = "pears from dangshan"
Hire = Callable[..., Clerk]


def roles_of(username: str) -> list[tuple[str, str | None, str | None]]:
    return [
        (role, area, supplier)
        for role, area, supplier in database.statement(
            "SELECT r.role, r.area, r.supplier FROM staff_roles r JOIN staff_accounts a ON a.id = r.staff_id"
            " WHERE a.username = %s",
            (username,),
        )
    ]


def test_an_administrator_makes_and_shuts_an_account(clerk: Hire) -> None:
    opened(COOP)
    admin = clerk(Role.ADMIN)
    sent = admin.send("/accounts", role="supplier", scope=COOP, username="pear-coop", password=PASSWORD)
    assert "done=saved" in sent.location
    assert roles_of("pear-coop") == [("supplier", None, COOP)]
    again = admin.send("/accounts", role="supplier", scope=COOP, username="pear-coop", password=PASSWORD)
    assert "staff.username_taken" in again.location
    page = admin.open("/accounts").text
    assert "pear-coop" in page
    assert '<option value="341321">安徽省宿州市砀山县</option>' in page
    assert f'<option value="{COOP}">' in page
    assert "done=saved" in admin.send("/accounts/pear-coop/end").location
    assert "staff.not_permitted" in admin.send("/accounts/clerk-admin/end").location
    assert [act for act, subject in audited() if subject == "pear-coop"] == ["staff.added", "staff.disabled"]


@pytest.mark.parametrize(
    ("role", "scope", "fault"),
    [
        ("admin", "", "staff.account_invalid"),
        ("finance", "34", "staff.account_invalid"),
        ("county", "3413", "staff.account_invalid"),
        ("county", "", "staff.account_invalid"),
        ("township", "341321", "staff.account_invalid"),
        ("supervisor", "110101", "staff.account_invalid"),
        ("crew", "3401", "staff.account_invalid"),
        ("crew", "METRO.HF.L9", "campaign.unknown_placement"),
        ("supplier", "S-NOBODY", "supplier.not_found"),
        ("king", "34", "staff.account_invalid"),
    ],
)
def test_a_role_has_the_scope_that_fits_it(clerk: Hire, role: str, scope: str, fault: str) -> None:
    sent = clerk(Role.ADMIN).send("/accounts", role=role, scope=scope, username="somebody", password=PASSWORD)
    assert fault in sent.location
    assert roles_of("somebody") == []


@pytest.mark.usefixtures("codes")
@pytest.mark.parametrize("role", ["analyst", "campaign", "crew"])
def test_who_works_at_placements_is_hired_for_a_branch(clerk: Hire, role: str) -> None:
    sent = clerk(Role.ADMIN).send("/accounts", role=role, scope="METRO.HF.L1", username="somebody", password=PASSWORD)
    assert "done=saved" in sent.location
    assert roles_of("somebody") == [(role, "METRO.HF.L1", None)]
