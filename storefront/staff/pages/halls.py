"""Halls on pages: the list of an area, a new one, one with its words, picture, shelves and code."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from catalog import hall_views, identifiers
from catalog.errors import HallUnknown
from catalog.hall_lifecycle import Act, State
from catalog.hall_views import Filters
from catalog.halls import Words
from catalog.models import HallKind, HallPresence, ZoneKind
from catalog.shelves import MOST_GOODS, MOST_SHELVES, Shelf
from config import clock, darkroom, database, storage
from config.errors import AppError, Conflict, Forbidden, Invalid
from storefront import guard
from storefront.roles import Permission
from storefront.staff import accounts, hall_desk, hall_words, sight, tables, words
from storefront.staff.pages import exports, frame
from storefront.staff.pages.codes import PRINTED
from storefront.staff.tables import Column, Kind

blueprint = Blueprint("staff_pages_halls", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_PATH = "/halls"
_PAGE = 50
_TEXTS = ("name", "story", "address", "hours", "contact", "owner")
_MOST_TYPED = 4000
_REGION = re.compile("[0-9]{6}", re.ASCII)
_TAGS = {"drafted": "paid", "open": "shipped", "closed": ""}

HALLS = tables.Table(
    "halls",
    "馆与专区",
    (
        Column("name", "名称", href=lambda hall: f"{frame.ROOT}{_PATH}/{hall['slug']}", width=24),
        Column("slug", "网址名", Kind.CODE, only="file", width=24),
        Column("region", "地区", width=28),
        Column("region_code", "地区代码", Kind.CODE, only="file"),
        Column("kind", "种类", words=hall_words.HALL_KINDS),
        Column("presence", "线上线下", words=hall_words.HALL_PRESENCES),
        Column("zone_kind", "专区设在", words=hall_words.ZONE_KINDS),
        Column("owner", "所属", width=24),
        Column("address", "地址", only="file", width=36),
        Column("hours", "营业时间", only="file", width=24),
        Column("shelves", "货架", Kind.COUNT),
        Column("state", "状态", words=hall_words.HALL_STATES, tag=lambda hall: _TAGS[hall["state"]]),
    ),
)


@blueprint.get("/halls")
@guard.staff(Permission.READ_HALLS)
def listing() -> Response:
    """Show a page of the halls in sight."""
    actor, cursor = guard.actor(), request.args.get("cursor")
    asked = _asked()
    with database.transaction() as session:
        page = hall_desk.listing(session, actor, filters=Filters(**asked), cursor=cursor, limit=_PAGE)
        places = hall_desk.places(session, actor, Permission.READ_HALLS)
    return frame.render(
        "staff/halls.html",
        here="halls",
        sheet=tables.Sheet.of(HALLS, page["items"]),
        page=page,
        asked=asked,
        cursor=cursor,
        places=places,
        query=urlencode(asked),
        next_query=urlencode(asked | {"cursor": page["next_cursor"] or ""}),
        kinds=hall_words.HALL_KINDS,
        presences=hall_words.HALL_PRESENCES,
        zone_kinds=hall_words.ZONE_KINDS,
        states=hall_words.HALL_STATES,
    )


@exports.files(blueprint, "/halls")
@guard.staff(Permission.READ_HALLS)
def download(kind: str) -> Response:
    """Send all the halls that the list would go through."""
    actor, asked = guard.actor(), _asked()
    rows = exports.walk(
        lambda session, cursor: hall_desk.listing(
            session, actor, filters=Filters(**asked), cursor=cursor, limit=exports.PAGE
        )
    )
    sheet = tables.Sheet.of(HALLS, rows, notes=(*_notes(asked), exports.CUT))
    return exports.send(kind, sheet, now=clock.now())


@blueprint.get("/halls/new")
@guard.staff(Permission.WRITE_HALLS)
def form() -> Response:
    """Show the form of a new hall."""
    with database.transaction() as session:
        places = hall_desk.places(session, guard.actor(), Permission.WRITE_HALLS)
    return frame.render(
        "staff/hall_form.html",
        here="halls",
        places=places,
        kinds=hall_words.HALL_KINDS,
        presences=hall_words.HALL_PRESENCES,
        zone_kinds=hall_words.ZONE_KINDS,
        given=request.args,
    )


@blueprint.post("/halls")
@guard.staff(Permission.WRITE_HALLS)
def draft() -> Response:
    """Begin a hall, as the form says."""
    given = request.form
    kind, presence, zone = given.get("kind", ""), given.get("presence", ""), given.get("zone_kind", "")
    slug = given.get("slug", "").strip()[:80]
    again = {name: given.get(name, "")[:80] for name in ("slug", "name", "kind", "presence", "zone_kind", "region")}
    is_zone = kind == HallKind.ZONE
    if kind not in set(HallKind) or presence not in set(HallPresence) or (is_zone and zone not in set(ZoneKind)):
        return frame.back(f"{_PATH}/new", **again, fault="form.hall")
    try:
        with database.transaction() as session:
            hall_desk.draft(
                session,
                guard.actor(),
                slug=slug,
                kind=HallKind(kind),
                presence=HallPresence(presence),
                zone_kind=ZoneKind(zone) if is_zone else None,
                region_code=given.get("region", "")[:12],
                words=_words(given),
                now=clock.now(),
            )
    except (Conflict, Invalid, Forbidden) as error:
        return frame.back(f"{_PATH}/new", **again, fault=error.code)
    return frame.back(f"{_PATH}/{slug}", done="hall_drafted")


@blueprint.get("/halls/<number:slug>")
@guard.staff(Permission.READ_HALLS)
def show(slug: str) -> Response:
    """Show one hall with what may be done about it."""
    actor = guard.actor()
    with database.transaction() as session:
        seen = hall_desk.card(session, actor, slug=slug, now=clock.now())
    picture, hall = seen["picture"], seen["hall"]
    return frame.render(
        "staff/hall.html",
        here="halls",
        **(seen | {"picture": picture and storage.url(picture.files[f"{darkroom.SIZES[1]}.jpg"])}),
        shelves=_filled(hall["arrangement"]),
        most_goods=MOST_GOODS,
        most_shelves=MOST_SHELVES,
        tag=_TAGS[hall["state"]],
        sees_codes=accounts.allowed(actor, Permission.READ_PLACEMENTS, sight.WHOLE),
    )


@blueprint.post("/halls/<number:slug>")
@guard.staff(Permission.WRITE_HALLS)
def amend(slug: str) -> Response:
    """Write what is said of a hall anew."""
    said, version = _words(request.form), _version(request.form)
    return _try(
        slug,
        lambda session: hall_desk.amend(
            session, guard.actor(), slug=slug, words=said, version=version, now=clock.now()
        ),
        done="hall_saved",
    )


@blueprint.post("/halls/<number:slug>/steps")
@guard.staff(Permission.WRITE_HALLS)
def take(slug: str) -> Response:
    """Open or close a hall."""
    act = request.form.get("act", "")
    if act not in set(Act):
        return frame.back(f"{_PATH}/{slug}", fault="form.hall")
    return _try(
        slug,
        lambda session: hall_desk.take(session, guard.actor(), slug=slug, act=Act(act), now=clock.now()),
        done="hall_opened" if act == Act.OPEN else "hall_closed",
    )


@blueprint.post("/halls/<number:slug>/picture")
@guard.body_up_to(darkroom.LARGEST_BYTES + 65_536)
@guard.staff(Permission.WRITE_HALLS)
def hang(slug: str) -> Response:
    """Show another picture in front of a hall."""
    file = request.files.get("file")
    if file is None:
        return frame.back(f"{_PATH}/{slug}", fault="form.file")
    try:
        hall_desk.hang(guard.actor(), slug=slug, upload=file.read(), now=clock.now())
    except (Conflict, Invalid) as error:
        return frame.refused(f"{_PATH}/{slug}", error)
    return frame.back(f"{_PATH}/{slug}", done="picture_saved")


@blueprint.post("/halls/<number:slug>/picture/removal")
@guard.staff(Permission.WRITE_HALLS)
def take_down_picture(slug: str) -> Response:
    """Show none any more."""
    return _try(
        slug,
        lambda session: hall_desk.take_down_picture(session, guard.actor(), slug=slug, now=clock.now()),
        done="picture_gone",
    )


@blueprint.post("/halls/<number:slug>/shelves")
@guard.staff(Permission.WRITE_HALLS)
def arrange(slug: str) -> Response:
    """Put up the shelves as the form says; a shelf without a name and goods is left out."""
    given, version = request.form, _version(request.form)
    with database.transaction() as session:
        wanted = _arrangement(session, given)
    if wanted is None:
        return frame.back(f"{_PATH}/{slug}", fault="form.goods")
    return _try(
        slug,
        lambda session: hall_desk.arrange(
            session, guard.actor(), slug=slug, wanted=wanted, version=version, now=clock.now()
        ),
        done="shelves_saved",
    )


@blueprint.post("/halls/<number:slug>/code")
@guard.staff(Permission.WRITE_HALLS)
def mint(slug: str) -> Response:
    """Give a place its code."""
    campaign = request.form.get("campaign", "")[:80]
    return _try(
        slug,
        lambda session: hall_desk.mint(session, guard.actor(), slug=slug, campaign=campaign, now=clock.now()),
        done="code_minted",
    )


@blueprint.get("/halls/<number:slug>/print")
@guard.staff(Permission.READ_HALLS)
def printed(slug: str) -> Response:
    """Return the code of a place as a picture, or as a PDF that passed preflight."""
    now, kind = clock.now(), request.args.get("format", "svg")
    if kind == "pdf":
        try:
            proof = hall_desk.proof(guard.actor(), slug=slug, now=now)
        except Conflict as error:
            return frame.refused(f"{_PATH}/{slug}", error)
        return Response(proof, mimetype="application/pdf")
    kind = "png" if kind == "png" else "svg"
    with database.transaction() as session:
        picture = hall_desk.poster(session, guard.actor(), slug=slug, kind=kind, now=now)
    return Response(picture, mimetype=PRINTED[kind])


def _asked() -> dict[str, str]:
    """Return the filters of the address that mean something."""
    known: dict[str, Any] = {"kind": HallKind, "presence": HallPresence, "zone_kind": ZoneKind, "state": State}
    asked = {name: request.args.get(name, "").strip() for name in (*known, "region", "city")}
    return {
        name: value
        for name, value in asked.items()
        if (value in set(known[name]) if name in known else _REGION.fullmatch(value))
    }


def _notes(asked: dict[str, str]) -> tuple[tuple[str, str], ...]:
    said = {
        "kind": ("种类", hall_words.HALL_KINDS),
        "presence": ("线上线下", hall_words.HALL_PRESENCES),
        "zone_kind": ("专区设在", hall_words.ZONE_KINDS),
        "state": ("状态", hall_words.HALL_STATES),
        "region": ("地区", {}),
        "city": ("市", {}),
    }
    return tuple((said[name][0], words.in_words(value, said[name][1])) for name, value in asked.items())


def _words(given: Any) -> Words:
    texts = {name: given.get(name, "")[:_MOST_TYPED].replace("\r\n", "\n") for name in _TEXTS}
    return Words(**texts, supplier=given.get("supplier", "").strip()[:40] or None)


def _version(given: Any) -> int:
    typed = given.get("version", "")
    return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 10 else 0


def _filled(arrangement: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the shelves with an empty one behind them, as long as one more may stand."""
    return [*arrangement, {"name": "", "products": []}][:MOST_SHELVES]


