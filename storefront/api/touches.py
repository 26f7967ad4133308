"""What a mini-program was launched with.

Invariant: anybody may tell us, once for each id that they make; what it was is decided by the server.
"""

from typing import Any

from flask import Response
from marshmallow import fields, validate

from config import clock, database
from config.schemas import Blueprint, Int, Schema, Text
from storefront import errors, guard
from storefront.api import landings
from storefront.api.shapes import Answer, said
from subway_campaign import errors as campaign_errors
from subway_campaign import tokens, touches, visitors
from subway_campaign.landing import LandingKind
from subway_campaign.lifecycle import TouchKind

blueprint = Blueprint("touches", __name__, url_prefix="/api/v1", description="Launches of the mini-program.")


class LaunchQuery(Schema):
    """The launch's query as WeChat gave it: `q` is still encoded, `scancode_time` counts seconds, often in a string."""

    q = Text(high=1000)
    scancode_time = Int(low=0, metadata={"in_query": True, "type": ["integer", "string"]})
    scene = Text(high=64)


class TouchGiven(Schema):
    """One launch. `visitor_token` is the one that an earlier answer gave."""

    id = fields.UUID(required=True)
    scene = Int(required=True, low=0, high=9999)
    query = fields.Nested(LaunchQuery, load_default=dict)
    client_at = fields.AwareDateTime(required=True, format="iso")
    sent_at = fields.AwareDateTime(required=True, format="iso")
    visitor_token = Text(high=200, load_default=None, allow_none=True)


class HandoffGiven(Schema):
    """What a page handed to the mini-program that it opened, and the mini-program's own visitor."""

    hk = Text(required=True, low=1, high=200)
    visitor_token = Text(required=True, low=1, high=200)


class Joined(Answer):
    """Whether page and mini-program are one visitor from now on."""

    is_joined = fields.Boolean()


class Touch(Answer):
    """A touch as it was understood."""

    id = fields.UUID()
    kind = fields.String(validate=validate.OneOf([kind.value for kind in TouchKind]))


class Landing(Answer):
    """The page to open, by slug."""

    kind = fields.String(validate=validate.OneOf([kind.value for kind in LandingKind]))
    slug = fields.String()


class TouchRecorded(Answer):
    """The touch, who it belongs to, and where it leads; null is the first page."""

    touch = fields.Nested(Touch)
    visitor_token = fields.String()
    landing = fields.Nested(Landing, allow_none=True)


_TOUCH_ID = "0b54a1c8-6f0e-4a57-9a3e-6b8f4b1f2d11"


@blueprint.post("/touches")
@guard.public
@blueprint.arguments(
    TouchGiven,
    example={
        "id": _TOUCH_ID,
        "scene": 1011,
        "query": {"q": "https%3A%2F%2Fhall.example%2FS%2F7K3M9X2P", "scancode_time": 1795262400},
        "client_at": "2026-11-21T12:00:00+08:00",
        "sent_at": "2026-11-21T12:00:01+08:00",
    },
)
@blueprint.alt_response(
    201,
    schema=TouchRecorded,
    example={
        "touch": {"id": _TOUCH_ID, "kind": "scan"},
        "visitor_token": "hQ3n0cQxq9S3mT4b0n8Xz1vJ7kL2pW6yR9dF3gH8aBc",
        "landing": {"kind": "product", "slug": "dangshansuli"},
    },
    success=True,
)
@blueprint.refuses(errors.CsrfRejected, campaign_errors.UnknownCode, campaign_errors.ForeignLink)
def record(given: dict[str, Any]) -> Response:
    """Record a launch; sent again, it is answered as it was the first time."""
    who, query = guard.caller(), given["query"]
    recorded = touches.record(
        touch=given["id"],
        launch=touches.Launch(
            scene=given["scene"],
            q=query.get("q"),
            scancode_time=query.get("scancode_time"),
            query_scene=query.get("scene"),
            client_at=given["client_at"],
            sent_at=given["sent_at"],
        ),
        visitor=tokens.open_visitor(given["visitor_token"] or ""),
        person=who.person if who else None,
        now=clock.now(),
    )
    landing = landings.standing(recorded.landing) if recorded.landing else None
    return said(
        {
            "touch": {"id": recorded.touch, "kind": recorded.kind},
            "visitor_token": recorded.visitor_token,
            "landing": {"kind": landing.kind, "slug": landing.slug} if landing else None,
        },
        201,
    )


@blueprint.post("/handoffs")
@guard.public
@blueprint.arguments(
    HandoffGiven,
    example={
        "hk": "hQ3n0cQxq9S3mT4b0n8Xz1vJ7kL2pW6yR9dF3gH8aBc",
        "visitor_token": "hQ3n0cQxq9S3mT4b0n8Xz1vJ7kL2pW6yR9dF3gH8aBc",
    },
)
@blueprint.alt_response(200, schema=Joined, example={"is_joined": True}, success=True)
def take_handoff(given: dict[str, str]) -> Response:
    """Join what a page and the mini-program that it opened did: touches only, once for each token."""
    visitor = tokens.open_visitor(given["visitor_token"])
    if visitor is None:
        return said({"is_joined": False})
    with database.transaction() as session:
        is_joined = visitors.hand_off(session, token=given["hk"], visitor=visitor, now=clock.now())
    return said({"is_joined": is_joined})
