"""Accreditation as JSON: applications listed, read whole, and moved on by applicants, townships, counties, supervisors.

Invariant: exactly what the desk lets the caller's seats see and do; who objected is told to who must answer alone.
"""

from typing import Any

from flask import Response, request

from catalog import accreditation_views, errors
from catalog.accreditation_lifecycle import STANDING, Act, Seat, State
from catalog.accreditation_models import EvidenceKind, Finding, InspectionLevel
from catalog.models import IndicationKind
from config import clock, darkroom, database, pictures, storage
from config.schemas import Blueprint, page_of
from storefront import guard
from storefront.api.claim_shapes import PhotoWanted
from storefront.api.shapes import PHOTOGRAPHED, photograph, said
from storefront.roles import Permission
from storefront.staff import accreditation_desk, words
from storefront.staff.api.accreditation_shapes import (
    INDICATION_EXAMPLE,
    INSPECTION_EXAMPLE,
    LISTED_EXAMPLE,
    WHOLE_EXAMPLE,
    AccreditationListed,
    AccreditationSearch,
    AccreditationStepWanted,
    AccreditationWhole,
    ApplicationWanted,
    CatalogueBatch,
    CatalogueBatches,
    EvidenceWanted,
    IndicationWanted,
    InspectionWanted,
    ObjectionAnswer,
    StatementWanted,
)
from storefront.staff.api.shapes import PHOTO_BODY, cut, paged, span

blueprint = Blueprint(
    "staff_accreditations", __name__, url_prefix="/api/staff/v1/accreditations", description="Staff: accreditation."
)


@blueprint.get("")
@guard.staff(Permission.READ_ACCREDITATIONS)
@blueprint.arguments(AccreditationSearch, location="query")
@blueprint.alt_response(
    200, schema=page_of(AccreditationListed), example={"items": [LISTED_EXAMPLE], "next_cursor": None}, success=True
)
def listing(wanted: dict[str, Any]) -> Response:
    """List the applications and accreditations in scope, what is due first at the top."""
    actor, state = guard.actor(), wanted["state"]
    states = accreditation_desk.mine(actor) if state == "mine" else [State(state)] if state else sorted(STANDING)
    with database.transaction() as session:
        found = accreditation_desk.queue(session, actor, states=states, **span(wanted))
    return said(paged([cut(AccreditationListed, each) for each in found], wanted))


@blueprint.post("")
@guard.staff(Permission.APPLY)
@blueprint.arguments(
    ApplicationWanted, example={"product": "dangshansuli", "township_code": "341321105", "statement": "全部产自良梨镇"}
)
@blueprint.alt_response(201, schema=AccreditationWhole, example=WHOLE_EXAMPLE, success=True)
@blueprint.refuses(errors.ProductUnknown, errors.AccreditationStanding, errors.TownshipInvalid)
def draft(given: dict[str, Any]) -> Response:
    """Begin an application."""
    with database.transaction() as session:
        number = accreditation_desk.draft(session, guard.actor(), now=clock.now(), **given)
    return _shown(number, 201)


@blueprint.get("/batches")
@guard.staff(Permission.READ_ACCREDITATIONS)
@blueprint.alt_response(200, schema=CatalogueBatches, example={"items": [{"name": "2026-04"}]}, success=True)
def batches() -> Response:
    """List the latest batches of the catalogue."""
    with database.transaction() as session:
        return said({"items": [{"name": batch.name} for batch in accreditation_views.batches(session)]})


@blueprint.post("/batches")
@guard.staff(Permission.DECIDE_ACCREDITATION)
@blueprint.arguments(CatalogueBatch, example={"name": "2026-04"})
@blueprint.alt_response(201, schema=CatalogueBatches, example={"items": [{"name": "2026-04"}]}, success=True)
@blueprint.refuses(errors.BatchTaken)
def open_batch(given: dict[str, Any]) -> Response:
    """Open a batch of the catalogue."""
    with database.transaction() as session:
        accreditation_desk.open_batch(session, guard.actor(), name=given["name"], now=clock.now())
        found = [{"name": batch.name} for batch in accreditation_views.batches(session)]
    return said({"items": found}, 201)


