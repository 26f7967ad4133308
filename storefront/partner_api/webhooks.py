"""Webhooks as the partner keeps them: endpoints with their secrets, and what was sent to them.

Invariant: a secret is in the one answer that makes it, and in no other.
"""

from dataclasses import asdict
from typing import Any

from flask import Response
from marshmallow import fields, validate

from config import clock, database
from config.schemas import Blueprint, Int, Pattern, Schema, Text, page_of
from storefront import errors, guard, webhook_errors, webhooks
from storefront.api.shapes import Answer, Instant, said
from storefront.partner_keys import KeyScope
from storefront.webhook_models import DeliveryState, Topic

blueprint = Blueprint(
    "partner_webhooks", __name__, url_prefix="/api/partner/v1/webhooks", description="Partners: webhooks."
)

_TOPICS = [topic.value for topic in Topic]
_STATES = [state.value for state in DeliveryState]


class EndpointWanted(Schema):
    """Where to send what: https to a named host, at port 443 or 8443; orders for third-party sellers only."""

    url = Text(required=True, low=1, high=500)
    topics = fields.List(Text(validate=[validate.OneOf(_TOPICS)]), required=True, validate=validate.Length(1, 2))


class DeliveriesWanted(Schema):
    """Which deliveries; newest first."""

    state = Text(validate=[validate.OneOf(_STATES)], load_default=None)
    cursor = Text(validate=[Pattern("WD[0-9A-Z]{12}")], load_default=None)
    limit = Int(low=1, high=100, load_default=20, metadata={"in_query": True})


class Endpoint(Answer):
    """An endpoint; nothing is sent to one that is disabled, after three days of failures, until it is enabled."""

    number = fields.String()
    url = fields.String()
    topics = fields.List(fields.String(validate=validate.OneOf(_TOPICS)))
    created_at = Instant()
    disabled_at = Instant(allow_none=True)
    failing_since = Instant(allow_none=True)


class EndpointOpened(Endpoint):
    """The same with its new secret. Keep it now: nobody can show it again."""

    secret = fields.String()


class Endpoints(Answer):
    """The endpoints, oldest first."""

    items = fields.List(fields.Nested(Endpoint))


class Delivery(Answer):
    """A message: `answer` is the endpoint's last status, `fault` why there was none; dead after three days."""

    number = fields.String()
    endpoint = fields.String()
    event = fields.String()
    state = fields.String(validate=validate.OneOf(_STATES))
    queued_at = Instant()
    due_at = Instant()
    attempts = fields.Integer()
    answer = fields.Integer(allow_none=True)
    fault = fields.String(allow_none=True)
    ended_at = Instant(allow_none=True)


