"""Who a key belongs to and what it may open: the first call of a partner's engineer."""

from flask import Response
from marshmallow import fields, validate

from config.schemas import Blueprint
from storefront import guard
from storefront.api.shapes import Answer, said
from storefront.partner_keys import KeyScope
from storefront.partner_models import PartnerKind

blueprint = Blueprint("partner_identity", __name__, url_prefix="/api/partner/v1", description="Partners: who I am.")


class Identity(Answer):
    """The partner of the key at hand, and the scopes of that key."""

    number = fields.String()
    kind = fields.String(validate=validate.OneOf([kind.value for kind in PartnerKind]))
    scopes = fields.List(fields.String(validate=validate.OneOf([scope.value for scope in KeyScope])))


_EXAMPLE = {"number": "PT0123456789AB", "kind": "seller", "scopes": ["products.read", "statistics.read"]}


@blueprint.get("/identity")
@guard.partner()
@blueprint.alt_response(200, schema=Identity, example=_EXAMPLE, success=True)
def show() -> Response:
    """Say whose key this is and what it may open; any valid key may ask."""
    caller = guard.partner_caller()
    return said({"number": caller.number, "kind": caller.kind, "scopes": sorted(caller.scopes)})