@blueprint.get("/<number:number>")
@guard.staff(Permission.READ_ACCREDITATIONS)
@blueprint.alt_response(200, schema=AccreditationWhole, example=WHOLE_EXAMPLE, success=True)
@blueprint.refuses(errors.AccreditationUnknown)
def find(number: str) -> Response:
    """Show one with its history and what may be done about it."""
    return _shown(number)


@blueprint.put("/<number:number>/statement")
@guard.staff(Permission.APPLY)
@blueprint.arguments(StatementWanted, example={"statement": "全部产自良梨镇，带动 20 户。"})
@blueprint.alt_response(200, schema=AccreditationWhole, example=WHOLE_EXAMPLE, success=True)
@blueprint.refuses(errors.AccreditationUnknown, errors.EvidenceClosed)
def amend(given: dict[str, Any], number: str) -> Response:
    """Write the applicant's words anew."""
    with database.transaction() as session:
        accreditation_desk.amend(session, guard.actor(), number=number, statement=given["statement"], now=clock.now())
    return _shown(number)


@blueprint.post("/<number:number>/evidence")
@guard.body_up_to(darkroom.LARGEST_BYTES)
@guard.staff(Permission.APPLY)
@blueprint.arguments(EvidenceWanted, location="query")
@blueprint.doc(requestBody=PHOTO_BODY)
@blueprint.alt_response(201, schema=AccreditationWhole, example=WHOLE_EXAMPLE, success=True)
@blueprint.refuses(
    errors.AccreditationUnknown,
    errors.EvidenceClosed,
    errors.EvidenceTooMany,
    pictures.PictureRefused,
    storage.StorageAway,
)
def add_evidence(wanted: dict[str, Any], number: str) -> Response:
    """Add a photographed paper."""
    kind = EvidenceKind(wanted["kind"])
    accreditation_desk.add_evidence(
        guard.actor(),
        number=number,
        kind=kind,
        title=words.PAPERS[kind],
        upload=request.get_data(),
        now=clock.now(),
    )
    return _shown(number, 201)


@blueprint.get("/<number:number>/evidence/<number:picture>")
@guard.staff(Permission.READ_ACCREDITATIONS)
@blueprint.arguments(PhotoWanted, location="query")
@blueprint.doc(responses=PHOTOGRAPHED)
@blueprint.refuses(errors.AccreditationUnknown, pictures.UnknownPicture, storage.FileMissing, storage.StorageAway)
def paper(wanted: dict[str, Any], number: str, picture: str) -> Response:
    """Send a paper to who may see its application."""
    with database.transaction() as session:
        accreditation_desk.require_paper(session, guard.actor(), number=number, picture=picture)
    return photograph(picture, wanted["size"])


@blueprint.delete("/<number:number>/evidence/<number:picture>")
@guard.staff(Permission.APPLY)
@blueprint.alt_response(200, schema=AccreditationWhole, example=WHOLE_EXAMPLE, success=True)
@blueprint.refuses(errors.AccreditationUnknown, errors.EvidenceClosed)
def remove_evidence(number: str, picture: str) -> Response:
    """Take a paper out again."""
    with database.transaction() as session:
        accreditation_desk.remove_evidence(session, guard.actor(), number=number, picture=picture, now=clock.now())
    return _shown(number)


@blueprint.post("/<number:number>/steps")
@guard.staff(Permission.READ_ACCREDITATIONS)
@blueprint.arguments(AccreditationStepWanted, example={"act": "endorse", "seat": "township"})
@blueprint.alt_response(200, schema=AccreditationWhole, example=WHOLE_EXAMPLE, success=True)
@blueprint.refuses(
    errors.AccreditationUnknown,
    errors.AccreditationMoved,
    errors.AccreditationReasonMissing,
    errors.AccreditationOtherSeat,
    errors.EvidenceMissing,
    errors.NoticeRunning,
    errors.ObjectionsOpen,
    errors.BatchUnknown,
)
def take(given: dict[str, Any], number: str) -> Response:
    """Take a step: submit, endorse, approve, publish, suspend and so on."""
    with database.transaction() as session:
        accreditation_desk.take(
            session,
            guard.actor(),
            number=number,
            act=Act(given["act"]),
            seat=Seat(given["seat"]),
            reason=given["reason"],
            batch=given["batch"],
            now=clock.now(),
        )
    return _shown(number)


