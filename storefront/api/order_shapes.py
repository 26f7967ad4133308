"""What an order looks like to its shopper.

Invariant: exactly what `storefront.order_views` says.
"""

from marshmallow import fields, validate

from storefront.api.shapes import Answer, Destination, Instant
from storefront.order_lifecycle import CancelledBy, OrderState


class OrderLine(Answer):
    """A line as it was sold; `line` counts from 1 and `consignment` says which parcel it is in.

    `batch` is the production batch that it left with, to be read by anybody at `/trace/{batch}`.
    """

    line = fields.Integer()
    sku = fields.String()
    product = fields.String()
    title = fields.String()
    spec = fields.String()
    image = fields.String()
    price_fen = fields.Integer()
    quantity = fields.Integer()
    amount_fen = fields.Integer()
    consignment = fields.Integer()
    batch = fields.String(allow_none=True)
    refunded_fen = fields.Integer()


class Consignment(Answer):
    """What ships together, with its share of the freight."""

    consignment = fields.Integer()
    ship_from = fields.String()
    freight_fen = fields.Integer()
    carrier = fields.String(allow_none=True)
    tracking_number = fields.String(allow_none=True)
    shipped_at = Instant(allow_none=True)


class OrderPayment(Answer):
    """What a page may say about the money; after succeeded it never says 待支付 again."""

    state = fields.String(validate=validate.OneOf(["open", "confirming", "succeeded", "closed"]))


class Order(Answer):
    """An order; a partly refunded one keeps its state."""

    number = fields.String()
    state = fields.String(validate=validate.OneOf([state.value for state in OrderState]))
    cancelled_by = fields.String(allow_none=True, validate=validate.OneOf([by.value for by in CancelledBy]))
    goods_fen = fields.Integer()
    freight_fen = fields.Integer()
    payable_fen = fields.Integer()
    refunding_fen = fields.Integer()
    refunded_fen = fields.Integer()
    placed_at = Instant()
    pay_until = Instant()
    paid_at = Instant(allow_none=True)
    shipped_at = Instant(allow_none=True)
    received_at = Instant(allow_none=True)
    cancelled_at = Instant(allow_none=True)
    address = fields.Nested(Destination)
    remark = fields.String()
    lines = fields.List(fields.Nested(OrderLine))
    consignments = fields.List(fields.Nested(Consignment))
    payment = fields.Nested(OrderPayment)


EXAMPLE = {
    "number": "2611214815162342",
    "state": "pending",
    "cancelled_by": None,
    "goods_fen": 5980,
    "freight_fen": 0,
    "payable_fen": 5980,
    "refunding_fen": 0,
    "refunded_fen": 0,
    "placed_at": "2026-11-21T04:00:00+00:00",
    "pay_until": "2026-11-21T04:30:00+00:00",
    "paid_at": None,
    "shipped_at": None,
    "received_at": None,
    "cancelled_at": None,
    "address": {
        "name": "王小明",
        "phone": "13800001234",
        "region_code": "340102",
        "region": "安徽省 合肥市 瑶海区",
        "detail": "明光路 1 号 2 幢 301",
    },
    "remark": "请放门卫",
    "lines": [
        {
            "line": 1,
            "sku": "AH001A",
            "product": "dangshansuli",
            "title": "砀山酥梨",
            "spec": "净重5斤(8-9枚)",
            "image": "/plates/fruit.svg",
            "price_fen": 2990,
            "quantity": 2,
            "amount_fen": 5980,
            "consignment": 1,
            "batch": None,
            "refunded_fen": 0,
        }
    ],
    "consignments": [
        {
            "consignment": 1,
            "ship_from": "suzhou",
            "freight_fen": 0,
            "carrier": None,
            "tracking_number": None,
            "shipped_at": None,
        }
    ],
    "payment": {"state": "open"},
}
