"""The ways to a purchase as a page and a file: counts of ways, never one person's."""

from flask import Blueprint, Response

from config import clock, database
from storefront import guard
from storefront.roles import Permission
from storefront.staff import reports, tables, words
from storefront.staff.pages import choices, exports, frame, report
from storefront.staff.pages.choices import Choice
from storefront.staff.tables import Column, Kind, Sheet, Table
from subway_campaign import ways
from subway_campaign.lifecycle import Level

blueprint = Blueprint("staff_pages_paths", __name__, url_prefix=frame.ROOT, template_folder="../templates")

PATH = f"{report.PATH}/ways"
_LEVELS = (Level.MEDIUM, Level.LINE, Level.ASSET, Level.CAR, Level.POSITION)
# More ways than a person reads through; the file has them all.
_SHOWN = 30
WAYS = Table(
    "ways",
    "购买路径",
    (
        Column("way", "路径（从先到后）", width=60),
        Column("steps", "步数", Kind.COUNT),
        Column("orders", "付款订单", Kind.COUNT, sums=True),
        Column("share", "占订单", Kind.RATE),
        Column("journeys", "旅程", Kind.COUNT, sums=True),
        Column("paid_fen", "销售额", Kind.MONEY, sums=True),
    ),
)


@blueprint.get("/report/ways")
@guard.staff(Permission.READ_REPORTS)
def show() -> Response:
    """Show the ways that most orders took."""
    choice = report.chosen()
    taken, offered = _read(choice)
    rows = _rows(taken)
    return frame.render(
        "staff/ways.html",
        here="report",
        taken=taken,
        rows=rows[:12],
        level=_level(choice),
        ways_levels={level.value: words.LEVELS[level] for level in _LEVELS},
        least=ways.LEAST,
        hidden=max(0, len(rows) - _SHOWN),
        sheet=Sheet.of(WAYS, rows[:_SHOWN], sum_title="" if len(rows) > _SHOWN else "合计"),
        **report.frame_of(choice, offered, PATH),
    )


@exports.files(blueprint, "/report/ways")
@guard.staff(Permission.READ_REPORTS)
def download(kind: str) -> Response:
    """Send all ways that may be told."""
    choice = report.chosen()
    taken, _ = _read(choice)
    with database.transaction() as session:
        told = choices.notes(session, guard.actor(), choice)
    notes = (
        # Neither a model nor a view of refunds makes a way another one.
        *(note for note in told if note[0] not in {"归因模型", "退款记在"}),
        ("层级", words.LEVELS[_level(choice)]),
        ("其他", f"不到 {ways.LEAST} 个旅程的 {taken.folded} 条路径"),
    )
    sheet = Sheet.of(WAYS, _rows(taken), sum_title="合计", notes=notes)
    return exports.send(kind, sheet, now=clock.now(), period=f"{choice.from_day}-{choice.last_day}")


def _read(choice: Choice) -> tuple[ways.Ways, dict[str, object]]:
    actor = guard.actor()
    with database.transaction() as session:
        taken = reports.ways_of(session, actor, choice.wanted, level=_level(choice), under=choice.under)
        offered = choices.options(session, actor, choice)
    return taken, offered


def _level(choice: Choice) -> Level:
    return choice.level if choice.level in _LEVELS else Level.LINE


def _rows(taken: ways.Ways) -> list[tables.Row]:
    return [
        {
            "way": " → ".join(taken.names[node] for node in way.nodes) or f"其他（{taken.folded} 条很少人走的路径）",
            "steps": len(way.nodes) or None,
            "orders": way.orders,
            "share": way.orders / taken.orders,
            "journeys": way.journeys,
            "paid_fen": way.paid_fen,
        }
        for way in taken.ways
    ]
