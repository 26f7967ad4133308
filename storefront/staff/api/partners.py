"""Partners and their API keys as JSON.

Invariant: a key is in the one answer that issues it, and in no other.
"""

from typing import Any

from flask import Response
from marshmallow import fields, validate

from config import clock, database
from config.schemas import Blueprint, Schema, Text
from storefront import errors, guard
from storefront.api.shapes import Answer, Instant, said
from storefront.partner_keys import KeyScope
from storefront.partner_models import PartnerKind
from storefront.roles import Permission
from storefront.staff import partner_desk

blueprint = Blueprint("partners", __name__, url_prefix="/api/staff/v1", description="Staff: partners and their keys.")

_KINDS = [kind.value for kind in PartnerKind]
_SCOPES = [scope.value for scope in KeyScope]


class PartnerWanted(Schema):
    """Who takes part, and as what; a `seller` is named by its number in our books."""

    kind = Text(required=True, validate=[validate.OneOf(_KINDS)])
    name = Text(required=True, low=2, high=80)
    seller = Text(low=2, high=40, load_default=None, allow_none=True)


class KeyWanted(Schema):
    """What a key is for, and what it may open."""

    label = Text(required=True, low=1, high=40)
    scopes = fields.List(
        Text(validate=[validate.OneOf(_SCOPES)]), required=True, validate=validate.Length(min=1, max=len(_SCOPES))
    )


class PartnerListed(Answer):
    """A partner; closed for good when `closed_at` says so."""

    number = fields.String()
    kind = fields.String(validate=validate.OneOf(_KINDS))
    name = fields.String()
    seller = fields.String(allow_none=True)
    created_at = Instant()
    closed_at = Instant(allow_none=True)


class PartnerKeyShown(Answer):
    """A key by its recognisable letters; `used_on` is the last day on which it was used."""

    prefix = fields.String()
    label = fields.String()
    scopes = fields.List(fields.String(validate=validate.OneOf(_SCOPES)))
    created_at = Instant()
    revoked_at = Instant(allow_none=True)
    used_on = fields.Date(allow_none=True)


class PartnerShown(PartnerListed):
    """A partner with its keys."""

    keys = fields.List(fields.Nested(PartnerKeyShown))


class PartnersListed(Answer):
    """The latest two hundred partners, those who are closed last."""

    items = fields.List(fields.Nested(PartnerListed))


class KeyIssued(Answer):
    """A new key. Keep it now: nobody can show it again."""

    prefix = fields.String()
    key = fields.String()
    scopes = fields.List(fields.String(validate=validate.OneOf(_SCOPES)))


_LISTED = {
    "number": "PT0123456789AB",
    "kind": "seller",
    "name": "合肥某某电子商务有限公司",
    "seller": "S0001",
    "created_at": "2026-11-22T04:00:00+00:00",
    "closed_at": None,
}
_KEY = {
    "prefix": "7K3M9X2P",
    "label": "商城同步",
    "scopes": ["products.read"],
    "created_at": "2026-11-22T04:00:00+00:00",
    "revoked_at": None,
    "used_on": "2026-11-22",
}
_EXAMPLE = {**_LISTED, "keys": [_KEY]}
_ISSUED = {"prefix": "7K3M9X2P", "key": f"hall_7K3M9X2P_{'x' * 43}", "scopes": ["products.read"]}


@blueprint.get("/partners")
@guard.staff(Permission.MANAGE_PARTNERS)
@blueprint.alt_response(200, schema=PartnersListed, example={"items": [_LISTED]}, success=True)
def listing() -> Response:
    """List the latest partners."""
    with database.transaction() as session:
        return said({"items": partner_desk.listing(session, guard.actor())})


@blueprint.post("/partners")
@guard.staff(Permission.MANAGE_PARTNERS)
@blueprint.arguments(PartnerWanted, example={"kind": "buyer", "name": "合肥市第一人民医院", "seller": None})
@blueprint.alt_response(201, schema=PartnerShown, example=_EXAMPLE, success=True)
@blueprint.refuses(errors.PartnerInvalid, errors.SellerTaken)
def create(given: dict[str, Any]) -> Response:
    """Add a partner; it opens nothing before it has a key."""
    given["kind"] = PartnerKind(given["kind"])
    with database.transaction() as session:
        return said(partner_desk.create(session, guard.actor(), now=clock.now(), **given), 201)


@blueprint.get("/partners/<number:number>")
@guard.staff(Permission.MANAGE_PARTNERS)
@blueprint.alt_response(200, schema=PartnerShown, example=_EXAMPLE, success=True)
@blueprint.refuses(errors.PartnerNotFound)
def find(number: str) -> Response:
    """Show a partner with its keys."""
    with database.transaction() as session:
        return said(partner_desk.find(session, guard.actor(), number=number))


@blueprint.post("/partners/<number:number>/closure")
@guard.staff(Permission.MANAGE_PARTNERS)
@blueprint.alt_response(200, schema=PartnerShown, example=_EXAMPLE, success=True)
@blueprint.refuses(errors.PartnerNotFound, errors.PartnerClosed)
def close(number: str) -> Response:
    """Shut a partner out for good, with all its keys."""
    with database.transaction() as session:
        return said(partner_desk.close(session, guard.actor(), number=number, now=clock.now()))


@blueprint.post("/partners/<number:number>/keys")
@guard.staff(Permission.MANAGE_PARTNERS)
@blueprint.arguments(KeyWanted, example={"label": "商城同步", "scopes": ["products.read"]})
@blueprint.alt_response(201, schema=KeyIssued, example=_ISSUED, success=True)
@blueprint.refuses(errors.PartnerNotFound, errors.PartnerClosed, errors.TooManyPartnerKeys, errors.PartnerInvalid)
def issue_key(given: dict[str, Any], number: str) -> Response:
    """Issue a key and show it, this once."""
    scopes = [KeyScope(scope) for scope in given["scopes"]]
    with database.transaction() as session:
        issued = partner_desk.issue_key(
            session, guard.actor(), number=number, label=given["label"], scopes=scopes, now=clock.now()
        )
    return said({"prefix": issued.prefix, "key": issued.key, "scopes": issued.scopes}, 201)


@blueprint.post("/partners/<number:number>/keys/<number:prefix>/revocation")
@guard.staff(Permission.MANAGE_PARTNERS)
@blueprint.alt_response(200, schema=PartnerShown, example=_EXAMPLE, success=True)
@blueprint.refuses(errors.PartnerKeyNotFound)
def revoke_key(number: str, prefix: str) -> Response:
    """End a key at once."""
    with database.transaction() as session:
        return said(partner_desk.revoke_key(session, guard.actor(), number=number, prefix=prefix, now=clock.now()))
