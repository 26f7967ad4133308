"""The inventory tree as JSON: read, extended, renamed.

Invariant: a placement's number never changes, because reports and printed paper name it.
"""

from typing import Any

from flask import Response
from marshmallow import fields, validate

from config import clock, database
from config.schemas import Blueprint, PageArgs, Pattern, Schema, Text, page_of
from storefront import errors as shop_errors
from storefront import guard
from storefront.api.shapes import Answer, said
from storefront.roles import Permission
from storefront.staff import inventory
from storefront.staff.api.shapes import PLACEMENT
from subway_campaign import errors
from subway_campaign.lifecycle import Level

blueprint = Blueprint("placements", __name__, url_prefix="/api/staff/v1", description="Staff: the inventory tree.")

_LEVELS = [level.value for level in Level]


class TreeSearch(PageArgs):
    """Which part of the tree: `under` is a placement's number, itself included."""

    under = Text(high=120, validate=[Pattern(PLACEMENT)], load_default=None)


class PlacementWanted(Schema):
    """A new node; its number is the parent's, a dot, and `label`. Without a parent it is a medium."""

    parent = Text(high=120, validate=[Pattern(PLACEMENT)], load_default=None, allow_none=True)
    level = Text(required=True, validate=[validate.OneOf(_LEVELS)])
    label = Text(required=True, validate=[Pattern("[0-9A-Z]{1,12}")])
    name = Text(required=True, low=1, high=80)


class PlacementName(Schema):
    """What may change about a node."""

    name = Text(required=True, low=1, high=80)


class Placement(Answer):
    """A node, with the codes that hang at it now."""

    number = fields.String()
    parent = fields.String(allow_none=True)
    level = fields.String(validate=validate.OneOf(_LEVELS))
    name = fields.String()
    meta = fields.Dict()
    codes = fields.List(fields.String())


_EXAMPLE = {
    "number": "METRO.HF.L1.S04.LB1",
    "parent": "METRO.HF.L1.S04",
    "level": "position",
    "name": "1号线合肥火车站 灯箱1",
    "meta": {"illustrative": True},
    "codes": ["7K3M9X2P"],
}


@blueprint.get("/placements")
@guard.staff(Permission.READ_PLACEMENTS)
@blueprint.arguments(TreeSearch, location="query")
@blueprint.alt_response(
    200, schema=page_of(Placement), example={"items": [_EXAMPLE], "next_cursor": None}, success=True
)
@blueprint.refuses(shop_errors.OutsideArea)
def listing(wanted: dict[str, Any]) -> Response:
    """List the tree in the order of its numbers, each parent before its children."""
    with database.transaction() as session:
        return said(inventory.tree(session, guard.actor(), now=clock.now(), **wanted))


@blueprint.post("/placements")
@guard.staff(Permission.WRITE_PLACEMENTS)
@blueprint.arguments(
    PlacementWanted,
    example={"parent": "METRO.HF.L1.S04", "level": "position", "label": "LB2", "name": "1号线合肥火车站 灯箱2"},
)
@blueprint.alt_response(201, schema=Placement, example=_EXAMPLE, success=True)
@blueprint.refuses(shop_errors.OutsideArea, errors.UnknownPlacement, errors.PlacementTaken)
def create(given: dict[str, Any]) -> Response:
    """Add a placement."""
    given["level"] = Level(given["level"])
    with database.transaction() as session:
        return said(inventory.create(session, guard.actor(), now=clock.now(), **given), 201)


@blueprint.patch("/placements/<node:number>")
@guard.staff(Permission.WRITE_PLACEMENTS)
@blueprint.arguments(PlacementName, example={"name": "1号线合肥火车站 东口灯箱"})
@blueprint.alt_response(200, schema=Placement, example=_EXAMPLE, success=True)
@blueprint.refuses(shop_errors.OutsideArea, errors.UnknownPlacement)
def rename(given: dict[str, Any], number: str) -> Response:
    """Give a placement another name."""
    with database.transaction() as session:
        return said(inventory.rename(session, guard.actor(), number=number, name=given["name"], now=clock.now()))
