"""What a seller's own links brought.

Invariant: exactly what `storefront.partner_statistics` says of the caller, and of nobody else.
"""

from typing import Any

from flask import Response
from marshmallow import fields, validate

from config import database
from config.schemas import Blueprint, Schema, Text
from storefront import errors, guard, limits, partner_statistics
from storefront.api.shapes import Answer, said
from storefront.partner_api.codes import Recommended
from storefront.partner_keys import KeyScope
from storefront.staff.api.shapes import Day
from subway_campaign import errors as campaign_errors
from subway_campaign.lifecycle import View

blueprint = Blueprint(
    "partner_statistics", __name__, url_prefix="/api/partner/v1", description="Partners: statistics of own links."
)

# A report of everybody is counted for it: a tenth of a second or more.
ASKED_A_MINUTE = 20


class StatisticsWanted(Schema):
    """The Shanghai days from `from` up to, not including, `to`; refunds on their sale's day, or on their own (cash)."""

    from_day = Day(required=True, data_key="from")
    to_day = Day(required=True, data_key="to")
    view = Text(validate=[validate.OneOf([view.value for view in View])], load_default=View.COHORT.value)


class Rate(Answer):
    """Journeys with at least one paid order / journeys, with Jeffreys' 95 % interval."""

    rate = fields.Float()
    low = fields.Float()
    high = fields.Float()


class LinkFigures(Answer):
    """Scans and openings of links, orders, and fen without freight. Visitors and rates of fewer than five are null."""

    scans = fields.Integer()
    visitors = fields.Integer(allow_none=True)
    orders = fields.Integer()
    paid_orders = fields.Integer()
    gross_fen = fields.Integer()
    refunded_fen = fields.Integer()
    net_fen = fields.Integer()
    conversion = fields.Nested(Rate, allow_none=True)


class OneLink(LinkFigures):
    """A link that brought something."""

    code = fields.String()
    landing = fields.Nested(Recommended)


class Commission(Answer):
    """Orders whose commission waits until nothing can be returned, or is barred; fen asked of WeChat, and paid."""

    waiting = fields.Integer()
    barred = fields.Integer()
    asked_fen = fields.Integer()
    paid_fen = fields.Integer()


class Statistics(Answer):
    """All links together, and each that brought something; commission by the day on which its order was paid for."""

    commission = fields.Nested(Commission)
    total = fields.Nested(LinkFigures)
    links = fields.List(fields.Nested(OneLink))


_FIGURES = {
    "scans": 40,
    "visitors": 38,
    "orders": 3,
    "paid_orders": 2,
    "gross_fen": 5980,
    "refunded_fen": 0,
    "net_fen": 5980,
    "conversion": {"rate": 0.05, "low": 0.011, "high": 0.152},
}
_EXAMPLE = {
    "commission": {"waiting": 1, "barred": 0, "asked_fen": 0, "paid_fen": 299},
    "total": _FIGURES,
    "links": [{**_FIGURES, "code": "7K3M9X2P", "landing": {"kind": "product", "slug": "dangshansuli"}}],
}


@blueprint.get("/statistics")
@guard.partner(KeyScope.READ_STATISTICS)
@blueprint.arguments(StatisticsWanted, location="query")
@blueprint.alt_response(200, schema=Statistics, example=_EXAMPLE, success=True)
@blueprint.refuses(errors.PeriodTooLong, campaign_errors.ImpossiblePeriod)
def show(wanted: dict[str, Any]) -> Response:
    """Say what one's own links brought: what the shop's own report says of them, and nothing of persons."""
    caller = guard.partner_caller()
    limits.allow(f"statistics:{caller.key_id}", limit=ASKED_A_MINUTE, window_s=60)
    with database.transaction() as session:
        found = partner_statistics.of_seller(
            session,
            partner=caller.number,
            from_day=wanted["from_day"],
            to_day=wanted["to_day"],
            view=View(wanted["view"]),
        )
    for link in found["links"]:
        link["landing"] = {"kind": link["landing"].kind, "slug": link["landing"].slug}
    return said(found)
