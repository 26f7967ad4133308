"""The public notice as JSON: what counties mean to accredit, and objections that anybody may file.

Invariant: no login; the same Idempotency-Key files one objection; nothing tells who objected or which clerk acted.
"""

from datetime import date, datetime
from typing import Any

from flask import Response, request
from marshmallow import fields, validate

from catalog import accreditation_views, errors, objections
from catalog.accreditation_lifecycle import Act, Seat, State
from config import clock, database
from config.schemas import Blueprint, Int, Pattern, Schema, Text, page_of
from storefront import guard, limits
from storefront.api.orders import Key
from storefront.api.shapes import Answer, Instant, said

blueprint = Blueprint(
    "accreditation_notices", __name__, url_prefix="/api/v1", description="Public notices of accreditation, objections."
)

# As in the form: an office or a village network may hold many people, a flood is held up.
OBJECTIONS_AN_HOUR = 30
_PAGE = 50


class Place(Schema):
    """Which notices; `area` is the beginning of a region code of Anhui."""

    area = Text(high=6, validate=[Pattern("34[0-9]{0,4}")], load_default="")
    offset = Int(low=0, high=10_000, load_default=0, metadata={"in_query": True})


class Objecting(Schema):
    """An objection. A contact is optional and read by staff only."""

    content = Text(required=True, low=objections.CONTENT_LENGTHS.start, high=objections.CONTENT_LENGTHS.stop - 1)
    contact = Text(high=objections.CONTACT_LENGTH, load_default="")


class Notice(Answer):
    """A product on notice, or one that was."""

    number = fields.String()
    state = fields.String(validate=validate.OneOf([state.value for state in State]))
    product = fields.String()
    product_name = fields.String()
    supplier_name = fields.String()
    county = fields.String()
    township = fields.String()
    noticed_at = Instant(allow_none=True)
    due_at = Instant(allow_none=True)
    certificate_number = fields.String(allow_none=True)
    batch = fields.String(allow_none=True)
    issued_on = fields.String(allow_none=True)
    valid_until = fields.String(allow_none=True)


class Step(Answer):
    """A step that the public may know of."""

    act = fields.String(validate=validate.OneOf([act.value for act in Act]))
    after = fields.String(validate=validate.OneOf([state.value for state in State]))
    seat = fields.String(validate=validate.OneOf([seat.value for seat in Seat]))
    taken_at = Instant()


class Answered(Answer):
    """An objection, by number, and what became of it."""

    number = fields.String()
    filed_at = Instant()
    due_at = Instant()
    answer = fields.String()
    is_upheld = fields.Boolean(allow_none=True)
    answered_at = Instant(allow_none=True)


class WholeNotice(Notice):
    """The same with its steps, its kinds of papers, and its objections."""

    steps = fields.List(fields.Nested(Step))
    papers = fields.List(fields.String())
    objections = fields.List(fields.Nested(Answered))


class Filed(Answer):
    """Under which number an objection was filed."""

    number = fields.String()


_NOTICE = {
    "number": "C7K3M9X2P4QWE",
    "state": "noticed",
    "product": "dangshansuli",
    "product_name": "砀山酥梨",
    "supplier_name": "砀山某果业合作社",
    "county": "安徽省宿州市砀山县",
    "township": "李庄镇",
    "noticed_at": "2026-11-21T04:00:00+00:00",
    "due_at": "2026-11-28T16:00:00+00:00",
    "certificate_number": None,
    "batch": None,
    "issued_on": None,
    "valid_until": None,
}
_WHOLE = _NOTICE | {
    "steps": [
        {"act": "approve", "after": "noticed", "seat": "county", "taken_at": "2026-11-21T04:00:00+00:00"},
    ],
    "papers": ["licence"],
    "objections": [],
}


@blueprint.get("/accreditation-notices")
@guard.public
@blueprint.arguments(Place, location="query")
@blueprint.alt_response(200, schema=page_of(Notice), example={"items": [_NOTICE], "next_cursor": None}, success=True)
def listing(wanted: dict[str, Any]) -> Response:
    """List what is on public notice, what ends first at the top; 50 from `offset` on."""
    with database.transaction() as session:
        rows = accreditation_views.notices(session, area=wanted["area"], offset=wanted["offset"], limit=_PAGE)
    return said({"items": [_shown(row, Notice) for row in rows], "next_cursor": None})


@blueprint.get("/accreditation-notices/<number:number>")
@guard.public
@blueprint.alt_response(200, schema=WholeNotice, example=_WHOLE, success=True)
@blueprint.refuses(errors.AccreditationUnknown)
def find(number: str) -> Response:
    """Show one notice with its steps, objections and answers; also after it ended."""
    with database.transaction() as session:
        found = accreditation_views.notice(session, number=number)
    return said(_shown(found, WholeNotice))


@blueprint.post("/accreditation-notices/<number:number>/objections")
@guard.public
@blueprint.arguments(Key, location="headers")
@blueprint.arguments(Objecting, example={"content": "产地与申请不符，请到现场核查。", "contact": ""})
@blueprint.alt_response(201, schema=Filed, example={"number": "J7K3M9X2P4QWE"}, success=True)
@blueprint.refuses(errors.AccreditationUnknown, errors.NoticeOver)
def object_to(headers: dict[str, str], given: dict[str, Any], number: str) -> Response:
    """File an objection; the same key again answers the same."""
    limits.allow(f"objections:{request.remote_addr}", limit=OBJECTIONS_AN_HOUR, window_s=3600)
    name = objections.number_of(number, headers["key"])
    with database.transaction() as session:
        objections.file(session, number=name, accreditation=number, now=clock.now(), **given)
    return said({"number": name}, 201)


def _shown(row: dict[str, Any], shape: type[Schema]) -> dict[str, Any]:
    return {name: _plain(row[name]) for name in shape().fields}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value.isoformat() if isinstance(value, date | datetime) else value
