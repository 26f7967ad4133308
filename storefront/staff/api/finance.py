"""Finance as JSON: reconciled days, cases, the ledger's balances and statements.

Invariant: exactly what `storefront.staff.finance` says; every sum is fen, every day Shanghai's.
"""

from typing import Any

from flask import Response
from marshmallow import fields, validate

from config import clock, database
from config.schemas import Blueprint, PageArgs, Schema, Text, page_of
from payments import errors as payment_errors
from payments.models import CaseKind, Resolution
from storefront import errors, guard
from storefront.api.shapes import Answer, Instant, said
from storefront.roles import Permission
from storefront.staff import finance
from storefront.staff.api.shapes import Day

blueprint = Blueprint("finance", __name__, url_prefix="/api/staff/v1", description="Staff: finance.")

_KINDS = [kind.value for kind in CaseKind]
_RESOLUTIONS = [resolution.value for resolution in Resolution]


class DaysWanted(Schema):
    """The Shanghai days from `from` to `to`, both included; at most 92."""

    from_day = Day(required=True, data_key="from")
    to_day = Day(required=True, data_key="to")


class BillSums(Answer):
    """What WeChat's bills say beside our books; `difference_fen` is WeChat's payments less refunds, less ours."""

    trades = fields.Integer()
    paid_fen = fields.Integer()
    refunded_fen = fields.Integer()
    fees_fen = fields.Integer()
    net_fen = fields.Integer()
    our_paid_fen = fields.Integer()
    our_refunded_fen = fields.Integer()
    difference_fen = fields.Integer()
    differences = fields.Integer()
    open_cases = fields.Integer()


class BillDayShown(BillSums):
    """A reconciled day; without a bill nothing happened on it. `balance_fen` is what the account ended it with."""

    day = fields.String(metadata={"format": "date"})
    has_bill = fields.Boolean()
    flows = fields.Integer()
    withdrawn_fen = fields.Integer()
    shared_fen = fields.Integer()
    other_fen = fields.Integer()
    balance_fen = fields.Integer(allow_none=True)
    is_equal = fields.Boolean()
    reconciled_at = Instant()


class BillDays(Answer):
    """Newest first; `missing` days were not reconciled, `open_cases` counts all that wait."""

    items = fields.List(fields.Nested(BillDayShown))
    total = fields.Nested(BillSums)
    missing = fields.List(fields.String(metadata={"format": "date"}))
    open_cases = fields.Integer()


class CaseSearch(PageArgs):
    """Which cases."""

    state = Text(validate=[validate.OneOf(["open", "closed"])], load_default=None)
    kind = Text(validate=[validate.OneOf(_KINDS)], load_default=None)
    number = Text(high=128, load_default=None)


class CaseShown(Answer):
    """A case; `difference_fen` is what WeChat has more than our books, null when nobody knows or it is no money."""

    slug = fields.String()
    kind = fields.String(validate=validate.OneOf(_KINDS))
    number = fields.String()
    evidence = fields.Dict()
    difference_fen = fields.Integer(allow_none=True)
    opened_at = Instant()
    owner = fields.String(allow_none=True)
    owned_at = Instant(allow_none=True)
    resolution = fields.String(allow_none=True)
    reason = fields.String(allow_none=True)
    closed_at = Instant(allow_none=True)
    closed_by = fields.String(allow_none=True)
    can_write_off = fields.Boolean()
    takes_two = fields.Boolean()
    write_off_asked_by = fields.String(allow_none=True)
    write_off_asked_at = Instant(allow_none=True)
    write_off_reason = fields.String(allow_none=True)


class CaseEnd(Schema):
    """How a case ends; `written_off` posts its difference to the ledger, once two have said so where it `takes_two`."""

    resolution = Text(required=True, validate=[validate.OneOf(_RESOLUTIONS)])
    reason = Text(required=True, low=2, high=500)


class FrozenSums(Answer):
    """Payments and their fen, less what was refunded: kept by WeChat, of that not shipped in 48 hours, released."""

    frozen = fields.Integer()
    frozen_fen = fields.Integer()
    overdue = fields.Integer()
    overdue_fen = fields.Integer()
    settled = fields.Integer()
    settled_fen = fields.Integer()