ENDPOINT_EXAMPLE = {
    "number": "WE0123456789AB",
    "url": "https://partner.example/hooks",
    "topics": ["orders", "products"],
    "created_at": "2026-11-22T04:00:00+00:00",
    "disabled_at": None,
    "failing_since": None,
}
_OPENED = {**ENDPOINT_EXAMPLE, "secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}
DELIVERY_EXAMPLE = {
    "number": "WD0123456789AB",
    "endpoint": "WE0123456789AB",
    "event": "products.changed",
    "state": "dead",
    "queued_at": "2026-11-22T04:00:00+00:00",
    "due_at": "2026-11-25T04:10:00+00:00",
    "attempts": 17,
    "answer": None,
    "fault": "timeout",
    "ended_at": "2026-11-25T04:00:00+00:00",
}


@blueprint.get("/endpoints")
@guard.partner(KeyScope.MANAGE_WEBHOOKS)
@blueprint.alt_response(200, schema=Endpoints, example={"items": [ENDPOINT_EXAMPLE]}, success=True)
def listing() -> Response:
    """List one's endpoints."""
    with database.transaction() as session:
        found = webhooks.listing(session, partner=guard.partner_caller().number)
    return said({"items": [asdict(endpoint) for endpoint in found]})


@blueprint.post("/endpoints")
@guard.partner(KeyScope.MANAGE_WEBHOOKS)
@blueprint.arguments(EndpointWanted, example={"url": "https://partner.example/hooks", "topics": ["products"]})
@blueprint.alt_response(201, schema=EndpointOpened, example=_OPENED, success=True)
@blueprint.refuses(errors.PartnerInvalid, webhook_errors.TooManyEndpoints)
def add(given: dict[str, Any]) -> Response:
    """Open an endpoint; it is told of what happens from now on."""
    topics = [Topic(topic) for topic in given["topics"]]
    with database.transaction() as session:
        opened = webhooks.add(
            session, partner=guard.partner_caller().number, url=given["url"], topics=topics, now=clock.now()
        )
    return _opened(opened, 201)


@blueprint.post("/endpoints/<number:number>/secret")
@guard.partner(KeyScope.MANAGE_WEBHOOKS)
@blueprint.alt_response(200, schema=EndpointOpened, example=_OPENED, success=True)
@blueprint.refuses(webhook_errors.EndpointNotFound)
def rotate(number: str) -> Response:
    """Make another secret; for 24 hours messages are signed by both."""
    with database.transaction() as session:
        opened = webhooks.rotate(session, partner=guard.partner_caller().number, number=number, now=clock.now())
    return _opened(opened, 200)


@blueprint.post("/endpoints/<number:number>/enabling")
@guard.partner(KeyScope.MANAGE_WEBHOOKS)
@blueprint.alt_response(200, schema=Endpoint, example=ENDPOINT_EXAMPLE, success=True)
@blueprint.refuses(webhook_errors.EndpointNotFound)
def enable(number: str) -> Response:
    """Send to an endpoint again, at once and with what has waited."""
    with database.transaction() as session:
        found = webhooks.enable(session, partner=guard.partner_caller().number, number=number, now=clock.now())
    return said(asdict(found))


@blueprint.delete("/endpoints/<number:number>")
@guard.partner(KeyScope.MANAGE_WEBHOOKS)
@blueprint.alt_response(204, description="Closed: nothing is sent there any more.", success=True)
@blueprint.refuses(webhook_errors.EndpointNotFound)
def remove(number: str) -> Response:
    """Close an endpoint."""
    with database.transaction() as session:
        webhooks.remove(session, partner=guard.partner_caller().number, number=number, now=clock.now())
    return Response(status=204)


@blueprint.get("/deliveries")
@guard.partner(KeyScope.MANAGE_WEBHOOKS)
@blueprint.arguments(DeliveriesWanted, location="query")
@blueprint.alt_response(
    200, schema=page_of(Delivery), example={"items": [DELIVERY_EXAMPLE], "next_cursor": None}, success=True
)
def deliveries(wanted: dict[str, Any]) -> Response:
    """List what was sent or waits, newest first; `state=dead` is what was given up."""
    with database.transaction() as session:
        found, following = webhooks.deliveries(
            session,
            partner=guard.partner_caller().number,
            state=DeliveryState(wanted["state"]) if wanted["state"] else None,
            cursor=wanted["cursor"],
            limit=wanted["limit"],
        )
    return said({"items": [asdict(delivery) for delivery in found], "next_cursor": following})


@blueprint.post("/deliveries/<number:number>/replay")
@guard.partner(KeyScope.MANAGE_WEBHOOKS)
@blueprint.alt_response(200, schema=Delivery, example=DELIVERY_EXAMPLE, success=True)
@blueprint.refuses(webhook_errors.DeliveryNotFound)
def replay(number: str) -> Response:
    """Send a message once more, under the same id, whatever became of it; it is tried for three days anew."""
    with database.transaction() as session:
        found = webhooks.replay(session, partner=guard.partner_caller().number, number=number, now=clock.now())
    return said(asdict(found))


def _opened(opened: webhooks.Opened, status: int) -> Response:
    return said(asdict(opened.endpoint) | {"secret": opened.secret}, status)
