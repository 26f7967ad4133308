"""Artworks as JSON: what hangs on the codes of a campaign, which products it shows, and when it may hang.

Invariant: an artwork has the campaign with which it began; its picture comes by a call of its own.
"""

from typing import Any

from flask import Response, request
from marshmallow import fields, validate

from config import clock, darkroom, database, pictures, storage
from config.schemas import Blueprint, Pattern, Schema, Text
from storefront import errors, guard
from storefront.api.shapes import IN_WEBP, Answer, Instant, said
from storefront.roles import Permission
from storefront.staff import field_desk
from storefront.staff.api.shapes import PHOTO_BODY, Moment, cut
from subway_campaign import errors as campaign_errors

blueprint = Blueprint("creatives", __name__, url_prefix="/api/staff/v1", description="Staff: artworks.")


class CreativeChange(Schema):
    """What an artwork is called, which products it shows, and from when to when (half-open) it may hang."""

    name = Text(required=True, low=1, high=80)
    products = fields.List(Text(low=1, high=80), load_default=list, validate=validate.Length(max=50))
    valid_from = Moment(load_default=None, allow_none=True)
    valid_until = Moment(load_default=None, allow_none=True)


class CreativeWanted(CreativeChange):
    """The same, with its number and campaign."""

    number = Text(required=True, validate=[Pattern("[0-9A-Z-]{2,40}")])
    campaign = Text(required=True, low=1, high=80)


class CreativeShown(Answer):
    """An artwork; `picture` is the number of its picture, null without one."""

    number = fields.String()
    name = fields.String()
    campaign = fields.String()
    campaign_name = fields.String()
    picture = fields.String(allow_none=True)
    products = fields.List(fields.String())
    valid_from = Instant(allow_none=True)
    valid_until = Instant(allow_none=True)


class CreativesListed(Answer):
    """By campaign and number."""

    items = fields.List(fields.Nested(CreativeShown))


_CREATIVE = {
    "number": "PEAR-2026-A",
    "name": "酥梨主画面",
    "campaign": "XFFP2020",
    "campaign_name": "消费扶贫 2020",
    "picture": None,
    "products": ["dangshansuli"],
    "valid_from": None,
    "valid_until": None,
}
_SAVES = (errors.ProductsUnknown, campaign_errors.ImpossiblePeriod)


@blueprint.get("/creatives")
@guard.staff(Permission.READ_PLACEMENTS)
@blueprint.alt_response(200, schema=CreativesListed, example={"items": [_CREATIVE]}, success=True)
def listing() -> Response:
    """List the artworks."""
    with database.transaction() as session:
        found = field_desk.artworks(session, guard.actor())
    return said({"items": [cut(CreativeShown, each) for each in found]})


@blueprint.post("/creatives")
@guard.staff(Permission.WRITE_CODES)
@blueprint.arguments(
    CreativeWanted,
    example={"number": "PEAR-2026-A", "campaign": "XFFP2020", "name": "酥梨主画面", "products": ["dangshansuli"]},
)
@blueprint.alt_response(201, schema=CreativeShown, example=_CREATIVE, success=True)
@blueprint.refuses(*_SAVES, campaign_errors.UnknownCampaign, campaign_errors.CreativeTaken)
def create(given: dict[str, Any]) -> Response:
    """Add an artwork to a campaign."""
    return said(_saved(given.pop("number"), given.pop("campaign"), given), 201)


@blueprint.get("/creatives/<number:number>")
@guard.staff(Permission.READ_PLACEMENTS)
@blueprint.alt_response(200, schema=CreativeShown, example=_CREATIVE, success=True)
@blueprint.refuses(campaign_errors.UnknownCreative)
def find(number: str) -> Response:
    """Show an artwork."""
    with database.transaction() as session:
        return said(cut(CreativeShown, field_desk.artwork(session, guard.actor(), number=number)))


@blueprint.put("/creatives/<number:number>")
@guard.staff(Permission.WRITE_CODES)
@blueprint.arguments(CreativeChange, example={"name": "酥梨主画面", "products": ["dangshansuli"]})
@blueprint.alt_response(200, schema=CreativeShown, example=_CREATIVE, success=True)
@blueprint.refuses(*_SAVES, campaign_errors.UnknownCreative)
def change(given: dict[str, Any], number: str) -> Response:
    """Write an artwork anew; its picture stays."""
    return said(_saved(number, None, given))


@blueprint.get("/creatives/<number:number>/picture")
@guard.staff(Permission.READ_PLACEMENTS)
@blueprint.doc(responses=IN_WEBP)
@blueprint.refuses(campaign_errors.UnknownCreative, pictures.UnknownPicture, storage.FileMissing, storage.StorageAway)
def picture(number: str) -> Response:
    """Send the picture of an artwork."""
    return Response(field_desk.artwork_picture(guard.actor(), number=number), mimetype="image/webp")


@blueprint.put("/creatives/<number:number>/picture")
@guard.body_up_to(darkroom.LARGEST_BYTES)
@guard.staff(Permission.WRITE_CODES)
@blueprint.doc(requestBody=PHOTO_BODY)
@blueprint.alt_response(200, schema=CreativeShown, example=_CREATIVE, success=True)
@blueprint.refuses(campaign_errors.UnknownCreative, pictures.PictureRefused, storage.StorageAway)
def take_picture(number: str) -> Response:
    """Give an artwork a picture, in place of the one that it had."""
    saved = field_desk.give_picture(guard.actor(), number=number, upload=request.get_data(), now=clock.now())
    return said(cut(CreativeShown, saved))


def _saved(number: str, campaign: str | None, given: dict[str, Any]) -> dict[str, Any]:
    shown = given.pop("products")
    with database.transaction() as session:
        saved = field_desk.save_artwork(
            session,
            guard.actor(),
            number=number,
            campaign=campaign,
            shown=shown,
            picture=None,
            now=clock.now(),
            **given,
        )
    return cut(CreativeShown, saved)