class OverduePayment(Answer):
    """A payment whose goods have not left within 48 hours."""

    order_number = fields.String()
    payment_number = fields.String()
    left_fen = fields.Integer()
    paid_at = Instant()


class FrozenMoney(Answer):
    """Money of mini-program payments; the oldest two hundred that are overdue."""

    total = fields.Nested(FrozenSums)
    overdue = fields.List(fields.Nested(OverduePayment))


_FROZEN = {"frozen": 1, "frozen_fen": 5990, "overdue": 0, "overdue_fen": 0, "settled": 3, "settled_fen": 17970}


class TrialWanted(Schema):
    """Up to the end of which Shanghai day."""

    day = Day(required=True)


class AccountShown(Answer):
    """An account: what was ever debited and credited, and debits less credits."""

    account = fields.String()
    debits_fen = fields.Integer()
    credits_fen = fields.Integer()
    balance_fen = fields.Integer()


class Trial(Answer):
    """The trial balance; its own balance is zero, or something is very wrong."""

    day = fields.String(metadata={"format": "date"})
    accounts = fields.List(fields.Nested(AccountShown))
    debits_fen = fields.Integer()
    credits_fen = fields.Integer()
    balance_fen = fields.Integer()


class StatementWanted(DaysWanted):
    """Which account."""

    account = Text(required=True, low=1, high=48)


class StatementDay(Answer):
    """A day on which something moved."""

    day = fields.String(metadata={"format": "date"})
    debits_fen = fields.Integer()
    credits_fen = fields.Integer()
    movements = fields.Integer()
    closing_fen = fields.Integer()


class StatementShown(Answer):
    """An account day by day."""

    account = fields.String()
    opening_fen = fields.Integer()
    days = fields.List(fields.Nested(StatementDay))
    closing_fen = fields.Integer()


_SUMS = {
    "trades": 3,
    "paid_fen": 15990,
    "refunded_fen": 5000,
    "fees_fen": 66,
    "net_fen": 10924,
    "our_paid_fen": 15990,
    "our_refunded_fen": 5000,
    "difference_fen": 0,
    "differences": 0,
    "open_cases": 0,
}
_DAY = _SUMS | {
    "day": "2026-11-20",
    "has_bill": True,
    "flows": 5,
    "withdrawn_fen": 0,
    "shared_fen": 0,
    "other_fen": 0,
    "balance_fen": 10924,
    "is_equal": True,
    "reconciled_at": "2026-11-21T02:05:00+00:00",
}
_CASE = {
    "slug": "K0F1E2D3C4B5A69788796A5B4C",
    "kind": "bill_amount",
    "number": "P7K3M9X2P4QWE",
    "evidence": {"day": "2026-11-20", "amount_fen": 5990, "our_amount_fen": 5900},
    "difference_fen": 90,
    "opened_at": "2026-11-21T02:05:00+00:00",
    "owner": None,
    "owned_at": None,
    "resolution": None,
    "reason": None,
    "closed_at": None,
    "closed_by": None,
    "can_write_off": True,
    "takes_two": False,
    "write_off_asked_by": None,
    "write_off_asked_at": None,
    "write_off_reason": None,
}
_MOVED = {"account": "wechat_receivable", "debits_fen": 15990, "credits_fen": 5066, "balance_fen": 10924}
_TRIAL = {"day": "2026-11-20", "accounts": [_MOVED], "debits_fen": 21056, "credits_fen": 21056, "balance_fen": 0}
_STATEMENT = {
    "account": "wechat_receivable",
    "opening_fen": 0,
    "days": [{"day": "2026-11-20", "debits_fen": 15990, "credits_fen": 5066, "movements": 4, "closing_fen": 10924}],
    "closing_fen": 10924,
}


@blueprint.get("/finance/days")
@guard.staff(Permission.READ_MONEY)
@blueprint.arguments(DaysWanted, location="query")
@blueprint.alt_response(
    200,
    schema=BillDays,
    example={"items": [_DAY], "total": _SUMS, "missing": [], "open_cases": 0},
    success=True,
)
@blueprint.refuses(errors.PeriodTooLong)
def days(wanted: dict[str, Any]) -> Response:
    """List the days that were compared with WeChat's bills."""
    with database.transaction() as session:
        return said(finance.days(session, guard.actor(), first=wanted["from_day"], last=wanted["to_day"]))


