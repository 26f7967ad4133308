"""Targets and the league as JSON.

Invariant: figures are those of the page, counted when they are asked for.
"""

from typing import Any

from flask import Response
from marshmallow import fields, validate

from catalog import errors
from catalog.models import RegionLevel, ZoneKind
from catalog.target_models import Subject
from catalog.targets import MOST
from config import clock, database
from config.schemas import Blueprint, Int, Pattern, Schema, Text
from storefront import guard
from storefront.api.shapes import Answer, Instant, said
from storefront.roles import Permission
from storefront.staff import target_desk
from storefront.staff.api.shapes import Day

blueprint = Blueprint("targets", __name__, url_prefix="/api/staff/v1", description="Staff: targets and the league.")


class Which(Schema):
    """The league of counties or of cities."""

    level = Text(validate=[validate.OneOf([level.value for level in target_desk.LEVELS])], load_default="county")


class TargetWanted(Schema):
    """A target for every region of a level, or for one region of it; sales are fen."""

    subject = Text(required=True, validate=[validate.OneOf([subject.value for subject in Subject])])
    level = Text(required=True, validate=[validate.OneOf([level.value for level in RegionLevel])])
    region_code = Text(validate=[Pattern("[0-9]{6}")], load_default=None, allow_none=True)
    amount = Int(required=True, low=1, high=MOST)
    due_on = Day(load_default=None, allow_none=True)


class TargetShown(Answer):
    """A target; `programme` is the item of the programme that it comes from, "" for one that staff added."""

    key = fields.String()
    programme = fields.String()
    subject = fields.String()
    level = fields.String()
    region_code = fields.String(allow_none=True)
    region = fields.String(allow_none=True)
    amount = fields.Integer()
    due_on = fields.Date(allow_none=True)
    wording = fields.String()
    responsible = fields.String()
    source = fields.String()
    set_by = fields.String(allow_none=True)
    set_at = Instant(allow_none=True)


class Targets(Answer):
    """All targets, from the province down."""

    items = fields.List(fields.Nested(TargetShown))


class Standing(Answer):
    """What stands in a region. `met` of `wanted` targets; `missing` subjects; sales are null outside one's area."""

    rank = fields.Integer()
    region_code = fields.String()
    region = fields.String()
    city = fields.String()
    met = fields.Integer()
    wanted = fields.Integer()
    missing = fields.List(fields.String())
    online_hall = fields.Integer()
    physical_hall = fields.Integer()
    enterprise_hall = fields.Integer()
    online_zone = fields.Integer()
    physical_zone = fields.Integer()
    zones = fields.Dict(keys=fields.String(), values=fields.Integer())
    accredited_products = fields.Integer()
    sales_fen = fields.Integer(allow_none=True)


class League(Answer):
    """The regions of a level by rank."""

    items = fields.List(fields.Nested(Standing))


_TARGET = {
    "key": "physical-hall-county",
    "programme": "C3",
    "subject": "physical_hall",
    "level": "county",
    "region_code": None,
    "region": None,
    "amount": 1,
    "due_on": "2020-09-30",
    "wording": "原则上每个县 1 个以上线上和线下地方馆",
    "responsible": "省发展改革委、省商务厅、省委网信办、省扶贫办",
    "source": "方案与报道一致；读作线上、线下各 1 个",
    "set_by": None,
    "set_at": None,
}
_STANDING = {
    "rank": 1,
    "region_code": "341321",
    "region": "砀山县",
    "city": "宿州市",
    "met": 1,
    "wanted": 5,
    "missing": ["physical_hall", "enterprise_hall", "online_zone", "physical_zone"],
    "online_hall": 1,
    "physical_hall": 0,
    "enterprise_hall": 0,
    "online_zone": 0,
    "physical_zone": 0,
    "zones": dict.fromkeys((kind.value for kind in ZoneKind), 0),
    "accredited_products": 0,
    "sales_fen": 0,
}
_WANTED = {"subject": "physical_hall", "level": "county", "region_code": "341321", "amount": 2, "due_on": "2026-12-31"}


@blueprint.get("/targets")
@guard.staff(Permission.READ_HALLS)
@blueprint.alt_response(200, schema=Targets, example={"items": [_TARGET]}, success=True)
def listing() -> Response:
    """List the targets with their deadlines, those that are past too."""
    with database.transaction() as session:
        return _targets(target_desk.listing(session, guard.actor()))


@blueprint.put("/targets")
@guard.staff(Permission.WRITE_TARGETS)
@blueprint.arguments(TargetWanted, example=_WANTED)
@blueprint.alt_response(200, schema=Targets, example={"items": [_TARGET]}, success=True)
@blueprint.refuses(errors.TargetInvalid)
def put(given: dict[str, Any]) -> Response:
    """Set a target, or change the one that there is for the same subject and place."""
    named = given | {"subject": Subject(given["subject"]), "level": RegionLevel(given["level"])}
    with database.transaction() as session:
        return _targets(target_desk.put(session, guard.actor(), now=clock.now(), **named))


@blueprint.get("/league")
@guard.staff(Permission.READ_HALLS)
@blueprint.arguments(Which, location="query")
@blueprint.alt_response(200, schema=League, example={"items": [_STANDING]}, success=True)
def league(wanted: dict[str, Any]) -> Response:
    """List the counties or cities by rank with what stands in each."""
    level = RegionLevel(wanted["level"])
    with database.transaction() as session:
        rows = target_desk.league(session, guard.actor(), level=level, now=clock.now())
    return said({"items": [_standing(row) for row in rows]})


def _targets(found: list[dict[str, Any]]) -> Response:
    return said({"items": [{name: target[name] for name in TargetShown().fields} for target in found]})


def _standing(row: dict[str, Any]) -> dict[str, Any]:
    zones = {kind.value: row[f"zone_{kind}"] for kind in ZoneKind}
    return {name: zones if name == "zones" else row[name] for name in Standing().fields}
