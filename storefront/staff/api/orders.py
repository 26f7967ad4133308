"""Orders as staff tools see and change them.

Invariant: goods out of the role's scope do not exist here; a refund happens once per key.
"""

from typing import Any

import marshmallow as ma
from flask import Response
from marshmallow import fields, validate

from catalog import errors as catalog_errors
from config import clock, database
from config.schemas import Blueprint, Int, PageArgs, Pattern, Schema, Text, page_of
from payments import errors as payment_errors
from storefront import errors, guard
from storefront.api.order_shapes import EXAMPLE as ORDER_EXAMPLE
from storefront.api.order_shapes import Consignment, Order, OrderLine
from storefront.api.orders import Key
from storefront.api.shapes import Answer, Destination, Instant, said
from storefront.order_lifecycle import OrderState
from storefront.roles import Permission
from storefront.shipping_lifecycle import FundState
from storefront.staff import order_desk
from subway_campaign import errors as campaign_errors
from subway_campaign.lifecycle import Outcome

blueprint = Blueprint("staff_orders", __name__, url_prefix="/api/staff/v1", description="Staff: orders.")

_MOST_LINES = 50


class StaffOrderSearch(PageArgs):
    """Which orders; `q` is the beginning of a number."""

    state = Text(validate=[validate.OneOf([state.value for state in OrderState])], load_default=None)
    q = Text(high=20, load_default=None)


class RefundLine(Schema):
    """How much of one line goes back, in fen or in pieces; in both when pieces are worth less than they cost."""

    line = Int(required=True, low=1, high=999)
    amount_fen = Int(low=1)
    quantity = Int(low=1, high=999)

    @ma.validates_schema
    def _something(self, data: dict[str, Any], **_: Any) -> None:
        if "amount_fen" not in data and "quantity" not in data:
            raise ma.ValidationError("请给出退款金额或件数", "amount_fen")


class RefundWanted(Schema):
    """Which lines go back, and how much of the freight; `reason` is shown to the shopper."""

    lines = fields.List(fields.Nested(RefundLine), required=True, validate=validate.Length(max=_MOST_LINES))
    freight_fen = Int(low=0, load_default=0)
    reason = Text(required=True, low=1, high=80)


class LineBatch(Schema):
    """Which production batch a line comes from; the code is that under `/staff/batches`."""

    line = Int(required=True, low=1, high=999)
    batch = Text(required=True, validate=[Pattern("[0-9A-Z]{1,20}")])


class ShipmentWanted(Schema):
    """How it travels; without `lines` all that is left goes. A consignment always goes as a whole."""

    carrier = Text(required=True, low=1, high=32)
    tracking_number = Text(required=True, validate=[Pattern("[0-9A-Za-z-]{5,40}")])
    lines = fields.List(Int(low=1, high=999), validate=validate.Length(min=1, max=_MOST_LINES), load_default=None)
    batches = fields.List(fields.Nested(LineBatch), validate=validate.Length(max=_MOST_LINES), load_default=list)


class ShipmentCorrected(Schema):
    """How a consignment really travels."""

    consignment = Int(required=True, low=1, high=999)
    carrier = Text(required=True, low=1, high=32)
    tracking_number = Text(required=True, validate=[Pattern("[0-9A-Za-z-]{5,40}")])


class StaffPayment(Answer):
    """The money behind an order."""

    number = fields.String(allow_none=True)
    state = fields.String(validate=validate.OneOf(["open", "confirming", "succeeded", "closed"]))
    channel = fields.String(allow_none=True)
    transaction_id = fields.String(allow_none=True)
    succeeded_at = Instant(allow_none=True)


class OrderRefundShown(Answer):
    """Money asked back, by whom, and what became of it."""

    refund = fields.String()
    amount_fen = fields.Integer()
    freight_fen = fields.Integer()
    reason = fields.String()
    asked_by = fields.String()
    asked_at = Instant()
    refunded_at = Instant(allow_none=True)
    failed_at = Instant(allow_none=True)


class StaffOrderLine(OrderLine):
    """A line; `refundable_fen` is what may still be asked back, `staying` how many pieces are not to be sent."""

    refundable_fen = fields.Integer()
    staying = fields.Integer()


