"""What an order would cost, before anybody places it.

Invariant: a quote is what `POST /orders` would charge now, and it stores nothing.
"""

from typing import Any

from flask import Response
from marshmallow import fields

from catalog import errors as catalog_errors
from config.schemas import Blueprint, Text
from storefront import checkout, declarations, errors, guard
from storefront.api.shapes import (
    LINE_EXAMPLE,
    WANTED_EXAMPLE,
    Answer,
    OfferedLine,
    Wanted,
    offered,
    quantities,
    said,
)

blueprint = Blueprint("quotes", __name__, url_prefix="/api/v1", description="Prices with freight.")


class QuoteWanted(Wanted):
    """Lines, and where they would go."""

    region_code = Text(required=True, high=12)


class QuotedConsignment(Answer):
    """What ships together, and its freight."""

    ship_from = fields.String()
    freight_fen = fields.Integer()
    skus = fields.List(fields.String())


class QuotedReturns(Answer):
    """How goods of one return class may be given back without a reason, in the words to be shown before paying.

    `declaration` is what `returns_confirmed` stands for; null where nothing has to be confirmed.
    """

    return_class = fields.String()
    text = fields.String()
    skus = fields.List(fields.String())
    declaration = fields.String(allow_none=True)


class Quote(Answer):
    """All in fen; payable = goods + freight - discount."""

    lines = fields.List(fields.Nested(OfferedLine))
    consignments = fields.List(fields.Nested(QuotedConsignment))
    goods_fen = fields.Integer()
    freight_fen = fields.Integer()
    discount_fen = fields.Integer()
    payable_fen = fields.Integer()
    adult_declaration_required = fields.Boolean(
        metadata={"description": "Some line is liquor: an order of it needs `adult_declared`."}
    )
    returns = fields.List(fields.Nested(QuotedReturns))


_EXAMPLE = {
    "lines": [LINE_EXAMPLE],
    "consignments": [{"ship_from": "suzhou", "freight_fen": 0, "skus": ["AH001A"]}],
    "goods_fen": 5980,
    "freight_fen": 0,
    "discount_fen": 0,
    "payable_fen": 5980,
    "adult_declaration_required": False,
    "returns": [
        {
            "return_class": "excluded_perishable",
            "text": declarations.WORDING["excluded_perishable"],
            "skus": ["AH001A"],
            "declaration": "returns_perishable",
        }
    ],
}


@blueprint.post("/quotes")
@guard.public
@blueprint.arguments(QuoteWanted, example={**WANTED_EXAMPLE, "region_code": "340102"})
@blueprint.alt_response(200, schema=Quote, example=_EXAMPLE, success=True)
@blueprint.refuses(
    catalog_errors.SkuUnknown,
    catalog_errors.QuantityInvalid,
    catalog_errors.RegionInvalid,
    catalog_errors.NotForSale,
    catalog_errors.NotDeliverable,
    errors.LinesInvalid,
)
def quote(wanted: dict[str, Any]) -> Response:
    """Price lines with freight to a region."""
    priced = checkout.quote(None, lines=quantities(wanted["lines"]), region_code=wanted["region_code"])
    return said(
        {
            "lines": [offered(line) for line in priced.lines],
            "consignments": [
                {
                    "ship_from": consignment.ship_from,
                    "freight_fen": consignment.freight_fen,
                    "skus": [line.sku for line in consignment.lines],
                }
                for consignment in priced.consignments
            ],
            "goods_fen": priced.goods_fen,
            "freight_fen": priced.freight_fen,
            # No promotion exists yet; the key is part of the contract.
            "discount_fen": 0,
            "payable_fen": priced.payable_fen,
            "adult_declaration_required": bool(priced.for_adults),
            "returns": _returns(priced),
        }
    )


def _returns(priced: checkout.Quote) -> list[dict[str, Any]]:
    return [
        {
            "return_class": each,
            "text": declarations.WORDING[each],
            "skus": [line.sku for line in priced.lines if line.return_class == each],
            "declaration": declarations.OF_CLASS.get(each),
        }
        for each in priced.classes
    ]
