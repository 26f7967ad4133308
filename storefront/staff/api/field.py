"""The crew's work as JSON: what is to be looked at, and scans that confirm what was done, each with its photo.

Invariant: a scan is kept once for its key, and a photo that was sent is not sent again for a code that could not be
read from it.
"""

from typing import Any
from uuid import UUID

from flask import Response, request
from marshmallow import fields, validate

from config import clock, darkroom, database, pictures, storage
from config.schemas import Blueprint, Pattern, Schema, Text
from storefront import errors, guard
from storefront.api.shapes import IN_WEBP, Answer, Instant, said
from storefront.roles import Permission
from storefront.staff import field_desk
from storefront.staff.api.shapes import PHOTO_BODY, PLACEMENT, cut
from subway_campaign import codes
from subway_campaign import errors as campaign_errors
from subway_campaign.field_models import Act, Finding

blueprint = Blueprint("field", __name__, url_prefix="/api/staff/v1/field", description="Staff: the crew's work.")

_ACTS = [act.value for act in Act]
_FINDINGS = [finding.value for finding in Finding]
_KEY = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


class RoundWanted(Schema):
    """At or below which placement."""

    under = Text(high=120, validate=[Pattern(PLACEMENT)], load_default=None)


class CrewScanWanted(Schema):
    """What was done where; `key` is the client's own UUID of it. Without `code` it is read from the photo.

    `picture` is the number of a photo that was sent before: then the body is empty.
    """

    key = Text(required=True, validate=[Pattern(_KEY)])
    act = Text(required=True, validate=[validate.OneOf(_ACTS)])
    code = Text(high=20, load_default=None)
    picture = Text(validate=[Pattern("PIC[0-9A-F]{16}")], load_default=None)
    placement = Text(high=120, validate=[Pattern(PLACEMENT)], load_default=None)
    finding = Text(validate=[validate.OneOf(_FINDINGS)], load_default=Finding.FINE.value)
    retired = fields.Boolean(load_default=False, truthy={"true"}, falsy={"false"}, metadata={"in_query": True})
    note = Text(high=120, load_default="")


class DueCode(Answer):
    """A code that is to be looked at, and `why`: an alert, never looked at, or long ago."""

    code = fields.String()
    placement = fields.String()
    placement_name = fields.String()
    why = fields.String(validate=validate.OneOf(["alert", "never", "long_ago"]))
    alerts = fields.List(fields.String())
    inspected_at = Instant(allow_none=True)
    valid_from = Instant()


class DueCodes(Answer):
    """In the order of the way, 200 at most."""

    items = fields.List(fields.Nested(DueCode))


class CrewScanShown(Answer):
    """What a member of the crew did; `finding` says how an inspected code was found."""

    number = fields.String()
    act = fields.String(validate=validate.OneOf(_ACTS))
    code = fields.String()
    placement = fields.String(allow_none=True)
    placement_name = fields.String(allow_none=True)
    finding = fields.String(allow_none=True)
    retired = fields.Boolean()
    picture = fields.String()
    note = fields.String()
    crew = fields.String()
    scanned_at = Instant()


class CrewScans(Answer):
    """One's own latest scans, twenty at most."""

    items = fields.List(fields.Nested(CrewScanShown))


SCAN_EXAMPLE = {
    "number": "SC0123456789AB",
    "act": "inspected",
    "code": "7K3M9X2P",
    "placement": "METRO.HF.L1.S04.LB1",
    "placement_name": "大东门站 1 号灯箱",
    "finding": "fine",
    "retired": False,
    "picture": "PIC0123456789ABCDEF",
    "note": "",
    "crew": "zhao",
    "scanned_at": "2026-11-22T04:00:00+00:00",
}
_DUE: dict[str, Any] = {
    "code": "7K3M9X2P",
    "placement": "METRO.HF.L1.S04.LB1",
    "placement_name": "大东门站 1 号灯箱",
    "why": "never",
    "alerts": [],
    "inspected_at": None,
    "valid_from": "2026-11-01T00:00:00+08:00",
}


@blueprint.get("/round")
@guard.staff(Permission.WORK_FIELD)
@blueprint.arguments(RoundWanted, location="query")
@blueprint.alt_response(200, schema=DueCodes, example={"items": [_DUE]}, success=True)
@blueprint.refuses(errors.OutsideArea)
def round_(wanted: dict[str, Any]) -> Response:
    """List the codes that are to be looked at."""
    with database.transaction() as session:
        return said({"items": field_desk.due(session, guard.actor(), under=wanted["under"], now=clock.now())})


@blueprint.get("/scans")
@guard.staff(Permission.WORK_FIELD)
@blueprint.alt_response(200, schema=CrewScans, example={"items": [SCAN_EXAMPLE]}, success=True)
def scans() -> Response:
    """List one's own latest scans."""
    with database.transaction() as session:
        found = field_desk.home(session, guard.actor(), now=clock.now())["scans"]
    return said({"items": [cut(CrewScanShown, scan) for scan in found]})


@blueprint.post("/scans")
@guard.body_up_to(darkroom.LARGEST_BYTES)
@guard.staff(Permission.WORK_FIELD)
@blueprint.arguments(CrewScanWanted, location="query")
@blueprint.doc(requestBody=PHOTO_BODY | {"required": False})
@blueprint.alt_response(201, schema=CrewScanShown, example=SCAN_EXAMPLE, success=True)
@blueprint.refuses(
    pictures.PictureRefused,
    pictures.UnknownPicture,
    storage.StorageAway,
    errors.CodeUnreadable,
    errors.SeveralCodes,
    errors.OutsideArea,
    campaign_errors.UnknownCode,
    campaign_errors.NotHanging,
    campaign_errors.ScanReused,
)
def confirm(wanted: dict[str, Any]) -> Response:
    """Confirm by a photo what was done at a placement; the same key again answers the same scan."""
    said_so = field_desk.Said(
        key=UUID(wanted["key"]),
        act=Act(wanted["act"]),
        code=codes.normalize(wanted["code"]) if wanted["code"] else None,
        picture=wanted["picture"],
        placement=wanted["placement"],
        finding=Finding(wanted["finding"]),
        is_retired=wanted["retired"],
        note=wanted["note"],
    )
    kept = field_desk.confirm(guard.actor(), said=said_so, upload=request.get_data(), now=clock.now())
    return said(cut(CrewScanShown, kept), 201)


@blueprint.get("/scans/<number:number>")
@guard.staff(Permission.WORK_FIELD)
@blueprint.alt_response(200, schema=CrewScanShown, example=SCAN_EXAMPLE, success=True)
@blueprint.refuses(campaign_errors.UnknownScan, errors.OutsideArea)
def find(number: str) -> Response:
    """Show one scan."""
    with database.transaction() as session:
        return said(cut(CrewScanShown, field_desk.scan(session, guard.actor(), number=number)))


@blueprint.get("/scans/<number:number>/photo")
@guard.staff(Permission.WORK_FIELD)
@blueprint.doc(responses=IN_WEBP)
@blueprint.refuses(
    campaign_errors.UnknownScan, errors.OutsideArea, pictures.UnknownPicture, storage.FileMissing, storage.StorageAway
)
def photo(number: str) -> Response:
    """Send the photo of a scan."""
    response = Response(field_desk.photo(guard.actor(), number=number), mimetype="image/webp")
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response
