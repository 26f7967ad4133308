"""Codes as JSON: minted, listed with where they hang, printed, hung.

Invariant: a code is minted once and means what its bindings say; two bindings of one code never overlap.
"""

from typing import Any

import marshmallow as ma
from flask import Response
from marshmallow import fields, validate

from config import clock, database
from config.schemas import Blueprint, Int, PageArgs, Pattern, Schema, Text, page_of
from storefront import errors, guard
from storefront.api.shapes import Answer, Instant, said
from storefront.roles import Permission
from storefront.staff import inventory, press_desk
from storefront.staff.api.shapes import (
    BINDING_EXAMPLE,
    PLACEMENT,
    BindingWanted,
    HangingWanted,
    LandingShown,
    hanging,
)
from subway_campaign import errors as campaign_errors

blueprint = Blueprint("codes", __name__, url_prefix="/api/staff/v1", description="Staff: printed codes.")

# What a printer takes in one run; more is a second request.
MOST = 500
_KINDS = {"svg": "image/svg+xml", "png": "image/png", "pdf": "application/pdf"}


class CodeSearch(PageArgs):
    """Which codes: at or below a placement, or with `q` in the code or the placement's name."""

    under = Text(high=120, validate=[Pattern(PLACEMENT)], load_default=None)
    q = Text(high=40, load_default=None)


class CodesWanted(Schema):
    """Either so many codes, or one for each placement; `binding` hangs the latter up at once."""

    count = Int(low=1, high=MOST)
    placements = fields.List(Text(high=120, validate=[Pattern(PLACEMENT)]), validate=validate.Length(min=1, max=MOST))
    binding = fields.Nested(HangingWanted, load_default=None, allow_none=True)

    @ma.validates_schema
    def _one_of_two(self, data: dict[str, Any], **_: Any) -> None:
        if ("count" in data) == ("placements" in data):
            raise ma.ValidationError("请给出数量或点位，二者选一", "count")
        if "count" in data and data.get("binding"):
            raise ma.ValidationError("只有按点位生成时才能同时绑定", "binding")


class PrintWanted(Schema):
    """As what to draw it: PDF for the press, sized and after preflight; SVG and PNG for screens and proofs."""

    format = Text(validate=[validate.OneOf(list(_KINDS))], load_default="svg")


class MintedCode(Answer):
    """A new code; `bound` says whether it hangs at `placement` already."""

    code = fields.String()
    url = fields.String()
    placement = fields.String(allow_none=True)
    bound = fields.Boolean()


class MintedCodes(Answer):
    """The new codes, in the order of the placements."""

    items = fields.List(fields.Nested(MintedCode))


class CodeListed(Answer):
    """A code in use; the rest is null while it hangs nowhere."""

    code = fields.String()
    url = fields.String()
    placement = fields.String(allow_none=True)
    placement_name = fields.String(allow_none=True)
    level = fields.String(allow_none=True)
    campaign = fields.String(allow_none=True)
    landing = fields.Nested(LandingShown, allow_none=True)
    valid_from = Instant(allow_none=True)
    valid_until = Instant(allow_none=True)


class Binding(Answer):
    """Where a code hung, from when to when."""

    placement = fields.String()
    placement_name = fields.String()
    campaign = fields.String()
    creative = fields.String(allow_none=True)
    landing = fields.Nested(LandingShown)
    valid_from = Instant()
    valid_until = Instant(allow_none=True)


class Code(Answer):
    """A code with its history, newest binding first."""

    code = fields.String()
    url = fields.String()
    minted_at = Instant()
    retired_at = Instant(allow_none=True)
    bindings = fields.List(fields.Nested(Binding))


_URL = "HTTPS://HALL.EXAMPLE/S/7K3M9X2P"
_LANDING = {"kind": "product", "slug": "dangshansuli", "name": "砀山酥梨"}
_LISTED = {
    "code": "7K3M9X2P",
    "url": _URL,
    "placement": "METRO.HF.L1.S04.LB1",
    "placement_name": "1号线合肥火车站 灯箱1",
    "level": "position",
    "campaign": "XFFP2020",
    "landing": _LANDING,
    "valid_from": "2026-11-22T00:00:00+08:00",
    "valid_until": None,
}
_EXAMPLE = {
    "code": "7K3M9X2P",
    "url": _URL,
    "minted_at": "2026-11-21T04:00:00+00:00",
    "retired_at": None,
    "bindings": [
        {
            **BINDING_EXAMPLE,
            "landing": _LANDING,
            "placement_name": "1号线合肥火车站 灯箱1",
            "creative": None,
            "valid_until": None,
        }
    ],
}


