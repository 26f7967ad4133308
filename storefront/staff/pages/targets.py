"""Targets on pages: what the programme wants, how far it is, and the league of counties and cities, as files too."""

import re
from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from catalog.models import RegionLevel, ZoneKind
from catalog.target_models import Subject
from catalog.targets import FILTERS
from config import clock, database
from config.errors import Invalid
from storefront import guard
from storefront.roles import Permission
from storefront.staff import accounts, hall_words, sight, tables, target_desk
from storefront.staff.pages import exports, frame
from storefront.staff.tables import Column, Kind

blueprint = Blueprint("staff_pages_targets", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_PATH = "/targets"
_AMOUNT = re.compile(r"[0-9]{1,12}", re.ASCII)
_LEVELS = {"county": "县区", "prefecture": "市"}


def _halls(subject: Subject) -> Any:
    def href(row: tables.Row) -> str | None:
        asked = FILTERS[subject] | {"region": row["region_code"], "state": "open"}
        return f"{frame.ROOT}/halls?{urlencode(asked)}" if row[subject] else None

    return href


def _goods(row: tables.Row) -> str | None:
    asked = urlencode({"q": row["region"], "county": row["region_code"], "certificate": "accreditation"})
    return f"/search?{asked}" if row["accredited_products"] and not row["region_code"].endswith("00") else None


def _missing(row: tables.Row) -> str | None:
    return "缺 " + "、".join(hall_words.SUBJECTS[subject] for subject in row["missing"]) if row["missing"] else None


def _zones(row: tables.Row) -> str | None:
    found = [f"{hall_words.ZONE_KINDS[kind]} {row[f'zone_{kind}']}" for kind in ZoneKind if row[f"zone_{kind}"]]
    return "、".join(found) or None


LEAGUE = tables.Table(
    "league",
    "市县进度榜",
    (
        Column("rank", "名次", Kind.COUNT, width=8),
        Column("region", "地区", width=14),
        Column("city", "所属市", width=14),
        Column("region_code", "地区代码", Kind.CODE, only="file"),
        Column("met", "达标", value=lambda row: f"{row['met']} / {row['wanted']}", note=_missing),
        *(
            Column(subject.value, title, Kind.COUNT, sums=True, href=_halls(subject))
            for subject, title in (
                (Subject.ONLINE_HALL, "线上馆"),
                (Subject.PHYSICAL_HALL, "实体馆"),
                (Subject.ENTERPRISE_HALL, "企业馆"),
                (Subject.ONLINE_ZONE, "线上专区"),
            )
        ),
        Column(
            "physical_zone",
            "线下专区",
            Kind.COUNT,
            sums=True,
            href=_halls(Subject.PHYSICAL_ZONE),
            note=_zones,
        ),
        *(
            Column(f"zone_{kind}", f"{hall_words.ZONE_KINDS[kind]}专区", Kind.COUNT, sums=True, only="file")
            for kind in ZoneKind
        ),
        Column("accredited_products", "认定商品", Kind.COUNT, sums=True, href=_goods),
        Column("sales_fen", "商城净销售额", Kind.MONEY, sums=True),
    ),
    lead="region",
)


@blueprint.get("/targets")
@guard.staff(Permission.READ_HALLS)
def board() -> Response:
    """Show the targets and the league."""
    actor, now, level = guard.actor(), clock.now(), _level()
    with database.transaction() as session:
        seen = target_desk.board(session, actor, level=level, now=now)
    return frame.render(
        "staff/targets.html",
        here="targets",
        sheet=_sheet(seen["league"], level),
        level=level.value,
        levels=_LEVELS,
        today=now.astimezone(clock.SHANGHAI).date(),
        subjects=hall_words.SUBJECTS,
        counted=[subject.value for subject in target_desk.COUNTED],
        may_write=accounts.allowed(actor, Permission.WRITE_TARGETS, sight.WHOLE),
        **seen,
    )


@exports.files(blueprint, "/targets")
@guard.staff(Permission.READ_HALLS)
def download(kind: str) -> Response:
    """Send the league."""
    now, level = clock.now(), _level()
    with database.transaction() as session:
        rows = target_desk.league(session, guard.actor(), level=level, now=now)
    return exports.send(kind, _sheet(rows, level), now=now)


@blueprint.post("/targets")
@guard.staff(Permission.WRITE_TARGETS)
def put() -> Response:
    """Set a target as the form says; sales in yuan."""
    given = request.form
    subject, level = given.get("subject", ""), given.get("level", "")
    typed, due = given.get("amount", "").strip(), given.get("due_on", "").strip()
    region = given.get("region", "").strip()[:6]
    try:
        due_on = date.fromisoformat(due) if due else None
    except ValueError:
        return frame.back(_PATH, fault="form.target")
    if subject not in set(Subject) or level not in set(RegionLevel) or not _AMOUNT.fullmatch(typed):
        return frame.back(_PATH, fault="form.target")
    try:
        with database.transaction() as session:
            target_desk.put(
                session,
                guard.actor(),
                subject=Subject(subject),
                level=RegionLevel(level),
                region_code=region or None,
                amount=int(typed) * (100 if subject == Subject.SALES else 1),
                due_on=due_on,
                now=clock.now(),
            )
    except Invalid as error:
        return frame.refused(_PATH, error)
    return frame.back(_PATH, done="target_saved", level=level if level in _LEVELS else RegionLevel.COUNTY.value)


def _sheet(rows: list[dict[str, Any]], level: RegionLevel) -> tables.Sheet:
    title = "全省合计"
    # A city is its own.
    columns = tuple(column for column in LEAGUE.columns if column.name != "city" or level is RegionLevel.COUNTY)
    return tables.Sheet.of(
        replace(LEAGUE, columns=columns), rows, sum_title=title, notes=(("范围", _LEVELS[level]), ("口径", _COUNTING))
    )


_COUNTING = "馆与专区只数本级已开放的；认定商品是在售且认定有效的；销售额是已付款商品减去已退款，只显示权限内的地区"


def _level() -> RegionLevel:
    return RegionLevel.PREFECTURE if request.args.get("level") == RegionLevel.PREFECTURE else RegionLevel.COUNTY
