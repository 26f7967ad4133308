"""Public pictures, for shops whose settings name no other address for them.

Invariant: only what is below `public/` is served, and what is under a name never changes.
"""

from flask import Blueprint, Response

from config import storage
from storefront import guard

blueprint = Blueprint("files", __name__)


@blueprint.get("/files/public/<number:owner>/<file>")
@guard.public
def read(owner: str, file: str) -> Response:
    """Send a picture; 404 when there is none."""
    name = f"public/{owner}/{file}"
    response = Response(storage.get(name), mimetype=storage.KINDS[name.rsplit(".", 1)[1]])
    response.headers["Cache-Control"] = storage.FOR_EVER
    return response
