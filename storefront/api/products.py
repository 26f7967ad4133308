"""The goods: what a list and a page of one say.

Invariant: these views only read, and hand the catalog's bytes through untouched.
"""

from typing import Any

from flask import Response
from marshmallow import fields, validate

from catalog import errors, products
from config.schemas import Blueprint, PageArgs, Text, page_of
from storefront import guard
from storefront.api.shapes import Answer, shelved

blueprint = Blueprint("products", __name__, url_prefix="/api/v1", description="Goods, their prices and their proofs.")

SORTS = ("shelf", "price", "-price", "new")


class Search(PageArgs):
    """What to list; `hall` is a slug, `q` characters, pinyin or initials."""

    is_common = True

    q = Text(high=200, load_default=None)
    hall = Text(high=80, load_default=None)
    category = Text(high=40, load_default=None)
    sort = Text(validate=[validate.OneOf(SORTS)], load_default=None)


class Certificate(Answer):
    """Evidence that was entered: without number and date there is none."""

    number = fields.String()
    issuer = fields.String()
    issued_on = fields.Date()
    valid_until = fields.Date(allow_none=True)


class Product(Answer):
    """A product in a list, at the price of its first SKU; `available` pieces are left of all its SKUs."""

    slug = fields.String()
    name = fields.String()
    hall = fields.String()
    hall_name = fields.String()
    origin = fields.String()
    price_fen = fields.Integer()
    image = fields.String()
    accreditation = fields.Nested(Certificate, allow_none=True)
    available = fields.Integer()
    is_display_only = fields.Boolean()
    is_illustrative = fields.Boolean()


class Sku(Answer):
    """One pack that can be bought."""

    number = fields.String()
    spec = fields.String()
    price_fen = fields.Integer()
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
    """The page of one product; `label` is what its label must say, by field."""

    category = fields.String()
    category_name = fields.String()
    region_code = fields.String()
    description = fields.String()
    label = fields.Dict(keys=fields.String())
    licence_class = fields.String()
    return_class = fields.String()
    delivery_class = fields.String()
    geographical_indication = fields.Nested(Certificate, allow_none=True)
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
_BODY_EXAMPLE = {
    **ITEM_EXAMPLE,
    "category": "fruit",
    "category_name": "新鲜水果",
    "region_code": "341321",
    "description": "砀山酥梨，产自安徽省宿州市砀山县。",
    "label": {"kind": "水果", "season": "9-3月", "storage": "0-5℃冷藏或阴凉"},
    "licence_class": "farm_produce",
    "return_class": "excluded_perishable",
    "delivery_class": "fresh",
    "geographical_indication": None,
    "supplier": {"number": "SUP0001", "name": "平台自营（示意供应商）", "is_illustrative": True},
    "ship_from": {"key": "suzhou", "name": "宿州示意仓", "is_illustrative": True},
    "skus": [{"number": "AH001A", "spec": "净重5斤(8-9枚)", "price_fen": 2990, "available": 198}],
    "freight_note": "运费按收货地区和重量计算，下单前显示。港澳台地区暂不配送，生鲜冷链商品不发往新疆、西藏。",
}


@blueprint.get("/products")
@guard.public
@blueprint.arguments(Search, location="query")
@blueprint.alt_response(200, schema=page_of(Product), example=PAGE_EXAMPLE, success=True)
@blueprint.alt_response(304, description="The client's copy is still right.")
@blueprint.refuses(errors.CursorInvalid)
def listing(wanted: dict[str, Any]) -> Response:
    """List what is on sale, by hall, category or search; a change is seen within a second."""
    return shelved(products.page(**wanted))


@blueprint.get("/products/<slug>")
@guard.public
@blueprint.alt_response(200, schema=ProductBody, example=_BODY_EXAMPLE, success=True)
@blueprint.alt_response(304, description="The client's copy is still right.")
@blueprint.refuses(errors.ProductUnknown)
def find(slug: str) -> Response:
    """Show one product with its SKUs, label, evidence and freight note."""
    return shelved(products.body(slug))
