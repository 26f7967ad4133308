"""The halls: every city's and county's, and what each sells.

Invariant: these views only read, and hand the catalog's bytes through untouched.
"""

from typing import Any

from flask import Response
from marshmallow import fields, validate

from catalog import errors, halls, products, shelves
from catalog.models import HallKind, HallPresence, ZoneKind
from config.schemas import Blueprint, PageArgs, Text, page_of
from storefront import guard
from storefront.api.products import PAGE_EXAMPLE, Product
from storefront.api.shapes import Answer, shelved

blueprint = Blueprint("halls", __name__, url_prefix="/api/v1", description="Local halls, enterprise halls and zones.")


class Search(PageArgs):
    """Which halls; `city` is a city's region code or the slug of its hall and gives all in it and its counties."""

    is_common = True

    kind = Text(validate=[validate.OneOf([kind.value for kind in HallKind])], load_default=None)
    city = Text(high=80, load_default=None)
    q = Text(high=200, load_default=None)


class Region(Answer):
    """The division that a hall speaks for, and the city that it lies in."""

    code = fields.String()
    name = fields.String()
    level = fields.String()
    full_name = fields.String()
    city_code = fields.String()
    city = fields.String()


class Counts(Answer):
    """How many products are on sale, and how many halls stand under this one."""

    products = fields.Integer()
    halls = fields.Integer()


class HallPicture(Answer):
    """A picture in its largest size, and the addresses of its files by width and kind, "1600.webp"."""

    width = fields.Integer()
    height = fields.Integer()
    files = fields.Dict(keys=fields.String(), values=fields.String())


class Hall(Answer):
    """A hall's front. A physical one is a place with address and hours; an empty text was not entered.

    `is_home` halls sell what comes from their region, all others what is on their shelves.
    """

    slug = fields.String()
    kind = fields.String()
    name = fields.String()
    story = fields.String()
    region = fields.Nested(Region)
    counts = fields.Nested(Counts)
    is_home = fields.Boolean()
    presence = fields.String(validate=validate.OneOf([presence.value for presence in HallPresence]))
    zone_kind = fields.String(allow_none=True, validate=validate.OneOf([kind.value for kind in ZoneKind]))
    address = fields.String()
    hours = fields.String()
    contact = fields.String()
    owner = fields.String()
    picture = fields.Nested(HallPicture, allow_none=True)


class Shelf(Answer):
    """A named list of goods that somebody chose, in their order; what is off sale is not among them."""

    name = fields.String()
    products = fields.List(fields.Nested(Product))


class Shelves(Answer):
    """The shelves of a hall that have something to show, in their order."""

    items = fields.List(fields.Nested(Shelf))


_EXAMPLE = {
    "slug": "dangshan-xian",
    "kind": "local",
    "name": "砀山县地方馆",
    "story": "黄河故道上的酥梨之乡。",
    "region": {
        "code": "341321",
        "name": "砀山县",
        "level": "county",
        "full_name": "安徽省宿州市砀山县",
        "city_code": "341300",
        "city": "宿州市",
    },
    "counts": {"products": 3, "halls": 0},
    "is_home": True,
    "presence": "online",
    "zone_kind": None,
    "address": "",
    "hours": "",
    "contact": "",
    "owner": "",
    "picture": None,
}


@blueprint.get("/halls")
@guard.public
@blueprint.arguments(Search, location="query")
@blueprint.alt_response(200, schema=page_of(Hall), example={"items": [_EXAMPLE], "next_cursor": None}, success=True)
@blueprint.alt_response(304, description="The client's copy is still right.")
@blueprint.refuses(errors.CursorInvalid)
def listing(wanted: dict[str, Any]) -> Response:
    """List the open halls, in the order of their regions."""
    return shelved(halls.page(**wanted))


@blueprint.get("/halls/<slug>")
@guard.public
@blueprint.alt_response(200, schema=Hall, example=_EXAMPLE, success=True)
@blueprint.alt_response(304, description="The client's copy is still right.")
@blueprint.refuses(errors.HallUnknown)
def find(slug: str) -> Response:
    """Show a hall with its region, story and counts."""
    return shelved(halls.body(slug))


@blueprint.get("/halls/<slug>/products")
@guard.public
@blueprint.arguments(PageArgs, location="query")
@blueprint.alt_response(200, schema=page_of(Product), example=PAGE_EXAMPLE, success=True)
@blueprint.alt_response(304, description="The client's copy is still right.")
@blueprint.refuses(errors.HallUnknown, errors.CursorInvalid)
def goods(wanted: dict[str, Any], slug: str) -> Response:
    """List what a hall sells; a city's hall shows its counties' goods too."""
    halls.body(slug)
    return shelved(products.page(hall=slug, **wanted))


@blueprint.get("/halls/<slug>/shelves")
@guard.public
@blueprint.alt_response(
    200, schema=Shelves, example={"items": [{"name": "当季鲜果", "products": PAGE_EXAMPLE["items"]}]}, success=True
)
@blueprint.alt_response(304, description="The client's copy is still right.")
@blueprint.refuses(errors.HallUnknown)
def shelf(slug: str) -> Response:
    """List the shelves of a hall with what stands on them."""
    return shelved(shelves.body(slug))
