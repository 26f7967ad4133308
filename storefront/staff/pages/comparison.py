"""Two periods, or two placements, beside each other: every figure of the report, its change, and what may be chance."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, request

from config import clock, database
from storefront import guard
from storefront.roles import Permission
from storefront.staff import reports, tables, words
from storefront.staff.pages import choices, exports, frame, report
from storefront.staff.pages.choices import Choice
from storefront.staff.tables import Column, Kind, Sheet, Table
from subway_campaign import listings
from subway_campaign.reports import Tree

blueprint = Blueprint("staff_pages_comparison", __name__, url_prefix=frame.ROOT, template_folder="../templates")

PATH = f"{report.PATH}/compare"
_AGAINST = {"previous": "上一个同样长的时间", "year": "52 周以前", "days": "自选时间", "place": "另一个点位"}
_FIGURES = (
    ("scans", "扫码", Kind.COUNT),
    ("visitors", "访客", Kind.COUNT),
    ("carts", "加购", Kind.COUNT),
    ("orders", "下单", Kind.COUNT),
    ("paid_orders", "付款", Kind.COUNT),
    ("gross_fen", "销售额", Kind.MONEY),
    ("refunded_fen", "退款", Kind.MONEY),
    ("net_fen", "净额", Kind.MONEY),
    ("allocated_cost_fen", "成本", Kind.MONEY),
)


def _note(name: str) -> Callable[[tables.Row], str | None]:
    return lambda row: row.get("notes", {}).get(name)


FIGURES = Table(
    "comparison",
    "对比",
    (
        Column("name", "对比", width=36),
        *(Column(name, title, kind, note=_note(name)) for name, title, kind in _FIGURES),
        Column("rate", "转化率", Kind.RATE, note=_note("rate")),
        Column("low", "区间下限", Kind.RATE, only="file"),
        Column("high", "区间上限", Kind.RATE, only="file"),
    ),
)
NODES = Table(
    "comparison-nodes",
    "逐项对比",
    (
        Column("placement", "点位编号", Kind.CODE, only="file", width=28),
        Column("name", "名称", width=30),
        Column("net_fen", "净额", Kind.MONEY, sums=True),
        Column("before_fen", "对比期净额", Kind.MONEY, sums=True),
        Column("change_fen", "变化", Kind.MONEY, sums=True),
        Column("paid_orders", "付款", Kind.COUNT, sums=True),
        Column("paid_before", "对比期付款", Kind.COUNT, sums=True),
    ),
    lead="name",
)


@blueprint.get("/report/compare")
@guard.staff(Permission.READ_REPORTS)
def show() -> Response:
    """Show what was chosen beside what it is compared with."""
    choice = report.chosen()
    against, other = _other(choice)
    found, before, names, offered = _read(choice, other)
    figures, nodes = _sheets(choice, other, found, before, names)
    return frame.render(
        "staff/comparison.html",
        here="report",
        against=against,
        other=other,
        ways=_AGAINST,
        figures=figures,
        nodes=nodes,
        is_equal=reports.agrees(found.told) and reports.agrees(before.told),
        extra=choice.query(against=against, **_others_parts(other)),
        **report.frame_of(choice, offered, PATH),
    )


@exports.files(blueprint, "/report/compare")
@guard.staff(Permission.READ_REPORTS)
def download(kind: str) -> Response:
    """Send the same as a file."""
    choice = report.chosen()
    _, other = _other(choice)
    found, before, names, _ = _read(choice, other)
    with database.transaction() as session:
        notes = choices.notes(session, guard.actor(), choice)
    figures, nodes = _sheets(choice, other, found, before, names)
    sheets = [replace(sheet, notes=notes) for sheet in (figures, nodes) if sheet is not None]
    return exports.send(kind, *sheets, now=clock.now(), period=f"{choice.from_day}-{choice.last_day}")


def _other(choice: Choice) -> tuple[str, Choice]:
    """Return with what the choice is compared: by which word, and the choice that it stands for."""
    asked = request.args
    against = asked.get("against", "")
    against = against if against in _AGAINST else "previous"
    if against == "place":
        place = asked.get("vs_under", "").strip()[:120] or None
        reports.reach(guard.actor(), place)
        return against, replace(choice, under=place)
    if against == "days":
        usual = choices.previous(choice)
        last = choices.day(asked.get("vs_to"), usual.last_day)
        first = min(choices.day(asked.get("vs_from"), usual.from_day), last)
        return against, replace(choice, span="", from_day=first, last_day=last)
    return against, choices.a_year_before(choice) if against == "year" else choices.previous(choice)


def _others_parts(other: Choice) -> dict[str, object]:
    return {"vs_from": other.from_day, "vs_to": other.last_day, "vs_under": other.under}


def _read(choice: Choice, other: Choice) -> tuple[Tree, Tree, dict[str, str], dict[str, object]]:
    with database.transaction() as session:
        found = reports.tree(session, guard.actor(), choice.wanted)
        before = found
        if other.wanted != choice.wanted:
            before = reports.tree(session, guard.actor(), other.wanted)
        names = listings.names(session, numbers=[choice.under, other.under])
        offered = choices.options(session, guard.actor(), choice)
    return found, before, names, offered


def _sheets(
    choice: Choice, other: Choice, found: Tree, before: Tree, names: dict[str, str]
) -> tuple[Sheet, Sheet | None]:
    """Return the table of figures and, when the same node is compared over time, that of what hangs below it."""
    ours, theirs = (_figures(tree, each) for tree, each in ((found, choice), (before, other)))
    titles = [f"{names.get(each.under or '', '全部媒介')}，{each.period}" for each in (choice, other)]
    rows = [ours | {"name": titles[0]}, theirs | {"name": titles[1]}, _change(ours, theirs)]
    figures = Sheet.of(FIGURES, rows)
    if choice.under != other.under:
        return figures, None
    below = [
        {row["placement"]: row for row in tree.below(each.under)} for tree, each in ((found, choice), (before, other))
    ]
    nodes = []
    for number in {**below[0], **below[1]}:
        now, then = (side.get(number, {}) for side in below)
        net, was = now.get("net_fen", 0), then.get("net_fen", 0)
        nodes.append(
            {
                "placement": number,
                "name": (now or then)["name"],
                "net_fen": net,
                "before_fen": was,
                "change_fen": net - was,
                "paid_orders": now.get("paid_orders", 0),
                "paid_before": then.get("paid_orders", 0),
            }
        )
    nodes.sort(key=lambda row: -abs(row["change_fen"]))
    return figures, Sheet.of(NODES, nodes, sum_title="合计")


def _figures(tree: Tree, choice: Choice) -> dict[str, Any]:
    """Return the figures of the node that is meant; at the root the sums of all media, whose visitors do not add up."""
    node = tree.nodes.get(choice.under) if choice.under else None
    if choice.under is not None:
        row = dict(node["row"]) if node else {}
    else:
        media = tree.below(None)
        names = [name for name, _, _ in _FIGURES if name != "visitors" and tree.told["total"].get(name, 0) is not None]
        row = {name: sum(each[name] for each in media) for name in names}
    rate = row.pop("conversion", None)
    found = {name: row.get(name, 0 if choice.under and not node else None) for name, _, _ in _FIGURES}
    if not rate or not rate["journeys"]:
        return found
    note = f"{rate['paid']}/{rate['journeys']}，{words.percent(rate['low'])}–{words.percent(rate['high'])}"
    return found | {name: rate[name] for name in ("rate", "low", "high")} | {"notes": {"rate": note}}


def _change(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"name": "变化", "notes": {}}
    for name, _, _ in _FIGURES:
        if ours[name] is None or theirs[name] is None:
            continue
        row[name] = ours[name] - theirs[name]
        if theirs[name]:
            row["notes"][name] = f"{row[name] / abs(theirs[name]) * 100:+.1f}%"
    if ours.get("rate") is not None and theirs.get("rate") is not None:
        row["rate"] = ours["rate"] - theirs["rate"]
        apart = ours["low"] > theirs["high"] or ours["high"] < theirs["low"]
        # Two intervals of 95 % that do not touch are a difference beyond chance; the reverse is not always so.
        row["notes"]["rate"] = "区间不重叠，差别明显" if apart else "区间重叠，可能只是偶然"
    return row
