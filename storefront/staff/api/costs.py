"""Costs, impressions and returns as JSON.

Invariant: a cost is entered once per Idempotency-Key and never changed; every return says what it does not prove.
"""

from typing import Any

from flask import Response
from marshmallow import fields, validate

from config import clock, database
from config.schemas import Blueprint, Bool, Int, PageArgs, Pattern, Schema, Text, page_of
from storefront import errors, guard
from storefront.api.orders import Key
from storefront.api.shapes import Answer, Instant, said
from storefront.roles import Permission
from storefront.staff import cost_desk
from storefront.staff.api.shapes import PLACEMENT, Day
from subway_campaign import errors as campaign_errors
from subway_campaign.cost_models import CostKind, Method
from subway_campaign.costs import MOST_FEN, Cost
from subway_campaign.exposures import MOST_PASSERS, MOST_SEEN, Estimate
from subway_campaign.lifecycle import Model

blueprint = Blueprint("costs", __name__, url_prefix="/api/staff/v1", description="Staff: costs and returns.")

_KINDS = [kind.value for kind in CostKind]


class CostSearch(PageArgs):
    """Which costs: `under` is a placement's number, itself included."""

    under = Text(high=120, validate=[Pattern(PLACEMENT)], load_default=None)


class CostWanted(Schema):
    """What was spent on a placement of any level, over the Shanghai days from `from` up to, not including, `to`."""

    campaign = Text(required=True, low=1, high=40)
    placement = Text(required=True, high=120, validate=[Pattern(PLACEMENT)])
    kind = Text(required=True, validate=[validate.OneOf(_KINDS)])
    amount_fen = Int(required=True, low=1, high=MOST_FEN)
    from_day = Day(required=True, data_key="from")
    to_day = Day(required=True, data_key="to")
    note = Text(high=200, load_default="")


class Reversal(Schema):
    """Why a cost is taken back."""

    note = Text(required=True, low=1, high=200)


class CostShown(Answer):
    """A cost as it stands; that of a reversal is negative. `reversal` is the entry that took this one back."""

    number = fields.String()
    campaign = fields.String()
    placement = fields.String()
    placement_name = fields.String()
    kind = fields.String(validate=validate.OneOf(_KINDS))
    amount_fen = fields.Integer()
    from_day = fields.Date(data_key="from")
    to_day = fields.Date(data_key="to")
    note = fields.String()
    entered_by = fields.String()
    entered_at = Instant()
    reverses = fields.String(allow_none=True)
    reversal = fields.String(allow_none=True)


class EstimateWanted(Schema):
    """How many pass a day and how often each sees it, in thousandths; `source` says where the ridership comes from."""

    from_day = Day(required=True, data_key="from")
    to_day = Day(required=True, data_key="to")
    passers = Int(required=True, low=0, high=MOST_PASSERS)
    seen_low = Int(required=True, low=0, high=MOST_SEEN)
    seen = Int(required=True, low=0, high=MOST_SEEN)
    seen_high = Int(required=True, low=0, high=MOST_SEEN)
    source = Text(required=True, low=1, high=200)
    is_illustrative = Bool(load_default=False)


class EstimateShown(Answer):
    """An estimate with its method and version; the latest version of a placement stands for a day."""

    number = fields.String()
    placement = fields.String()
    method = fields.String(validate=validate.OneOf([method.value for method in Method]))
    version = fields.Integer()
    from_day = fields.Date(data_key="from")
    to_day = fields.Date(data_key="to")
    passers = fields.Integer()
    seen_low = fields.Integer()
    seen = fields.Integer()
    seen_high = fields.Integer()
    source = fields.String()
    is_illustrative = fields.Boolean()
    entered_by = fields.String()
    entered_at = Instant()


class Estimates(Answer):
    """The estimates at and below a placement, newest first."""

    items = fields.List(fields.Nested(EstimateShown))


class ReturnWanted(Schema):
    """The Shanghai days from `from` up to, not including, `to`."""

    from_day = Day(required=True, data_key="from")
    to_day = Day(required=True, data_key="to")
    model = Text(validate=[validate.OneOf([model.value for model in Model])], load_default=Model.LAST.value)


class Interval(Answer):
    """A value and the ends of its 95 % interval, or of its estimate."""

    value = fields.Float()
    low = fields.Float()
    high = fields.Float()