class StaffConsignment(Consignment):
    """What ships together; `warehouse` is what people call `ship_from`."""

    warehouse = fields.String()


class StaffDestination(Destination):
    """Where it goes. Lists name the region only; name, telephone and street are masked for who does not ship."""

    name = fields.String(allow_none=True)
    phone = fields.String(allow_none=True)
    detail = fields.String(allow_none=True)


class StaffOrderSummary(Order):
    """An order in a list; `is_partial` when goods out of scope were left out."""

    address = fields.Nested(StaffDestination)
    payment = fields.Nested(StaffPayment)
    refunds = fields.List(fields.Nested(OrderRefundShown))
    is_partial = fields.Boolean()


class OrderMoney(Answer):
    """Where the money of an order paid in the mini-program stands: with WeChat until it is settled or refunded.

    `left_fen` is what was not refunded; `is_overdue` when nothing left within 48 hours.
    """

    state = fields.String(validate=validate.OneOf([state.value for state in FundState]))
    left_fen = fields.Integer()
    is_overdue = fields.Boolean()
    reported_at = Instant(allow_none=True)
    shipped_at = Instant(allow_none=True)
    settles_at = Instant(allow_none=True)
    received_at = Instant(allow_none=True)
    settled_at = Instant(allow_none=True)


class SendableBatch(Answer):
    """A production batch of one of the order's products that may leave."""

    code = fields.String()
    lot = fields.String()
    made_on = fields.Date()
    product = fields.String()


class StaffOrder(StaffOrderSummary):
    """An order with what may still be refunded, and the `batches` that its goods may come from."""

    lines = fields.List(fields.Nested(StaffOrderLine))
    consignments = fields.List(fields.Nested(StaffConsignment))
    freight_refundable_fen = fields.Integer()
    batches = fields.List(fields.Nested(SendableBatch))
    money = fields.Nested(OrderMoney, allow_none=True)


class ReasonWanted(Schema):
    """Why what came too late shall count, or two be parted; it stays with the decision, so it names nobody."""

    reason = Text(required=True, low=4, high=200)


class RefundAccepted(Answer):
    """A refund on its way to WeChat, or, above the limit, a `proposal` that waits for a second person."""

    order = fields.String()
    refund = fields.String(allow_none=True)
    proposal = fields.String(allow_none=True)
    amount_fen = fields.Integer()


class Merge(Answer):
    """What joined the buyer of an order to another phone, browser or login, and whether it was undone."""

    number = fields.String()
    via = fields.String()
    joined_at = Instant()
    undone_at = Instant(allow_none=True)


class Attribution(Answer):
    """Why an order was credited: every touch with its rule, weights and ledger rows; null until it is paid."""

    order = fields.String()
    placed_at = Instant()
    paid_at = Instant(allow_none=True)
    freight_fen = fields.Integer()
    lines = fields.List(fields.Dict())
    outcome = fields.String(allow_none=True, validate=validate.OneOf([outcome.value for outcome in Outcome]))
    words = fields.String()
    reason = fields.String(allow_none=True)
    flags = fields.List(fields.String())
    earned_via = fields.String(allow_none=True)
    version = fields.Integer(allow_none=True)
    versions = fields.List(fields.Dict())
    frozen_at = Instant(allow_none=True)
    rules_version = fields.Integer(allow_none=True)
    params = fields.Dict(allow_none=True)
    decided_at = Instant(allow_none=True)
    touches = fields.List(fields.Dict())
    journey = fields.List(fields.String())
    weights = fields.Dict()
    ledger = fields.List(fields.Dict())
    recomputed_equal = fields.Boolean(allow_none=True)
    merges = fields.List(fields.Nested(Merge))


