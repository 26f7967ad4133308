"""Alerts at the placements as JSON: listed, read with their evidence, taken, closed.

Invariant: an alert is closed once, with a resolution and words.
"""

from typing import Any

from flask import Response
from marshmallow import fields, validate

from config import clock, database
from config.schemas import Blueprint, Pattern, Schema, Text, page_of
from storefront import errors, guard
from storefront.api.shapes import Answer, Instant, said
from storefront.roles import Permission
from storefront.staff import field_desk
from storefront.staff.api.field import SCAN_EXAMPLE, CrewScanShown
from storefront.staff.api.shapes import PLACEMENT, OffsetArgs, cut, paged, span
from subway_campaign import errors as campaign_errors
from subway_campaign.field_models import AlertKind, AlertResolution

blueprint = Blueprint("alerts", __name__, url_prefix="/api/staff/v1", description="Staff: alerts at the placements.")

_KINDS = [kind.value for kind in AlertKind]
_RESOLUTIONS = [resolution.value for resolution in AlertResolution]


class AlertSearch(OffsetArgs):
    """Which alerts, the latest first; `under` is a placement with all below it."""

    state = Text(validate=[validate.OneOf(["open", "closed"])], load_default="open")
    kind = Text(validate=[validate.OneOf(_KINDS)], load_default=None)
    under = Text(high=120, validate=[Pattern(PLACEMENT)], load_default=None)


class AlertEnd(Schema):
    """How an alert ended, in a word and in words."""

    resolution = Text(required=True, validate=[validate.OneOf(_RESOLUTIONS)])
    note = Text(required=True, low=2, high=500)


class AlertShown(Answer):
    """What looks wrong about `subject`: a code, or the number of a suspicion; open while `closed_at` is null."""

    number = fields.String()
    kind = fields.String(validate=validate.OneOf(_KINDS))
    subject = fields.String()
    placement = fields.String(allow_none=True)
    placement_name = fields.String(allow_none=True)
    evidence = fields.Dict()
    opened_at = Instant()
    owner = fields.String(allow_none=True)
    owned_at = Instant(allow_none=True)
    resolution = fields.String(allow_none=True, validate=validate.OneOf([*_RESOLUTIONS, None]))
    note = fields.String()
    closed_by = fields.String(allow_none=True)
    closed_at = Instant(allow_none=True)


class AlertWhole(AlertShown):
    """An alert with the latest scans of the crew of its code."""

    scans = fields.List(fields.Nested(CrewScanShown))


_ALERT = {
    "number": "AL0123456789AB",
    "kind": "silent",
    "subject": "7K3M9X2P",
    "placement": "METRO.HF.L1.S04.LB1",
    "placement_name": "大东门站 1 号灯箱",
    "evidence": {"expected": 12.5, "scans": 0},
    "opened_at": "2026-11-22T04:00:00+00:00",
    "owner": None,
    "owned_at": None,
    "resolution": None,
    "note": "",
    "closed_by": None,
    "closed_at": None,
}
_WHOLE = _ALERT | {"scans": [SCAN_EXAMPLE]}


@blueprint.get("/alerts")
@guard.staff(Permission.READ_ALERTS)
@blueprint.arguments(AlertSearch, location="query")
@blueprint.alt_response(200, schema=page_of(AlertShown), example={"items": [_ALERT], "next_cursor": None}, success=True)
@blueprint.refuses(errors.OutsideArea)
def listing(wanted: dict[str, Any]) -> Response:
    """List open or closed alerts."""
    kind = AlertKind(wanted["kind"]) if wanted["kind"] else None
    part = span(wanted)
    with database.transaction() as session:
        found = field_desk.alarms(
            session,
            guard.actor(),
            is_open=wanted["state"] == "open",
            kind=kind,
            under=wanted["under"],
            offset=part["offset"],
            limit=part["limit"],
        )
    return said(paged(found, wanted))


@blueprint.get("/alerts/<number:number>")
@guard.staff(Permission.READ_ALERTS)
@blueprint.alt_response(200, schema=AlertWhole, example=_WHOLE, success=True)
@blueprint.refuses(errors.OutsideArea, campaign_errors.UnknownAlert)
def find(number: str) -> Response:
    """Show an alert with the latest scans of its code."""
    with database.transaction() as session:
        found = field_desk.alarm(session, guard.actor(), number=number)
    return said(cut(AlertShown, found) | {"scans": [cut(CrewScanShown, scan) for scan in found["scans"]]})


@blueprint.post("/alerts/<number:number>/owner")
@guard.staff(Permission.CLOSE_ALERTS)
@blueprint.alt_response(200, schema=AlertShown, example=_ALERT | {"owner": "wang"}, success=True)
@blueprint.refuses(errors.OutsideArea, campaign_errors.UnknownAlert, campaign_errors.AlertClosed)
def take(number: str) -> Response:
    """Make an alert one's own."""
    with database.transaction() as session:
        return said(cut(AlertShown, field_desk.take(session, guard.actor(), number=number, now=clock.now())))


@blueprint.post("/alerts/<number:number>/end")
@guard.staff(Permission.CLOSE_ALERTS)
@blueprint.arguments(AlertEnd, example={"resolution": "fixed", "note": "灯箱已换新海报"})
@blueprint.alt_response(200, schema=AlertShown, example=_ALERT | {"resolution": "fixed"}, success=True)
@blueprint.refuses(
    errors.OutsideArea, campaign_errors.UnknownAlert, campaign_errors.AlertClosed, campaign_errors.SignalClosed
)
def close(given: dict[str, Any], number: str) -> Response:
    """End an alert; of a suspicion it decides whether its touches count."""
    with database.transaction() as session:
        ended = field_desk.close(
            session,
            guard.actor(),
            number=number,
            resolution=AlertResolution(given["resolution"]),
            note=given["note"],
            now=clock.now(),
        )
    return said(cut(AlertShown, ended))
