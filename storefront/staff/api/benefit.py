"""Benefit as JSON: totals, groups, links, and households for the clerks of their own county.

Invariant: a household's name is in one answer only, and each such answer stands in the audit trail.
"""

from datetime import datetime, time
from typing import Any

from flask import Response
from marshmallow import fields, validate

from config import clock, database
from config.schemas import Blueprint, Int, Schema, Text
from storefront import benefit_errors, errors, guard
from storefront.api.shapes import Answer, Instant, said
from storefront.benefit_links import WHOLE_BP, Wanted
from storefront.benefit_models import GroupKind, Mode
from storefront.roles import Permission
from storefront.second_factor_errors import SecondFactorRequired
from storefront.staff import benefit_desk
from storefront.staff.api.shapes import Day, Moment

blueprint = Blueprint("benefit", __name__, url_prefix="/api/staff/v1", description="Staff: who benefits from sales.")

_MODES = validate.OneOf([mode.value for mode in Mode])
_KINDS = validate.OneOf([kind.value for kind in GroupKind])


class PeriodWanted(Schema):
    """Whole days in China, half-open."""

    from_ = Day(required=True, data_key="from")
    to = Day(required=True)


class TotalShown(Answer):
    """What moved for a county in a mode and a month, in fen; refunds are told in the month in which they were paid."""

    county_code = fields.String()
    county = fields.String()
    mode = fields.String(validate=_MODES)
    month = fields.String()
    groups = fields.Integer()
    orders = fields.Integer()
    sold_fen = fields.Integer()
    refunded_fen = fields.Integer()
    net_fen = fields.Integer()


class Totals(Answer):
    """The latest month first."""

    items = fields.List(fields.Nested(TotalShown))


class GroupWanted(Schema):
    """A co-operative or a group of households of one county; its name names no household."""

    kind = Text(required=True, validate=[_KINDS])
    name = Text(required=True, low=2, high=60)
    county_code = Text(required=True, low=6, high=6)


class GroupShown(Answer):
    """A group, with how many households are in it and how many links hold now."""

    number = fields.String()
    kind = fields.String(validate=_KINDS)
    name = fields.String()
    county_code = fields.String()
    county = fields.String()
    opened_at = Instant()
    households = fields.Integer()
    active_links = fields.Integer()


class Groups(Answer):
    """All within the reader's area."""

    items = fields.List(fields.Nested(GroupShown))


class LinkShown(Answer):
    """So many ten-thousandths of what is paid for a product, from `starts_at` until `ends_at` (null: for good)."""

    number = fields.String()
    product = fields.String()
    product_name = fields.String()
    group = fields.String()
    county_code = fields.String()
    mode = fields.String(validate=_MODES)
    share_bp = fields.Integer()
    starts_at = Instant()
    ends_at = Instant(allow_none=True)
    linked_by = fields.String()
    linked_at = Instant()


class GroupWhole(GroupShown):
    """A group with its links; `are_own` says whether the reader may see its households."""

    links = fields.List(fields.Nested(LinkShown))
    may_write = fields.Boolean()
    are_own = fields.Boolean()


class LinkWanted(Schema):
    """A product of the same county; without `starts_at` it begins a minute from now."""

    product = Text(required=True, low=1, high=80)
    mode = Text(required=True, validate=[_MODES])
    share_bp = Int(required=True, low=1, high=WHOLE_BP)
    starts_at = Moment(load_default=None, allow_none=True)
    ends_at = Moment(load_default=None, allow_none=True)


class HouseholdWanted(Schema):
    """A household that agreed on a day; no identity numbers. The phone may be empty."""

    name = Text(required=True, high=100)
    phone = Text(high=40, load_default="")
    consented_on = Day(required=True)


class HouseholdShown(Answer):
    """A household by name; `name` is null when no key opens it."""

    number = fields.String()
    name = fields.String(allow_none=True)
    phone = fields.String()
    consented_on = fields.Date()
    added_at = Instant()
    left_at = Instant(allow_none=True)


class Households(Answer):
    """All of a group that were not forgotten."""

    items = fields.List(fields.Nested(HouseholdShown))


