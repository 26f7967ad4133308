"""The metro map: stations and trains as large as what they brought, and the same figures as a table."""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, request

from config import clock, database
from storefront import guard
from storefront.roles import Permission
from storefront.staff import metro_map, reports, tables
from storefront.staff.metro_map import Measure, Network
from storefront.staff.pages import choices, exports, frame
from storefront.staff.pages.choices import Choice
from storefront.staff.tables import Column, Kind, Row

PATH = f"{frame.ROOT}/metro"
blueprint = Blueprint("staff_pages_metro", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_MEASURES = {Measure.NET: "净销售额", Measure.ORDERS: "付款订单", Measure.SCANS: "扫码"}


def _way(row: Row) -> str:
    """Return where a row leads: a train to its seat map, all else to the report; as it is narrowed here."""
    page, name = ("train", "train") if row["is_train"] else ("report", "under")
    return f"{frame.ROOT}/{page}?{urlencode({**row['choice'], name: row['placement']})}"


TABLE = tables.Table(
    "metro",
    "地铁站点和车辆",
    (
        Column("placement", "点位编号", Kind.CODE, only="file", width=24),
        Column("name", "站点 / 车辆", href=_way, width=32),
        Column("scans", "扫码", Kind.COUNT, sums=True),
        Column("paid_orders", "付款", Kind.COUNT, sums=True),
        Column("gross_fen", "销售额", Kind.MONEY, sums=True),
        Column("refunded_fen", "退款", Kind.MONEY, sums=True),
        Column("net_fen", "净额", Kind.MONEY, sums=True),
    ),
    lead="name",
)


@blueprint.get("/metro")
@guard.staff(Permission.READ_REPORTS)
def show() -> Response:
    """Show the map for the chosen days, figure, campaign, artwork and goods."""
    choice, measure = _chosen()
    with database.transaction() as session:
        network = metro_map.find(session, guard.actor(), choice.wanted, under=choice.under, measure=measure)
        offered = choices.options(session, guard.actor(), choice)
        offered["branches"] = [node for node in offered["branches"] if node["number"].startswith(metro_map.MEDIUM)]
    spans = choices.spans(choice, PATH)
    return frame.render(
        "staff/metro.html",
        here="metro",
        network=network,
        choice=choice,
        offered=offered,
        measure=measure.value,
        sheet=_sheet(network, choice, ()),
        measures={title: (choice.query(measure=each.value), each is measure) for each, title in _MEASURES.items()},
        title=_MEASURES[measure],
        spans=[span | {"href": f"{span['href']}&measure={measure.value}"} for span in spans],
        query=choice.query(measure=measure.value),
        report_query=choice.query(),
    )


@blueprint.get("/metro.json")
@guard.staff(Permission.READ_REPORTS)
def picture() -> Response:
    """Return what ECharts draws."""
    choice, measure = _chosen()
    with database.transaction() as session:
        network = metro_map.find(session, guard.actor(), choice.wanted, under=choice.under, measure=measure)
    return jsonify(metro_map.option(network, measure=measure, query=choice.parts()))


@exports.files(blueprint, "/metro")
@guard.staff(Permission.READ_REPORTS)
def download(kind: str) -> Response:
    """Send the table beside the map."""
    choice, measure = _chosen()
    with database.transaction() as session:
        network = metro_map.find(session, guard.actor(), choice.wanted, under=choice.under, measure=measure)
        notes = choices.notes(session, guard.actor(), choice)
    days = f"{choice.from_day}-{choice.last_day}"
    return exports.send(kind, _sheet(network, choice, notes), now=clock.now(), period=days)


def _chosen() -> tuple[Choice, Measure]:
    asked = request.args.get("measure")
    choice = choices.read(request.args, today=clock.now().astimezone(clock.SHANGHAI).date())
    # A map has no level or order of its own; what an address says of them is the report's. Its branch is a line.
    reports.reach(guard.actor(), choice.under)
    return replace(choice, level=None, sort=""), Measure(asked) if asked in set(Measure) else Measure.NET


def _sheet(network: Network, choice: Choice, notes: Sequence[tuple[str, str]]) -> tables.Sheet:
    trains = {number for each in network.trains.values() for number, _ in each}
    rows = [row | {"is_train": row["placement"] in trains, "choice": choice.parts()} for row in network.rows]
    told = (*notes, ("金额", "不含运费"))
    return tables.Sheet.of(TABLE, rows, sum_title="合计", notes=told)
