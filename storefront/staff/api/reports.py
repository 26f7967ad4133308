"""The placement report as JSON, beside the shop's own sales.

Invariant: exactly what `storefront.staff.reports` says.
"""

from typing import Any

from flask import Response
from marshmallow import fields, validate

from config import database
from config.schemas import Blueprint, Schema, Text
from storefront import errors, guard
from storefront.api.shapes import Answer, said
from storefront.roles import Permission
from storefront.staff import reports
from storefront.staff.api.shapes import Day
from subway_campaign import errors as campaign_errors
from subway_campaign.lifecycle import Level, Model, View

blueprint = Blueprint("reports", __name__, url_prefix="/api/staff/v1", description="Staff: reports.")


class ReportWanted(Schema):
    """The Shanghai days from `from` up to, not including, `to`, and how to look at them.

    `campaign` and `creative` (numbers) leave what happened at their codes, `hall` and `product` (slugs) what was sold
    of their goods: scans are then of all codes. Figures that cannot be told apart under a filter are null.
    """

    from_day = Day(required=True, data_key="from")
    to_day = Day(required=True, data_key="to")
    model = Text(validate=[validate.OneOf([model.value for model in Model])], load_default=Model.LAST.value)
    level = Text(validate=[validate.OneOf([level.value for level in Level])], load_default=Level.POSITION.value)
    view = Text(validate=[validate.OneOf([view.value for view in View])], load_default=View.COHORT.value)
    campaign = Text(validate=[validate.Length(1, 80)], load_default=None)
    creative = Text(validate=[validate.Length(1, 80)], load_default=None)
    hall = Text(validate=[validate.Length(1, 80)], load_default=None)
    product = Text(validate=[validate.Length(1, 80)], load_default=None)


class Money(Answer):
    """Fen: what was paid for goods, what of it went back, and what is left."""

    gross_fen = fields.Integer()
    refunded_fen = fields.Integer()
    net_fen = fields.Integer()


class Conversion(Answer):
    """Journeys with at least one paid order / journeys, with Jeffreys' 95 % interval; null without journeys."""

    rate = fields.Float(allow_none=True)
    low = fields.Float(allow_none=True)
    high = fields.Float(allow_none=True)
    journeys = fields.Integer()
    paid = fields.Integer()


class ReportRow(Money):
    """A placement; `visitors` do not add up over a tree. `earned_fen` came by shares.

    `cost_fen` was booked for it and what is below it, `allocated_cost_fen` has its even share of what was booked above.
    """

    placement = fields.String()
    name = fields.String()
    level = fields.String()
    scans = fields.Integer()
    visitors = fields.Integer(allow_none=True)
    album_scans = fields.Integer()
    carts = fields.Integer(allow_none=True)
    orders = fields.Integer()
    paid_orders = fields.Integer()
    earned_fen = fields.Integer(allow_none=True)
    cost_fen = fields.Integer(allow_none=True)
    allocated_cost_fen = fields.Integer(allow_none=True)
    conversion = fields.Nested(Conversion)


class Unattributed(Money):
    """Paid sales that no placement earned, by reason."""

    reason = fields.String()
    orders = fields.Integer()
    paid_orders = fields.Integer()


class Excluded(Unattributed):
    """Scans and sales that are kept but never counted, by reason."""

    scans = fields.Integer()


class Outside(Money):
    """Sales of placements under other campaigns or creatives than were asked for; zero without such a filter."""

    orders = fields.Integer()
    paid_orders = fields.Integer()


class Undecided(Money):
    """Paid and refunded orders that the campaign hears of within moments."""

    orders = fields.Integer()
    freight_fen = fields.Integer()
    refunded_freight_fen = fields.Integer()


class ReportTotal(Money):
    """The sum of rows, outside, unattributed and excluded; both costs are the same here."""

    scans = fields.Integer()
    album_scans = fields.Integer()
    carts = fields.Integer(allow_none=True)
    orders = fields.Integer()
    paid_orders = fields.Integer()
    cost_fen = fields.Integer(allow_none=True)
    allocated_cost_fen = fields.Integer(allow_none=True)


