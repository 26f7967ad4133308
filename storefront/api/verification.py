"""The files by which WeChat checks that a site is ours.

Invariant: only files that lie directly in `VERIFICATION_FILES_DIR` are served, byte for byte.
"""

from flask import Blueprint, Response, abort
from werkzeug.routing import BaseConverter

from config import settings
from storefront import guard

blueprint = Blueprint("verification", __name__)


class FileName(BaseConverter):
    """A name such as `MP_verify_0a1b2c3d.txt`; tried before a printed code's."""

    regex = r"[0-9A-Za-z_-]{1,80}\.txt"
    weight = 50


@blueprint.record_once
def _convert(state: object) -> None:
    state.app.url_map.converters["verification_file"] = FileName  # type: ignore[attr-defined]


@blueprint.get("/<verification_file:name>")
@blueprint.get("/s/<verification_file:name>")
@guard.public
def read(name: str) -> Response:
    """Return the file; 404 when there is none."""
    folder = settings.current().verification_files_dir
    if folder is None:
        abort(404)
    try:
        return Response((folder / name).read_bytes(), mimetype="text/plain")
    except OSError:
        abort(404)
