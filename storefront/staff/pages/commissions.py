"""The page on which finance agrees on what third-party sellers earn."""

import re

from flask import Blueprint, Response, request

from config import clock, database
from config.errors import Conflict, Invalid
from storefront import guard
from storefront.roles import Permission
from storefront.staff import commission_desk, supplier_words, tables
from storefront.staff.pages import exports, frame
from storefront.staff.tables import Column, Kind

blueprint = Blueprint("staff_pages_commissions", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_PATH = "/commissions"
_PERCENT = re.compile(r"([0-9]{1,2})(?:\.([0-9]{1,2}))?", re.ASCII)
_POINTS = re.compile(r"[0-9]{1,4}", re.ASCII)


def _rate(row: tables.Row) -> float | None:
    return None if row["commission_bp"] is None else row["commission_bp"] / 10_000


COMMISSIONS = tables.Table(
    "seller-commissions",
    "推广佣金",
    (
        Column("number", "档案编号", Kind.CODE, width=16),
        Column("name", "推广方", width=32),
        Column("state", "状态", words=supplier_words.SUPPLIER_STATES),
        Column("has_receiver", "收款", value=lambda row: "已登记" if row["has_receiver"] else "未登记"),
        Column("commission_bp", "佣金比例", Kind.RATE, value=_rate),
        Column("set_at", "从何时起", Kind.MINUTE, width=20),
    ),
    lead="name",
)


@blueprint.get("/commissions")
@guard.staff(Permission.SETTLE)
def listing() -> Response:
    """Show the sellers with their rates, each with the form that changes it."""
    with database.transaction() as session:
        rows = commission_desk.listing(session, guard.actor())
    return frame.render("staff/commissions.html", here="commissions", rows=rows)


@exports.files(blueprint, _PATH)
@guard.staff(Permission.SETTLE)
def download(kind: str) -> Response:
    """Send the sellers with their rates as a file."""
    with database.transaction() as session:
        rows = commission_desk.listing(session, guard.actor())
    return exports.send(kind, tables.Sheet.of(COMMISSIONS, rows), now=clock.now())


@blueprint.post("/commissions/<number:number>")
@guard.staff(Permission.SETTLE)
def agree(number: str) -> Response:
    """Set a seller's commission from now on; an empty field is none."""
    typed, seen = (request.form.get(name, "").strip() for name in ("percent", "seen"))
    percent = _PERCENT.fullmatch(typed)
    if (typed and not percent) or (seen and not _POINTS.fullmatch(seen)):
        return frame.back(_PATH, fault="form.commission")
    points = int(percent[1]) * 100 + int((percent[2] or "").ljust(2, "0")) if percent else None
    try:
        with database.transaction() as session:
            commission_desk.agree(
                session,
                guard.actor(),
                number=number,
                commission_bp=points,
                seen_bp=int(seen) if seen else None,
                now=clock.now(),
            )
    except Invalid:
        return frame.back(_PATH, fault="form.commission")
    except Conflict as error:
        return frame.refused(_PATH, error)
    return frame.back(_PATH, done="commission_set")
