"""The placement report as a page and as files: the tree level by level, and what nobody earned, beside the sales."""

from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from config import clock, database
from storefront import guard
from storefront.roles import Permission
from storefront.staff import reports, saved_views, sight, tables, words
from storefront.staff.pages import choices, exports, frame
from storefront.staff.pages.choices import Choice
from storefront.staff.tables import Column, Kind, Part, Sheet, Sort, Table
from subway_campaign import listings, returns
from subway_campaign.lifecycle import Level
from subway_campaign.reports import Tree

blueprint = Blueprint("staff_pages_report", __name__, url_prefix=frame.ROOT, template_folder="../templates")

PATH = f"{frame.ROOT}/report"
_MONEY = ("gross_fen", "refunded_fen", "net_fen")
TOO_FEW = "数据不足"
# What a placement returned needs every order of the period; of more than these a page only says where it is told.
_MOST_JUDGED = 20_000
_ADDED = ("scans", "carts", "orders", "paid_orders", *_MONEY)
_LEVELS = list(Level)


def columns(choice: Choice) -> tuple[Column, ...]:
    """Return the columns of the report; a name leads one step down, where there is one."""

    def down(row: tables.Row) -> str | None:
        is_node = "placement" in row and row["placement"] != choice.under and row["level"] != Level.POSITION
        return f"{PATH}?{choice.query(under=row['placement'], level=None)}" if is_node else None

    def back(row: tables.Row) -> str | None:
        days = urlencode({"from": choice.from_day, "to": choice.last_day})
        return f"{frame.ROOT}/returns/{row['placement']}?{days}" if _cost(row) and "placement" in row else None

    return (
        Column("placement", "点位编号", Kind.CODE, only="file", width=28),
        Column("name", "名称", href=down, sorts=True, width=30),
        Column("level", "层级", words=words.LEVELS, only="file"),
        Column("scans", "扫码", Kind.COUNT, sorts=True),
        Column("visitors", "访客", Kind.COUNT, sorts=True),
        Column("album_scans", "相册识码", Kind.COUNT, only="file"),
        Column("carts", "加购", Kind.COUNT, sorts=True),
        Column("orders", "下单", Kind.COUNT, sorts=True),
        Column("paid_orders", "付款", Kind.COUNT, sorts=True),
        Column("gross_fen", "销售额", Kind.MONEY, sorts=True),
        Column("refunded_fen", "退款", Kind.MONEY, sorts=True),
        Column("net_fen", "净额", Kind.MONEY, sorts=True),
        Column("rate", "转化率", Kind.RATE, value=_rate("rate"), note=_range, sorts=True),
        Column("low", "区间下限", Kind.RATE, value=_rate("low"), only="file"),
        Column("high", "区间上限", Kind.RATE, value=_rate("high"), only="file"),
        Column("journeys", "扫码旅程", Kind.COUNT, value=_rate("journeys"), only="file"),
        Column("paid", "付款旅程", Kind.COUNT, value=_rate("paid"), only="file"),
        Column("cost_fen", "登记成本", Kind.MONEY, only="file"),
        Column("allocated_cost_fen", "成本", Kind.MONEY, value=_cost, sorts=True),
        Column("per_scan_fen", "每次扫码成本", Kind.MONEY, value=_cost_per("scans"), only="file"),
        Column("per_order_fen", "每单成本", Kind.MONEY, value=_cost_per("paid_orders"), sorts=True),
        Column("roi", "回报率", Kind.RATE, value=_roi("value"), note=_roi_range, href=back, sorts=True),
        Column("roi_low", "回报率下限", Kind.RATE, value=_roi("low"), only="file"),
        Column("roi_high", "回报率上限", Kind.RATE, value=_roi("high"), only="file"),
        Column("roi_note", "回报率说明", value=lambda row: TOO_FEW if row.get("is_too_few") else None, only="file"),
    )


def _rate(name: str) -> Any:
    def value(row: tables.Row) -> Any:
        conversion = row.get("conversion")
        return conversion[name] if conversion and conversion["journeys"] else None

    return value


def _cost(row: tables.Row) -> int | None:
    # Nothing entered is not the same as nothing spent.
    return row.get("allocated_cost_fen") or None


def _cost_per(name: str) -> Any:
    def value(row: tables.Row) -> int | None:
        # Orders that no placement earned cost nobody anything.
        cost_fen = _cost(row) if "placement" in row else None
        return returns.each_fen(cost_fen or 0, row.get(name) or 0)

    return value


