"""What ECharts is told: data only, equally scaled, larger where there is more."""

from itertools import pairwise
from math import cos, radians

import orjson
import pytest

from storefront.staff import charts
from storefront.staff.charts import Spot
from subway_campaign import metro


def test_an_amount_has_the_colour_of_its_share() -> None:
    assert [charts.step(amount, 100) for amount in (-5, 0, 1, 20, 50, 99, 100)] == [0, 0, 1, 2, 3, 5, 5]
    assert charts.step(0, 0) == 0
    steps = [charts.step(amount, 100) for amount in range(101)]
    assert all(low <= high for low, high in pairwise(steps))


def test_hours_are_bars_and_a_line_with_an_axis_for_each_unit() -> None:
    one = charts.by_hour(bars=range(24), line=[0] * 24, names=("今天", "上周"), units=("次",))
    assert [series["type"] for series in one["series"]] == ["bar", "line"]
    assert (len(one["yAxis"]), one["series"][1]["yAxisIndex"]) == (1, 0)
    two = charts.by_hour(bars=range(24), line=[0] * 24, names=("净额", "扫码"), units=("元", "次"))
    assert [axis["name"] for axis in two["yAxis"]] == ["元", "次"]
    assert two["series"][1]["yAxisIndex"] == 1
    orjson.dumps(two)


def test_the_map_has_every_station_and_train_and_leads_to_its_row() -> None:
    first = metro.lines()[0]
    best, other = (station.placement for station in first.stations[:2])
    spots = {best: Spot(900, "多", "/best"), other: Spot(100, "少", "/other"), "METRO.HF.L1.T01": Spot(400, "车", "/t")}
    option = charts.network(metro.lines(), spots, {first.placement: [("METRO.HF.L1.T01", "列车")]})
    orjson.dumps(option)
    items = [item for series in option["series"] if series["type"] == "scatter" for item in series["data"]]
    assert len(items) == 80 + 1
    # Both platforms of an interchange can be seen.
    assert len({tuple(item["value"]) for item in items}) == 81
    sizes = {item["href"]: item["symbolSize"] for item in items if "href" in item}
    assert sizes["/best"] > sizes["/t"] > sizes["/other"] > min(item["symbolSize"] for item in items)
    tracks = [series for series in option["series"] if series["type"] == "line"]
    assert [track["lineStyle"]["color"] for track in tracks] == [line.colour for line in metro.lines()]


def test_the_map_shows_north_and_east_at_one_scale_and_leaves_nothing_out() -> None:
    option = charts.network(metro.lines(), {}, {})
    wide, high = (option[axis]["max"] - option[axis]["min"] for axis in ("xAxis", "yAxis"))
    assert wide / high == pytest.approx(4 / 3)
    for line in metro.lines():
        for station in line.stations:
            assert option["xAxis"]["min"] < station.longitude * cos(radians(31.8)) < option["xAxis"]["max"]
            assert option["yAxis"]["min"] < station.latitude < option["yAxis"]["max"]
