"""The shapes that several nouns share: lines, addresses, and how an answer is put on the wire.

Invariant: an answer has every key, always; what may be missing is null.
"""

from typing import Any

import marshmallow as ma
import orjson
from flask import Response, request
from marshmallow import fields, validate

from catalog import absences, cache
from catalog.pricing import PricedLine
from catalog.stock import MAX_QUANTITY
from config import http, pictures
from config.schemas import Bool, Int, Schema, Text
from storefront.checkout import MAX_LINES

SKU_LENGTH = 40
# What the document says of bytes, and of views that answer pictures.
BYTES: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}, "example": "..."}
PHOTOGRAPHED, IN_WEBP = (
    {"200": {"description": "The picture.", "content": {kind: BYTES}}} for kind in ("image/jpeg", "image/webp")
)


class Answer(Schema):
    """What we say."""

    def on_bind_field(self, field_name: str, field_obj: ma.fields.Field[Any]) -> None:
        """Promise every key but those that say of themselves that they may be away."""
        field_obj.required = not field_obj.metadata.get("is_optional")


class Instant(fields.String):
    """An RFC 3339 instant with its offset, as we say it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata={"format": "date-time"}, **kwargs)


class WantedLine(Schema):
    """So many pieces of one SKU."""

    sku = Text(required=True, low=1, high=SKU_LENGTH)
    quantity = Int(required=True, low=1, high=MAX_QUANTITY)


class Wanted(Schema):
    """What somebody wants to buy."""

    lines = fields.List(fields.Nested(WantedLine), required=True, validate=validate.Length(min=1, max=MAX_LINES))


class Address(Schema):
    """Where a parcel goes; `region_code` is a county's, or a city's without counties. Only the book has a default."""

    name = Text(required=True, high=100)
    phone = Text(required=True, high=40)
    region_code = Text(required=True, high=12)
    detail = Text(required=True, high=400)
    is_default = Bool(load_default=False)


class Destination(Answer):
    """Where a parcel goes, as we say it; `region` is the written path of `region_code`."""

    name = fields.String()
    phone = fields.String()
    region_code = fields.String()
    region = fields.String()
    detail = fields.String()


class OfferedLine(Answer):
    """A line at today's price; `available` pieces are left, and `is_available` says whether this many can be bought.

    When not, `because` says why and `because_text` the same in Chinese; else both are null.
    """

    sku = fields.String()
    product = fields.String()
    title = fields.String()
    spec = fields.String()
    image = fields.String()
    price_fen = fields.Integer()
    quantity = fields.Integer()
    amount_fen = fields.Integer()
    available = fields.Integer()
    is_available = fields.Boolean()
    because = fields.String(allow_none=True, validate=validate.OneOf(sorted(absences.WORDS)))
    because_text = fields.String(allow_none=True)


WANTED_EXAMPLE = {"lines": [{"sku": "AH001A", "quantity": 2}]}
ADDRESS_EXAMPLE = {
    "name": "王小明",
    "phone": "13800001234",
    "region_code": "340102",
    "detail": "明光路 1 号 2 幢 301",
    "is_default": True,
}
LINE_EXAMPLE = {
    "sku": "AH001A",
    "product": "dangshansuli",
    "title": "砀山酥梨",
    "spec": "净重5斤(8-9枚)",
    "image": "/plates/fruit.svg",
    "price_fen": 2990,
    "quantity": 2,
    "amount_fen": 5980,
    "available": 198,
    "is_available": True,
    "because": None,
    "because_text": None,
}


def quantities(lines: list[dict[str, Any]]) -> dict[str, int]:
    """Return SKU number → pieces; lines of the same SKU add up."""
    wanted: dict[str, int] = {}
    for line in lines:
        wanted[line["sku"]] = wanted.get(line["sku"], 0) + line["quantity"]
    return wanted


def offered(line: PricedLine) -> dict[str, Any]:
    """Return a priced line as an `OfferedLine`."""
    because = absences.of_line(line)
    return {
        "sku": line.sku,
        "product": line.product_slug,
        "title": line.title,
        "spec": line.spec,
        "image": line.image,
        "price_fen": line.price_fen,
        "quantity": line.quantity,
        "amount_fen": line.amount_fen,
        "available": line.available,
        "is_available": line.is_available,
        "because": because,
        "because_text": absences.WORDS[because] if because else None,
    }


def said(body: dict[str, Any], status: int = 200) -> Response:
    """Return `body` as JSON."""
    return http.json_bytes(orjson.dumps(body), status)


def photograph(number: str, size: int) -> Response:
    """Return a picture as JPEG to somebody who was found to be allowed to see it; no cache of others may keep it."""
    response = Response(pictures.read(number=number, size=size, suffix="jpg"), mimetype="image/jpeg")
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response


def shelved(body: bytes) -> Response:
    """Return ready JSON of the catalog. A client that still has the same is told so, which spares a weak signal."""
    response = http.json_bytes(body)
    response.headers["Cache-Control"] = "no-cache"
    response.headers["ETag"] = cache.etag(body)
    if request.if_none_match:
        response.make_conditional(request)
    return response
