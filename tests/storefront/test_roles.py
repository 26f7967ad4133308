"""The permission table: who may what, and how far."""

import pytest

from storefront import roles
from storefront.roles import Grant, Permission, Role, Scope

SUZHOU = Scope(area="3413")


def test_every_permission_is_somebody_s_besides_the_admin_s() -> None:
    held = set().union(*(roles.PERMISSIONS[role] for role in Role if role is not Role.ADMIN))
    assert set(Permission) - held == {
        Permission.MANAGE_STAFF,
        Permission.MANAGE_PARTNERS,
        Permission.MANAGE_SUPPLIERS,
        Permission.WRITE_CATALOG,
        Permission.WRITE_TARGETS,
    }


def test_money_and_rights_need_a_second_factor() -> None:
    for role, permissions in roles.PERMISSIONS.items():
        risky = permissions & {Permission.REFUND_ORDERS, Permission.MANAGE_STAFF, Permission.READ_MONEY}
        assert roles.needs_totp((Grant(role=role),)) == bool(risky)


@pytest.mark.parametrize(
    ("own", "other", "covered"),
    [
        (Scope(), Scope(), True),
        (Scope(), SUZHOU, True),
        (SUZHOU, Scope(), False),
        (SUZHOU, Scope(area="341321"), True),
        (SUZHOU, Scope(area="3401"), False),
        (SUZHOU, Scope(area="34"), False),
        (Scope(supplier="S1"), Scope(area="3401", supplier="S1"), True),
        (Scope(supplier="S1"), Scope(supplier="S2"), False),
        (Scope(supplier="S1"), Scope(area="3401"), False),
        (Scope(area="34", supplier="S1"), Scope(area="3401"), False),
    ],
)
def test_a_scope_covers_what_lies_within_it(own: Scope, other: Scope, covered: bool) -> None:
    assert own.covers(other) is covered


def test_a_role_holds_nothing_outside_its_scope() -> None:
    grants = (Grant(role=Role.FULFILMENT, scope=SUZHOU), Grant(role=Role.ANALYST))
    assert roles.permits(grants, Permission.SHIP_ORDERS)
    assert roles.permits(grants, Permission.SHIP_ORDERS, Scope(area="341321"))
    assert not roles.permits(grants, Permission.SHIP_ORDERS, Scope(area="3401"))
    assert not roles.permits(grants, Permission.SHIP_ORDERS, Scope())
    assert roles.permits(grants, Permission.READ_REPORTS, Scope())
    assert not roles.permits(grants, Permission.REFUND_ORDERS)
    assert roles.scopes(grants, Permission.SHIP_ORDERS) == [SUZHOU]
    assert not roles.permits((), Permission.READ_REPORTS)