@blueprint.get("/codes")
@guard.staff(Permission.READ_PLACEMENTS)
@blueprint.arguments(CodeSearch, location="query")
@blueprint.alt_response(
    200, schema=page_of(CodeListed), example={"items": [_LISTED], "next_cursor": None}, success=True
)
@blueprint.refuses(errors.OutsideArea, errors.ListCursorInvalid)
def listing(wanted: dict[str, Any]) -> Response:
    """List the codes in use by placement; those that hang nowhere come last."""
    with database.transaction() as session:
        return said(inventory.codes(session, guard.actor(), now=clock.now(), **wanted))


@blueprint.post("/codes")
@guard.staff(Permission.WRITE_CODES)
@blueprint.arguments(CodesWanted, example={"placements": ["METRO.HF.L1.S04.LB1"]})
@blueprint.alt_response(
    201,
    schema=MintedCodes,
    example={"items": [{"code": "7K3M9X2P", "url": _URL, "placement": "METRO.HF.L1.S04.LB1", "bound": False}]},
    success=True,
)
@blueprint.refuses(
    errors.OutsideArea,
    errors.LandingUnknown,
    campaign_errors.UnknownPlacement,
    campaign_errors.UnknownCampaign,
    campaign_errors.ImpossiblePeriod,
)
def mint(given: dict[str, Any]) -> Response:
    """Make new codes."""
    with database.transaction() as session:
        minted = inventory.mint(
            session,
            guard.actor(),
            count=given.get("count"),
            at=given.get("placements", ()),
            hanging=hanging(given["binding"]) if given["binding"] else None,
            now=clock.now(),
        )
    return said({"items": minted}, 201)


@blueprint.get("/codes/<number:code>")
@guard.staff(Permission.READ_PLACEMENTS)
@blueprint.alt_response(200, schema=Code, example=_EXAMPLE, success=True)
@blueprint.refuses(errors.OutsideArea, campaign_errors.UnknownCode)
def find(code: str) -> Response:
    """Show a code and everywhere it hung. It may be spelled in any case, with I and L for 1 and O for 0."""
    with database.transaction() as session:
        return said(inventory.find(session, guard.actor(), code=code))


@blueprint.get("/codes/<number:code>/print")
@guard.staff(Permission.READ_PLACEMENTS)
@blueprint.arguments(PrintWanted, location="query")
@blueprint.doc(
    responses={
        "200": {
            "description": "The code as a picture.",
            "content": {
                "image/svg+xml": {"schema": {"type": "string"}, "example": '<svg xmlns="http://www.w3.org/2000/svg"/>'},
                "image/png": {"schema": {"type": "string", "format": "binary"}, "example": "PNG"},
                "application/pdf": {"schema": {"type": "string", "format": "binary"}, "example": "%PDF"},
            },
        }
    }
)
@blueprint.refuses(errors.OutsideArea, campaign_errors.UnknownCode, campaign_errors.NotPrintable)
def printed(wanted: dict[str, Any], code: str) -> Response:
    """Draw a code for printing, with the code and its placement's name beneath."""
    if wanted["format"] == "pdf":
        return Response(press_desk.proof(guard.actor(), code=code, now=clock.now()), mimetype=_KINDS["pdf"])
    with database.transaction() as session:
        picture = inventory.poster(session, guard.actor(), code=code, kind=wanted["format"])
    return Response(picture, mimetype=_KINDS[wanted["format"]])


@blueprint.post("/codes/<number:code>/bindings")
@guard.staff(Permission.WRITE_CODES)
@blueprint.arguments(BindingWanted, example=BINDING_EXAMPLE)
@blueprint.alt_response(201, schema=Code, example=_EXAMPLE, success=True)
@blueprint.refuses(
    errors.OutsideArea,
    errors.LandingUnknown,
    campaign_errors.UnknownCode,
    campaign_errors.UnknownPlacement,
    campaign_errors.UnknownCampaign,
    campaign_errors.ImpossiblePeriod,
    campaign_errors.BindingOverlaps,
)
def bind(given: dict[str, Any], code: str) -> Response:
    """Hang a code at a placement for a time."""
    with database.transaction() as session:
        bound = inventory.bind(
            session,
            guard.actor(),
            code=code,
            placement=given["placement"],
            hanging=hanging(given),
            now=clock.now(),
        )
    return said(bound, 201)