class Numbered(Answer):
    """The number of what was made."""

    number = fields.String()


_TOTAL = {
    "county_code": "341321",
    "county": "砀山县",
    "mode": "guaranteed_price",
    "month": "2026-11",
    "groups": 1,
    "orders": 12,
    "sold_fen": 118800,
    "refunded_fen": 4950,
    "net_fen": 113850,
}
_GROUP = {
    "number": "G0123456789AB",
    "kind": "households",
    "name": "周寨镇梨农一组",
    "county_code": "341321",
    "county": "砀山县",
    "opened_at": "2026-11-21T04:00:00+00:00",
    "households": 12,
    "active_links": 1,
}
_LINK_WANTED = {"product": "dangshansuli", "mode": "guaranteed_price", "share_bp": 1250}
_LINK = {
    **_LINK_WANTED,
    "number": "L0123456789AB",
    "product_name": "砀山酥梨",
    "group": "G0123456789AB",
    "county_code": "341321",
    "starts_at": "2026-11-21T04:01:00+00:00",
    "ends_at": None,
    "linked_by": "dangshan",
    "linked_at": "2026-11-21T04:00:00+00:00",
}
_WHOLE = {**_GROUP, "links": [_LINK], "may_write": True, "are_own": True}
_HOUSEHOLD_WANTED = {"name": "王某某", "phone": "", "consented_on": "2026-11-01"}
_HOUSEHOLD = {
    **_HOUSEHOLD_WANTED,
    "number": "H0123456789AB",
    "added_at": "2026-11-21T04:00:00+00:00",
    "left_at": None,
}


@blueprint.get("/benefit/totals")
@guard.staff(Permission.READ_BENEFIT)
@blueprint.arguments(PeriodWanted, location="query")
@blueprint.alt_response(200, schema=Totals, example={"items": [_TOTAL]}, success=True)
def totals(wanted: dict[str, Any]) -> Response:
    """Sum what moved in a period by county, mode and month, within the reader's area."""
    since, before = (datetime.combine(wanted[name], time(), clock.SHANGHAI) for name in ("from_", "to"))
    with database.transaction() as session:
        return said({"items": benefit_desk.totals(session, guard.actor(), since=since, before=before)})


@blueprint.get("/benefit/groups")
@guard.staff(Permission.READ_BENEFIT)
@blueprint.alt_response(200, schema=Groups, example={"items": [_GROUP]}, success=True)
def groups() -> Response:
    """List the groups within the reader's area."""
    with database.transaction() as session:
        return said({"items": benefit_desk.groups(session, guard.actor(), now=clock.now())})


@blueprint.post("/benefit/groups")
@guard.staff(Permission.WRITE_BENEFIT)
@blueprint.arguments(GroupWanted, example={name: _GROUP[name] for name in ("kind", "name", "county_code")})
@blueprint.alt_response(201, schema=GroupWhole, example=_WHOLE | {"links": []}, success=True)
@blueprint.refuses(benefit_errors.CountyInvalid, benefit_errors.GroupTaken)
def open_group(wanted: dict[str, Any]) -> Response:
    """Open a group in a county."""
    now, actor = clock.now(), guard.actor()
    with database.transaction() as session:
        number = benefit_desk.open_group(
            session,
            actor,
            kind=GroupKind(wanted["kind"]),
            name=wanted["name"],
            county=wanted["county_code"],
            now=now,
        )
        return said(benefit_desk.find(session, actor, number=number, now=now), 201)


@blueprint.get("/benefit/groups/<number:number>")
@guard.staff(Permission.READ_BENEFIT)
@blueprint.alt_response(200, schema=GroupWhole, example=_WHOLE, success=True)
@blueprint.refuses(benefit_errors.GroupUnknown)
def find(number: str) -> Response:
    """Show a group with its links."""
    with database.transaction() as session:
        return said(benefit_desk.find(session, guard.actor(), number=number, now=clock.now()))


