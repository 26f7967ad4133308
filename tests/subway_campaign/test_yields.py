from datetime import date

import pytest

from config import database
from subway_campaign import costs, errors, exposures, returns, yields
from subway_campaign.cost_models import CostKind
from subway_campaign.lifecycle import Model
from tests.subway_campaign.conftest import World, beijing

MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)


def yielded(placement: str, model: Model = Model.LAST) -> tuple[returns.Return, exposures.Impressions | None]:
    with database.transaction() as session:
        return yields.of_placement(session, placement=placement, from_day=MARCH, to_day=APRIL, model=model)


def test_a_placement_has_its_share_of_the_contract_and_its_own_orders(world: World) -> None:
    contract = costs.Cost(
        campaign="DRIVE", placement="METRO.HF.L1", kind=CostKind.MEDIA, amount_fen=80_000, from_day=MARCH, to_day=APRIL
    )
    with database.transaction() as session:
        costs.enter(session, cost=contract, by="li", key="key-00001", now=beijing(3, 1))
    for i in range(12):
        rider = world.scan("A", beijing(3, 2, 8, i)).visitor
        world.order(f"N{i}", rider, beijing(3, 2, 9, i), 6_000, 4_000)
    world.refund("N0", "R0", beijing(3, 20), {1: 6_000, 2: 4_000})
    world.refund("N1", "R1", beijing(3, 20), {2: 4_000})
    found, seen = yielded(world.numbers["A"])
    assert seen is None
    assert (found.cost_fen, found.net_fen, found.scans, found.paid_orders) == (40_000, 106_000, 12, 12)
    assert found.roi is not None
    assert found.roi.value == pytest.approx(1.65)
    assert found.roi.low < 1.65 < found.roi.high
    line, _ = yielded("METRO.HF.L1")
    assert (line.cost_fen, line.net_fen) == (80_000, 106_000)
    assert yielded(world.numbers["A"], Model.LINEAR)[0].net_fen == 106_000


def test_a_placement_that_brought_nothing_says_so(world: World) -> None:
    found, _ = yielded(world.numbers["B"])
    assert (found.cost_fen, found.net_fen, found.roi) == (0, 0, None)
    assert found.roi_wait == returns.Wait(needed=10, have=0, days=None)
    with pytest.raises(errors.UnknownPlacement):
        yielded("METRO.HF.L9")
