"""Packs for the press on pages: choosing what to print, watching it being made, fetching it."""

from flask import Blueprint, Response, request

from config import clock, database
from config.errors import Conflict, Invalid, NotFound
from storefront import guard
from storefront.roles import Permission
from storefront.staff import press_desk, words
from storefront.staff.pages import exports, frame
from storefront.staff.tables import Column, Kind, Row, Sheet, Table

blueprint = Blueprint("staff_pages_packs", __name__, url_prefix=frame.ROOT, template_folder="../templates")

# Progress is read again this often; the page needs no script for it.
_REFRESH_S = "3"


def _so_far(pack: Row) -> str | None:
    return f"{pack['done']}/{pack['pieces']}" if pack["state"] == "waiting" else None


PACKS = Table(
    "packs",
    "印刷包",
    (
        Column("number", "编号", Kind.CODE, only="file", width=20),
        Column(
            "title",
            "内容",
            href=lambda pack: f"{frame.ROOT}/packs/{pack['number']}",
            note=lambda pack: pack["number"],
            width=32,
        ),
        Column("state", "状态", words=words.PACKS, note=_so_far),
        Column("pieces", "码", Kind.COUNT),
        Column("refused", "未通过", Kind.COUNT),
        Column("asked_at", "提交时间", Kind.MINUTE, width=20),
    ),
    lead="title",
)


REFUSED = Table(
    "refused",
    "没有通过检验的码",
    (
        Column("code", "编号", Kind.CODE, href=lambda one: f"{frame.ROOT}/codes/{one['code']}"),
        Column("name", "点位", width=36),
        Column("step", "原因", words=words.PREFLIGHT, width=36),
    ),
)


@blueprint.get("/packs")
@guard.staff(Permission.READ_PLACEMENTS)
def listing() -> Response:
    """Show the packs, and the form that asks for one."""
    with database.transaction() as session:
        seen = press_desk.shelf(session, guard.actor())
    sheet = Sheet.of(PACKS, seen["packs"])
    return frame.render("staff/packs.html", here="codes", under=request.args.get("under", ""), sheet=sheet, **seen)


@exports.files(blueprint, "/packs")
@guard.staff(Permission.READ_PLACEMENTS)
def download(kind: str) -> Response:
    """Send the packs as a file."""
    with database.transaction() as session:
        found = press_desk.listing(session, guard.actor())
    return exports.send(kind, Sheet.of(PACKS, found), now=clock.now())


@blueprint.post("/packs")
@guard.staff(Permission.WRITE_CODES)
def ask() -> Response:
    """Have a pack made."""
    under = request.form.get("under", "").strip().upper()[:120] or None
    try:
        with database.transaction() as session:
            pack, is_new = press_desk.ask(session, guard.actor(), under=under, now=clock.now())
    except (Conflict, Invalid, NotFound) as error:
        return frame.refused("/packs", error)
    return frame.back(f"/packs/{pack['number']}", done="pack_asked" if is_new else "pack_known")


@blueprint.get("/packs/<number:number>")
@guard.staff(Permission.READ_PLACEMENTS)
def show(number: str) -> Response:
    """Show how far a pack is, and what it refused."""
    with database.transaction() as session:
        pack = press_desk.find(session, guard.actor(), number=number)
    page = frame.render("staff/pack.html", here="codes", pack=pack, refused=Sheet.of(REFUSED, pack["failures"]))
    if pack["state"] == "waiting":
        # Without the query: what was done is said once.
        page.headers["Refresh"] = f"{_REFRESH_S}; url={frame.ROOT}/packs/{number}"
    return page


@exports.files(blueprint, "/packs/<number:number>/refused")
@guard.staff(Permission.READ_PLACEMENTS)
def download_refused(kind: str, number: str) -> Response:
    """Send what a pack refused as a file."""
    with database.transaction() as session:
        pack = press_desk.find(session, guard.actor(), number=number)
    notes = (("印刷包", f"{pack['title']} {number}"), ("码", f"{pack['pieces']} 个，未通过 {pack['refused']} 个"))
    return exports.send(kind, Sheet.of(REFUSED, pack["failures"], notes=notes), now=clock.now(), period=number)


@blueprint.get("/packs/<number:number>/archive")
@guard.staff(Permission.READ_PLACEMENTS)
def archive(number: str) -> Response:
    """Hand out the ZIP of a finished pack."""
    try:
        with database.transaction() as session:
            body = press_desk.archive(session, guard.actor(), number=number)
    except Conflict as error:
        return frame.refused(f"/packs/{number}", error)
    response = Response(body, mimetype="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="{number}.zip"'
    return response
