"""Packs for the press as JSON: asked for, watched, fetched.

Invariant: asking twice for the same pieces gives the same pack; a pack is fetched whole or not at all.
"""

from typing import Any

from flask import Response
from marshmallow import fields

from config import clock, database
from config.schemas import Blueprint, Pattern, Schema, Text
from storefront import errors as shop_errors
from storefront import guard
from storefront.api.shapes import Answer, Instant, said
from storefront.roles import Permission
from storefront.staff import press_desk
from storefront.staff.api.shapes import PLACEMENT
from subway_campaign import errors

blueprint = Blueprint("packs", __name__, url_prefix="/api/staff/v1", description="Staff: packs for the press.")

ZIP = "application/zip"


class PackWanted(Schema):
    """What to pack: everything at or below a placement; null is everything that hangs."""

    under = Text(high=120, validate=[Pattern(PLACEMENT)], load_default=None, allow_none=True)


class Refused(Answer):
    """A code that failed preflight, and the step."""

    code = fields.String()
    placement = fields.String(allow_none=True)
    name = fields.String()
    step = fields.String()


class Pack(Answer):
    """A pack and how far it is; `sha256` and `size` (bytes) are those of the ZIP."""

    number = fields.String()
    title = fields.String()
    state = fields.String()
    pieces = fields.Integer()
    done = fields.Integer()
    refused = fields.Integer()
    asked_at = Instant()
    ready_at = Instant(allow_none=True)
    failures = fields.List(fields.Nested(Refused))
    sha256 = fields.String(allow_none=True)
    size = fields.Integer(allow_none=True)


class Packs(Answer):
    """The latest packs, newest first."""

    items = fields.List(fields.Nested(Pack))


_EXAMPLE = {
    "number": "PK0123456789ABCDEF",
    "title": "1号线消费扶贫主题列车",
    "state": "waiting",
    "pieces": 174,
    "done": 60,
    "refused": 0,
    "asked_at": "2026-11-21T04:00:00+00:00",
    "ready_at": None,
    "failures": [],
    "sha256": None,
    "size": None,
}


@blueprint.get("/packs")
@guard.staff(Permission.READ_PLACEMENTS)
@blueprint.alt_response(200, schema=Packs, example={"items": [_EXAMPLE]}, success=True)
def listing() -> Response:
    """List the latest fifty packs."""
    with database.transaction() as session:
        return said({"items": press_desk.listing(session, guard.actor())})


@blueprint.post("/packs")
@guard.staff(Permission.WRITE_CODES)
@blueprint.arguments(PackWanted, example={"under": "METRO.HF.L1.T01"})
@blueprint.alt_response(201, schema=Pack, example=_EXAMPLE, success=True)
@blueprint.alt_response(200, schema=Pack, example=_EXAMPLE, success=True)
@blueprint.refuses(shop_errors.OutsideArea, errors.UnknownPlacement, errors.NothingToPrint, errors.PackTooLarge)
def ask(wanted: dict[str, Any]) -> Response:
    """Have a pack made in the background; 200 when the same pack was asked for before."""
    with database.transaction() as session:
        pack, is_new = press_desk.ask(session, guard.actor(), under=wanted["under"], now=clock.now())
    return said(pack, 201 if is_new else 200)


@blueprint.get("/packs/<number:number>")
@guard.staff(Permission.READ_PLACEMENTS)
@blueprint.alt_response(200, schema=Pack, example=_EXAMPLE, success=True)
@blueprint.refuses(errors.UnknownPack)
def find(number: str) -> Response:
    """Show how far a pack is, and what it refused."""
    with database.transaction() as session:
        return said(press_desk.find(session, guard.actor(), number=number))


@blueprint.get("/packs/<number:number>/archive")
@guard.staff(Permission.READ_PLACEMENTS)
@blueprint.doc(
    responses={
        "200": {
            "description": "The ZIP: SVG and PDF of every piece, manifest.csv and manifest.json.",
            "content": {ZIP: {"schema": {"type": "string", "format": "binary"}, "example": "PK"}},
        }
    }
)
@blueprint.refuses(errors.UnknownPack, errors.PackNotReady)
def archive(number: str) -> Response:
    """Fetch a finished pack."""
    with database.transaction() as session:
        return Response(press_desk.archive(session, guard.actor(), number=number), mimetype=ZIP)
