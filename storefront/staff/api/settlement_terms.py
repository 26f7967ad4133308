"""What was agreed with suppliers as JSON, and what settling waits for: payouts, SKUs without terms, commission.

Invariant: agreed terms are never changed: newer ones follow them from their own instant on. No bank account is here.
"""

from typing import Any

import marshmallow as ma
from flask import Response
from marshmallow import fields, validate

from config import clock, database
from config.schemas import Blueprint, Bool, Int, Schema, Text
from payments.lifecycle import PayoutState
from storefront import guard
from storefront import settlement_errors as errors
from storefront.api.shapes import SKU_LENGTH, Answer, Instant, said
from storefront.commission_lifecycle import Barred, ClaimState
from storefront.roles import Permission
from storefront.settlement_lifecycle import WHOLE_BP, Terms
from storefront.staff import settlement_desk
from storefront.staff.api.shapes import Moment, cut

blueprint = Blueprint(
    "settlement_terms", __name__, url_prefix="/api/staff/v1/settlement", description="Staff: terms of settlement."
)


class TermsWanted(Schema):
    """What a supplier is owed for what is paid from `effective_at` on, for one SKU or for all that has no own terms.

    Either `price_fen` a piece or `share_bp` of the selling price, in basis points; `fee_bp` of it is the supplier's
    part of what taking the money costs.
    """

    supplier = Text(required=True, low=1, high=64)
    sku = Text(low=1, high=SKU_LENGTH, load_default=None, allow_none=True)
    price_fen = Int(low=0, load_default=None, allow_none=True)
    share_bp = Int(low=0, high=WHOLE_BP, load_default=None, allow_none=True)
    fee_bp = Int(low=0, high=WHOLE_BP, load_default=0)
    freight_is_theirs = Bool(load_default=False)
    effective_at = Moment(required=True)

    @ma.validates_schema
    def _either(self, given: dict[str, Any], **_: Any) -> None:
        if (given["price_fen"] is None) == (given["share_bp"] is None):
            raise ma.ValidationError("价格和分成比例须填且只填一项", "price_fen")


class TermsShown(Answer):
    """Agreed terms; `sku` is null for all that has none of its own."""

    supplier = fields.String()
    sku = fields.String(allow_none=True)
    price_fen = fields.Integer(allow_none=True)
    share_bp = fields.Integer(allow_none=True)
    fee_bp = fields.Integer()
    freight_is_theirs = fields.Boolean()
    effective_at = Instant()
    entered_by = fields.String()
    entered_at = Instant()


class TermsEntered(Answer):
    """Whether the terms are new; the very same may have been there."""

    is_new = fields.Boolean()


class PayoutWaiting(Answer):
    """A payout that somebody must release or send; `is_own` when the caller asked for it and so cannot release it."""

    number = fields.String()
    payee = fields.String()
    reference = fields.String()
    amount_fen = fields.Integer()
    state = fields.String(validate=validate.OneOf([state.value for state in PayoutState]))
    requested_by = fields.String()
    requested_at = Instant()
    released_by = fields.String(allow_none=True)
    released_at = Instant(allow_none=True)
    is_own = fields.Boolean()


class CommissionShown(Answer):
    """A seller's claim to commission on one order, in basis points of what was paid; `amount_fen` once it is known.

    What of it was taken back after refunds: came back, is on its way, did not come; and why WeChat gave nothing.
    """

    order = fields.String()
    seller = fields.String()
    basis_points = fields.Integer()
    state = fields.String(validate=validate.OneOf([*ClaimState]))
    barred_for = fields.String(allow_none=True, validate=validate.OneOf([*Barred, None]))
    amount_fen = fields.Integer(allow_none=True)
    returned_fen = fields.Integer()
    returning_fen = fields.Integer()
    unreturned_fen = fields.Integer()
    closed_for = fields.String(allow_none=True)
    earned_at = Instant()
    decided_at = Instant(allow_none=True)


class SettlementWork(Answer):
    """What settling waits for; `without_terms` are SKUs that were sold and for which nobody can be paid."""

    payouts = fields.List(fields.Nested(PayoutWaiting))
    without_terms = fields.List(fields.String())
    terms = fields.List(fields.Nested(TermsShown))
    commissions = fields.List(fields.Nested(CommissionShown))


_WANTED = {
    "supplier": "SUP0001",
    "sku": None,
    "share_bp": 8_000,
    "fee_bp": 60,
    "effective_at": "2026-12-01T00:00:00+08:00",
}
_WORK = {
    "payouts": [
        {
            "number": "T0123456789ABCDEFGHJKMNPQR",
            "payee": "SUP0001",
            "reference": "ST0123456789AB",
            "amount_fen": 4757,
            "state": "requested",
            "requested_by": "li",
            "requested_at": "2026-12-02T02:00:00+00:00",
            "released_by": None,
            "released_at": None,
            "is_own": False,
        }
    ],
    "without_terms": ["AH001B"],
    "terms": [
        {
            "supplier": "SUP0001",
            "sku": None,
            "price_fen": None,
            "share_bp": 8_000,
            "fee_bp": 60,
            "freight_is_theirs": False,
            "effective_at": "2026-12-01T00:00:00+08:00",
            "entered_by": "li",
            "entered_at": "2026-11-30T02:00:00+00:00",
        }
    ],
    "commissions": [
        {
            "order": "2611211234567890",
            "seller": "S0001",
            "basis_points": 300,
            "state": "earned",
            "barred_for": None,
            "amount_fen": None,
            "returned_fen": 0,
            "returning_fen": 0,
            "unreturned_fen": 0,
            "closed_for": None,
            "earned_at": "2026-11-21T04:00:00+00:00",
            "decided_at": None,
        }
    ],
}


@blueprint.get("/work")
@guard.staff(Permission.READ_MONEY)
@blueprint.alt_response(200, schema=SettlementWork, example=_WORK, success=True)
def work() -> Response:
    """Show what settling waits for, all terms, and sellers' commission."""
    with database.transaction() as session:
        found = settlement_desk.waiting(session, guard.actor(), now=clock.now())
    shapes: dict[str, type[Answer]] = {"payouts": PayoutWaiting, "terms": TermsShown, "commissions": CommissionShown}
    told = {name: [cut(shape, each) for each in found[name]] for name, shape in shapes.items()}
    return said(told | {"without_terms": found["without_terms"]})


@blueprint.post("/terms")
@guard.staff(Permission.SETTLE)
@blueprint.arguments(TermsWanted, example=_WANTED)
@blueprint.alt_response(201, schema=TermsEntered, example={"is_new": True}, success=True)
@blueprint.alt_response(200, schema=TermsEntered, example={"is_new": False}, success=True)
@blueprint.refuses(errors.TermsTaken)
def agree(given: dict[str, Any]) -> Response:
    """Enter what was agreed with a supplier; 200 when the very same was there."""
    named = {name: given.pop(name) for name in ("supplier", "sku", "effective_at")}
    with database.transaction() as session:
        is_new = settlement_desk.agree(session, guard.actor(), terms=Terms(**given), now=clock.now(), **named)
    return said({"is_new": is_new}, 201 if is_new else 200)
