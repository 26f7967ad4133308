"""Artworks on pages, and what the office plans to hang."""

import re
from datetime import datetime

from flask import Blueprint, Response, request

from config import clock, darkroom, database, pictures
from config.errors import Conflict, Invalid, NotFound, Unavailable
from storefront import guard
from storefront.roles import Permission
from storefront.staff import field_desk
from storefront.staff.pages import exports, field, frame
from storefront.staff.tables import Column, Kind, Row, Sheet, Table
from subway_campaign.landing import Landing, LandingKind

blueprint = Blueprint("staff_pages_creatives", __name__, url_prefix=frame.ROOT, template_folder="../templates")

NUMBER = re.compile(r"[0-9A-Z-]{2,40}", re.ASCII)
MOST_BYTES = darkroom.LARGEST_BYTES + 64 * 1024


def _time(creative: Row) -> str | None:
    """Return what a page says of an artwork that hangs without an end."""
    return None if creative["valid_until"] else "长期"


CREATIVES = Table(
    "creatives",
    "素材",
    (
        Column("number", "素材编号", Kind.CODE, only="file", width=20),
        Column(
            "name",
            "素材",
            href=lambda one: f"{frame.ROOT}/creatives/{one['number']}",
            note=lambda one: one["number"],
            width=28,
        ),
        Column("campaign_name", "活动", width=24),
        Column("products", "展示的商品", value=lambda one: "、".join(one["product_names"]) or "没有指定", width=40),
        Column("valid_from", "从", Kind.MINUTE, width=20),
        Column("valid_until", "到", Kind.MINUTE, note=_time, width=20),
    ),
    lead="name",
)


@blueprint.get("/creatives")
@guard.staff(Permission.READ_PLACEMENTS)
def listing() -> Response:
    """Show the artworks, and the form for another."""
    with database.transaction() as session:
        found = field_desk.artworks(session, guard.actor())
        campaigns = field_desk.campaigns(session, guard.actor())
    sheet = Sheet.of(CREATIVES, found)
    return frame.render("staff/creatives.html", here="creatives", creatives=found, sheet=sheet, campaigns=campaigns)


@exports.files(blueprint, "/creatives")
@guard.staff(Permission.READ_PLACEMENTS)
def download(kind: str) -> Response:
    """Send the artworks as a file."""
    with database.transaction() as session:
        found = field_desk.artworks(session, guard.actor())
    return exports.send(kind, Sheet.of(CREATIVES, found), now=clock.now())


@blueprint.post("/creatives")
@guard.staff(Permission.WRITE_CODES)
@guard.body_up_to(MOST_BYTES)
def create() -> Response:
    """Add an artwork."""
    number = request.form.get("number", "").strip().upper()
    return _save("/creatives", number, campaign=request.form.get("campaign", "")[:80])


@blueprint.get("/creatives/<number:number>")
@guard.staff(Permission.READ_PLACEMENTS)
def show(number: str) -> Response:
    """Show one artwork with the form that changes it."""
    with database.transaction() as session:
        found = field_desk.artwork(session, guard.actor(), number=number)
    return frame.render("staff/creative.html", here="creatives", creative=found)


@blueprint.get("/creatives/<number:number>/picture.webp")
@guard.staff(Permission.READ_PLACEMENTS)
def picture(number: str) -> Response:
    """Send the picture of an artwork."""
    return Response(field_desk.artwork_picture(guard.actor(), number=number), mimetype="image/webp")


@blueprint.post("/creatives/<number:number>")
@guard.staff(Permission.WRITE_CODES)
@guard.body_up_to(MOST_BYTES)
def change(number: str) -> Response:
    """Change an artwork."""
    return _save(f"/creatives/{number}", number, campaign=None)


@blueprint.get("/codes/<number:code>/plan")
@guard.staff(Permission.WRITE_CODES)
def planning(code: str) -> Response:
    """Show what is planned for a code, and the form that plans it."""
    with database.transaction() as session:
        seen = field_desk.planning(session, guard.actor(), code=code)
    did = Sheet.of(field.scans_table(), seen["scans"])
    return frame.render("staff/plan.html", here="codes", code=code.upper(), did=did, **seen)


@blueprint.post("/codes/<number:code>/plan")
@guard.staff(Permission.WRITE_CODES)
def plan(code: str) -> Response:
    """Plan that a code is put up, or take the plan back."""
    form, path = request.form, f"/codes/{code}/plan"
    try:
        with database.transaction() as session:
            if form.get("do") == "withdraw":
                field_desk.withdraw(session, guard.actor(), code=code, now=clock.now())
                return frame.back(path, done="plan_withdrawn")
            field_desk.plan(
                session,
                guard.actor(),
                code=code,
                placement=form.get("placement", "").strip().upper()[:120],
                campaign=form.get("campaign", "")[:80],
                landing=Landing(LandingKind(form.get("kind", "")), form.get("slug", "").strip()[:80]),
                creative=form.get("creative", "")[:40] or None,
                now=clock.now(),
            )
    except ValueError:
        return frame.back(path, fault="form.binding")
    except (Conflict, Invalid, NotFound) as error:
        return frame.refused(path, error)
    return frame.back(path, done="planned")


def _save(path: str, number: str, *, campaign: str | None) -> Response:
    form, file = request.form, request.files.get("picture")
    name = " ".join(form.get("name", "").split())[:80]
    try:
        since, until = _local(form.get("valid_from", "")), _local(form.get("valid_until", ""))
    except ValueError:
        return frame.back(path, fault="form.creative")
    if not NUMBER.fullmatch(number) or not name or campaign == "":
        return frame.back(path, fault="form.creative")
    upload = file.stream.read(darkroom.LARGEST_BYTES + 1) if file else b""
    try:
        taken = pictures.take_in(upload, is_public=False, now=clock.now()).number if upload else None
        with database.transaction() as session:
            field_desk.save_artwork(
                session,
                guard.actor(),
                number=number,
                campaign=campaign,
                name=name,
                shown=form.get("products", "").replace("，", " ").replace(",", " ").split()[:50],
                picture=taken,
                valid_from=since,
                valid_until=until,
                now=clock.now(),
            )
    except (Conflict, Invalid, NotFound, Unavailable) as error:
        return frame.refused(path, error)
    return frame.back(f"/creatives/{number}", done="creative_saved")


def _local(typed: str) -> datetime | None:
    """Return what a date field says, which is Beijing time without saying so. Raises `ValueError`."""
    return datetime.fromisoformat(typed).replace(tzinfo=clock.SHANGHAI) if typed else None
