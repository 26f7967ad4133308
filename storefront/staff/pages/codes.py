"""Codes on pages: the list by medium and line, one code with its history, what is printed, and hanging one up."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from config import clock, database
from config.errors import Conflict, Invalid, NotFound
from storefront import guard
from storefront.roles import Permission
from storefront.staff import inventory, press_desk, tables
from storefront.staff.inventory import Hanging
from storefront.staff.pages import exports, frame
from storefront.staff.tables import Column, Kind
from subway_campaign.landing import Landing, LandingKind
from subway_campaign.lifecycle import Level

blueprint = Blueprint("staff_pages_codes", __name__, url_prefix=frame.ROOT, template_folder="../templates")

# Four rows of three fill an A4 page; the sheet prints what the list shows.
_PAGE = 24
PRINTED = {"svg": "image/svg+xml", "png": "image/png"}


def _leads_to(code: tables.Row) -> str | None:
    landing = code["landing"]
    if not landing:
        return None
    return f"{'商品' if landing['kind'] == 'product' else '地方馆'} 「{landing.get('name') or landing['slug']}」"


CODES = tables.Table(
    "codes",
    "二维码",
    (
        Column("code", "编号", Kind.CODE, href=lambda code: f"{frame.ROOT}/codes/{code['code']}"),
        Column("placement", "点位编号", Kind.CODE, width=28, only="file"),
        Column("placement_name", "点位", value=lambda code: code["placement_name"] or "未挂出", width=32),
        Column("campaign", "活动", Kind.CODE, only="file"),
        Column("landing", "打开后看到", value=_leads_to, width=28),
        Column("valid_from", "挂出时间", Kind.MINUTE, width=20),
        Column("valid_until", "到", Kind.MINUTE, width=20, only="file"),
        Column("url", "印刷的网址", width=36, only="file"),
    ),
)


BINDINGS = tables.Table(
    "bindings",
    "二维码挂过的点位",
    (
        Column("placement", "点位编号", Kind.CODE, width=28),
        Column("placement_name", "点位", width=32),
        Column("landing", "打开后看到", value=_leads_to, width=28),
        Column("valid_from", "从", Kind.INSTANT, width=20),
        Column("valid_until", "到", Kind.INSTANT, width=20),
    ),
    lead="placement_name",
)


@blueprint.get("/codes")
@guard.staff(Permission.READ_PLACEMENTS)
def listing() -> Response:
    """Show a page of the codes in use."""
    return _listing("staff/codes.html")


@blueprint.get("/codes/sheet")
@guard.staff(Permission.READ_PLACEMENTS)
def sheet() -> Response:
    """Show the same codes as a sheet of paper."""
    return _listing("staff/sheet.html")


@exports.files(blueprint, "/codes")
@guard.staff(Permission.READ_PLACEMENTS)
def download(kind: str) -> Response:
    """Send all the codes that the list would go through."""
    asked, actor, now = _asked(), guard.actor(), clock.now()
    rows = exports.walk(
        lambda session, cursor: inventory.codes(session, actor, **asked, cursor=cursor, limit=exports.PAGE, now=now)
    )
    notes = (
        ("范围", asked.get("under", "全部媒介和线路")),
        ("活动", asked.get("campaign", "全部活动")),
        ("素材", asked.get("creative", "全部素材")),
        ("编号或点位名", asked.get("q", "不限")),
        exports.CUT,
    )
    return exports.send(kind, tables.Sheet.of(CODES, rows, notes=notes), now=now)


@blueprint.get("/codes/<number:code>")
@guard.staff(Permission.READ_PLACEMENTS)
def show(code: str) -> Response:
    """Show one code: what is printed, and where it hung."""
    now = clock.now()
    with database.transaction() as session:
        seen = inventory.card(session, guard.actor(), code=code, now=now)
    return frame.render("staff/code.html", here="codes", **seen)


@exports.files(blueprint, "/codes/<number:code>/bindings")
@guard.staff(Permission.READ_PLACEMENTS)
def history(kind: str, code: str) -> Response:
    """Send where a code hung as a file."""
    with database.transaction() as session:
        found = inventory.find(session, guard.actor(), code=code)
    sheet = tables.Sheet.of(BINDINGS, found["bindings"], notes=(("编号", found["code"]),))
    return exports.send(kind, sheet, now=clock.now())


@blueprint.get("/codes/<number:code>/print")
@guard.staff(Permission.READ_PLACEMENTS)
def printed(code: str) -> Response:
    """Return the code as a picture."""
    if request.args.get("format") == "pdf":
        try:
            proof = press_desk.proof(guard.actor(), code=code, now=clock.now())
        except Conflict as error:
            return frame.refused(f"/codes/{code}", error)
        return Response(proof, mimetype="application/pdf")
    kind = "png" if request.args.get("format") == "png" else "svg"
    with database.transaction() as session:
        picture = inventory.poster(session, guard.actor(), code=code, kind=kind)
    return Response(picture, mimetype=PRINTED[kind])


@blueprint.post("/codes/<number:code>/bindings")
@guard.staff(Permission.WRITE_CODES)
def bind(code: str) -> Response:
    """Hang a code somewhere for a time."""
    path, hanging = f"/codes/{code}", _hanging(request.form)
    if hanging is None:
        return frame.back(path, fault="form.binding")
    try:
        with database.transaction() as session:
            inventory.bind(
                session,
                guard.actor(),
                code=code,
                placement=request.form.get("placement", "").strip().upper()[:100],
                hanging=hanging,
                now=clock.now(),
            )
    except (Conflict, Invalid, NotFound) as error:
        return frame.refused(path, error)
    return frame.back(path, done="bound")


def _asked() -> dict[str, str]:
    asked = {name: request.args.get(name, "").strip()[:120] for name in ("under", "campaign", "creative", "q")}
    return {name: value for name, value in asked.items() if value}


def _listing(template: str) -> Response:
    asked = _asked()
    cursor = request.args.get("cursor")
    with database.transaction() as session:
        seen = inventory.shelf(
            session,
            guard.actor(),
            asked=asked,
            cursor=cursor,
            limit=_PAGE,
            now=clock.now(),
        )
    return frame.render(
        template,
        here="codes",
        sheet=tables.Sheet.of(CODES, seen["page"]["items"]),
        asked=asked,
        under=asked.get("under"),
        cursor=cursor,
        first_query=urlencode(asked),
        here_query=urlencode(asked | ({"cursor": cursor} if cursor else {})),
        next_query=urlencode(asked | {"cursor": seen["page"]["next_cursor"] or ""}),
        media=_media(asked, seen["branches"]),
        **seen,
    )


def _media(asked: dict[str, str], branches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a tab for all media and for each, which keep whatever else is asked for."""
    rest = {name: value for name, value in asked.items() if name != "under"}
    here = asked.get("under", "").split(".")[0]
    tabs = [("", "全部"), *((node["number"], node["name"]) for node in branches if node["level"] == Level.MEDIUM)]
    return [
        {"title": title, "query": urlencode(({"under": under} if under else {}) | rest), "is_here": under == here}
        for under, title in tabs
    ]


def _hanging(form: Any) -> Hanging | None:
    slug, campaign = form.get("slug", "").strip()[:80], form.get("campaign", "").strip()[:80]
    try:
        since = _local(form.get("valid_from", ""))
        until = _local(form["valid_until"]) if form.get("valid_until") else None
        kind = LandingKind(form.get("kind", ""))
    except ValueError:
        return None
    if not slug or not campaign:
        return None
    return Hanging(campaign=campaign, landing=Landing(kind, slug), valid_from=since, valid_until=until)


def _local(typed: str) -> datetime:
    """Return what a date field says, which is Beijing time without saying so. Raises `ValueError`."""
    return datetime.fromisoformat(typed).replace(tzinfo=clock.SHANGHAI)