_UNDECIDED: dict[str, Any] = {
    "reason": None,
    "flags": [],
    "earned_via": None,
    "version": None,
    "versions": [],
    "frozen_at": None,
    "rules_version": None,
    "params": None,
    "decided_at": None,
    "touches": [],
    "journey": [],
    "weights": {},
    "ledger": [],
    "recomputed_equal": None,
    "merges": [],
}
_UNEXPLAINED = {
    "order": "2611214815162342",
    "placed_at": "2026-11-21T04:00:00+00:00",
    "paid_at": None,
    "freight_fen": 0,
    "lines": [],
    "outcome": None,
    "words": "订单尚未支付，未作归因。",
    **_UNDECIDED,
}
_PAYMENT = {"number": None, "state": "open", "channel": None, "transaction_id": None, "succeeded_at": None}
_SUMMARY = {
    **ORDER_EXAMPLE,
    "address": {"name": None, "phone": None, "region_code": "340102", "region": "安徽省 合肥市 瑶海区", "detail": None},
    "payment": _PAYMENT,
    "refunds": [],
    "is_partial": False,
}
_LINE = {
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
    "refundable_fen": 5980,
    "staying": 0,
}
_EXAMPLE = {
    **_SUMMARY,
    "address": ORDER_EXAMPLE["address"],
    "lines": [_LINE],
    "consignments": [
        {
            "consignment": 1,
            "ship_from": "suzhou",
            "warehouse": "宿州发货仓",
            "freight_fen": 0,
            "carrier": None,
            "tracking_number": None,
            "shipped_at": None,
        }
    ],
    "freight_refundable_fen": 0,
    "batches": [{"code": "B7K3M9X2P4QWE", "lot": "20261120-01", "made_on": "2026-11-20", "product": "dangshansuli"}],
    "money": None,
}
_ACCEPTED = {"order": "2611214815162342", "refund": "R7K3M9X2P4QWE", "proposal": None, "amount_fen": 2990}


@blueprint.get("/orders")
@guard.staff(Permission.READ_ORDERS)
@blueprint.arguments(StaffOrderSearch, location="query")
@blueprint.alt_response(
    200, schema=page_of(StaffOrderSummary), example={"items": [_SUMMARY], "next_cursor": None}, success=True
)
@blueprint.refuses(errors.CursorInvalid)
def listing(wanted: dict[str, Any]) -> Response:
    """List the orders in scope, newest first."""
    wanted["state"] = OrderState(wanted["state"]) if wanted["state"] else None
    with database.transaction() as session:
        return said(order_desk.listing(session, guard.actor(), **wanted))


@blueprint.get("/orders/<number:number>")
@guard.staff(Permission.READ_ORDERS)
@blueprint.alt_response(200, schema=StaffOrder, example=_EXAMPLE, success=True)
@blueprint.refuses(errors.OrderNotFound)
def find(number: str) -> Response:
    """Show an order; reading a whole address is written down."""
    with database.transaction() as session:
        return said(order_desk.find(session, guard.actor(), number=number, now=clock.now()))


@blueprint.get("/orders/<number:number>/attribution")
@guard.staff(Permission.READ_ATTRIBUTION)
@blueprint.alt_response(
    200,
    schema=Attribution,
    example=_UNEXPLAINED,
    success=True,
)
@blueprint.refuses(errors.OrderNotFound, campaign_errors.UnknownConversion)
def explain(number: str) -> Response:
    """Explain who was credited with an order, touch by touch."""
    with database.transaction() as session:
        told = order_desk.explain(session, guard.actor(), number=number, now=clock.now())
    return said(_UNDECIDED | told["explained"])


@blueprint.post("/orders/<number:number>/attribution")
@guard.staff(Permission.WRITE_PLACEMENTS)
@blueprint.arguments(ReasonWanted, example={"reason": "信号中断，扫码记录晚到四天"})
@blueprint.alt_response(200, schema=Attribution, example=_UNEXPLAINED, success=True)
@blueprint.refuses(
    errors.OrderNotFound,
    campaign_errors.UnknownConversion,
    campaign_errors.NotDecided,
    campaign_errors.BuyerForgotten,
)
def override(given: dict[str, Any], number: str) -> Response:
    """Decide on an order with everything that is known now, also what came more than 72 hours after it."""
    with database.transaction() as session:
        told = order_desk.decide_again(session, guard.actor(), number=number, reason=given["reason"], now=clock.now())
    return said(_UNDECIDED | told["explained"])


