"""After-sales of whoever is calling: claims filed, watched, withdrawn, and goods sent back.

Invariant: a claim belongs to an order of the caller's own; the same key and body file one claim, however often.
"""

from typing import Any

from flask import Response, request

from config import clock, darkroom, database, pictures, storage
from config.schemas import Blueprint, page_of
from storefront import claim_errors, claim_photos, claim_views, claims, errors, guard
from storefront.api.claim_shapes import EXAMPLE, Claim, ClaimPhoto, ClaimPhotos, NewClaim, Parcel, PhotoWanted
from storefront.api.orders import Key
from storefront.api.shapes import BYTES, PHOTOGRAPHED, photograph, said
from storefront.claim_lifecycle import Cause, ClaimKind

blueprint = Blueprint(
    "aftersales", __name__, url_prefix="/api/v1/orders/<number:number>/aftersales", description="After-sales claims."
)

# A form's frame around one photo.
MOST_BYTES = darkroom.LARGEST_BYTES + 65_536


@blueprint.post("")
@guard.shopper
@blueprint.arguments(Key, location="headers")
@blueprint.arguments(
    NewClaim, example={"kind": "return", "lines": [{"line": 1, "quantity": 1}], "reason": "不想要了", "sealed": True}
)
@blueprint.alt_response(201, schema=Claim, example=EXAMPLE, success=True)
@blueprint.alt_response(
    200, schema=Claim, example=EXAMPLE, description="The same key and body came before.", success=True
)
@blueprint.refuses(
    errors.OrderNotFound,
    errors.OrderNotPaid,
    errors.LinesInvalid,
    errors.QuantityClaimed,
    errors.ReturnRequired,
    errors.NothingToReturn,
    errors.NotReturnable,
    errors.ReturnWindowOver,
    errors.SealRequired,
    claim_errors.ClaimPhotoUnknown,
    claim_errors.PhotosTooMany,
    errors.IdempotencyMismatch,
)
def file(header: dict[str, Any], given: dict[str, Any], number: str) -> Response:
    """Claim money back, for goods or against them."""
    lines = {line["line"]: line["quantity"] for line in given["lines"]}
    if len(lines) < len(given["lines"]):
        raise errors.LinesInvalid(lines=sorted(lines))
    shopper_id = guard.shopper_id()
    with database.transaction() as session:
        claim, is_new = claims.file(
            session,
            shopper_id=shopper_id,
            order=number,
            kind=ClaimKind(given["kind"]),
            lines=lines,
            cause=Cause(given["cause"]),
            note=given["reason"],
            is_sealed=given["sealed"],
            photos=given["photos"],
            key=header["key"],
            now=clock.now(),
        )
        view = claim_views.find(session, shopper_id=shopper_id, order=number, number=claim)
    return said(view, 201 if is_new else 200)


@blueprint.get("")
@guard.shopper
@blueprint.alt_response(200, schema=page_of(Claim), example={"items": [EXAMPLE], "next_cursor": None}, success=True)
@blueprint.refuses(errors.OrderNotFound)
def listing(number: str) -> Response:
    """List the claims for an order, newest first."""
    with database.transaction() as session:
        found = claim_views.of_order(session, shopper_id=guard.shopper_id(), order=number)
    return said({"items": found, "next_cursor": None})


@blueprint.get("/<number:claim>")
@guard.shopper
@blueprint.alt_response(200, schema=Claim, example=EXAMPLE, success=True)
@blueprint.refuses(errors.OrderNotFound, errors.ClaimNotFound)
def find(number: str, claim: str) -> Response:
    """Show a claim: where it stands, its money, and where goods go back to."""
    return _shown(number, claim)


@blueprint.post("/<number:claim>/withdrawal")
@guard.shopper
@blueprint.alt_response(200, schema=Claim, example=EXAMPLE, success=True)
@blueprint.refuses(errors.OrderNotFound, errors.ClaimNotFound, errors.ClaimMoved)
def withdraw(number: str, claim: str) -> Response:
    """Withdraw a claim, before goods or money moved."""
    with database.transaction() as session:
        claim_views.find(session, shopper_id=guard.shopper_id(), order=number, number=claim)
        claims.withdraw(session, shopper_id=guard.shopper_id(), number=claim, now=clock.now())
    return _shown(number, claim)