def _roi(name: str) -> Any:
    return lambda row: getattr(row["roi"], name) if row.get("roi") else None


def _roi_range(row: tables.Row) -> str | None:
    if row.get("roi"):
        return f"{words.percent(row['roi'].low)} 至 {words.percent(row['roi'].high)}"
    if "is_too_few" in row:
        return TOO_FEW if row["is_too_few"] else None
    return "点开看" if _cost(row) and "placement" in row else None


def _range(row: tables.Row) -> str | None:
    rate = row.get("conversion")
    if not rate or not rate["journeys"]:
        return None
    return f"{rate['paid']}/{rate['journeys']}，{words.percent(rate['low'])}–{words.percent(rate['high'])}"


@blueprint.get("/report")
@guard.staff(Permission.READ_REPORTS)
def show() -> Response:
    """Show one step of the tree, or a whole level of it, for the chosen days."""
    choice = chosen()
    with database.transaction() as session:
        tree, rows, title = _read(session, choice, most=_MOST_JUDGED)
        way = listings.way(session, number=choice.under) if choice.under else []
        above = sight.inside(reports.reach(guard.actor()), way)
        offered = choices.options(session, guard.actor(), choice)
        kept = saved_views.listing(session, guard.actor())
    return frame.render(
        "staff/report.html",
        here="report",
        sheet=sheet(tree, choice, rows, title),
        told=tree.told,
        is_equal=reports.agrees(tree.told),
        here_fen=here_of(tree, choice)["net_fen"],
        rows=rows,
        title=title,
        above=[{**node, "href": f"{PATH}?{choice.query(under=node['number'], level=None)}"} for node in above],
        root_href=f"{PATH}?{choice.query(under=None, level=None)}",
        levels={level.value: words.LEVELS[level] for level in _LEVELS[_depth(way) :]},
        saved=kept,
        sharable=saved_views.roles_of(guard.actor()),
        **frame_of(choice, offered),
    )


def frame_of(choice: Choice, offered: dict[str, object], path: str = PATH) -> dict[str, Any]:
    """Return what the head, the filters and the tabs of every page of the report are drawn from."""
    return {
        "choice": choice,
        "path": path,
        "query": choice.query(),
        "spans": choices.spans(choice, path),
        "views": words.VIEWS,
        "models": words.MODELS,
        "offered": offered,
    }


def agreement(tree: Tree) -> str:
    """Return what a file says of the comparison with the shop's own sales."""
    if tree.told["sales"] is None:
        return "权限范围内的点位，不与全店的订单账核对"
    return "一致" if reports.agrees(tree.told) else "不一致"


@exports.files(blueprint, "/report")
@guard.staff(Permission.READ_REPORTS)
def download(kind: str) -> Response:
    """Send the same rows as a file."""
    choice = chosen()
    with database.transaction() as session:
        tree, rows, title = _read(session, choice, most=None)
        notes = choices.notes(session, guard.actor(), choice)
    notes.append(("核对", agreement(tree)))
    if tree.told["freight_fen"] is not None:
        notes.append(("净运费（另计，元）", words.money(tree.told["freight_fen"])))
    made = sheet(tree, choice, rows, title, notes=notes)
    return exports.send(kind, made, now=clock.now(), period=f"{choice.from_day}-{choice.last_day}")


def _read(session: Session, choice: Choice, *, most: int | None) -> tuple[Tree, list[dict[str, Any]], str]:
    """Return the report with the rows that are asked for, and what these are.

    With the return of what they cost, unless the report has more than `most` paid orders.
    """
    tree = reports.tree(session, guard.actor(), choice.wanted)
    rows, _ = shown(tree, choice)
    node = tree.nodes.get(choice.under) if choice.under else None
    if most is None or tree.told["total"]["paid_orders"] <= most:
        reports.add_returns(session, choice.wanted, [*rows, *([node["row"]] if node else [])])
    return tree, *shown(tree, choice)


def chosen() -> Choice:
    """Return what the request at hand asks for. Raises `OutsideArea` for a node that is not its reader's to see."""
    choice = choices.read(request.args, today=clock.now().astimezone(clock.SHANGHAI).date())
    reports.reach(guard.actor(), choice.under)
    return choice


