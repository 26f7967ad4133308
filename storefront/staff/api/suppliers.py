"""Suppliers as JSON: their files, papers and steps, as the operator and each supplier of its own see them.

Invariant: what the desk does not let somebody work on is read without its papers, its payee and its contact; a bank
account is masked in every answer.
"""

from typing import Any

from flask import Response, request

from catalog import errors, payees, suppliers
from catalog.accreditation_lifecycle import EntityKind
from catalog.supplier_lifecycle import Act, Kind, Papers, PermitClass, Seat, State
from catalog.supplier_models import PaperKind, ReceiverKind
from config import clock, darkroom, database, pictures, storage
from config.schemas import Blueprint, page_of
from storefront import guard
from storefront.api.claim_shapes import PhotoWanted
from storefront.api.shapes import PHOTOGRAPHED, photograph, said
from storefront.roles import Permission
from storefront.staff import supplier_desk
from storefront.staff.api.shapes import PHOTO_BODY, cut, paged, span
from storefront.staff.api.supplier_shapes import (
    LISTED_EXAMPLE,
    PROFILE_EXAMPLE,
    WHOLE_EXAMPLE,
    AgreementAccepted,
    PayeeWanted,
    PermitsWanted,
    SupplierListed,
    SupplierOpened,
    SupplierPaperWanted,
    SupplierPayeeShown,
    SupplierProfile,
    SupplierSearch,
    SupplierStepWanted,
    SupplierWhole,
)

blueprint = Blueprint("staff_suppliers", __name__, url_prefix="/api/staff/v1", description="Staff: suppliers.")

# Of somebody else's file not even the operator's neighbours need these.
_FOR_SEATS_ONLY: dict[str, Any] = {"payee": None, "papers": [], "contact_name": "", "contact_phone": ""}
_NOT_THAT = (errors.SupplierUnknown, errors.SupplierProfileInvalid)


@blueprint.get("/suppliers")
@guard.staff(Permission.READ_SUPPLIERS)
@blueprint.arguments(SupplierSearch, location="query")
@blueprint.alt_response(
    200, schema=page_of(SupplierListed), example={"items": [LISTED_EXAMPLE], "next_cursor": None}, success=True
)
def listing(wanted: dict[str, Any]) -> Response:
    """List the suppliers in scope, whose papers end first at the top."""
    states = [State(wanted["state"])] if wanted["state"] else list(State)
    with database.transaction() as session:
        found = supplier_desk.listing(session, guard.actor(), states=states, **span(wanted))
    return said(paged([cut(SupplierListed, each) for each in found], wanted))


@blueprint.post("/suppliers")
@guard.staff(Permission.MANAGE_SUPPLIERS)
@blueprint.arguments(SupplierOpened, example={"name": "砀山县某某果业专业合作社", "kind": "supplier"})
@blueprint.alt_response(201, schema=SupplierWhole, example=WHOLE_EXAMPLE, success=True)
@blueprint.refuses(errors.SupplierProfileInvalid)
def open_file(given: dict[str, Any]) -> Response:
    """Begin the file of a supplier or seller."""
    with database.transaction() as session:
        number = supplier_desk.open_file(
            session, guard.actor(), name=given["name"], kind=Kind(given["kind"]), now=clock.now()
        )
    return _shown(number, 201)


@blueprint.get("/suppliers/<number:number>")
@guard.staff(Permission.READ_SUPPLIERS)
@blueprint.alt_response(200, schema=SupplierWhole, example=WHOLE_EXAMPLE, success=True)
@blueprint.refuses(errors.SupplierUnknown)
def find(number: str) -> Response:
    """Show the file of a supplier with what may be done about it."""
    return _shown(number)


@blueprint.put("/suppliers/<number:number>/profile")
@guard.staff(Permission.READ_SUPPLIERS)
@blueprint.arguments(SupplierProfile, example=PROFILE_EXAMPLE)
@blueprint.alt_response(200, schema=SupplierWhole, example=WHOLE_EXAMPLE, success=True)
@blueprint.refuses(*_NOT_THAT, errors.SupplierSealed, errors.CreditCodeInvalid, errors.CreditCodeTaken)
def amend(given: dict[str, Any], number: str) -> Response:
    """Write what a supplier applies with."""
    kinds = {"entity_kind": EntityKind(given["entity_kind"]), "permit_class": PermitClass(given["permit_class"])}
    profile = suppliers.Profile(**(given | kinds))
    with database.transaction() as session:
        supplier_desk.amend(session, guard.actor(), number=number, profile=profile, now=clock.now())
    return _shown(number)


@blueprint.post("/suppliers/<number:number>/agreement")
@guard.staff(Permission.KEEP_GOODS)
@blueprint.arguments(AgreementAccepted, example={"version": suppliers.AGREEMENT_VERSION})
@blueprint.alt_response(200, schema=SupplierWhole, example=WHOLE_EXAMPLE, success=True)
@blueprint.refuses(errors.SupplierUnknown, errors.AgreementOutdated)
def agree(given: dict[str, Any], number: str) -> Response:
    """Accept the agreement in the version that was read."""
    with database.transaction() as session:
        supplier_desk.agree(session, guard.actor(), number=number, version=given["version"], now=clock.now())
    return _shown(number)


