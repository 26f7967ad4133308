"""The placement report as a page and as a file: the tree level by level, and what nobody earned, beside the sales."""

import csv
import io
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from config import clock, database
from storefront import guard
from storefront.roles import Permission
from storefront.staff import reports, words
from storefront.staff.pages import frame
from subway_campaign.lifecycle import Model, View

blueprint = Blueprint("staff_pages_report", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_COLUMNS = ("scans", "visitors", "carts", "orders", "paid_orders", "gross_fen", "refunded_fen", "net_fen")
_HEADINGS = ("点位编号", "名称", "扫码", "访客", "加购", "下单", "付款", "销售额（元）", "退款（元）", "净额（元）",
             "转化率", "区间下限", "区间上限")  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """What the reader asked for; `last_day` is included, as people say it. Anything unreadable becomes the default."""

    from_day: date
    last_day: date
    model: Model
    view: View
    under: str | None

    @property
    def period(self) -> dict[str, str]:
        """What stays in the address when the reader goes to another node."""
        return {
            "from": self.from_day.isoformat(),
            "to": self.last_day.isoformat(),
            "model": self.model.value,
            "view": self.view.value,
        }

    @property
    def asked(self) -> dict[str, Any]:
        """The arguments of the verb, whose period is half-open."""
        return {
            "placement": self.under,
            "from_day": self.from_day,
            "to_day": self.last_day + timedelta(days=1),
            "model": self.model,
            "view": self.view,
        }


@blueprint.get("/report")
@guard.staff(Permission.READ_REPORTS)
def show() -> Response:
    """Show one step of the tree for the chosen days."""
    choice, today = _choice(), _today()
    with database.transaction() as session:
        report = reports.under(session, guard.actor(), **choice.asked)
    return frame.render(
        "staff/report.html",
        here="report",
        report=report,
        is_equal=reports.agrees(report),
        from_day=choice.from_day.isoformat(),
        last_day=choice.last_day.isoformat(),
        days=(choice.last_day - choice.from_day).days + 1,
        view=choice.view.value,
        model=choice.model.value,
        views=words.VIEWS,
        models=words.MODELS,
        under=choice.under,
        query=urlencode(choice.period | ({"under": choice.under} if choice.under else {})),
        root_query=urlencode(choice.period),
        spans=_spans(choice, today),
    )


@blueprint.get("/report.csv")
@guard.staff(Permission.READ_REPORTS)
def download() -> Response:
    """Send the same rows as a file that a spreadsheet opens: UTF-8 with a mark, money in yuan."""
    choice = _choice()
    with database.transaction() as session:
        report = reports.under(session, guard.actor(), **choice.asked)
    name = f"placements-{choice.from_day}-{choice.last_day}.csv"
    response = Response("\ufeff" + _csv(report, is_root=choice.under is None), mimetype="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _csv(report: dict[str, Any], *, is_root: bool) -> str:
    out = io.StringIO()
    sheet = csv.writer(out)
    sheet.writerow(_HEADINGS)
    for row in report["rows"]:
        rate = row["conversion"]
        ends = [f"{rate[end]:.4f}" if rate[end] is not None else "" for end in ("rate", "low", "high")]
        sheet.writerow([row["placement"], _inert(row["name"]), *_cells(row), *ends])
    if is_root:
        for kind in ("unattributed", "excluded"):
            for row in report[kind]:
                title = f"{words.OUTCOMES[kind]}：{words.in_words(row['reason'], words.REASONS)}"
                sheet.writerow(["", title, *_cells(row)])
        sheet.writerow(["", "报表合计", *_cells(report["total"])])
        sheet.writerow(["", "待归因", *_book(report["undecided"])])
        sheet.writerow(["", "商城订单账", *_book(report["sales"])])
        sheet.writerow(["", "差额", *_book(report["difference"]), "一致" if reports.agrees(report) else "不一致"])
        sheet.writerow(["", "净运费（另计）", *[""] * 7, words.money(report["freight_fen"]).replace(",", "")])
    return out.getvalue()


def _inert(name: str) -> str:
    """Return a name that no spreadsheet takes for a formula."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@", "\t")) else name


def _book(figures: dict[str, Any]) -> list[str]:
    """Return the cells of a row that knows only paid orders and their money."""
    money = {name: figures[name] for name in ("gross_fen", "refunded_fen", "net_fen")}
    return _cells({"paid_orders": figures["orders"], **money})


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        "" if name not in row else words.money(row[name]).replace(",", "") if name.endswith("_fen") else str(row[name])
        for name in _COLUMNS
    ]


def _choice() -> Choice:
    asked, today = request.args, _today()
    last_day = _day(asked.get("to"), today)
    return Choice(
        from_day=min(_day(asked.get("from"), last_day - timedelta(days=6)), last_day),
        last_day=last_day,
        model=Model(asked["model"]) if asked.get("model") in set(Model) else Model.LAST,
        view=View(asked["view"]) if asked.get("view") in set(View) else View.COHORT,
        under=asked.get("under", "")[:120] or None,
    )


def _spans(choice: Choice, today: date) -> list[dict[str, Any]]:
    starts = {
        "今天": (today, today),
        "昨天": (today - timedelta(days=1), today - timedelta(days=1)),
        "近 7 天": (today - timedelta(days=6), today),
        "近 30 天": (today - timedelta(days=29), today),
        "本月": (today.replace(day=1), today),
    }
    node = {"under": choice.under} if choice.under else {}
    return [
        {
            "title": title,
            "query": urlencode(choice.period | {"from": first.isoformat(), "to": last.isoformat()} | node),
            "is_here": (choice.from_day, choice.last_day) == (first, last),
        }
        for title, (first, last) in starts.items()
    ]


def _today() -> date:
    return clock.now().astimezone(clock.SHANGHAI).date()


def _day(given: str | None, default: date) -> date:
    try:
        day = date.fromisoformat(given or "")
    except ValueError:
        return default
    # Years that neither a report nor the arithmetic of days could reach.
    return day if 2000 <= day.year <= 2100 else default