class Waiting(Answer):
    """What is needed for an answer, what is there, and the days to wait at the pace so far, null without any."""

    needed = fields.Integer()
    have = fields.Integer()
    days = fields.Integer(allow_none=True)


class Belief(Answer):
    """The Beta(a, b) that a rate is drawn towards; fitted to the medium's siblings where there are enough."""

    a = fields.Float()
    b = fields.Float()
    is_fitted = fields.Boolean()


class ImpressionsShown(Answer):
    """Estimated impressions with their range, and how many days of the period an estimate covers."""

    count = fields.Integer()
    low = fields.Integer()
    high = fields.Integer()
    days = fields.Integer()
    is_illustrative = fields.Boolean()


class ReturnShown(Answer):
    """What a placement cost and brought. `roi` is (net sales - cost) / cost; where it is null, `roi_wait` says why.

    `ranking_wait` says what is missing before the placement may be ranked among its siblings. `rate` is shrunk.
    """

    placement = fields.String()
    cost_fen = fields.Integer()
    net_fen = fields.Integer()
    scans = fields.Integer()
    journeys = fields.Integer()
    paid_orders = fields.Integer()
    cost_per_scan_fen = fields.Integer(allow_none=True)
    cost_per_order_fen = fields.Integer(allow_none=True)
    cost_per_mille_fen = fields.Nested(Interval, allow_none=True)
    roi = fields.Nested(Interval, allow_none=True)
    roi_wait = fields.Nested(Waiting, allow_none=True)
    rate = fields.Nested(Interval)
    prior = fields.Nested(Belief)
    ranking_wait = fields.Nested(Waiting, allow_none=True)
    impressions = fields.Nested(ImpressionsShown, allow_none=True)
    caveat = fields.String()


_WANTED = {
    "campaign": "XFFP2020",
    "placement": "METRO.HF.L1.T01",
    "kind": "media",
    "amount_fen": 9000000,
    "from": "2026-11-01",
    "to": "2026-12-01",
    "note": "列车包车合同（示例）",
}
_COST = {
    **_WANTED,
    "number": "CE0123456789ABCDEF",
    "placement_name": "1号线消费扶贫主题列车",
    "entered_by": "li",
    "entered_at": "2026-11-21T04:00:00+00:00",
    "reverses": None,
    "reversal": None,
}
_ESTIMATE_WANTED = {
    "from": "2026-11-01",
    "to": "2026-12-01",
    "passers": 10000,
    "seen_low": 300,
    "seen": 500,
    "seen_high": 800,
    "source": "示例，并非统计数据",
    "is_illustrative": True,
}
_ESTIMATE = {
    **_ESTIMATE_WANTED,
    "number": "EX0123456789ABCDEF",
    "placement": "METRO.HF.L1.T01",
    "method": "ridership_dwell",
    "version": 1,
    "entered_by": "li",
    "entered_at": "2026-11-21T04:00:00+00:00",
}
_RETURN = {
    "placement": "METRO.HF.L1.T01",
    "cost_fen": 100000,
    "net_fen": 39600,
    "scans": 400,
    "journeys": 400,
    "paid_orders": 4,
    "cost_per_scan_fen": 250,
    "cost_per_order_fen": 25000,
    "cost_per_mille_fen": None,
    "roi": None,
    "roi_wait": {"needed": 10, "have": 4, "days": 45},
    "rate": {"value": 0.018, "low": 0.0079, "high": 0.0322},
    "prior": {"a": 5.0, "b": 95.0, "is_fitted": False},
    "ranking_wait": {"needed": 3122, "have": 400, "days": 205},
    "impressions": None,
    "caveat": "归因结果，不代表因果",
}


@blueprint.get("/costs")
@guard.staff(Permission.READ_REPORTS)
@blueprint.arguments(CostSearch, location="query")
@blueprint.alt_response(200, schema=page_of(CostShown), example={"items": [_COST], "next_cursor": None}, success=True)
@blueprint.refuses(errors.OutsideArea, errors.ListCursorInvalid)
def listing(wanted: dict[str, Any]) -> Response:
    """List the costs, newest first; reversals are entries of their own."""
    with database.transaction() as session:
        page = cost_desk.listing(session, guard.actor(), **wanted)
    return said({"items": [_dated(item) for item in page["items"]], "next_cursor": page["next_cursor"]})