@blueprint.put("/suppliers/<number:number>/permits")
@guard.staff(Permission.MANAGE_SUPPLIERS)
@blueprint.arguments(PermitsWanted, example={"licence_until": "2030-12-31", "permit_class": "exempt"})
@blueprint.alt_response(200, schema=SupplierWhole, example=WHOLE_EXAMPLE, success=True)
@blueprint.refuses(*_NOT_THAT)
def renew(given: dict[str, Any], number: str) -> Response:
    """Enter the dates of new papers that the operator has seen."""
    given["permit_class"] = PermitClass(given["permit_class"]) if given["permit_class"] else None
    with database.transaction() as session:
        supplier_desk.renew(session, guard.actor(), number=number, papers=Papers(**given), now=clock.now())
    return _shown(number)


@blueprint.put("/suppliers/<number:number>/payee")
@guard.staff(Permission.READ_SUPPLIERS)
@blueprint.arguments(
    PayeeWanted,
    example={"account_name": "砀山县某某果业专业合作社", "bank": "徽商银行砀山支行", "account": "6214620000000000001"},
)
@blueprint.alt_response(200, schema=SupplierWhole, example=WHOLE_EXAMPLE, success=True)
@blueprint.refuses(errors.SupplierUnknown, errors.PayeeInvalid)
def enter_payee(given: dict[str, Any], number: str) -> Response:
    """Write where a supplier's money goes."""
    account = payees.Account(name=given["account_name"], bank=given["bank"], number=given["account"])
    receiver = None
    if given["receiver_kind"]:
        receiver = payees.Receiver(
            kind=ReceiverKind(given["receiver_kind"]), account=given["receiver"], name=given["receiver_name"]
        )
    with database.transaction() as session:
        supplier_desk.enter_payee(
            session, guard.actor(), number=number, account=account, receiver=receiver, now=clock.now()
        )
    return _shown(number)


@blueprint.post("/suppliers/<number:number>/steps")
@guard.staff(Permission.READ_SUPPLIERS)
@blueprint.arguments(SupplierStepWanted, example={"act": "admit", "seat": "operator"})
@blueprint.alt_response(200, schema=SupplierWhole, example=WHOLE_EXAMPLE, success=True)
@blueprint.refuses(
    errors.SupplierUnknown,
    errors.SupplierMoved,
    errors.SupplierReasonMissing,
    errors.SupplierIncomplete,
    errors.AgreementOutdated,
    errors.SupplierPapersExpired,
)
def take(given: dict[str, Any], number: str) -> Response:
    """Take a step: apply, admit, refuse, suspend, reinstate, close."""
    with database.transaction() as session:
        supplier_desk.take(
            session,
            guard.actor(),
            number=number,
            act=Act(given["act"]),
            seat=Seat(given["seat"]),
            reason=given["reason"],
            now=clock.now(),
        )
    return _shown(number)


@blueprint.post("/suppliers/<number:number>/papers")
@guard.body_up_to(darkroom.LARGEST_BYTES)
@guard.staff(Permission.READ_SUPPLIERS)
@blueprint.arguments(SupplierPaperWanted, location="query")
@blueprint.doc(requestBody=PHOTO_BODY)
@blueprint.alt_response(201, schema=SupplierWhole, example=WHOLE_EXAMPLE, success=True)
@blueprint.refuses(errors.SupplierUnknown, errors.PapersTooMany, pictures.PictureRefused, storage.StorageAway)
def add_paper(wanted: dict[str, Any], number: str) -> Response:
    """Add a photographed paper."""
    supplier_desk.add_paper(
        guard.actor(), number=number, kind=PaperKind(wanted["kind"]), upload=request.get_data(), now=clock.now()
    )
    return _shown(number, 201)


@blueprint.get("/suppliers/<number:number>/papers/<number:picture>")
@guard.staff(Permission.READ_SUPPLIERS)
@blueprint.arguments(PhotoWanted, location="query")
@blueprint.doc(responses=PHOTOGRAPHED)
@blueprint.refuses(errors.SupplierUnknown, pictures.UnknownPicture, storage.FileMissing, storage.StorageAway)
def paper(wanted: dict[str, Any], number: str, picture: str) -> Response:
    """Send a paper to who works on its file."""
    with database.transaction() as session:
        supplier_desk.require_paper(session, guard.actor(), number=number, picture=picture)
    return photograph(picture, wanted["size"])


def _shown(number: str, status: int = 200) -> Response:
    with database.transaction() as session:
        found = supplier_desk.find(session, guard.actor(), number=number)
    found |= {} if found["seats"] else _FOR_SEATS_ONLY
    told = cut(SupplierWhole, found)
    told["payee"] = cut(SupplierPayeeShown, found["payee"]) if found["payee"] else None
    return said(told, status)
