"""What ECharts is told to draw, as data: bars by the hour, and the metro with what hangs along it.

Invariant: pure, and JSON only: no functions, so words that a picture shows are put into its data. Tooltips are drawn on
the canvas, because the pages' policy allows no style attribute.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import cos, radians, sqrt
from typing import Any

from subway_campaign import metro

INK, SOFT, LINE, BAR, DEEP = "#1d2621", "#5b665f", "#dfe5e1", "#4f9e77", "#17633f"
_FONT = 'system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif'
# From nothing to most: five steps that stay apart in print and for the colour-blind, as on the train.
SCALE = ("#f1f5f2", "#cfe6d8", "#94c9aa", "#3f8a64", "#1f7a4d", "#0e4a2e")
_BASE: dict[str, Any] = {
    "animation": False,
    "textStyle": {"fontFamily": _FONT, "color": INK},
    "tooltip": {"renderMode": "richText", "confine": True, "textStyle": {"fontFamily": _FONT}},
}
# The box of the map is four wide and three high (staff.css).
_WIDE, _HIGH = 4, 3
_SMALLEST_PX, _LARGEST_PX = 9, 40
# Two platforms of one station lie beside each other, not upon each other.
_ASIDE = 0.006


@dataclass(frozen=True)
class Spot:
    """One thing on the map: how much it has, what is said of it, and where a click on it leads."""

    amount: int
    text: str
    href: str


def step(amount: int, most: int) -> int:
    """Return which colour of `SCALE` an amount has: 0 for nothing, else 1 to 5 by its share of the most."""
    if amount <= 0 or most <= 0:
        return 0
    steps = len(SCALE) - 1
    return min(steps, 1 + amount * steps // most) if amount < most else steps


def by_hour(
    *, bars: Sequence[float], line: Sequence[float], names: tuple[str, str], units: Sequence[str]
) -> dict[str, Any]:
    """Return 24 bars with a line to compare them with; `names` are theirs, and each of `units` has an axis.

    With two units the bars have the left axis and the line the right one.
    """
    return _BASE | {
        "tooltip": _BASE["tooltip"] | {"trigger": "axis"},
        "legend": {"data": list(names), "bottom": 0, "textStyle": {"color": SOFT}},
        "grid": {"left": 8, "right": 14, "top": 34, "bottom": 36, "containLabel": True},
        "xAxis": {
            "type": "category",
            "data": [f"{hour}时" for hour in range(24)],
            "axisLabel": {"color": SOFT},
            "axisLine": {"lineStyle": {"color": LINE}},
            "axisTick": {"show": False},
        },
        "yAxis": [
            {
                "type": "value",
                "name": unit,
                "minInterval": 1,
                "nameTextStyle": {"color": SOFT, "align": "right" if nth else "left"},
                "axisLabel": {"color": SOFT},
                "splitLine": {"show": nth == 0, "lineStyle": {"color": LINE}},
            }
            for nth, unit in enumerate(units)
        ],
        "series": [
            {"type": "bar", "name": names[0], "data": list(bars), "itemStyle": {"color": BAR}, "barMaxWidth": 26},
            {
                "type": "line",
                "name": names[1],
                "yAxisIndex": len(units) - 1,
                "data": list(line),
                "symbol": "none",
                "lineStyle": {"color": "#b07a12", "type": "dashed", "width": 2},
                "itemStyle": {"color": "#b07a12"},
            },
        ],
    }


def network(
    lines: Iterable[metro.Line], spots: Mapping[str, Spot], trains: Mapping[str, Sequence[tuple[str, str]]]
) -> dict[str, Any]:
    """Return the map of `lines`: stations and trains as large and as dark as the amount of their spot.

    `spots` are by placement; `trains` has the placement and name of each train by the placement of its line. A train
    stands at the beginning of its line, because where it runs is not known.
    """
    drawn = list(lines)
    points = {station.placement: _flat(station) for line in drawn for station in line.stations}
    most = max((spot.amount for spot in spots.values()), default=0)
    axes = _axes(list(points.values()))
    series: list[dict[str, Any]] = [_track(line, [points[s.placement] for s in line.stations]) for line in drawn]
    taken: set[tuple[float, float]] = set()
    for line in drawn:
        items = []
        for station in line.stations:
            x, y = points[station.placement]
            while (x, y) in taken:
                x += _ASIDE
            taken.add((x, y))
            items.append(_item(station.name, (x, y), spots.get(station.placement), most, line.colour))
        x, y = points[line.stations[0].placement]
        for nth, (placement, name) in enumerate(trains.get(line.placement, ()), start=1):
            place = (x - 0.03 * nth, y + 0.015)
            items.append(_item(name, place, spots.get(placement), most, line.colour) | {"symbol": "roundRect"})
        series.append(
            {
                "type": "scatter",
                "name": line.name,
                "z": 3,
                "data": items,
                "labelLayout": {"hideOverlap": True},
                "itemStyle": {"color": line.colour},
            }
        )
    return (
        _BASE
        | {
            "tooltip": _BASE["tooltip"] | {"formatter": "{b}"},
            "grid": {"left": 0, "right": 0, "top": 0, "bottom": 0},
            "legend": {"data": [line.name for line in drawn], "top": 6, "left": 8, "textStyle": {"color": SOFT}},
            "series": series,
        }
        | axes
    )


def _flat(station: metro.Station) -> tuple[float, float]:
    """Return where a station lies on paper, one degree being as far in both directions."""
    return round(station.longitude * cos(radians(31.8)), 6), station.latitude


def _axes(points: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Return two hidden axes that show all points, equally scaled in a box of 4 by 3."""
    (left, right), (low, high) = ((min(side), max(side)) for side in zip(*points, strict=True))
    reach = max((right - left) / _WIDE, (high - low) / _HIGH) * 1.14
    axes = {}
    for name, (first, last), share in (("xAxis", (left, right), _WIDE), ("yAxis", (low, high), _HIGH)):
        middle = (first + last) / 2
        axes[name] = {
            "type": "value",
            "show": False,
            "min": middle - reach * share / 2,
            "max": middle + reach * share / 2,
        }
    return axes


def _track(line: metro.Line, points: Sequence[tuple[float, float]]) -> dict[str, Any]:
    return {
        "type": "line",
        "name": line.name,
        "data": [list(point) for point in points],
        "showSymbol": False,
        "silent": True,
        "z": 1,
        "lineStyle": {"color": line.colour, "width": 5, "opacity": 0.75},
        "itemStyle": {"color": line.colour},
    }


def _item(name: str, place: tuple[float, float], spot: Spot | None, most: int, colour: str) -> dict[str, Any]:
    amount = spot.amount if spot else 0
    share = sqrt(amount / most) if amount > 0 and most > 0 else 0.0
    item: dict[str, Any] = {
        "name": spot.text if spot else f"{name}\n没有数据",
        "value": list(place),
        "symbolSize": round(_SMALLEST_PX + (_LARGEST_PX - _SMALLEST_PX) * share, 1),
        "itemStyle": {"color": SCALE[step(amount, most)], "borderColor": colour, "borderWidth": 2},
        "label": {
            "show": amount > 0,
            "formatter": name,
            "position": "right",
            "color": INK,
            "textBorderColor": "#fff",
            "textBorderWidth": 3,
        },
    }
    return item | ({"href": spot.href} if spot else {})