@blueprint.post("/costs")
@guard.staff(Permission.WRITE_COSTS)
@blueprint.arguments(Key, location="headers")
@blueprint.arguments(CostWanted, example=_WANTED)
@blueprint.alt_response(201, schema=CostShown, example=_COST, success=True)
@blueprint.alt_response(
    200, schema=CostShown, example=_COST, description="The same key and body came before.", success=True
)
@blueprint.refuses(
    errors.OutsideArea,
    errors.IdempotencyMismatch,
    campaign_errors.UnknownCampaign,
    campaign_errors.UnknownPlacement,
    campaign_errors.ImpossiblePeriod,
    campaign_errors.CostImplausible,
)
def enter(header: dict[str, Any], given: dict[str, Any]) -> Response:
    """Enter a cost. Periods may overlap."""
    cost = Cost(**(given | {"kind": CostKind(given["kind"])}))
    with database.transaction() as session:
        entry, is_new = cost_desk.enter(session, guard.actor(), cost=cost, key=header["key"], now=clock.now())
    return said(_dated(entry), 201 if is_new else 200)


@blueprint.post("/costs/<number:number>/reversal")
@guard.staff(Permission.WRITE_COSTS)
@blueprint.arguments(Reversal, example={"note": "金额写错"})
@blueprint.alt_response(201, schema=CostShown, example=_COST, success=True)
@blueprint.alt_response(200, schema=CostShown, example=_COST, description="It was taken back before.", success=True)
@blueprint.refuses(errors.OutsideArea, campaign_errors.UnknownCost, campaign_errors.CostIsReversal)
def reverse(given: dict[str, Any], number: str) -> Response:
    """Take a cost back by an entry of the opposite amount over the same days."""
    with database.transaction() as session:
        entry, is_new = cost_desk.reverse(session, guard.actor(), number=number, note=given["note"], now=clock.now())
    return said(_dated(entry), 201 if is_new else 200)


@blueprint.get("/placements/<node:number>/exposures")
@guard.staff(Permission.READ_REPORTS)
@blueprint.alt_response(200, schema=Estimates, example={"items": [_ESTIMATE]}, success=True)
@blueprint.refuses(errors.OutsideArea, campaign_errors.UnknownPlacement)
def estimates(number: str) -> Response:
    """List the estimates of impressions at and below a placement."""
    with database.transaction() as session:
        found = cost_desk.estimates(session, guard.actor(), placement=number)
    return said({"items": [_dated(item) for item in found]})


@blueprint.post("/placements/<node:number>/exposures")
@guard.staff(Permission.WRITE_COSTS)
@blueprint.arguments(Key, location="headers")
@blueprint.arguments(EstimateWanted, example=_ESTIMATE_WANTED)
@blueprint.alt_response(201, schema=EstimateShown, example=_ESTIMATE, success=True)
@blueprint.alt_response(
    200, schema=EstimateShown, example=_ESTIMATE, description="The same key and body came before.", success=True
)
@blueprint.refuses(
    errors.OutsideArea,
    errors.IdempotencyMismatch,
    campaign_errors.UnknownPlacement,
    campaign_errors.ImpossiblePeriod,
    campaign_errors.ExposureImplausible,
)
def estimate(header: dict[str, Any], given: dict[str, Any], number: str) -> Response:
    """Enter an estimate; it becomes the next version of the placement's."""
    wanted = Estimate(placement=number, **given)
    with database.transaction() as session:
        entered, is_new = cost_desk.estimate(session, guard.actor(), wanted=wanted, key=header["key"], now=clock.now())
    return said(_dated(entered), 201 if is_new else 200)


@blueprint.get("/placements/<node:number>/return")
@guard.staff(Permission.READ_REPORTS)
@blueprint.arguments(ReturnWanted, location="query")
@blueprint.alt_response(200, schema=ReturnShown, example=_RETURN, success=True)
@blueprint.refuses(
    errors.OutsideArea, errors.PeriodTooLong, campaign_errors.UnknownPlacement, campaign_errors.ImpossiblePeriod
)
def returned(wanted: dict[str, Any], number: str) -> Response:
    """Say what a placement cost and brought, how sure that is, and what is missing."""
    wanted["model"] = Model(wanted["model"])
    with database.transaction() as session:
        found = cost_desk.yielded(session, guard.actor(), placement=number, **wanted)
    return said({"placement": number, "impressions": found["impressions"], **found["answer"]})


def _dated(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item with its period under the names of the contract."""
    named = {name: value for name, value in item.items() if name not in {"from_day", "to_day"}}
    return named | {"from": item["from_day"], "to": item["to_day"]}
