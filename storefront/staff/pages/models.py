"""The five models side by side: how much they can differ at all, and what each gives to whom."""

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from config import clock, database
from storefront import guard
from storefront.roles import Permission
from storefront.staff import reports, tables, words
from storefront.staff.pages import choices, exports, frame, report
from storefront.staff.pages.choices import Choice
from storefront.staff.tables import Column, Kind, Part, Sheet, Table
from subway_campaign import breaks, influence, ways
from subway_campaign.breaks import Breaks
from subway_campaign.gathering import net_of
from subway_campaign.lifecycle import Level, Model
from subway_campaign.reports import Tree

blueprint = Blueprint("staff_pages_models", __name__, url_prefix=frame.ROOT, template_folder="../templates")

PATH = f"{report.PATH}/models"


def columns(choice: Choice) -> tuple[Column, ...]:
    """Return a column for each model, and how far they are apart."""

    def down(row: tables.Row) -> str | None:
        is_node = row.get("level") not in {None, Level.POSITION} and row["placement"] != choice.under
        return f"{PATH}?{choice.query(under=row['placement'], level=None)}" if is_node else None

    return (
        Column("placement", "点位编号", Kind.CODE, only="file", width=28),
        Column("name", "名称", href=down, width=30),
        *(Column(net_of(model), words.MODELS[model], Kind.MONEY) for model in Model),
        Column("spread_fen", "最多相差", Kind.MONEY, value=_spread),
    )


STUDIED = Table(
    "influence",
    "移除效应与夏普利值",
    (
        Column("name", "名称", width=24),
        Column("effect", "移除效应", Kind.RATE, value=lambda row: row["effect"]["value"]),
        Column("markov", "马尔可夫（订单）", value=lambda row: f"{row['markov']['value']:.2f}"),
        Column("shapley", "夏普利值（订单）", value=lambda row: f"{row['shapley']['value']:.2f}"),
    ),
)


def _spread(row: tables.Row) -> int | None:
    found = [row[net_of(model)] for model in Model if net_of(model) in row]
    return max(found) - min(found) if found else None


@blueprint.get("/report/models")
@guard.staff(Permission.READ_REPORTS)
def show() -> Response:
    """Show what each model gives to each node."""
    choice = report.chosen()
    tree, taken, broken = _read(choice)
    with database.transaction() as session:
        offered = choices.options(session, guard.actor(), choice)
        studies = _latest(session)
    rows, title = report.shown(tree, choice)
    return frame.render(
        "staff/models.html",
        here="report",
        sheet=_sheet(tree, choice, rows),
        rows=rows,
        title=title,
        told=tree.told,
        here_fen=report.here_of(tree, choice)["net_fen"],
        is_equal=reports.agrees(tree.told),
        taken=taken,
        broken=broken,
        enough_known=breaks.ENOUGH_KNOWN,
        studies=_studies(studies),
        root_href=f"{PATH}?{choice.query(under=None, level=None)}",
        **(report.frame_of(choice, offered, PATH) | {"models": {}}),
    )


@exports.files(blueprint, "/report/models")
@guard.staff(Permission.READ_REPORTS)
def download(kind: str) -> Response:
    """Send the same as a file."""
    choice = report.chosen()
    tree, taken, broken = _read(choice)
    with database.transaction() as session:
        notes = choices.notes(session, guard.actor(), choice)
        studies = _latest(session)
    notes.append(("只经过一个点位的订单", f"{taken.single_orders}/{taken.orders}"))
    if broken is not None:
        notes.append(("未归因里可能是身份断开的（估计）", _said(broken)))
    rows, _ = report.shown(tree, choice)
    sheet = _sheet(tree, choice, rows, notes)
    others = [more for _, _, more in _studies(studies)]
    return exports.send(kind, sheet, *others, now=clock.now(), period=f"{choice.from_day}-{choice.last_day}")


def _said(broken: Breaks) -> str:
    """Return the estimate as a file has it, with what it rests on."""
    drawn = f"每 {broken.one_in} 笔抽一笔，" if broken.one_in > 1 else ""
    known = f"{drawn}参照 {broken.known_orders} 笔，其中扫过码 {broken.earned_orders} 笔"
    if broken.net_fen is None:
        return f"{report.TOO_FEW}；{known}，至少要 {breaks.ENOUGH_KNOWN} 笔"
    value, low, high = (words.money(fen) for fen in broken.net_fen)
    return f"约 {value} 元（95% 区间 {low} 至 {high}）；{known}"


def _studied(level: Level) -> Table:
    """Return the table of a level, with a title of its own: no two sheets of a file may have the same."""
    return replace(STUDIED, title=f"{words.LEVELS[level]}的{STUDIED.title}")


def _studies(studies: dict[Level, Any]) -> list[tuple[str, Any, Sheet]]:
    """Return what the nights' study says, level by level, each with its table."""
    return [
        (words.LEVELS[level], study, Sheet.of(_studied(level), study["nodes"], notes=(("层级", words.LEVELS[level]),)))
        for level, study in studies.items()
        if study
    ]


def _latest(session: Session) -> dict[Level, Any]:
    """Return the nights' study, which is of the whole network: for whom a part of it is in sight there is none."""
    is_part = reports.reach(guard.actor()) is not None
    return {} if is_part else {level: influence.latest(session, level=level) for level in influence.LEVELS}


def _read(choice: Choice) -> tuple[Tree, ways.Ways, Breaks | None]:
    """Return the report, the ways, and for whom the whole is in sight the estimate of what identities broke."""
    actor, wanted = guard.actor(), choice.wanted
    with database.transaction() as session:
        tree = reports.tree(session, actor, wanted, with_models=True)
        taken = reports.ways_of(session, actor, wanted, level=Level.LINE, under=choice.under)
        if reports.reach(actor) is not None:
            return tree, taken, None
        return tree, taken, breaks.of_period(session, from_day=wanted.from_day, to_day=wanted.to_day)


def _sheet(tree: Tree, choice: Choice, rows: list[dict[str, Any]], notes: list[tuple[str, str]] | None = None) -> Sheet:
    parts = [Part(rows)]
    node = tree.nodes.get(choice.under) if choice.under else None
    if node is not None:
        parts.append(Part([node["row"] | {"name": f"{node['row']['name']} 合计"}], is_sum=True))
    else:
        media = tree.below(None)
        total = {net_of(model): sum(row[net_of(model)] for row in media) for model in Model}
        parts.append(Part([{"name": "全部点位合计", **total}], is_sum=True))
    return Sheet(Table("models", "五种模型", columns(choice), lead="name"), parts, notes=notes or ())
