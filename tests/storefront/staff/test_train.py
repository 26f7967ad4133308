"""The train: its places by their labels, the order of what they earned, and what may be said of the first."""

from storefront.staff.train import ENOUGH_JOURNEYS, Kind, Seat, Train, _place
from subway_campaign.hours import Hour


def seat(label: str, car: str = "T.C1") -> Seat:
    return Seat(f"{car}.{label}", f"1号车厢 {label}", car, *_place(label))


DOOR, PANEL, FAR = seat("DL1"), seat("P02"), seat("DR1", "T.C2")


def train(*hours: Hour, costs: dict[str, int] | None = None) -> Train:
    cars = {"T.C1": "1号车厢", "T.C2": "2号车厢"}
    return Train("T", "列车", 7, [], cars, [DOOR, PANEL, FAR], hours, costs or {})


def hour(where: Seat, at: int, net_fen: int = 0, *, scans: int = 10, paid: int = 1, back_fen: int = 0) -> Hour:
    return Hour(where.placement, where.name, at, scans, scans, paid, paid, net_fen + back_fen, back_fen)


def test_labels_say_what_a_place_is_and_in_which_row_it_is_drawn() -> None:
    assert _place("DL3") == (Kind.DOOR, "左3", 0)
    assert _place("P08") == (Kind.PANEL, "板8", 1)
    assert _place("H12") == (Kind.HANDLE, "手12", 2)
    assert _place("F1") == (Kind.FLOOR, "地1", 3)
    assert _place("DR4") == (Kind.DOOR, "右4", 4)
    assert _place("ROOF") == (Kind.OTHER, "ROOF", 3)


def test_the_first_is_who_earned_most_after_refunds() -> None:
    seen = train(hour(DOOR, 8, 5_000, back_fen=9_000), hour(FAR, 18, 7_000), hour(PANEL, 18, 20_000), hour(DOOR, 9, 0))
    assert [(each.seat, each.hour) for each in seen.ranking(Kind.DOOR, most=5)] == [(FAR, 18), (DOOR, 8)]
    assert [each.seat for each in seen.ranking(None, most=1)] == [PANEL]
    assert seen.ranking(Kind.FLOOR, most=5) == []


def test_an_answer_says_cost_interval_and_what_is_lacking() -> None:
    [few] = train(hour(DOOR, 8, 5_000, scans=40, paid=2)).ranking(Kind.DOOR, most=1)
    assert few.cost_fen is None
    assert few.rate == 2 / 40
    assert few.low is not None
    assert few.high is not None
    assert (round(few.low, 4), round(few.high, 4)) == (0.0105, 0.1509)
    assert ENOUGH_JOURNEYS == 5_298
    assert few.whole_net_fen == 5_000
    assert few.lacking == ENOUGH_JOURNEYS - 40
    assert few.days == -(-(ENOUGH_JOURNEYS - 40) * 7 // 40)
    costs = {DOOR.placement: 1_200}
    [many] = train(hour(DOOR, 8, 5_000, scans=6_000), costs=costs).ranking(Kind.DOOR, most=1)
    assert (many.cost_fen, many.lacking, many.days) == (1_200, 0, None)


def test_a_sale_without_a_scan_in_the_period_has_no_rate() -> None:
    [answer] = train(hour(DOOR, 8, 5_000, scans=0)).ranking(Kind.DOOR, most=1)
    assert (answer.rate, answer.low, answer.high, answer.days) == (None, None, None, None)


def test_sums_by_place_car_and_hour_agree() -> None:
    seen = train(hour(DOOR, 8, 5_000), hour(DOOR, 9, 1_000), hour(FAR, 8, 700))
    assert {key: figures.net_fen for key, figures in seen.by_seat(None).items()} == {
        DOOR.placement: 6_000,
        FAR.placement: 700,
    }
    assert seen.by_seat(9)[DOOR.placement].net_fen == 1_000
    by_car = seen.by_car_and_hour(seen.chosen(Kind.DOOR))
    assert {key: figures.net_fen for key, figures in by_car.items()} == {
        ("T.C1", 8): 5_000,
        ("T.C1", 9): 1_000,
        ("T.C2", 8): 700,
    }
    assert seen.by_seat_and_hour([FAR])[FAR.placement, 8].scans == 10