@blueprint.post("/<number:number>/objections/<number:objection>/answer")
@guard.staff(Permission.DECIDE_ACCREDITATION)
@blueprint.arguments(ObjectionAnswer, example={"answer": "经核查，产地属实。", "is_upheld": False})
@blueprint.alt_response(200, schema=AccreditationWhole, example=WHOLE_EXAMPLE, success=True)
@blueprint.refuses(
    errors.AccreditationUnknown,
    errors.ObjectionUnknown,
    errors.AccreditationReasonMissing,
    errors.ObjectionAnswered,
    errors.AccreditationMoved,
)
def answer(given: dict[str, Any], number: str, objection: str) -> Response:
    """Answer an objection."""
    with database.transaction() as session:
        accreditation_desk.answer(session, guard.actor(), number=number, objection=objection, now=clock.now(), **given)
    return _shown(number)


@blueprint.post("/<number:number>/inspections")
@guard.staff(Permission.SUPERVISE)
@blueprint.arguments(InspectionWanted, example=INSPECTION_EXAMPLE)
@blueprint.alt_response(201, schema=AccreditationWhole, example=WHOLE_EXAMPLE, success=True)
@blueprint.refuses(
    errors.AccreditationUnknown,
    errors.AccreditationMoved,
    errors.AccreditationReasonMissing,
    errors.RectificationInvalid,
)
def inspect(given: dict[str, Any], number: str) -> Response:
    """Write what a spot check found."""
    with database.transaction() as session:
        accreditation_desk.inspect(
            session,
            guard.actor(),
            number=number,
            level=InspectionLevel(given["level"]),
            finding=Finding(given["finding"]),
            reason=given["reason"],
            rectify_until=given["rectify_until"],
            now=clock.now(),
        )
    return _shown(number, 201)


@blueprint.post("/<number:number>/rectification")
@guard.staff(Permission.SUPERVISE)
@blueprint.alt_response(200, schema=AccreditationWhole, example=WHOLE_EXAMPLE, success=True)
@blueprint.refuses(errors.AccreditationUnknown, errors.RectificationInvalid)
def confirm_rectified(number: str) -> Response:
    """Confirm that an order to rectify was followed."""
    with database.transaction() as session:
        accreditation_desk.confirm_rectified(session, guard.actor(), number=number, now=clock.now())
    return _shown(number)


@blueprint.put("/<number:number>/indication")
@guard.staff(Permission.DECIDE_ACCREDITATION)
@blueprint.arguments(IndicationWanted, example=INDICATION_EXAMPLE)
@blueprint.alt_response(200, schema=AccreditationWhole, example=WHOLE_EXAMPLE, success=True)
@blueprint.refuses(errors.AccreditationUnknown, errors.IndicationInvalid)
def enter_indication(given: dict[str, Any], number: str) -> Response:
    """Enter or correct the geographical indication of its product."""
    kind = IndicationKind(given.pop("kind"))
    with database.transaction() as session:
        accreditation_desk.enter_indication(session, guard.actor(), number=number, kind=kind, now=clock.now(), **given)
    return _shown(number)


@blueprint.delete("/<number:number>/indication")
@guard.staff(Permission.DECIDE_ACCREDITATION)
@blueprint.alt_response(200, schema=AccreditationWhole, example=WHOLE_EXAMPLE, success=True)
@blueprint.refuses(errors.AccreditationUnknown)
def take_back_indication(number: str) -> Response:
    """Take the geographical indication of its product away again."""
    with database.transaction() as session:
        accreditation_desk.take_back_indication(session, guard.actor(), number=number, now=clock.now())
    return _shown(number)


def _shown(number: str, status: int = 200) -> Response:
    with database.transaction() as session:
        found = accreditation_desk.find(session, guard.actor(), number=number)
    return said(cut(AccreditationWhole, found), status)
