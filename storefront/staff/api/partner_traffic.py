"""Partners' webhooks as JSON: where messages go, what became of them, sent once more.

Invariant: an endpoint's secret is never here: only its partner gets it, once.
"""

from dataclasses import asdict
from typing import Any

from flask import Response
from marshmallow import fields

from config import clock, database
from config.schemas import Blueprint
from storefront import errors, guard, webhook_errors
from storefront.api.shapes import Answer, said
from storefront.partner_api.webhooks import DELIVERY_EXAMPLE, ENDPOINT_EXAMPLE, Delivery, Endpoint
from storefront.roles import Permission
from storefront.staff import partner_desk
from storefront.staff.api.shapes import cut

blueprint = Blueprint("partner_traffic", __name__, url_prefix="/api/staff/v1", description="Staff: partners' webhooks.")


class PartnerTraffic(Answer):
    """A partner's endpoints, the latest twenty messages that were given up, and the latest twenty of all."""

    endpoints = fields.List(fields.Nested(Endpoint))
    dead = fields.List(fields.Nested(Delivery))
    latest = fields.List(fields.Nested(Delivery))


_TRAFFIC = {"endpoints": [ENDPOINT_EXAMPLE], "dead": [DELIVERY_EXAMPLE], "latest": [DELIVERY_EXAMPLE]}


@blueprint.get("/partners/<number:number>/webhooks")
@guard.staff(Permission.MANAGE_PARTNERS)
@blueprint.alt_response(200, schema=PartnerTraffic, example=_TRAFFIC, success=True)
@blueprint.refuses(errors.PartnerNotFound)
def show(number: str) -> Response:
    """Show where a partner is told what, and what became of it."""
    return _shown(number)


@blueprint.post("/partners/<number:number>/deliveries/<number:delivery>/replay")
@guard.staff(Permission.MANAGE_PARTNERS)
@blueprint.alt_response(200, schema=PartnerTraffic, example=_TRAFFIC, success=True)
@blueprint.refuses(errors.PartnerNotFound, webhook_errors.DeliveryNotFound)
def replay(number: str, delivery: str) -> Response:
    """Send a message once more."""
    with database.transaction() as session:
        partner_desk.replay(session, guard.actor(), number=number, delivery=delivery, now=clock.now())
    return _shown(number)


@blueprint.post("/partners/<number:number>/endpoints/<number:endpoint>/enabling")
@guard.staff(Permission.MANAGE_PARTNERS)
@blueprint.alt_response(200, schema=PartnerTraffic, example=_TRAFFIC, success=True)
@blueprint.refuses(errors.PartnerNotFound, webhook_errors.EndpointNotFound)
def enable(number: str, endpoint: str) -> Response:
    """Send to an endpoint again that was disabled after failures."""
    with database.transaction() as session:
        partner_desk.enable(session, guard.actor(), number=number, endpoint=endpoint, now=clock.now())
    return _shown(number)


def _shown(number: str) -> Response:
    with database.transaction() as session:
        partner_desk.find(session, guard.actor(), number=number)
        found = partner_desk.traffic(session, guard.actor(), number=number)
    shapes: dict[str, type[Answer]] = {"endpoints": Endpoint, "dead": Delivery, "latest": Delivery}
    told: dict[str, Any] = {name: [cut(shape, asdict(each)) for each in found[name]] for name, shape in shapes.items()}
    return said(told)
