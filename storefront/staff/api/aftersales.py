"""After-sales as staff tools see and decide it: claims, refunds that need a second person, refunds that are stuck.

Invariant: claims about goods out of the role's scope do not exist here; an act on what has moved on is refused.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any

import marshmallow as ma
from flask import Response
from marshmallow import fields, validate

from config import clock, database, pictures, storage
from config.schemas import Blueprint, Bool, Int, PageArgs, Pattern, Schema, Text, page_of
from payments import errors as payment_errors
from payments.lifecycle import RefundState
from storefront import claim_errors, errors, guard
from storefront.api.claim_shapes import EXAMPLE as CLAIM_EXAMPLE
from storefront.api.claim_shapes import MOST_LINES, Claim, PhotoWanted
from storefront.api.shapes import PHOTOGRAPHED, Answer, Instant, photograph, said
from storefront.claim_lifecycle import OPEN, ClaimState
from storefront.roles import Permission
from storefront.staff import claim_desk

blueprint = Blueprint("staff_aftersales", __name__, url_prefix="/api/staff/v1", description="Staff: after-sales.")


class ClaimSearch(PageArgs):
    """Which claims; without a state those that are not over."""

    state = Text(validate=[validate.OneOf([state.value for state in ClaimState])], load_default=None)
    order = Text(validate=[Pattern("[0-9A-Za-z-]{1,40}")], load_default=None)
    cursor = Text(validate=[Pattern("[0-9]{1,6}")], load_default=None)


class AgreedLine(Schema):
    """How much of what is claimed for one line is agreed on."""

    line = Int(required=True, low=1, high=999)
    amount_fen = Int(required=True, low=0)


class Approval(Schema):
    """What is agreed on: everything, or less when `lines` or `freight_fen` say so. A return needs its address."""

    answer = Text(high=200, load_default="")
    lines = fields.List(fields.Nested(AgreedLine), load_default=None, validate=validate.Length(max=MOST_LINES))
    freight_fen = Int(low=0, load_default=None, allow_none=True)
    return_address = Text(high=200, load_default="")


class Refusal(Schema):
    """Why not; the shopper reads it."""

    answer = Text(required=True, low=1, high=200)


class GoodsReceived(Schema):
    """What became of the goods: back on the shelf, or not to be sold again."""

    is_restocked = Bool(required=True)


class StaffClaim(Claim):
    """A claim with who decided it, and whether its deadline was missed."""

    decided_by = fields.String(allow_none=True)
    received_by = fields.String(allow_none=True)
    is_restocked = fields.Boolean(allow_none=True)
    is_overdue = fields.Boolean()
    waits_for_second = fields.Boolean()


class Proposal(Answer):
    """A refund that waits for a second person; `is_own` when the caller asked for it and so cannot approve it."""

    number = fields.String()
    order = fields.String()
    amount_fen = fields.Integer()
    freight_fen = fields.Integer()
    reason = fields.String()
    asked_by = fields.String()
    asked_at = Instant()
    is_own = fields.Boolean()


class ProposalDecision(Answer):
    """What became of a proposal; `refund` is on its way when approved."""

    number = fields.String()
    state = fields.String(validate=validate.OneOf(["approved", "rejected"]))
    refund = fields.String(allow_none=True)


class StrandedRefund(Answer):
    """A refund that WeChat could not pay out, would not take (`is_refused`) or has forgotten (`is_vanished`).

    Of the last two no card helps.
    """

    number = fields.String()
    reference = fields.String()
    payment = fields.String()
    transaction_id = fields.String(allow_none=True)
    refund_id = fields.String(allow_none=True)
    amount_fen = fields.Integer()
    reason = fields.String()
    requested_at = Instant()
    is_refused = fields.Boolean()
    is_vanished = fields.Boolean()


class Card(Schema):
    """The payer's own bank card; it passes through to WeChat encrypted, and is not kept."""

    bank_type = Text(required=True, validate=[Pattern("[A-Z0-9_]{2,32}")])
    account = Text(required=True, validate=[Pattern("[0-9]{8,30}")])
    holder = Text(required=True, low=1, high=60)


class Transfer(Schema):
    """The evidence that a person paid: the transfer's number at the bank, and when."""

    bank_reference = Text(required=True, low=4, high=64)
    note = Text(high=200, load_default="")
    paid_at = fields.AwareDateTime(required=True)

    @ma.validates("paid_at")
    def _not_ahead(self, value: datetime, **_: Any) -> None:
        if value > clock.now():
            raise ma.ValidationError("转账时间不能晚于现在")


class RefundStanding(Answer):
    """How a refund stands."""

    number = fields.String()
    state = fields.String(validate=validate.OneOf([state.value for state in RefundState]))


