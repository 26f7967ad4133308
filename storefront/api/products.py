"""The goods: what a list and a page of one say.

Invariant: these views only read, and hand the catalog's bytes through untouched.
"""

from typing import Any

from flask import Response
from marshmallow import fields, validate

from catalog import errors, narrowing, products, suggestions
from catalog.models import IndicationKind
from config import clock
from config.schemas import Blueprint, Int, PageArgs, Pattern, Schema, Text
from storefront import guard
from storefront.api.shapes import Answer, shelved

blueprint = Blueprint("products", __name__, url_prefix="/api/v1", description="Goods, their prices and their proofs.")

CERTIFICATES = ("accreditation", "geographical_indication")
SORTS = ("shelf", "price", "-price", "new")


class Counted(Schema):
    """What may be chosen of a list: prices in fen, both ends included."""

    q = Text(high=200, load_default=None)
    hall = Text(high=80, load_default=None)
    category = Text(high=40, load_default=None)
    county = Text(validate=[Pattern("[0-9]{6}")], load_default=None)
    certificate = Text(validate=[validate.OneOf(CERTIFICATES)], load_default=None)
    price_from = Int(low=0, high=narrowing.MAX_FEN, load_default=None, metadata={"in_query": True})
    price_to = Int(low=0, high=narrowing.MAX_FEN, load_default=None, metadata={"in_query": True})
    in_season = Text(validate=[validate.OneOf(("true",))], load_default=None)


class Search(Counted, PageArgs):
    """What to list; `hall` is a slug, `county` a region's code, `q` characters, pinyin or initials."""

    is_common = True

    sort = Text(validate=[validate.OneOf(SORTS)], load_default=None)


class Begun(Schema):
    """The letters or characters typed so far."""

    q = Text(required=True, high=200)
    limit = Int(low=1, high=suggestions.MAX_LIMIT, load_default=8, metadata={"in_query": True})


class Certificate(Answer):
    """Evidence that was entered: without number and date there is none."""

    number = fields.String()
    issuer = fields.String()
    issued_on = fields.Date()
    valid_until = fields.Date(allow_none=True)


class Indication(Certificate):
    """A geographical indication: under which system it is protected, besides number and date."""

    kind = fields.String(validate=validate.OneOf([kind.value for kind in IndicationKind]))


class Evidence(Answer):
    """What the badge rests on; `notice` is the number under `/notices/`, where the public notice stays readable."""

    notice = fields.String()
    county = fields.String()
    batch = fields.String()
    noticed_at = fields.DateTime()
    noticed_until = fields.DateTime(allow_none=True)
    recheck_until = fields.Date()


class Product(Answer):
    """A product in a list, at the price of its first SKU; `available` pieces are left of all its SKUs.

    `market_price_fen` is there only while deals of the seven days before the present price allow it.
    """

    slug = fields.String()
    name = fields.String()
    hall = fields.String()
    hall_name = fields.String()
    origin = fields.String()
    price_fen = fields.Integer()
    market_price_fen = fields.Integer(metadata={"is_optional": True})
    image = fields.String()
    accreditation = fields.Nested(Certificate, allow_none=True)
    available = fields.Integer()
    is_display_only = fields.Boolean()
    is_illustrative = fields.Boolean()


class Taken(Answer):
    """How the words of a search were taken, and the name that may have been meant when they were only close to it."""

    matched = fields.String(validate=validate.OneOf(("exact", "meant", "close", "nothing")))
    did_you_mean = fields.String(allow_none=True)


class FoundPage(Schema):
    """A page of the list; `search` is there when something was searched for."""

    items = fields.List(fields.Nested(Product), required=True)
    next_cursor = Text(required=True, allow_none=True)
    search = fields.Nested(Taken)


class Choice(Answer):
    """A county or category, and how many goods it would leave."""

    value = fields.String()
    name = fields.String()
    count = fields.Integer()


class Certified(Answer):
    """A kind of certificate, and how many goods have one that is valid."""

    value = fields.String()
    count = fields.Integer()


class PriceRange(Answer):
    """Prices in fen, both ends included, and how many goods lie between."""

    price_from = fields.Integer()
    price_to = fields.Integer(allow_none=True)
    count = fields.Integer()


class Facets(Answer):
    """What each choice would leave under the others; `is_capped` when only the first so many goods were counted."""

    total = fields.Integer()
    is_capped = fields.Boolean()
    counties = fields.List(fields.Nested(Choice))
    categories = fields.List(fields.Nested(Choice))
    certificates = fields.List(fields.Nested(Certified))
    prices = fields.List(fields.Nested(PriceRange))
    in_season = fields.Integer()


class Suggestion(Answer):
    """Something that begins with what was typed; `slug` leads to its page, of a category it is the key."""

    text = fields.String()
    kind = fields.String(validate=validate.OneOf(("product", "hall", "category")))
    slug = fields.String()


class Suggestions(Answer):
    """What may be meant, the kinds of goods and halls before the goods."""

    items = fields.List(fields.Nested(Suggestion))


class Sku(Answer):
    """One pack that can be bought."""

    number = fields.String()
    spec = fields.String()
    price_fen = fields.Integer()
    market_price_fen = fields.Integer(metadata={"is_optional": True})
    available = fields.Integer()


class Supplier(Answer):
    """Whoever grows or makes it."""

    number = fields.String()
    name = fields.String()
    is_illustrative = fields.Boolean()


