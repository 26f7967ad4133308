"""What a scope lets its holder see."""

import pytest

from config import database
from storefront.actors import Actor, ActorKind
from storefront.errors import NotPermitted, OutsideArea
from storefront.roles import Grant, Permission, Role, Scope
from storefront.staff import sight


def actor(*grants: Grant) -> Actor:
    return Actor(kind=ActorKind.STAFF, staff_id=1, username="x", grants=grants)


def packer(**scope: str) -> Grant:
    return Grant(role=Role.FULFILMENT, scope=Scope(**scope))


def seen_by(*grants: Grant) -> sight.Sight:
    with database.transaction() as session:
        return sight.of(session, actor(*grants), Permission.SHIP_ORDERS)


def test_a_role_without_a_scope_sees_everything(seeded: None) -> None:
    everything = seen_by(packer(area="341321"), packer())
    assert everything.sees("dangshansuli")
    assert everything.covers(["dangshansuli", "whatever"])


def test_scopes_add_up_and_end_where_they_end(seeded: None) -> None:
    pears = seen_by(packer(area="341321"))
    assert pears.sees("dangshansuli")
    both = seen_by(packer(area="341321"), packer(area="3401"))
    assert pears.products is not None
    assert both.products is not None
    assert pears.products < both.products
    assert not pears.covers(both.products)


def test_another_roles_scope_is_no_help(seeded: None) -> None:
    analyst = Grant(role=Role.ANALYST)
    with pytest.raises(NotPermitted), database.transaction() as session:
        sight.of(session, actor(analyst), Permission.SHIP_ORDERS)
    with pytest.raises(NotPermitted):
        sight.require_whole(actor(packer(area="3413")), Permission.SHIP_ORDERS)
    sight.require_whole(actor(packer()), Permission.SHIP_ORDERS)


def crew(*areas: str | None) -> Actor:
    return actor(*(Grant(role=Role.CREW, scope=Scope(area=area)) for area in areas))


def test_a_crew_works_in_its_branches_and_nowhere_else() -> None:
    assert sight.branches(crew("METRO.HF.L1", None), Permission.WORK_FIELD) is None
    within = sight.branches(crew("METRO.HF.L4", "METRO.HF.L1"), Permission.WORK_FIELD)
    assert within == ["METRO.HF.L1", "METRO.HF.L4"]
    for placement in ("METRO.HF.L1", "METRO.HF.L4.T02.C1.P01", None):
        sight.require_place(within, placement)
    sight.require_place(None, "BUS")
    # Line 10 is not a part of line 1.
    for placement in ("METRO.HF.L10", "METRO.HF", "BUS"):
        with pytest.raises(OutsideArea):
            sight.require_place(within, placement)
    assert sight.narrowed(within, None) == sight.narrowed(within, "METRO") == within
    assert sight.narrowed(within, "METRO.HF.L1.S04") == ["METRO.HF.L1.S04"]
    assert sight.narrowed(None, None) == [None]
    with pytest.raises(OutsideArea):
        sight.narrowed(within, "BUS")


@pytest.mark.parametrize("grants", [(Grant(role=Role.CREW, scope=Scope(area="3401")),), (packer(),)])
def test_a_region_is_no_branch_of_placements(grants: tuple[Grant, ...]) -> None:
    with pytest.raises(NotPermitted):
        sight.branches(actor(*grants), Permission.WORK_FIELD)