def shown(tree: Tree, choice: Choice) -> tuple[list[dict[str, Any]], str]:
    """Return the rows that are asked for, in their order, and what they are."""
    rows = tree.at(choice.level, choice.under) if choice.level else tree.below(choice.under)
    by = choice.sort.removeprefix("-")
    column = next((each for each in columns(choice) if each.name == by and each.sorts), None)
    if column is not None:
        known = [row for row in rows if column.of(row) is not None]
        unknown = [row for row in rows if column.of(row) is None]
        rows = sorted(known, key=column.of, reverse=choice.sort.startswith("-")) + unknown
    levels = {row["level"] for row in rows}
    title = words.LEVELS[levels.pop()] if len(levels) == 1 else "下一级"
    return rows, title


def here_of(tree: Tree, choice: Choice) -> dict[str, Any]:
    """Return the row of the node that the page is of; at the root the sum of all media."""
    if choice.under is not None:
        node = tree.nodes.get(choice.under)
        return node["row"] if node else dict.fromkeys(_ADDED, 0)
    media = tree.below(None)
    return {name: sum(row[name] or 0 for row in media) for name in _ADDED}


def _rest(whole: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, int]:
    """Return what of a node is in none of the rows: its own, or what hangs at other levels than theirs."""
    return {name: (whole.get(name) or 0) - sum(row[name] or 0 for row in rows) for name in _ADDED}


def sheet(
    tree: Tree, choice: Choice, rows: list[dict[str, Any]], title: str, notes: list[tuple[str, str]] | None = None
) -> Sheet:
    """Return the table of the report: the rows, what is the node's own, its sum; at the root all that was sold."""
    told = tree.told
    parts = [Part(rows)]
    node = tree.nodes.get(choice.under) if choice.under else None
    rest = _rest(here_of(tree, choice), rows)
    if rows and any(rest.values()):
        name = "不在这一级的点位" if choice.level else "直接挂在这一级"
        parts.append(Part([{"name": name, **rest}], is_muted=True))
    if node is not None:
        parts.append(Part([node["row"] | {"name": f"{node['row']['name']} 合计"}], is_sum=True))
    if choice.under is None:
        parts += _unearned(told)
        parts.append(Part([{"name": "报表合计", **told["total"]}], is_sum=True))
    if told["sales"] is not None:
        parts.append(Part(_books(told, with_total=choice.under is not None), is_sum=True))
    table = Table("placements", "点位报表", columns(choice), lead="name")
    return Sheet(table, parts, notes=notes or (), sort=_sort(choice))


def _unearned(told: dict[str, Any]) -> list[Part]:
    """Return what was sold and is no row's: outside of the filter, by nobody earned, not counted."""
    named = {
        key: [{"name": words.in_words(row["reason"], words.REASONS), **row} for row in told[key]]
        for key in ("unattributed", "excluded")
    }
    outside = [{"name": "其他活动或素材的点位", **told["outside"]}] if any(told["outside"].values()) else []
    return [
        Part(outside, title="筛选之外", note="别的活动或素材带来的销售", is_muted=True),
        Part(named["unattributed"], title="未归因", note="商城卖出，但没有点位可记", is_muted=True),
        Part(named["excluded"], title="不计入", note="保留记录，不算任何点位的成绩", is_muted=True),
    ]


def _books(told: dict[str, Any], *, with_total: bool) -> list[dict[str, Any]]:
    """Return the last lines of a report: all that is credited, what is on its way, the shop's own, the difference."""

    def line(name: str, figures: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "paid_orders": figures["orders"], **{each: figures[each] for each in _MONEY}}

    total = told["total"]
    lines = [line("全部点位及未归因合计", total | {"orders": total["paid_orders"]})] if with_total else []
    undecided = told["undecided"]
    if undecided["orders"] or undecided["refunded_fen"]:
        lines.append(line("待归因", undecided))
    return [*lines, line("商城订单账", told["sales"]), line("差额", told["difference"])]


def _sort(choice: Choice) -> Sort:
    by, is_descending = choice.sort.removeprefix("-"), choice.sort.startswith("-")

    def href(name: str) -> str:
        # The largest first: that is what somebody looks for who sorts figures.
        up_next = name if (name == by and is_descending) or name == "name" else f"-{name}"
        return f"{PATH}?{choice.query(sort=up_next)}"

    return Sort(by, is_descending, href)


def _depth(above: list[dict[str, Any]]) -> int:
    """Return how many levels lie above what hangs below the node."""
    return _LEVELS.index(Level(above[-1]["level"])) + 1 if above else 0
