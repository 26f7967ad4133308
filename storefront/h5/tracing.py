"""Tracing a batch: the page behind the code that came with a parcel.

Invariant: it names goods, places and laboratories, never a person or an order. Codes are sixty random bits, the same
for everybody who got the batch: nothing behind them is secret, and nobody can list what a supplier made.
"""

from flask import Blueprint, Response, request

from catalog import batches
from catalog.errors import ProductionBatchUnknown
from config import darkroom, database, pictures
from storefront import guard, limits
from storefront.api.tracing import A_MINUTE
from storefront.h5 import pages

blueprint = Blueprint("h5_tracing", __name__, template_folder="templates")


@blueprint.get("/trace/<number:code>")
@guard.public
def show(code: str) -> Response:
    """Show where a batch comes from, what the laboratory said, and whether it was recalled."""
    limits.allow(f"trace:{request.remote_addr}", limit=A_MINUTE, window_s=60)
    with database.transaction() as session:
        found = batches.find(session, code=code.upper())
    return pages.render("h5/trace.html", it=found)


@blueprint.get("/trace/<number:code>/pages/<number:picture>")
@guard.public
def page(code: str, picture: str) -> Response:
    """Send one page of a batch's test report."""
    limits.allow(f"trace:{request.remote_addr}", limit=A_MINUTE, window_s=60)
    with database.transaction() as session:
        found = batches.find(session, code=code.upper())
    if picture not in found["pages"]:
        raise ProductionBatchUnknown
    size = darkroom.SIZES[2] if "small" in request.args else darkroom.SIZES[0]
    response = Response(pictures.read(number=picture, size=size, suffix="jpg"), mimetype="image/jpeg")
    response.headers["Cache-Control"] = "public, max-age=86400"
    return response
