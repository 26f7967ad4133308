"""The cart of whoever is calling.

Invariant: a cart shows today's prices, and a line that cannot be bought now stays, marked.
"""

from typing import Any

from flask import Response
from marshmallow import fields

from catalog import errors as catalog_errors
from catalog.stock import MAX_QUANTITY
from config import clock, database
from config.schemas import Blueprint, Int, Schema
from storefront import carts, errors, guard
from storefront.api.shapes import LINE_EXAMPLE, Answer, OfferedLine, offered, said

blueprint = Blueprint("cart", __name__, url_prefix="/api/v1", description="The cart of the session.")


class Quantity(Schema):
    """How many pieces the line shall hold, whatever it held before."""

    quantity = Int(required=True, low=1, high=MAX_QUANTITY)


class Cart(Answer):
    """The lines in the order in which they were put in; the totals count those that can be bought now."""

    lines = fields.List(fields.Nested(OfferedLine))
    pieces = fields.Integer()
    goods_fen = fields.Integer()


_EXAMPLE = {"lines": [LINE_EXAMPLE], "pieces": 2, "goods_fen": 5980}


@blueprint.get("/cart")
@guard.shopper
@blueprint.alt_response(200, schema=Cart, example=_EXAMPLE, success=True)
def find() -> Response:
    """Show the cart at today's prices."""
    with database.transaction() as session:
        view = carts.view(session, shopper_id=guard.shopper_id())
    return _shown(view)


@blueprint.put("/cart/lines/<number:sku>")
@guard.shopper
@blueprint.arguments(Quantity, example={"quantity": 2})
@blueprint.alt_response(200, schema=Cart, example=_EXAMPLE, success=True)
@blueprint.refuses(catalog_errors.SkuUnknown, catalog_errors.NotForSale, errors.CartFull)
def put(wanted: dict[str, Any], sku: str) -> Response:
    """Make the cart hold so many pieces of a SKU. More than is left may be put in: the line is then marked."""
    with database.transaction() as session:
        view = carts.put(
            session,
            shopper_id=guard.shopper_id(),
            sku=sku,
            quantity=wanted["quantity"],
            visitor=guard.visitor(),
            person=guard.actor().person,
            now=clock.now(),
        )
    return _shown(view)


@blueprint.delete("/cart/lines/<number:sku>")
@guard.shopper
@blueprint.alt_response(200, schema=Cart, example={"lines": [], "pieces": 0, "goods_fen": 0}, success=True)
@blueprint.refuses(errors.CartLineNotFound)
def remove(sku: str) -> Response:
    """Take a SKU out of the cart."""
    with database.transaction() as session:
        view = carts.remove(session, shopper_id=guard.shopper_id(), sku=sku)
    return _shown(view)


def _shown(view: carts.CartView) -> Response:
    lines = [offered(line) for line in view.lines]
    return said({"lines": lines, "pieces": view.pieces, "goods_fen": view.goods_fen})
