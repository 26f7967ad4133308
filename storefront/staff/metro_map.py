"""The metro as a map: what every station and train of Hefei brought, where it lies.

Invariant: the figures are the placement report's own rows; what hangs along no station (television, trains) is listed
beside the map, and every train stands on it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from storefront.actors import Actor
from storefront.roles import Permission
from storefront.staff import charts, reports, sight, words
from subway_campaign import listings, metro
from subway_campaign.lifecycle import Level

# The root of what the map shows.
MEDIUM = "METRO"


class Measure(StrEnum):
    """What makes a station large."""

    NET = "net"
    ORDERS = "orders"
    SCANS = "scans"


FIGURES = {Measure.NET: "net_fen", Measure.ORDERS: "paid_orders", Measure.SCANS: "scans"}


@dataclass(frozen=True)
class Network:
    """The metro in a period: the report's rows of its stations, trains and screens, and the trains by line."""

    rows: list[dict[str, Any]]
    trains: dict[str, list[tuple[str, str]]]


def find(
    session: Session, actor: Actor, wanted: reports.Wanted, *, measure: Measure, under: str | None = None
) -> Network:
    """Return what hangs in the metro at or below `under`, the largest by `measure` first.

    What has no figures is left out. Must be the first thing in its transaction. Raises as `reports.tree` does.
    """
    found = reports.tree(session, actor, wanted).at(Level.ASSET, under)
    under_metro = [row for row in found if row["placement"].startswith(f"{MEDIUM}.")]
    trains: dict[str, list[tuple[str, str]]] = {}
    for train in sight.inside(sight.part(actor, Permission.READ_REPORTS, under), listings.trains(session)):
        trains.setdefault(train["number"].rpartition(".")[0], []).append((train["number"], train["name"]))
    figure = FIGURES[measure]
    return Network(sorted(under_metro, key=lambda row: (-row[figure], row["placement"])), trains)


def option(network: Network, *, measure: Measure, query: dict[str, str]) -> dict[str, Any]:
    """Return the picture; a click leads to the placement's row of the report for the days of `query`."""
    spots = {
        row["placement"]: charts.Spot(
            amount=max(row[FIGURES[measure]], 0),
            text=f"{row['name']}\n扫码 {words.count(row['scans'])} 次，付款 {words.count(row['paid_orders'])} 笔\n"
            f"净销售额 ¥{words.money(row['net_fen'])}",
            href=f"/staff/report?{urlencode(query | {'under': row['placement']})}",
        )
        for row in network.rows
    }
    return charts.network(metro.lines(), spots, network.trains)