@blueprint.post("/benefit/groups/<number:number>/links")
@guard.staff(Permission.WRITE_BENEFIT)
@blueprint.arguments(LinkWanted, example=_LINK_WANTED)
@blueprint.alt_response(201, schema=Numbered, example={"number": "L0123456789AB"}, success=True)
@blueprint.refuses(
    benefit_errors.GroupUnknown,
    benefit_errors.ProductUnlinkable,
    benefit_errors.LinkPeriodInvalid,
    benefit_errors.SharesExceedWhole,
    benefit_errors.LinkOverlaps,
)
def link(wanted: dict[str, Any], number: str) -> Response:
    """Link a product to a group; a link is never changed afterwards, only ended."""
    asked = Wanted(group=number, **(wanted | {"mode": Mode(wanted["mode"])}))
    with database.transaction() as session:
        made = benefit_desk.link(session, guard.actor(), wanted=asked, now=clock.now())
    return said({"number": made}, 201)


@blueprint.post("/benefit/links/<number:number>/end")
@guard.staff(Permission.WRITE_BENEFIT)
@blueprint.alt_response(200, schema=GroupWhole, example=_WHOLE, success=True)
@blueprint.refuses(benefit_errors.LinkUnknown, benefit_errors.LinkEnded)
def end(number: str) -> Response:
    """End a link a minute from now, and show its group."""
    now, actor = clock.now(), guard.actor()
    with database.transaction() as session:
        group = benefit_desk.end(session, actor, number=number, now=now)
        return said(benefit_desk.find(session, actor, number=group, now=now))


@blueprint.get("/benefit/groups/<number:number>/households")
@guard.staff(Permission.READ_HOUSEHOLDS)
@blueprint.alt_response(200, schema=Households, example={"items": [_HOUSEHOLD]}, success=True)
@blueprint.refuses(benefit_errors.GroupUnknown, errors.NotPermitted, SecondFactorRequired)
def households(number: str) -> Response:
    """List a group's households by name, for clerks of exactly that county; each reading is in the audit trail."""
    with database.transaction() as session:
        found = benefit_desk.read_households(session, guard.actor(), group=number, now=clock.now())
    shown = HouseholdShown().fields
    return said({"items": [{name: getattr(household, name) for name in shown} for household in found]})


@blueprint.post("/benefit/groups/<number:number>/households")
@guard.staff(Permission.READ_HOUSEHOLDS)
@blueprint.arguments(HouseholdWanted, example=_HOUSEHOLD_WANTED)
@blueprint.alt_response(201, schema=Numbered, example={"number": "H0123456789AB"}, success=True)
@blueprint.refuses(
    benefit_errors.GroupUnknown,
    errors.NotPermitted,
    SecondFactorRequired,
    benefit_errors.HouseholdInvalid,
    benefit_errors.HouseholdTaken,
    benefit_errors.HouseholdsTooMany,
)
def add_household(wanted: dict[str, Any], number: str) -> Response:
    """Add a household to a group; name and phone are kept encrypted."""
    with database.transaction() as session:
        made = benefit_desk.add_household(session, guard.actor(), group=number, **wanted, now=clock.now())
    return said({"number": made}, 201)


@blueprint.post("/benefit/households/<number:number>/departure")
@guard.staff(Permission.READ_HOUSEHOLDS)
@blueprint.alt_response(204, description="It has left.", success=True)
@blueprint.refuses(benefit_errors.HouseholdUnknown, SecondFactorRequired)
def leave(number: str) -> Response:
    """Let a household leave its group; it is forgotten a year later."""
    with database.transaction() as session:
        benefit_desk.let_household_leave(session, guard.actor(), number=number, now=clock.now())
    return Response(status=204)


@blueprint.post("/benefit/households/<number:number>/erasure")
@guard.staff(Permission.READ_HOUSEHOLDS)
@blueprint.alt_response(204, description="Its name and phone are gone.", success=True)
@blueprint.refuses(benefit_errors.HouseholdUnknown, SecondFactorRequired)
def forget(number: str) -> Response:
    """Delete a household's name and phone at once, as it asks."""
    with database.transaction() as session:
        benefit_desk.forget_household(session, guard.actor(), number=number, now=clock.now())
    return Response(status=204)
