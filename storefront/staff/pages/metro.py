"""The metro map: stations and trains as large as what they brought, and the same figures as a table."""

from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, request

from config import clock, database
from storefront import guard
from storefront.roles import Permission
from storefront.staff import metro_map, tables
from storefront.staff.metro_map import Measure, Network
from storefront.staff.pages import exports, frame, period
from storefront.staff.tables import Column, Kind, Row

blueprint = Blueprint("staff_pages_metro", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_MEASURES = {Measure.NET: "净销售额", Measure.ORDERS: "付款订单", Measure.SCANS: "扫码"}


def _way(row: Row) -> str:
    """Return where a row leads: a train to its seat map, all else to the report."""
    page, name = ("train", "train") if row["is_train"] else ("report", "under")
    return f"{frame.ROOT}/{page}?{urlencode({**row['days'], name: row['placement']})}"


TABLE = tables.Table(
    "metro",
    "地铁站点和车辆",
    (
        Column("placement", "点位编号", Kind.CODE, only="file", width=24),
        Column("name", "站点 / 车辆", href=_way, width=32),
        Column("scans", "扫码", Kind.COUNT, sums=True),
        Column("paid_orders", "付款", Kind.COUNT, sums=True),
        Column("gross_fen", "销售额（元）", Kind.MONEY, sums=True),
        Column("refunded_fen", "退款（元）", Kind.MONEY, sums=True),
        Column("net_fen", "净额（元）", Kind.MONEY, sums=True),
    ),
    lead="name",
)


@blueprint.get("/metro")
@guard.staff(Permission.READ_REPORTS)
def show() -> Response:
    """Show the map for the chosen days and figure."""
    chosen, measure, network = _found()
    query = chosen.query | {"measure": measure.value}
    return frame.render(
        "staff/metro.html",
        here="metro",
        network=network,
        chosen=chosen,
        measure=measure.value,
        sheet=_sheet(network, chosen),
        measures={
            title: (urlencode(query | {"measure": each.value}), each is measure) for each, title in _MEASURES.items()
        },
        title=_MEASURES[measure],
        spans=period.spans(chosen, {"measure": measure.value}),
        query=urlencode(query),
        report_query=urlencode(chosen.query),
    )


@blueprint.get("/metro.json")
@guard.staff(Permission.READ_REPORTS)
def picture() -> Response:
    """Return what ECharts draws."""
    chosen, measure, network = _found()
    return jsonify(metro_map.option(network, measure=measure, query=chosen.query))


@exports.files(blueprint, "/metro")
@guard.staff(Permission.READ_REPORTS)
def download(kind: str) -> Response:
    """Send the table beside the map."""
    chosen, _measure, network = _found()
    days = f"{chosen.first}-{chosen.last}"
    return exports.send(kind, _sheet(network, chosen), now=clock.now(), period=days)


def _found() -> tuple[period.Period, Measure, Network]:
    asked = request.args.get("measure")
    measure = Measure(asked) if asked in set(Measure) else Measure.NET
    chosen = period.read(request.args, period.last_week(period.today()))
    with database.transaction() as session:
        network = metro_map.find(session, guard.actor(), measure=measure, **chosen.half_open)
    return chosen, measure, network


def _sheet(network: Network, chosen: period.Period) -> tables.Sheet:
    trains = {number for each in network.trains.values() for number, _ in each}
    rows = [row | {"is_train": row["placement"] in trains, "days": chosen.query} for row in network.rows]
    notes = (("日期", f"{chosen.first} 至 {chosen.last}"), ("金额", "不含运费，退款记回销售当天，末次触点"))
    return tables.Sheet.of(TABLE, rows, sum_title="合计", notes=notes)
