"""Halls as JSON: the list of an area, one with its shelves and code, and every change of it but the picture's bytes.

Invariant: a change of words or shelves names the `version` that was read; who comes second is told, and reads again.
"""

from dataclasses import asdict
from typing import Any

from flask import Response
from marshmallow import fields, validate

from catalog import errors
from catalog.hall_lifecycle import Act, State
from catalog.hall_views import Filters
from catalog.halls import Words
from catalog.models import HallKind, HallPresence, ZoneKind
from catalog.shelves import MOST_GOODS, MOST_SHELVES, Shelf
from config import clock, database
from config.schemas import Blueprint, Int, PageArgs, Pattern, Schema, Text, page_of
from storefront import errors as shop_errors
from storefront import guard
from storefront.api.shapes import Answer, said
from storefront.roles import Permission
from storefront.staff import hall_desk
from subway_campaign import errors as campaign_errors

blueprint = Blueprint("staff_halls", __name__, url_prefix="/api/staff/v1", description="Staff: halls and zones.")

_REGION = "[0-9]{6}"
_SLUG = "[a-z0-9-]{3,40}"


def _one_of(words: Any) -> validate.OneOf:
    return validate.OneOf([word.value for word in words])


class Search(PageArgs):
    """Which halls; `region` is exactly that one, `city` also all within it."""

    kind = Text(validate=[_one_of(HallKind)], load_default=None)
    presence = Text(validate=[_one_of(HallPresence)], load_default=None)
    zone_kind = Text(validate=[_one_of(ZoneKind)], load_default=None)
    state = Text(validate=[_one_of(State)], load_default=None)
    region = Text(validate=[Pattern(_REGION)], load_default=None)
    city = Text(validate=[Pattern(_REGION)], load_default=None)


class Said(Schema):
    """What is said of a hall; a physical one opens with address and hours only, an enterprise hall has an owner."""

    name = Text(required=True, low=2, high=40)
    story = Text(high=2000, load_default="")
    address = Text(high=120, load_default="")
    hours = Text(high=120, load_default="")
    contact = Text(high=80, load_default="")
    owner = Text(high=80, load_default="")
    supplier = Text(low=1, high=40, load_default=None, allow_none=True)


class Drafted(Said):
    """A new hall; what it is and where never changes."""

    slug = Text(required=True, validate=[Pattern(_SLUG)])
    kind = Text(required=True, validate=[_one_of(HallKind)])
    presence = Text(required=True, validate=[_one_of(HallPresence)])
    zone_kind = Text(validate=[_one_of(ZoneKind)], load_default=None, allow_none=True)
    region_code = Text(required=True, validate=[Pattern(_REGION)])


class Amended(Said):
    """The same words for a hall that was read in this version."""

    version = Int(required=True, low=1)


class Stepped(Schema):
    """What to do with a hall."""

    act = Text(required=True, validate=[_one_of(Act)])


class WantedShelf(Schema):
    """A shelf: its name, and the slugs of what stands on it, in order."""

    name = Text(required=True, low=1, high=20)
    products = fields.List(Text(low=1, high=80), required=True, validate=validate.Length(max=MOST_GOODS))


class Arranged(Schema):
    """All shelves of a hall, in order, instead of those that stand."""

    version = Int(required=True, low=1)
    shelves = fields.List(fields.Nested(WantedShelf), required=True, validate=validate.Length(max=MOST_SHELVES))


class CodeWanted(Schema):
    """Under which campaign scans of the code are counted."""

    campaign = Text(required=True, low=1, high=40)


class ShelvedProduct(Answer):
    """A product on a shelf; off sale it is not shown."""

    slug = fields.String()
    name = fields.String()
    is_on_sale = fields.Boolean()


class ShelfShown(Answer):
    """A shelf."""

    name = fields.String()
    products = fields.List(fields.Nested(ShelvedProduct))


class HallRow(Answer):
    """A hall in a list; `owner` is the supplier's name, or what was entered without one."""

    slug = fields.String()
    kind = fields.String()
    presence = fields.String()
    zone_kind = fields.String(allow_none=True)
    state = fields.String()
    is_home = fields.Boolean()
    name = fields.String()
    region_code = fields.String()
    region = fields.String()
    supplier = fields.String(allow_none=True)
    owner = fields.String()
    story = fields.String()
    address = fields.String()
    hours = fields.String()
    contact = fields.String()
    picture = fields.String(allow_none=True)
    version = fields.Integer()


class HallShown(HallRow):
    """A hall with its shelves, its code if it is a place that has one, and what its reader may do."""

    arrangement = fields.List(fields.Nested(ShelfShown))
    code = fields.String(allow_none=True)
    choices = fields.List(fields.String())


_SAID = {
    "name": "砀山实体馆",
    "story": "县城里的地方馆。",
    "address": "砀城镇人民路 1 号",
    "hours": "每天 9:00–18:00",
    "contact": "",
    "owner": "",
    "supplier": None,
}
_DRAFT = {"slug": "dangshan-shiti", "kind": "local", "presence": "physical", "zone_kind": None, "region_code": "341321"}
_ROW = {
    **_SAID,
    **_DRAFT,
    "state": "open",
    "is_home": False,
    "region": "安徽省宿州市砀山县",
    "picture": None,
    "version": 2,
}
_EXAMPLE = {
    **_ROW,
    "arrangement": [
        {"name": "当季鲜果", "products": [{"slug": "dangshansuli", "name": "砀山酥梨", "is_on_sale": True}]}
    ],
    "code": None,
    "choices": ["close"],
}


