"""A seller's own links: made for products and halls, and listed.

Invariant: the same landing is the same link, so asking again makes nothing.
"""

from typing import Any

from flask import Response
from marshmallow import fields, validate

from config import clock, database
from config.schemas import Blueprint, Schema, Text
from storefront import errors, guard, partner_codes
from storefront.api.shapes import Answer, Instant, said
from storefront.partner_keys import KeyScope
from subway_campaign.landing import Landing, LandingKind

blueprint = Blueprint("partner_codes", __name__, url_prefix="/api/partner/v1", description="Partners: own links.")

MOST = 100
_KINDS = [kind.value for kind in LandingKind]


class Recommends(Schema):
    """What to recommend: a product or a hall by its slug."""

    kind = Text(required=True, validate=[validate.OneOf(_KINDS)])
    slug = Text(required=True, low=1, high=80)


class LinksWanted(Schema):
    """What links are wanted to."""

    landings = fields.List(fields.Nested(Recommends), required=True, validate=validate.Length(min=1, max=MOST))


class Recommended(Answer):
    """What a link leads to."""

    kind = fields.String(validate=validate.OneOf(_KINDS))
    slug = fields.String()


class Link(Answer):
    """A link: `url` for pages and messages; the code, as a QR code of the same address, for paper."""

    landing = fields.Nested(Recommended)
    code = fields.String()
    url = fields.String()
    made_at = Instant()


class Links(Answer):
    """Links, oldest first, or in the order in which they were asked for."""

    items = fields.List(fields.Nested(Link))


_EXAMPLE = {
    "items": [
        {
            "landing": {"kind": "product", "slug": "dangshansuli"},
            "code": "7K3M9X2P",
            "url": "https://hall.example/s/7K3M9X2P",
            "made_at": "2026-11-22T04:00:00+00:00",
        }
    ]
}


@blueprint.get("/codes")
@guard.partner(KeyScope.WRITE_CODES)
@blueprint.alt_response(200, schema=Links, example=_EXAMPLE, success=True)
def listing() -> Response:
    """List one's own links, two thousand at most."""
    with database.transaction() as session:
        return _said(partner_codes.listing(session, partner=guard.partner_caller().number))


@blueprint.post("/codes")
@guard.partner(KeyScope.WRITE_CODES)
@blueprint.arguments(LinksWanted, example={"landings": [{"kind": "product", "slug": "dangshansuli"}]})
@blueprint.alt_response(200, schema=Links, example=_EXAMPLE, success=True)
@blueprint.refuses(errors.LandingUnknown, errors.TooManyPartnerCodes)
def recommend(given: dict[str, Any]) -> Response:
    """Return a link for each landing, made now or before; sales that come by it are credited to it."""
    landings = [Landing(LandingKind(landing["kind"]), landing["slug"]) for landing in given["landings"]]
    with database.transaction() as session:
        made = partner_codes.recommend(
            session, partner=guard.partner_caller().number, landings=landings, now=clock.now()
        )
    return _said(made)


def _said(links: list[partner_codes.Recommendation]) -> Response:
    return said(
        {
            "items": [
                {
                    "landing": {"kind": link.landing.kind, "slug": link.landing.slug},
                    "code": link.code,
                    "url": partner_codes.url(link.code),
                    "made_at": link.made_at,
                }
                for link in links
            ]
        }
    )
