from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import exc, text

from config import database
from subway_campaign import costs, errors, placements, reports
from subway_campaign.cost_models import CostKind
from subway_campaign.costs import Cost
from subway_campaign.lifecycle import Level
from tests.subway_campaign.conftest import World, beijing

MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
NOW = beijing(3, 1)
TREE = ["A", "A.B", "A.B.X1", "A.B.X2", "A.C", "A0", "A0.B", "AB"]

days = st.integers(0, 400).map(lambda day: MARCH + timedelta(days=day))
amounts = st.integers(1, 10**11) | st.integers(1, 50)


def cost(placement: str = "METRO.HF.L1", amount_fen: int = 310_000, **other: Any) -> Cost:
    period = {"from_day": MARCH, "to_day": APRIL}
    return Cost(campaign="DRIVE", placement=placement, kind=CostKind.MEDIA, amount_fen=amount_fen, **(period | other))


def enter(wanted: Cost, key: str = "key-00001", by: str = "li") -> tuple[costs.Entry, bool]:
    with database.transaction() as session:
        return costs.enter(session, cost=wanted, by=by, key=key, now=NOW)


def spent(since: date, until: date) -> costs.PeriodCosts:
    with database.transaction() as session:
        return costs.of_period(session, since=since, until=until)


@given(amount=amounts, length=st.integers(1, 800), cuts=st.lists(days, min_size=2))
def test_any_parts_of_a_period_sum_to_the_whole(amount: int, length: int, cuts: list[date]) -> None:
    period = (MARCH, MARCH + timedelta(days=length))
    marks = [MARCH, *sorted(cuts), period[1] + timedelta(days=400)]
    for fen in (amount, -amount):
        parts = [
            costs.fen_until(fen, *period, last) - costs.fen_until(fen, *period, first)
            for first, last in pairwise(sorted(marks))
        ]
        assert sum(parts) == fen
        assert all(part * fen >= 0 for part in parts)


@given(
    fens=st.lists(st.integers(0, 10**11), min_size=3, max_size=3),
    count=st.integers(1, 300),
    sign=st.sampled_from((1, -1)),
)
def test_leaves_sum_to_their_parent_and_differ_by_a_fen(fens: list[int], count: int, sign: int) -> None:
    first, middle, last = (sign * fen for fen in sorted(fens))
    whole = costs.dealt(first, last, count)
    assert sum(whole) == last - first
    assert max(whole) - min(whole) <= 1
    parts = zip(costs.dealt(first, middle, count), costs.dealt(middle, last, count), strict=True)
    assert [sum(part) for part in parts] == whole


def test_leaves_are_what_has_nothing_below() -> None:
    assert costs.leaves(TREE, "A") == ["A.B.X1", "A.B.X2", "A.C"]
    assert costs.leaves(TREE, "A.B") == ["A.B.X1", "A.B.X2"]
    assert costs.leaves(TREE, "A0") == ["A0.B"]
    assert costs.leaves(TREE, "AB") == ["AB"]


def test_a_contract_is_spread_over_its_days_and_allocated_on_demand(world: World) -> None:
    enter(cost(amount_fen=310_001))
    week = spent(MARCH, MARCH + timedelta(days=7))
    assert week.booked == {"METRO.HF.L1": 70_000}
    assert week.allocated == {"METRO.HF.L1.LB1": 35_000, "METRO.HF.L1.T07.C1.P12": 35_000}
    assert spent(MARCH, APRIL).booked == {"METRO.HF.L1": 310_001}
    assert sorted(spent(MARCH, APRIL).allocated.values()) == [155_000, 155_001]
    assert spent(APRIL, date(2026, 5, 1)) == costs.PeriodCosts({}, {})