@blueprint.post("/orders/<number:number>/merges/<number:merge>/undoing")
@guard.staff(Permission.WRITE_PLACEMENTS)
@blueprint.arguments(ReasonWanted, example={"reason": "买家来电：那台手机是同事的"})
@blueprint.alt_response(200, schema=Attribution, example=_UNEXPLAINED, success=True)
@blueprint.refuses(errors.OrderNotFound, campaign_errors.UnknownConversion, campaign_errors.UnknownMerge)
def part(given: dict[str, Any], number: str, merge: str) -> Response:
    """Part an order's buyer from somebody they were joined to; orders of the last 72 hours are decided again."""
    with database.transaction() as session:
        told = order_desk.part(
            session, guard.actor(), number=number, merge=merge, reason=given["reason"], now=clock.now()
        )
    return said(_UNDECIDED | told["explained"])


@blueprint.post("/orders/<number:number>/refunds")
@guard.staff(Permission.REFUND_ORDERS)
@blueprint.arguments(Key, location="headers")
@blueprint.arguments(RefundWanted, example={"lines": [{"line": 1, "amount_fen": 2990}], "reason": "坏果包赔"})
@blueprint.alt_response(201, schema=RefundAccepted, example=_ACCEPTED, success=True)
@blueprint.alt_response(
    200, schema=RefundAccepted, example=_ACCEPTED, description="The same key and body came before.", success=True
)
@blueprint.refuses(
    errors.OrderNotFound,
    errors.OrderNotPaid,
    errors.RefundExceedsLine,
    errors.LinesInvalid,
    errors.IdempotencyMismatch,
    payment_errors.NothingToRefund,
    payment_errors.RefundTooLarge,
    payment_errors.RefundTooLate,
    payment_errors.TooManyRefunds,
)
def refund(header: dict[str, Any], given: dict[str, Any], number: str) -> Response:
    """Give money back, line by line, in fen or in pieces."""
    lines = {line["line"]: line.get("amount_fen") for line in given["lines"]}
    if len(lines) < len(given["lines"]):
        raise errors.LinesInvalid(lines=sorted(lines))
    with database.transaction() as session:
        asked = order_desk.refund(
            session,
            guard.actor(),
            number=number,
            lines=lines,
            pieces={line["line"]: line["quantity"] for line in given["lines"] if "quantity" in line},
            freight_fen=given["freight_fen"],
            reason=given["reason"],
            key=header["key"],
            now=clock.now(),
        )
    body = {"order": number, "refund": asked.refund, "proposal": asked.proposal, "amount_fen": asked.amount_fen}
    return said(body, 201 if asked.is_new else 200)


@blueprint.post("/orders/<number:number>/shipments")
@guard.staff(Permission.SHIP_ORDERS)
@blueprint.arguments(ShipmentWanted, example={"carrier": "中通快递", "tracking_number": "73111222333444"})
@blueprint.alt_response(201, schema=StaffOrder, example=_EXAMPLE, success=True)
@blueprint.alt_response(
    200, schema=StaffOrder, example=_EXAMPLE, description="It left under this tracking number before.", success=True
)
@blueprint.refuses(
    errors.OrderNotFound,
    errors.OrderNotPaid,
    errors.LinesInvalid,
    catalog_errors.ProductionBatchUnknown,
    catalog_errors.BatchBarred,
)
def ship(given: dict[str, Any], number: str) -> Response:
    """Send consignments of a paid order; `batches` says from which production batch a line comes."""
    given["batches"] = {named["line"]: named["batch"] for named in given["batches"]}
    with database.transaction() as session:
        order, is_new = order_desk.ship(session, guard.actor(), number=number, now=clock.now(), **given)
    return said(order, 201 if is_new else 200)


@blueprint.put("/orders/<number:number>/shipments")
@guard.staff(Permission.SHIP_ORDERS)
@blueprint.arguments(
    ShipmentCorrected, example={"consignment": 1, "carrier": "中通快递", "tracking_number": "73123456789012"}
)
@blueprint.alt_response(200, schema=StaffOrder, example=_EXAMPLE, success=True)
@blueprint.refuses(errors.OrderNotFound, errors.OrderNotShipped, errors.ReshipUsed)
def correct(given: dict[str, Any], number: str) -> Response:
    """Put right carrier and tracking number; once WeChat was told of an order's shipping, that goes once."""
    with database.transaction() as session:
        return said(order_desk.correct(session, guard.actor(), number=number, **given, now=clock.now()))
