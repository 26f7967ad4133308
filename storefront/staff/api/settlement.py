"""Settlement as JSON: statements with their steps, payouts with theirs, terms, and a supplier's own statements.

Invariant: exactly what `storefront.staff.settlement_desk` says; every sum is fen, a period a month such as 2026-11.
"""

from collections.abc import Mapping
from typing import Any

from flask import Response
from marshmallow import fields, validate

from config import clock, database
from config.schemas import Blueprint, Int, Schema, Text
from payments import errors as payment_errors
from storefront import guard
from storefront import settlement_errors as errors
from storefront.api.shapes import Answer, Instant, said
from storefront.roles import Permission
from storefront.settlement_lifecycle import StatementState
from storefront.staff import settlement_desk

blueprint = Blueprint("settlement", __name__, url_prefix="/api/staff/v1", description="Staff: settlement.")

_STATES = [state.value for state in StatementState]


class SupplierStatementSearch(Schema):
    """Which statements."""

    state = Text(validate=[validate.OneOf(_STATES)], load_default=None)


class SupplierStatement(Answer):
    """A supplier's month: `net_fen` is owed less fees, with what was carried over from earlier ones."""

    number = fields.String()
    supplier = fields.String()
    period = fields.String()
    state = fields.String(validate=validate.OneOf(_STATES))
    gross_fen = fields.Integer()
    owed_fen = fields.Integer()
    fees_fen = fields.Integer()
    carried_fen = fields.Integer()
    net_fen = fields.Integer()
    approved_at = Instant(allow_none=True)
    invoice_number = fields.String(allow_none=True)
    paid_out_at = Instant(allow_none=True)


class SupplierStatements(Answer):
    """Newest month first."""

    items = fields.List(fields.Nested(SupplierStatement))


class SupplierStatementLine(Answer):
    """One thing: goods or freight of an order, what went back of it, or what is carried over."""

    kind = fields.String()
    order = fields.String()
    part_no = fields.Integer()
    reference = fields.String()
    title = fields.String()
    quantity = fields.Integer()
    gross_fen = fields.Integer()
    owed_fen = fields.Integer()
    fee_fen = fields.Integer()
    net_fen = fields.Integer()
    occurred_at = Instant()


class SupplierStatementWhole(SupplierStatement):
    """A statement with its lines and the numbers of its payouts, oldest first."""

    lines = fields.List(fields.Nested(SupplierStatementLine))
    payouts = fields.List(fields.String())


class SettlementPeriod(Schema):
    """Which month."""

    period = Text(required=True, low=7, high=7)


class SettlementDraft(Answer):
    """A supplier and its statement of the month; `number` is null when there is nothing to settle."""

    supplier = fields.String()
    number = fields.String(allow_none=True)
    is_new = fields.Boolean()


class SettlementDrafts(Answer):
    """One for each supplier with terms."""

    items = fields.List(fields.Nested(SettlementDraft))


class SettlementApproval(Schema):
    """The sum that was read."""

    net_fen = Int(required=True, low=-(10**15))


class SettlementInvoice(Schema):
    """The supplier's invoice over exactly the statement."""

    invoice_number = Text(required=True, low=8, high=20)
    amount_fen = Int(required=True, low=1)


class SettlementStep(Answer):
    """The statement or payout that a step was about, and its number."""

    number = fields.String()


class BankTransferSent(Schema):
    """What the bank moved, under its own reference."""

    amount_fen = Int(required=True, low=1)
    bank_reference = Text(required=True, low=4, high=64)


class SettlementReason(Schema):
    """Why."""

    reason = Text(required=True, low=2, high=200)


_STATEMENT = {
    "number": "ST0123456789AB",
    "supplier": "SUP0001",
    "period": "2026-11",
    "state": "approved",
    "gross_fen": 5990,
    "owed_fen": 4792,
    "fees_fen": 35,
    "carried_fen": 0,
    "net_fen": 4757,
    "approved_at": "2026-12-02T02:00:00+00:00",
    "invoice_number": None,
    "paid_out_at": None,
}
_LINE = {
    "kind": "goods",
    "order": "2611211234567890",
    "part_no": 1,
    "reference": "",
    "title": "砀山酥梨 5斤装",
    "quantity": 1,
    "gross_fen": 5990,
    "owed_fen": 4792,
    "fee_fen": 35,
    "net_fen": 4757,
    "occurred_at": "2026-11-21T04:00:00+00:00",
}
_WHOLE = _STATEMENT | {"lines": [_LINE], "payouts": []}
_STEP = {"number": "ST0123456789AB"}
_PAYOUT = {"number": "T0123456789ABCDEFGHJKMNPQR"}