@blueprint.get("/finance/cases")
@guard.staff(Permission.READ_MONEY)
@blueprint.arguments(CaseSearch, location="query")
@blueprint.alt_response(200, schema=page_of(CaseShown), example={"items": [_CASE], "next_cursor": None}, success=True)
@blueprint.refuses(payment_errors.CaseCursorInvalid)
def cases(wanted: dict[str, Any]) -> Response:
    """List the cases, newest first."""
    wanted["kind"] = CaseKind(wanted["kind"]) if wanted["kind"] else None
    with database.transaction() as session:
        return said(finance.listing(session, guard.actor(), **wanted))


@blueprint.get("/finance/cases/<number:slug>")
@guard.staff(Permission.READ_MONEY)
@blueprint.alt_response(200, schema=CaseShown, example=_CASE, success=True)
@blueprint.refuses(payment_errors.CaseNotFound)
def case(slug: str) -> Response:
    """Show a case with its evidence."""
    with database.transaction() as session:
        return said(finance.find(session, guard.actor(), slug=slug))


@blueprint.put("/finance/cases/<number:slug>/owner")
@guard.staff(Permission.CLOSE_CASES)
@blueprint.alt_response(200, schema=CaseShown, example=_CASE | {"owner": "li"}, success=True)
@blueprint.refuses(payment_errors.CaseNotFound, payment_errors.CaseClosed)
def take(slug: str) -> Response:
    """Make a case one's own."""
    with database.transaction() as session:
        return said(finance.take(session, guard.actor(), slug=slug, now=clock.now()))


@blueprint.post("/finance/cases/<number:slug>/end")
@guard.staff(Permission.CLOSE_CASES)
@blueprint.arguments(CaseEnd, example={"resolution": "explained", "reason": "次日账单已补齐"})
@blueprint.alt_response(
    200,
    schema=CaseShown,
    example=_CASE | {"resolution": "explained", "reason": "次日账单已补齐", "closed_by": "li", "can_write_off": False},
    success=True,
)
@blueprint.refuses(
    payment_errors.CaseNotFound,
    payment_errors.CaseClosed,
    payment_errors.NothingToWriteOff,
    payment_errors.WriteOffNeedsAnother,
    payment_errors.RefundUnderWay,
)
def close(given: dict[str, Any], slug: str) -> Response:
    """End a case with a reason; a write-off that takes two stays open until another person does the same."""
    resolution = Resolution(given["resolution"])
    with database.transaction() as session:
        ended = finance.close(
            session, guard.actor(), slug=slug, resolution=resolution, reason=given["reason"], now=clock.now()
        )
    return said(ended)


@blueprint.get("/finance/frozen")
@guard.staff(Permission.READ_MONEY)
@blueprint.alt_response(200, schema=FrozenMoney, example={"total": _FROZEN, "overdue": []}, success=True)
def frozen() -> Response:
    """Show what WeChat keeps until goods are shipped and received, and what it has released."""
    with database.transaction() as session:
        return said(finance.frozen(session, guard.actor(), now=clock.now()))


@blueprint.get("/finance/ledger")
@guard.staff(Permission.READ_MONEY)
@blueprint.arguments(TrialWanted, location="query")
@blueprint.alt_response(200, schema=Trial, example=_TRIAL, success=True)
def trial(wanted: dict[str, Any]) -> Response:
    """Show the trial balance at the end of a day."""
    with database.transaction() as session:
        return said(finance.trial(session, guard.actor(), day=wanted["day"]))


@blueprint.get("/finance/ledger/statement")
@guard.staff(Permission.READ_MONEY)
@blueprint.arguments(StatementWanted, location="query")
@blueprint.alt_response(200, schema=StatementShown, example=_STATEMENT, success=True)
@blueprint.refuses(errors.PeriodTooLong)
def statement(wanted: dict[str, Any]) -> Response:
    """Show an account day by day."""
    with database.transaction() as session:
        told = finance.statement(
            session, guard.actor(), account=wanted["account"], first=wanted["from_day"], last=wanted["to_day"]
        )
    return said(told)