_CLAIM = {
    **CLAIM_EXAMPLE,
    "decided_by": "li",
    "received_by": None,
    "is_restocked": None,
    "is_overdue": False,
    "waits_for_second": False,
}
_PROPOSAL = {
    "number": "B7K3M9X2P4QWE",
    "order": "2611214815162342",
    "amount_fen": 60000,
    "freight_fen": 0,
    "reason": "坏果包赔",
    "asked_by": "li",
    "asked_at": "2026-11-21T04:00:00+00:00",
    "is_own": False,
}
_STRANDED = {
    "number": "R7K3M9X2P4QWE",
    "reference": "2611214815162342",
    "payment": "P7K3M9X2P4QWE",
    "transaction_id": "4200000000202611210000000000",
    "refund_id": "50300000002026112100000000001",
    "amount_fen": 2990,
    "reason": "售后退款",
    "requested_at": "2026-11-21T04:00:00+00:00",
    "is_refused": False,
    "is_vanished": False,
}
_DECIDES = (errors.ClaimNotFound, errors.ClaimMoved)
_PAYS = (
    errors.OrderNotPaid,
    errors.RefundExceedsLine,
    payment_errors.NothingToRefund,
    payment_errors.RefundTooLarge,
    payment_errors.RefundTooLate,
    payment_errors.TooManyRefunds,
)


@blueprint.get("/aftersales")
@guard.staff(Permission.READ_ORDERS)
@blueprint.arguments(ClaimSearch, location="query")
@blueprint.alt_response(200, schema=page_of(StaffClaim), example={"items": [_CLAIM], "next_cursor": None}, success=True)
def listing(wanted: dict[str, Any]) -> Response:
    """List the claims in scope, what is due first at the top."""
    states = [ClaimState(wanted["state"])] if wanted["state"] else OPEN
    offset, limit = int(wanted["cursor"] or 0), wanted["limit"]
    with database.transaction() as session:
        found = claim_desk.queue(
            session, guard.actor(), states=states, order=wanted["order"], offset=offset, limit=limit + 1
        )
    cursor = str(offset + limit) if len(found) > limit else None
    return said({"items": found[:limit], "next_cursor": cursor})


@blueprint.get("/aftersales/<number:number>")
@guard.staff(Permission.READ_ORDERS)
@blueprint.alt_response(200, schema=StaffClaim, example=_CLAIM, success=True)
@blueprint.refuses(errors.ClaimNotFound)
def find(number: str) -> Response:
    """Show a claim."""
    with database.transaction() as session:
        found = claim_desk.find(session, guard.actor(), number=number)
    return said({name: value for name, value in found.items() if name in StaffClaim().fields})


@blueprint.get("/aftersales/<number:number>/photos/<number:photo>")
@guard.staff(Permission.READ_ORDERS)
@blueprint.arguments(PhotoWanted, location="query")
@blueprint.doc(responses=PHOTOGRAPHED)
@blueprint.refuses(
    errors.ClaimNotFound,
    claim_errors.ClaimPhotoUnknown,
    pictures.UnknownPicture,
    storage.FileMissing,
    storage.StorageAway,
)
def photo(wanted: dict[str, Any], number: str, photo: str) -> Response:
    """Send a photo of a claim all of which is in scope."""
    with database.transaction() as session:
        claim_desk.require_photo(session, guard.actor(), number=number, photo=photo)
    return photograph(photo, wanted["size"])


@blueprint.post("/aftersales/<number:number>/approval")
@guard.staff(Permission.REFUND_ORDERS)
@blueprint.arguments(Approval, example={"answer": "同意退款"})
@blueprint.alt_response(200, schema=StaffClaim, example=_CLAIM, success=True)
@blueprint.refuses(*_DECIDES, errors.LinesInvalid, errors.AddressMissing, *_PAYS)
def approve(given: dict[str, Any], number: str) -> Response:
    """Agree to a claim, wholly or in part; the money follows at once, or after the goods."""
    lines = given.pop("lines")
    agreed = None if lines is None else {line["line"]: line["amount_fen"] for line in lines}
    with database.transaction() as session:
        return said(claim_desk.approve(session, guard.actor(), number=number, lines=agreed, now=clock.now(), **given))


@blueprint.post("/aftersales/<number:number>/refusal")
@guard.staff(Permission.REFUND_ORDERS)
@blueprint.arguments(Refusal, example={"answer": "超过七日且商品完好"})
@blueprint.alt_response(200, schema=StaffClaim, example=_CLAIM, success=True)
@blueprint.refuses(*_DECIDES)
def refuse(given: dict[str, Any], number: str) -> Response:
    """Refuse a claim, with a reason for the shopper."""
    with database.transaction() as session:
        return said(claim_desk.refuse(session, guard.actor(), number=number, now=clock.now(), **given))