@blueprint.get("/settlement/statements")
@guard.staff(Permission.READ_MONEY)
@blueprint.arguments(SupplierStatementSearch, location="query")
@blueprint.alt_response(200, schema=SupplierStatements, example={"items": [_STATEMENT]}, success=True)
def statements(wanted: dict[str, Any]) -> Response:
    """List the statements of all suppliers, newest month first, 500 at most."""
    state = StatementState(wanted["state"]) if wanted["state"] else None
    with database.transaction() as session:
        return said({"items": _shown(settlement_desk.listing(session, guard.actor(), state=state))})


@blueprint.post("/settlement/statements")
@guard.staff(Permission.SETTLE)
@blueprint.arguments(SettlementPeriod, example={"period": "2026-11"})
@blueprint.alt_response(
    200,
    schema=SettlementDrafts,
    example={"items": [{"supplier": "SUP0001", "number": "ST0123456789AB", "is_new": True}]},
    success=True,
)
@blueprint.refuses(errors.PeriodInvalid, errors.PeriodNotOver)
def draft(given: dict[str, Any]) -> Response:
    """Draft the statements of a month that are missing."""
    drafted = settlement_desk.draft_all(guard.actor(), month=given["period"], now=clock.now())
    return said({"items": [{"supplier": d.supplier, "number": d.number, "is_new": d.is_new} for d in drafted]})


@blueprint.get("/settlement/statements/<number:number>")
@guard.staff(Permission.READ_MONEY)
@blueprint.alt_response(200, schema=SupplierStatementWhole, example=_WHOLE, success=True)
@blueprint.refuses(errors.StatementNotFound)
def statement(number: str) -> Response:
    """Show a statement with its lines."""
    with database.transaction() as session:
        return said(_whole(settlement_desk.find(session, guard.actor(), number=number)))


@blueprint.post("/settlement/statements/<number:number>/redraft")
@guard.staff(Permission.SETTLE)
@blueprint.alt_response(200, schema=SettlementStep, example=_STEP, success=True)
@blueprint.refuses(errors.StatementNotFound, errors.StatementMoved)
def redraft(number: str) -> Response:
    """Fill a draft anew."""
    with database.transaction() as session:
        settlement_desk.redraft(session, guard.actor(), number=number, now=clock.now())
    return said({"number": number})


@blueprint.post("/settlement/statements/<number:number>/approval")
@guard.staff(Permission.SETTLE)
@blueprint.arguments(SettlementApproval, example={"net_fen": 4757})
@blueprint.alt_response(200, schema=SettlementStep, example=_STEP, success=True)
@blueprint.refuses(
    errors.StatementNotFound, errors.StatementMoved, errors.StatementOutdated, errors.OtherPersonRequired
)
def approve(given: dict[str, Any], number: str) -> Response:
    """Approve a draft that somebody else made, over the sum that was read."""
    with database.transaction() as session:
        settlement_desk.approve(session, guard.actor(), number=number, net_fen=given["net_fen"], now=clock.now())
    return said({"number": number})


@blueprint.post("/settlement/statements/<number:number>/invoice")
@guard.staff(Permission.SETTLE)
@blueprint.arguments(SettlementInvoice, example={"invoice_number": "26342000000012345678", "amount_fen": 4757})
@blueprint.alt_response(200, schema=SettlementStep, example=_PAYOUT, success=True)
@blueprint.refuses(errors.StatementNotFound, errors.StatementMoved, errors.InvoiceAmountDiffers, errors.InvoiceTaken)
def invoice(given: dict[str, Any], number: str) -> Response:
    """Enter the supplier's invoice; answers the payout that it asks for."""
    with database.transaction() as session:
        payout = settlement_desk.invoice(session, guard.actor(), number=number, **given, now=clock.now())
    return said({"number": payout})