class Sales(Money):
    """The shop's own books for the same days, goods and freight apart."""

    orders = fields.Integer()
    goods_fen = fields.Integer()
    freight_fen = fields.Integer()
    refunded_goods_fen = fields.Integer()
    refunded_freight_fen = fields.Integer()
    net_freight_fen = fields.Integer()


class Difference(Money):
    """Sales less everything in the report: zero, or something is wrong."""

    orders = fields.Integer()
    freight_fen = fields.Integer()


class PlacementReport(Answer):
    """The report; `freight_fen` is net and no placement's, and null where only some goods are meant.

    For whom only branches of the placements are in sight `undecided`, `sales`, `difference` and `freight_fen` are null,
    what no placement earned is left out, and a level above a branch is read as its own.
    """

    rows = fields.List(fields.Nested(ReportRow))
    unattributed = fields.List(fields.Nested(Unattributed))
    excluded = fields.List(fields.Nested(Excluded))
    outside = fields.Nested(Outside)
    undecided = fields.Nested(Undecided, allow_none=True)
    freight_fen = fields.Integer(allow_none=True)
    total = fields.Nested(ReportTotal)
    sales = fields.Nested(Sales, allow_none=True)
    difference = fields.Nested(Difference, allow_none=True)


_MONEY = {"gross_fen": 5980, "refunded_fen": 0, "net_fen": 5980}
_COST = {"cost_fen": 12000, "allocated_cost_fen": 12000}
_NOTHING = {"gross_fen": 0, "refunded_fen": 0, "net_fen": 0}
_EXAMPLE = {
    "rows": [
        {
            "placement": "METRO.HF.L1.T01.C3.P05",
            "name": "主题列车3号车厢 侧墙5号展板",
            "level": "position",
            "scans": 40,
            "visitors": 38,
            "album_scans": 1,
            "carts": 3,
            "orders": 1,
            "paid_orders": 1,
            **_MONEY,
            "earned_fen": 0,
            **_COST,
            "conversion": {"rate": 0.025, "low": 0.003, "high": 0.111, "journeys": 40, "paid": 1},
        }
    ],
    "unattributed": [],
    "excluded": [{"reason": "excluded_staff", "scans": 2, "orders": 0, "paid_orders": 0, **_NOTHING}],
    "outside": {"orders": 0, "paid_orders": 0, **_NOTHING},
    "undecided": {"orders": 0, "freight_fen": 0, "refunded_freight_fen": 0, **_NOTHING},
    "freight_fen": 800,
    "total": {"scans": 42, "album_scans": 1, "carts": 3, "orders": 1, "paid_orders": 1, **_MONEY, **_COST},
    "sales": {
        "orders": 1,
        "goods_fen": 5980,
        "freight_fen": 800,
        "refunded_goods_fen": 0,
        "refunded_freight_fen": 0,
        "net_freight_fen": 800,
        **_MONEY,
    },
    "difference": {"orders": 0, "freight_fen": 0, **_NOTHING},
}


@blueprint.get("/reports/placements")
@guard.staff(Permission.READ_REPORTS)
@blueprint.arguments(ReportWanted, location="query")
@blueprint.alt_response(200, schema=PlacementReport, example=_EXAMPLE, success=True)
@blueprint.refuses(errors.PeriodTooLong, campaign_errors.ImpossiblePeriod, campaign_errors.UnknownCampaign)
def placements(wanted: dict[str, Any]) -> Response:
    """Report what every placement brought, what nobody earned, and how that compares with the shop's own books."""
    with database.transaction() as session:
        report = reports.placements(
            session,
            guard.actor(),
            reports.Wanted(
                from_day=wanted["from_day"],
                to_day=wanted["to_day"],
                model=Model(wanted["model"]),
                view=View(wanted["view"]),
                **{name: wanted[name] for name in ("campaign", "creative", "hall", "product")},
            ),
            level=Level(wanted["level"]),
        )
    return said(report)
