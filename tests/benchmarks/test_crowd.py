"""The made-up month: every row follows from a counter, and its decisions are the product's own."""

from collections import Counter
from datetime import date

from benchmarks.crowd import PLACEMENTS, Crowd, Day, Orders, Spot

SPOTS = [Spot(at, f"SCALE.P{at}", at, f"SC{at}", at) for at in range(PLACEMENTS)]
CROWD = Crowd(touches=30 * 4_000, orders=30 * 100, first_day=date(2026, 10, 1))


def test_a_day_is_as_large_as_it_should_be_and_nobody_meets_a_placement_twice() -> None:
    day = Day(CROWD, SPOTS, 3)
    assert day.count == 4_000
    met = {(day.visitor(touch), day.spot(touch).placement_id) for touch in range(day.count)}
    assert len(met) == day.count
    assert len({day.visitor(touch) for touch in range(day.count)}) == 3_000
    assert len({day.spot(touch) for touch in range(day.count) if day.is_confirmed(touch)}) == PLACEMENTS
    assert len({row.split("\t")[0] for row in day.touches()}) == day.count
    assert 0.6 < sum(1 for _ in day.confirmations()) / day.count < 0.75


def test_orders_are_paid_in_full_under_every_model() -> None:
    rows = {sql.split()[1]: rows for sql, rows in Orders(Day(CROWD, SPOTS, 3)).tables()}
    assert len(rows["conversions"]) == 100
    paid = sum(line[4] or 0 for line in rows["conversion_lines"])
    back = sum(refund[3] for refund in rows["conversion_refunds"])
    assert back
    net: Counter[str] = Counter()
    for credit in rows["credits"]:
        net[credit[1]] += credit[7]
    assert set(net.values()) == {paid - back}
    assert any(position for *_, position, _binding, _placement, _num, _den in rows["attribution_weights"])