def test_a_report_shows_costs_that_sum_at_every_level(world: World) -> None:
    enter(cost(amount_fen=310_001))
    enter(cost("METRO.HF.L4.T02.C1.P01", 999), key="key-00002")
    enter(cost("METRO", 7), key="key-00003")
    for level in Level:
        with database.transaction() as session:
            found = reports.placements(session, from_day=MARCH, to_day=MARCH + timedelta(days=10), level=level)
        booked, allocated = (sum(row[name] for row in found["rows"]) for name in ("cost_fen", "allocated_cost_fen"))
        assert booked == allocated == found["total"]["cost_fen"] == 100_000 + 322 + 2
        rows = {row["placement"]: row for row in found["rows"]}
        if level is Level.LINE:
            assert (rows["METRO"]["cost_fen"], rows["METRO.HF.L1"]["cost_fen"]) == (2, 100_000)
            assert rows["METRO.HF.L4"]["allocated_cost_fen"] == 322


def test_one_form_is_one_entry(world: World) -> None:
    first, is_new = enter(cost())
    again, is_new_again = enter(cost())
    assert (is_new, is_new_again, first) == (True, False, again)
    assert enter(cost(amount_fen=5))[0] == first
    assert enter(cost(), by="wang")[1]
    assert enter(cost(), key="key-00002")[1]
    assert spent(MARCH, APRIL).booked == {"METRO.HF.L1": 930_000}


def test_a_reversal_takes_back_every_day_and_only_once(world: World) -> None:
    entry, _ = enter(cost(amount_fen=100))
    with database.transaction() as session:
        back, is_new = costs.reverse(session, number=entry.number, note="金额写错", by="wang", now=NOW)
        assert costs.reverse(session, number=entry.number, note="", by="li", now=NOW) == (back, False)
        assert costs.find(session, number=entry.number).reversal == back.number
        with pytest.raises(errors.CostIsReversal):
            costs.reverse(session, number=back.number, note="", by="li", now=NOW)
        with pytest.raises(errors.UnknownCost):
            costs.reverse(session, number="CE0", note="", by="li", now=NOW)
    assert is_new
    assert (back.cost.amount_fen, back.reverses, back.entered_by) == (-100, entry.number, "wang")
    for day in range(31):
        found = spent(MARCH + timedelta(days=day), MARCH + timedelta(days=day + 1))
        assert not any([*found.booked.values(), *found.allocated.values()])


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"amount_fen": 0}, errors.CostImplausible),
        ({"amount_fen": -5}, errors.CostImplausible),
        ({"amount_fen": costs.MOST_FEN + 1}, errors.CostImplausible),
        ({"to_day": date(2040, 1, 1)}, errors.CostImplausible),
        ({"to_day": MARCH}, errors.ImpossiblePeriod),
        ({"to_day": date(2026, 2, 1)}, errors.ImpossiblePeriod),
        ({"placement": "METRO.HF.L9"}, errors.UnknownPlacement),
        ({"campaign": "NONE"}, errors.UnknownCampaign),
    ],
)
def test_what_cannot_be_is_refused(world: World, wrong: dict[str, Any], refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        enter(Cost(**(vars(cost()) | wrong)))
    assert spent(date.min, date.max).booked == {}


def test_entries_are_listed_newest_first_and_never_changed(world: World) -> None:
    numbers = [enter(cost(place, 100), key=f"key-0000{i}")[0].number for i, place in enumerate(world.numbers.values())]
    with database.transaction() as session:
        assert [entry.number for entry in costs.listing(session)] == numbers[::-1]
        assert [entry.number for entry in costs.listing(session, within=["METRO.HF.L1"])] == [numbers[2], numbers[0]]
        assert [entry.number for entry in costs.listing(session, after=numbers[2], limit=1)] == [numbers[1]]
    for change in ("UPDATE cost_entries SET amount_fen = 1", "DELETE FROM cost_entries"):
        with pytest.raises(exc.IntegrityError, match="reverse them"), database.transaction() as session:
            session.execute(text(change))


def test_a_new_leaf_takes_its_share(world: World) -> None:
    enter(cost())
    with database.transaction() as session:
        placements.create(session, parent="METRO.HF.L1", level=Level.POSITION, label="LB2", name="灯箱2")
    assert len(spent(MARCH, APRIL).allocated) == 3
    assert sum(spent(MARCH, APRIL).allocated.values()) == 310_000