@blueprint.post("/aftersales/<number:number>/receipt")
@guard.staff(Permission.SHIP_ORDERS)
@blueprint.arguments(GoodsReceived, example={"is_restocked": True})
@blueprint.alt_response(200, schema=StaffClaim, example=_CLAIM, success=True)
@blueprint.refuses(*_DECIDES, *_PAYS)
def take_back(given: dict[str, Any], number: str) -> Response:
    """Confirm that the goods came back; the agreed money follows at once."""
    with database.transaction() as session:
        return said(claim_desk.take_back(session, guard.actor(), number=number, now=clock.now(), **given))


@blueprint.get("/refund-proposals")
@guard.staff(Permission.REFUND_ORDERS)
@blueprint.alt_response(
    200, schema=page_of(Proposal), example={"items": [_PROPOSAL], "next_cursor": None}, success=True
)
def proposals() -> Response:
    """List the refunds that wait for a second person, oldest first."""
    with database.transaction() as session:
        found = claim_desk.waiting(session, guard.actor())
    items = [{name: each[name] for name in Proposal().fields} for each in found]
    return said({"items": items, "next_cursor": None})


@blueprint.post("/refund-proposals/<number:number>/approval")
@guard.staff(Permission.REFUND_ORDERS)
@blueprint.alt_response(
    200,
    schema=ProposalDecision,
    example={"number": "B7K3M9X2P4QWE", "state": "approved", "refund": "R7K3M9X2P4QWE"},
    success=True,
)
@blueprint.refuses(errors.ProposalNotFound, errors.SecondPersonRequired, errors.ProposalDecided, *_PAYS)
def approve_proposal(number: str) -> Response:
    """Let a refund go, as another person than the one who asked for it."""
    return _decided(number, is_approved=True)


@blueprint.post("/refund-proposals/<number:number>/rejection")
@guard.staff(Permission.REFUND_ORDERS)
@blueprint.alt_response(
    200,
    schema=ProposalDecision,
    example={"number": "B7K3M9X2P4QWE", "state": "rejected", "refund": None},
    success=True,
)
@blueprint.refuses(errors.ProposalNotFound, errors.SecondPersonRequired, errors.ProposalDecided)
def reject_proposal(number: str) -> Response:
    """Say no to a refund, as another person than the one who asked for it."""
    return _decided(number, is_approved=False)


@blueprint.get("/stranded-refunds")
@guard.staff(Permission.READ_MONEY)
@blueprint.alt_response(
    200, schema=page_of(StrandedRefund), example={"items": [_STRANDED], "next_cursor": None}, success=True
)
def stranded() -> Response:
    """List the refunds that WeChat could not pay out, oldest first."""
    with database.transaction() as session:
        found = claim_desk.abnormal(session, guard.actor())
    items = [asdict(each) | {"requested_at": each.requested_at.isoformat()} for each in found]
    return said({"items": items, "next_cursor": None})


@blueprint.post("/stranded-refunds/<number:number>/card")
@guard.staff(Permission.REFUND_ORDERS)
@blueprint.arguments(Card, example={"bank_type": "ICBC_DEBIT", "account": "6222020000000000000", "holder": "王小明"})
@blueprint.alt_response(
    200, schema=RefundStanding, example={"number": "R7K3M9X2P4QWE", "state": "processing"}, success=True
)
@blueprint.refuses(
    payment_errors.RefundNotFound,
    payment_errors.RefundNotAbnormal,
    payment_errors.RefundDeclined,
    payment_errors.PaymentUnavailable,
    errors.SecondPersonRequired,
)
def send_to_card(given: dict[str, Any], number: str) -> Response:
    """Have WeChat send the money on to a bank card of the payer's."""
    state = claim_desk.send_to_card(guard.actor(), number=number, now=clock.now(), **given)
    return said({"number": number, "state": state})


@blueprint.post("/stranded-refunds/<number:number>/transfer")
@guard.staff(Permission.REFUND_ORDERS)
@blueprint.arguments(Transfer, example={"bank_reference": "20261121-000017", "paid_at": "2026-11-21T04:00:00+00:00"})
@blueprint.alt_response(
    200, schema=RefundStanding, example={"number": "R7K3M9X2P4QWE", "state": "transferred"}, success=True
)
@blueprint.refuses(
    payment_errors.RefundNotFound,
    payment_errors.RefundNotAbnormal,
    payment_errors.BankReferenceTaken,
    payment_errors.RefundUnderWay,
    errors.SecondPersonRequired,
)
def mark_transferred(given: dict[str, Any], number: str) -> Response:
    """Write that a person paid the money out by transfer."""
    with database.transaction() as session:
        claim_desk.mark_transferred(session, guard.actor(), number=number, now=clock.now(), **given)
    return said({"number": number, "state": RefundState.TRANSFERRED.value})


def _decided(number: str, *, is_approved: bool) -> Response:
    with database.transaction() as session:
        refund = claim_desk.decide(session, guard.actor(), number=number, is_approved=is_approved, now=clock.now())
    return said({"number": number, "state": "approved" if is_approved else "rejected", "refund": refund})