@blueprint.get("/halls")
@guard.staff(Permission.READ_HALLS)
@blueprint.arguments(Search, location="query")
@blueprint.alt_response(200, schema=page_of(HallRow), example={"items": [_ROW], "next_cursor": None}, success=True)
@blueprint.refuses(shop_errors.ListCursorInvalid)
def listing(wanted: dict[str, Any]) -> Response:
    """List the halls in sight, drafts and closed ones too, in the order of their regions."""
    cursor, limit = wanted.pop("cursor"), wanted.pop("limit")
    with database.transaction() as session:
        page = hall_desk.listing(session, guard.actor(), filters=Filters(**wanted), cursor=cursor, limit=limit)
    return said(page | {"items": [_shown(row, HallRow) for row in page["items"]]})


@blueprint.post("/halls")
@guard.staff(Permission.WRITE_HALLS)
@blueprint.arguments(Drafted, example={**_SAID, **_DRAFT})
@blueprint.alt_response(201, schema=HallShown, example=_EXAMPLE | {"state": "drafted"}, success=True)
@blueprint.refuses(errors.HallInvalid, errors.HallTaken)
def draft(given: dict[str, Any]) -> Response:
    """Begin a hall that only staff see."""
    words = Words(**{name: given[name] for name in asdict(Words(name=""))})
    now, actor, zone = clock.now(), guard.actor(), given["zone_kind"]
    with database.transaction() as session:
        hall_desk.draft(
            session,
            actor,
            slug=given["slug"],
            kind=HallKind(given["kind"]),
            presence=HallPresence(given["presence"]),
            zone_kind=ZoneKind(zone) if zone else None,
            region_code=given["region_code"],
            words=words,
            now=now,
        )
        found = hall_desk.find(session, actor, slug=given["slug"], now=now)
    return said(_shown(found), 201)


@blueprint.get("/halls/<number:slug>")
@guard.staff(Permission.READ_HALLS)
@blueprint.alt_response(200, schema=HallShown, example=_EXAMPLE, success=True)
@blueprint.refuses(errors.HallUnknown)
def find(slug: str) -> Response:
    """Show a hall in sight."""
    with database.transaction() as session:
        return said(_shown(hall_desk.find(session, guard.actor(), slug=slug, now=clock.now())))


@blueprint.put("/halls/<number:slug>")
@guard.staff(Permission.WRITE_HALLS)
@blueprint.arguments(Amended, example=_SAID | {"version": 1})
@blueprint.alt_response(200, schema=HallShown, example=_EXAMPLE, success=True)
@blueprint.refuses(errors.HallUnknown, errors.HallMoved, errors.HallInvalid)
def amend(given: dict[str, Any], slug: str) -> Response:
    """Write what is said of a hall anew."""
    version = given.pop("version")
    with database.transaction() as session:
        found = hall_desk.amend(
            session, guard.actor(), slug=slug, words=Words(**given), version=version, now=clock.now()
        )
    return said(_shown(found))


@blueprint.post("/halls/<number:slug>/steps")
@guard.staff(Permission.WRITE_HALLS)
@blueprint.arguments(Stepped, example={"act": "open"})
@blueprint.alt_response(200, schema=HallShown, example=_EXAMPLE, success=True)
@blueprint.refuses(errors.HallUnknown, errors.HallMoved, errors.HallInvalid, errors.HallInUse)
def take(given: dict[str, Any], slug: str) -> Response:
    """Open or close a hall."""
    with database.transaction() as session:
        return said(_shown(hall_desk.take(session, guard.actor(), slug=slug, act=Act(given["act"]), now=clock.now())))


@blueprint.put("/halls/<number:slug>/shelves")
@guard.staff(Permission.WRITE_HALLS)
@blueprint.arguments(Arranged, example={"version": 2, "shelves": [{"name": "当季鲜果", "products": ["dangshansuli"]}]})
@blueprint.alt_response(200, schema=HallShown, example=_EXAMPLE, success=True)
@blueprint.refuses(errors.HallUnknown, errors.HallMoved, errors.ShelvesInvalid)
def arrange(given: dict[str, Any], slug: str) -> Response:
    """Put up these shelves instead of those that stand."""
    wanted = [Shelf(one["name"], tuple(one["products"])) for one in given["shelves"]]
    with database.transaction() as session:
        found = hall_desk.arrange(
            session, guard.actor(), slug=slug, wanted=wanted, version=given["version"], now=clock.now()
        )
    return said(_shown(found))


@blueprint.post("/halls/<number:slug>/code")
@guard.staff(Permission.WRITE_HALLS)
@blueprint.arguments(CodeWanted, example={"campaign": "XFFP2020"})
@blueprint.alt_response(200, schema=HallShown, example=_EXAMPLE | {"code": "7K3M9QXA"}, success=True)
@blueprint.refuses(errors.HallUnknown, shop_errors.HallCodeRefused, campaign_errors.UnknownCampaign)
def mint(given: dict[str, Any], slug: str) -> Response:
    """Give a place that is open its code, once; asked again, the same code is answered."""
    with database.transaction() as session:
        found = hall_desk.mint(session, guard.actor(), slug=slug, campaign=given["campaign"], now=clock.now())
    return said(_shown(found))


def _shown(found: dict[str, Any], shape: type[Answer] = HallShown) -> dict[str, Any]:
    return {name: found[name] for name in shape().fields}