@blueprint.post("/settlement/statements/<number:number>/payout")
@guard.staff(Permission.SETTLE)
@blueprint.alt_response(200, schema=SettlementStep, example=_PAYOUT, success=True)
@blueprint.refuses(errors.StatementNotFound, errors.StatementMoved)
def pay_again(number: str) -> Response:
    """Ask for the payout anew after it bounced; answers the payout."""
    with database.transaction() as session:
        payout = settlement_desk.pay_again(session, guard.actor(), number=number, now=clock.now())
    return said({"number": payout})


@blueprint.post("/settlement/payouts/<number:number>/release")
@guard.staff(Permission.SETTLE)
@blueprint.alt_response(200, schema=SettlementStep, example=_PAYOUT, success=True)
@blueprint.refuses(payment_errors.PayoutNotFound, payment_errors.PayoutMoved, payment_errors.PayoutNeedsAnother)
def release(number: str) -> Response:
    """Let a payout that somebody else asked for go to the bank."""
    with database.transaction() as session:
        settlement_desk.release(session, guard.actor(), payout=number, now=clock.now())
    return said({"number": number})


@blueprint.post("/settlement/payouts/<number:number>/withdrawal")
@guard.staff(Permission.SETTLE)
@blueprint.arguments(SettlementReason, example={"reason": "发票号抄错"})
@blueprint.alt_response(200, schema=SettlementStep, example=_PAYOUT, success=True)
@blueprint.refuses(payment_errors.PayoutNotFound, payment_errors.PayoutMoved)
def call_back(given: dict[str, Any], number: str) -> Response:
    """Call a payout back before the bank moved it."""
    with database.transaction() as session:
        settlement_desk.call_back(session, guard.actor(), payout=number, reason=given["reason"], now=clock.now())
    return said({"number": number})


@blueprint.post("/settlement/payouts/<number:number>/sent")
@guard.staff(Permission.SETTLE)
@blueprint.arguments(BankTransferSent, example={"amount_fen": 4757, "bank_reference": "2026120200001"})
@blueprint.alt_response(200, schema=SettlementStep, example=_PAYOUT, success=True)
@blueprint.refuses(
    payment_errors.PayoutNotFound,
    payment_errors.PayoutMoved,
    payment_errors.PayoutAmountDiffers,
    payment_errors.BankReferenceTaken,
)
def mark_sent(given: dict[str, Any], number: str) -> Response:
    """Note that the bank moved exactly this sum."""
    with database.transaction() as session:
        settlement_desk.mark_sent(session, guard.actor(), payout=number, **given, now=clock.now())
    return said({"number": number})


@blueprint.post("/settlement/payouts/<number:number>/bounced")
@guard.staff(Permission.SETTLE)
@blueprint.arguments(SettlementReason, example={"reason": "账号不存在"})
@blueprint.alt_response(200, schema=SettlementStep, example=_PAYOUT, success=True)
@blueprint.refuses(payment_errors.PayoutNotFound, payment_errors.PayoutMoved)
def mark_bounced(given: dict[str, Any], number: str) -> Response:
    """Note that the bank sent the money back."""
    with database.transaction() as session:
        settlement_desk.mark_bounced(session, guard.actor(), payout=number, reason=given["reason"], now=clock.now())
    return said({"number": number})


@blueprint.get("/my/statements")
@guard.staff(Permission.READ_STATEMENTS)
@blueprint.alt_response(200, schema=SupplierStatements, example={"items": [_STATEMENT]}, success=True)
def mine() -> Response:
    """List a supplier's own statements that stand."""
    with database.transaction() as session:
        return said({"items": _shown(settlement_desk.mine(session, guard.actor()))})


@blueprint.get("/my/statements/<number:number>")
@guard.staff(Permission.READ_STATEMENTS)
@blueprint.alt_response(200, schema=SupplierStatementWhole, example=_WHOLE, success=True)
@blueprint.refuses(errors.StatementNotFound)
def own(number: str) -> Response:
    """Show one of a supplier's own statements."""
    with database.transaction() as session:
        return said(_whole(settlement_desk.find_mine(session, guard.actor(), number=number)))


def _shown(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: each[name] for name in SupplierStatement().fields} for each in found]


def _whole(found: Mapping[str, Any]) -> dict[str, Any]:
    payouts = [each["number"] for each in found["payouts"]]
    return {**_shown([dict(found)])[0], "lines": found["lines"], "payouts": payouts}