def _arrangement(session: Session, given: Any) -> list[Shelf] | None:
    """Return the shelves as typed, one line a product by name or slug; None when one of them is not known."""
    typed = [
        (
            given.get(f"name-{place}", "").strip()[:_MOST_TYPED],
            [line.strip()[:200] for line in given.get(f"goods-{place}", "")[:_MOST_TYPED].splitlines() if line.strip()]
            + ([given[f"add-{place}"][:80]] if given.get(f"add-{place}") else []),
        )
        for place in range(1, MOST_SHELVES + 1)
    ]
    named = hall_views.named(session, names=[line for _, lines in typed for line in lines])
    wanted: list[Shelf] = []
    for name, lines in typed:
        slugs = [named.get(line, line.rsplit(maxsplit=1)[-1]) for line in lines]
        if not all(map(identifiers.is_slug, slugs)):
            return None
        if name or slugs:
            wanted.append(Shelf(name, tuple(slugs)))
    return wanted


def _try(slug: str, act: Callable[[Session], object], *, done: str) -> Response:
    try:
        with database.transaction() as session:
            act(session)
    except HallUnknown:
        raise
    except AppError as error:
        return frame.refused(f"{_PATH}/{slug}", error)
    return frame.back(f"{_PATH}/{slug}", done=done)
