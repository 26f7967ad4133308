"""The address book of whoever is calling.

Invariant: an address is seen and changed by its own shopper only; anybody else's does not exist.
"""

from typing import Any

from flask import Response
from marshmallow import fields

from config import clock, database
from config.schemas import Blueprint
from storefront import addresses, errors, guard
from storefront.api.shapes import ADDRESS_EXAMPLE, Address, Answer, Destination, said

blueprint = Blueprint("addresses", __name__, url_prefix="/api/v1", description="Where parcels go.")


class Entry(Destination):
    """An address of the book."""

    number = fields.String()
    is_default = fields.Boolean()


class Book(Answer):
    """All addresses, the default one first; a book is one page."""

    items = fields.List(fields.Nested(Entry))
    next_cursor = fields.String(allow_none=True)


_EXAMPLE = {"number": "A7K3M9X2P4QWE", **ADDRESS_EXAMPLE, "region": "安徽省 合肥市 瑶海区"}


@blueprint.get("/addresses")
@guard.shopper
@blueprint.alt_response(200, schema=Book, example={"items": [_EXAMPLE], "next_cursor": None}, success=True)
def listing() -> Response:
    """List the addresses."""
    with database.transaction() as session:
        views = addresses.listing(session, shopper_id=guard.shopper_id())
    return said({"items": [_shown(view) for view in views], "next_cursor": None})


@blueprint.post("/addresses")
@guard.shopper
@blueprint.arguments(Address, example=ADDRESS_EXAMPLE)
@blueprint.alt_response(201, schema=Entry, example=_EXAMPLE, success=True)
@blueprint.refuses(errors.AddressInvalid, errors.TooManyAddresses)
def add(given: dict[str, Any]) -> Response:
    """Add an address; the first one is the default."""
    with database.transaction() as session:
        view = addresses.add(session, shopper_id=guard.shopper_id(), now=clock.now(), **given)
    return said(_shown(view), 201)


@blueprint.put("/addresses/<number:number>")
@guard.shopper
@blueprint.arguments(Address, example=ADDRESS_EXAMPLE)
@blueprint.alt_response(200, schema=Entry, example=_EXAMPLE, success=True)
@blueprint.refuses(errors.AddressInvalid, errors.AddressNotFound)
def change(given: dict[str, Any], number: str) -> Response:
    """Replace an address. The default one stays the default until another becomes it."""
    with database.transaction() as session:
        view = addresses.change(session, shopper_id=guard.shopper_id(), number=number, now=clock.now(), **given)
    return said(_shown(view))


@blueprint.delete("/addresses/<number:number>")
@guard.shopper
@blueprint.alt_response(204, description="It is gone.", success=True)
@blueprint.refuses(errors.AddressNotFound)
def remove(number: str) -> Response:
    """Delete an address; orders keep the copy that they were sent to."""
    with database.transaction() as session:
        addresses.remove(session, shopper_id=guard.shopper_id(), number=number)
    return Response(status=204)


def _shown(view: addresses.AddressView) -> dict[str, Any]:
    to = view.delivery
    return {
        "number": view.number,
        "name": to.name,
        "phone": to.phone,
        "region_code": to.region_code,
        "region": to.region,
        "detail": to.detail,
        "is_default": view.is_default,
    }