@blueprint.post("/<number:claim>/parcel")
@guard.shopper
@blueprint.arguments(Parcel, example={"carrier": "中通快递", "tracking_number": "73111222333444"})
@blueprint.alt_response(200, schema=Claim, example=EXAMPLE, success=True)
@blueprint.refuses(errors.OrderNotFound, errors.ClaimNotFound, errors.ClaimMoved)
def send_back(given: dict[str, Any], number: str, claim: str) -> Response:
    """Say how the goods of an approved return travel; again, it corrects what was said."""
    with database.transaction() as session:
        claim_views.find(session, shopper_id=guard.shopper_id(), order=number, number=claim)
        claims.send_back(session, shopper_id=guard.shopper_id(), number=claim, now=clock.now(), **given)
    return _shown(number, claim)


@blueprint.post("/photos")
@guard.body_up_to(MOST_BYTES)
@guard.shopper
@blueprint.doc(
    requestBody={
        "required": True,
        "description": "A JPEG, PNG or WebP of up to 12 MB: as the body, or as `file` of a form.",
        "content": {
            "application/octet-stream": BYTES,
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["file"], "properties": {"file": BYTES["schema"]}},
                "example": {"file": "JPEG"},
            },
        },
    }
)
@blueprint.alt_response(
    201, schema=ClaimPhoto, example={"number": "PIC0123456789ABCDEF", "width": 1600, "height": 1200}, success=True
)
@blueprint.refuses(
    errors.OrderNotFound,
    errors.OrderNotPaid,
    claim_errors.PhotosTooManyToday,
    pictures.PictureRefused,
    storage.StorageAway,
)
def take_in(number: str) -> Response:
    """Send a photo for a claim on this order; a claim that names it within a day keeps it."""
    sent = request.files.get("file")
    taken = claim_photos.take_in(
        shopper_id=guard.shopper_id(),
        order=number,
        upload=sent.read() if sent else request.get_data(),
        now=clock.now(),
    )
    return said({"number": taken.number, "width": taken.width, "height": taken.height}, 201)


@blueprint.get("/photos/<number:photo>")
@guard.shopper
@blueprint.arguments(PhotoWanted, location="query")
@blueprint.doc(responses=PHOTOGRAPHED)
@blueprint.refuses(claim_errors.ClaimPhotoUnknown, pictures.UnknownPicture, storage.FileMissing, storage.StorageAway)
def photo(wanted: dict[str, Any], number: str, photo: str) -> Response:
    """Send a photo of the caller's own order."""
    with database.transaction() as session:
        claim_photos.require_own(session, shopper_id=guard.shopper_id(), order=number, picture=photo)
    return photograph(photo, wanted["size"])


@blueprint.post("/<number:claim>/photos")
@guard.shopper
@blueprint.arguments(ClaimPhotos, example={"photos": ["PIC0123456789ABCDEF"]})
@blueprint.alt_response(200, schema=Claim, example=EXAMPLE, success=True)
@blueprint.refuses(
    errors.OrderNotFound,
    errors.ClaimNotFound,
    errors.ClaimMoved,
    claim_errors.ClaimPhotoUnknown,
    claim_errors.PhotosTooMany,
)
def show_photos(given: dict[str, Any], number: str, claim: str) -> Response:
    """Show more photos with a claim, while goods or a decision are waited for."""
    with database.transaction() as session:
        claim_views.find(session, shopper_id=guard.shopper_id(), order=number, number=claim)
        claim_photos.add(session, shopper_id=guard.shopper_id(), number=claim, now=clock.now(), **given)
    return _shown(number, claim)


def _shown(number: str, claim: str) -> Response:
    with database.transaction() as session:
        return said(claim_views.find(session, shopper_id=guard.shopper_id(), order=number, number=claim))
