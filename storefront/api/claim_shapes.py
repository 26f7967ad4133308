"""What an after-sales claim looks like, and what a new one needs.

Invariant: exactly what `storefront.claim_views` says.
"""

from marshmallow import fields, validate

from config.darkroom import SIZES
from config.schemas import Bool, Int, Pattern, Schema, Text
from storefront.api.shapes import Answer, Instant
from storefront.claim_lifecycle import Cause, ClaimKind, ClaimState
from storefront.claim_photos import MOST_A_CLAIM

MOST_LINES = 50


class ClaimedLine(Schema):
    """So many pieces of one line of the order."""

    line = Int(required=True, low=1, high=999)
    quantity = Int(required=True, low=1, high=999)


class ClaimPhotos(Schema):
    """Photos that were sent before, by number."""

    photos = fields.List(
        Text(validate=[Pattern("PIC[0-9A-F]{16}")]), required=True, validate=validate.Length(min=1, max=MOST_A_CLAIM)
    )


class NewClaim(Schema):
    """What is claimed for and why. `refund` is for goods that never left or are at fault, `return` sends them back.

    `cause` decides by which rules: without one it is the law's seven days without a reason. `sealed` is the shopper's
    word that the package is unopened. `photos` are numbers of photos that were sent before.
    """

    kind = Text(required=True, validate=[validate.OneOf([kind.value for kind in ClaimKind])])
    lines = fields.List(fields.Nested(ClaimedLine), required=True, validate=validate.Length(min=1, max=MOST_LINES))
    reason = Text(required=True, low=1, high=200)
    cause = Text(load_default=Cause.NO_REASON.value, validate=[validate.OneOf([cause.value for cause in Cause])])
    sealed = Bool(load_default=False)
    photos = fields.List(
        Text(validate=[Pattern("PIC[0-9A-F]{16}")]), load_default=list, validate=validate.Length(max=MOST_A_CLAIM)
    )


class Parcel(Schema):
    """How the goods travel back."""

    carrier = Text(required=True, low=1, high=32)
    tracking_number = Text(required=True, validate=[Pattern("[0-9A-Za-z-]{5,40}")])


class ClaimPhoto(Answer):
    """A photo that was sent: its number, and its size as shown at the largest."""

    number = fields.String()
    width = fields.Integer()
    height = fields.Integer()


class PhotoWanted(Schema):
    """How large: the longest side in pixels."""

    size = fields.Integer(load_default=SIZES[0], validate=validate.OneOf(SIZES), metadata={"in_query": True})


class ClaimLine(Answer):
    """Pieces of a line, what they are worth, and what was agreed on."""

    line = fields.Integer()
    sku = fields.String()
    product = fields.String()
    title = fields.String()
    spec = fields.String()
    image = fields.String()
    quantity = fields.Integer()
    asked_fen = fields.Integer()
    agreed_fen = fields.Integer()
    ship_from = fields.String()


class Claim(Answer):
    """A claim. `due_at` is until when somebody has to act: staff on `filed` and `sent_back`, the shopper on `approved`.

    `photos` are read one by one. `amount_fen` is what goes back with `freight_fen` of it freight, `refunded_fen` what
    has arrived.
    """

    number = fields.String()
    order = fields.String()
    kind = fields.String(validate=validate.OneOf([kind.value for kind in ClaimKind]))
    cause = fields.String(validate=validate.OneOf([cause.value for cause in Cause]))
    note = fields.String()
    photos = fields.List(fields.String())
    is_sealed = fields.Boolean()
    state = fields.String(validate=validate.OneOf([state.value for state in ClaimState]))
    lines = fields.List(fields.Nested(ClaimLine))
    amount_fen = fields.Integer()
    freight_fen = fields.Integer()
    refunded_fen = fields.Integer()
    answer = fields.String()
    return_address = fields.String()
    carrier = fields.String(allow_none=True)
    tracking_number = fields.String(allow_none=True)
    filed_at = Instant()
    due_at = Instant(allow_none=True)
    decided_at = Instant(allow_none=True)
    sent_at = Instant(allow_none=True)
    received_at = Instant(allow_none=True)
    ended_at = Instant(allow_none=True)


EXAMPLE = {
    "number": "A7K3M9X2P4QWE",
    "order": "2611214815162342",
    "kind": "return",
    "cause": "no_reason",
    "note": "不想要了",
    "photos": ["PIC0123456789ABCDEF"],
    "is_sealed": True,
    "state": "approved",
    "lines": [
        {
            "line": 1,
            "sku": "AH001A",
            "product": "dangshansuli",
            "title": "砀山酥梨",
            "spec": "净重5斤(8-9枚)",
            "image": "/plates/fruit.svg",
            "quantity": 1,
            "asked_fen": 2990,
            "agreed_fen": 2990,
            "ship_from": "suzhou",
        }
    ],
    "amount_fen": 2990,
    "freight_fen": 0,
    "refunded_fen": 0,
    "answer": "",
    "return_address": "安徽省宿州市埇桥区仓储路 8 号 退货组",
    "carrier": None,
    "tracking_number": None,
    "filed_at": "2026-11-21T04:00:00+00:00",
    "due_at": "2026-11-28T05:00:00+00:00",
    "decided_at": "2026-11-21T05:00:00+00:00",
    "sent_at": None,
    "received_at": None,
    "ended_at": None,
}