class Warehouse(Answer):
    """Where it ships from."""

    key = fields.String()
    name = fields.String()
    is_illustrative = fields.Boolean()


class ProductBody(Product):
    """The page of one product; `label` is what its label must say, by field, `label_missing` what of it is not entered.

    `accreditation_evidence` says what the badge rests on, when there is one.
    """

    category = fields.String()
    category_name = fields.String()
    region_code = fields.String()
    description = fields.String()
    label = fields.Dict(keys=fields.String())
    label_missing = fields.List(fields.String())
    licence_class = fields.String()
    return_class = fields.String()
    delivery_class = fields.String()
    geographical_indication = fields.Nested(Indication, allow_none=True)
    accreditation_evidence = fields.Nested(Evidence, allow_none=True)
    supplier = fields.Nested(Supplier)
    ship_from = fields.Nested(Warehouse)
    skus = fields.List(fields.Nested(Sku))
    freight_note = fields.String()


ITEM_EXAMPLE: dict[str, Any] = {
    "slug": "dangshansuli",
    "name": "砀山酥梨",
    "hall": "dangshan-xian",
    "hall_name": "砀山县地方馆",
    "origin": "安徽省宿州市砀山县",
    "price_fen": 2990,
    "image": "/plates/fruit.svg",
    "accreditation": None,
    "available": 400,
    "is_display_only": False,
    "is_illustrative": True,
}
PAGE_EXAMPLE = {"items": [ITEM_EXAMPLE], "next_cursor": "WyJzaGVsZiIsMTAsImRhbmdzaGFuc3VsaSJd"}
_FACETS_EXAMPLE = {
    "total": 3,
    "is_capped": False,
    "counties": [{"value": "341321", "name": "砀山县", "count": 3}],
    "categories": [{"value": "fruit", "name": "新鲜水果", "count": 1}],
    "certificates": [],
    "prices": [{"price_from": 0, "price_to": 2999, "count": 1}],
    "in_season": 1,
}
_SUGGESTIONS_EXAMPLE = {"items": [{"text": "砀山酥梨", "kind": "product", "slug": "dangshansuli"}]}
_BODY_EXAMPLE = {
    **ITEM_EXAMPLE,
    "category": "fruit",
    "category_name": "新鲜水果",
    "region_code": "341321",
    "description": "砀山酥梨，产自安徽省宿州市砀山县。",
    "label": {"kind": "水果", "season": "9-3月", "storage": "0-5℃冷藏或阴凉"},
    "label_missing": [],
    "licence_class": "farm_produce",
    "return_class": "excluded_perishable",
    "delivery_class": "fresh",
    "geographical_indication": None,
    "accreditation_evidence": None,
    "supplier": {"number": "SUP0001", "name": "平台自营（示意供应商）", "is_illustrative": True},
    "ship_from": {"key": "suzhou", "name": "宿州示意仓", "is_illustrative": True},
    "skus": [{"number": "AH001A", "spec": "净重5斤(8-9枚)", "price_fen": 2990, "available": 198}],
    "freight_note": "运费按收货地区和重量计算，下单前显示。港澳台地区暂不配送，生鲜冷链商品不发往新疆、西藏。",
}


@blueprint.get("/products")
@guard.public
@blueprint.arguments(Search, location="query")
@blueprint.alt_response(200, schema=FoundPage, example=PAGE_EXAMPLE, success=True)
@blueprint.alt_response(304, description="The client's copy is still right.")
@blueprint.refuses(errors.CursorInvalid, errors.FilterInvalid)
def listing(wanted: dict[str, Any]) -> Response:
    """List what is on sale, by hall, category or search; a change is seen within a second."""
    in_season = wanted.pop("in_season")
    return shelved(products.page(**wanted, month=_month() if in_season else None))


def _month() -> int:
    return clock.now().astimezone(clock.SHANGHAI).month


@blueprint.get("/products/facets")
@guard.public
@blueprint.arguments(Counted, location="query")
@blueprint.alt_response(200, schema=Facets, example=_FACETS_EXAMPLE, success=True)
@blueprint.alt_response(304, description="The client's copy is still right.")
@blueprint.refuses(errors.FilterInvalid)
def facets(wanted: dict[str, Any]) -> Response:
    """Count what each further choice would leave of a list or a search; at most ten seconds old."""
    q, in_season = wanted.pop("q"), wanted.pop("in_season")
    chosen = narrowing.Narrowing(**wanted, month=_month() if in_season else None)
    return shelved(products.counts(q=q, chosen=chosen, month=_month()))


@blueprint.get("/search/suggestions")
@guard.public
@blueprint.arguments(Begun, location="query")
@blueprint.alt_response(200, schema=Suggestions, example=_SUGGESTIONS_EXAMPLE, success=True)
@blueprint.alt_response(304, description="The client's copy is still right.")
def suggest(begun: dict[str, Any]) -> Response:
    """Suggest goods, halls and kinds of goods by the characters, pinyin or initials typed so far."""
    return shelved(suggestions.page(q=begun["q"], limit=begun["limit"]))


@blueprint.get("/products/<slug>")
@guard.public
@blueprint.alt_response(200, schema=ProductBody, example=_BODY_EXAMPLE, success=True)
@blueprint.alt_response(304, description="The client's copy is still right.")
@blueprint.refuses(errors.ProductUnknown)
def find(slug: str) -> Response:
    """Show one product with its SKUs, label, evidence and freight note."""
    return shelved(products.body(slug))
