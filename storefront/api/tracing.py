"""Tracing a batch as JSON: what the page behind the code on a parcel says.

Invariant: as on the page, it names goods, places and laboratories, never a person or an order.
"""

from flask import Response, request
from marshmallow import fields, validate

from catalog import batches
from catalog.batch_models import Verdict
from catalog.errors import ProductionBatchUnknown
from config import database
from config.schemas import Blueprint
from storefront import errors, guard, limits
from storefront.api.shapes import Answer, Instant, said

blueprint = Blueprint("tracing", __name__, url_prefix="/api/v1", description="Tracing batches.")

# A whole village may share one address, and each page of a report is a request; a machine that tries codes is held up.
A_MINUTE = 600


class TracedCertificate(Answer):
    """The product's certificate when the batch was entered."""

    number = fields.String()
    issuer = fields.String()
    issued_on = fields.Date()
    valid_until = fields.Date(allow_none=True)


class TracedBatch(Answer):
    """A batch: what of, from where, made when. `verdict` is null without a report; `pages` are pictures of it.

    Goods of a recalled batch, or of one that failed its test, are not to be eaten.
    """

    code = fields.String()
    lot = fields.String()
    product = fields.String()
    product_name = fields.String()
    supplier_name = fields.String()
    origin = fields.String()
    made_on = fields.Date()
    verdict = fields.String(allow_none=True, validate=validate.OneOf([*Verdict]))
    lab = fields.String(allow_none=True)
    report_number = fields.String(allow_none=True)
    reported_on = fields.Date(allow_none=True)
    pages = fields.List(fields.String())
    certificate = fields.Nested(TracedCertificate, allow_none=True)
    recalled_at = Instant(allow_none=True)
    recall_reason = fields.String(allow_none=True)


_EXAMPLE = {
    "code": "7K3M9X2P4QWE",
    "lot": "20261118-2",
    "product": "dangshansuli",
    "product_name": "砀山酥梨",
    "supplier_name": "砀山县某某果业专业合作社",
    "origin": "安徽省宿州市砀山县",
    "made_on": "2026-11-18",
    "verdict": "passed",
    "lab": "宿州市食品药品检验检测中心",
    "report_number": "SZ20261119001",
    "reported_on": "2026-11-19",
    "pages": ["/trace/7K3M9X2P4QWE/pages/PIC0123456789ABCDEF"],
    "certificate": {
        "number": "ANHUI-2026-0001",
        "issuer": "砀山县乡村振兴局",
        "issued_on": "2026-03-01",
        "valid_until": "2027-02-28",
    },
    "recalled_at": None,
    "recall_reason": None,
}


@blueprint.get("/trace/<number:code>")
@guard.public
@blueprint.alt_response(200, schema=TracedBatch, example=_EXAMPLE, success=True)
@blueprint.refuses(ProductionBatchUnknown, errors.TooFast)
def find(code: str) -> Response:
    """Show where a batch comes from, what the laboratory said, and whether it was recalled."""
    limits.allow(f"trace:{request.remote_addr}", limit=A_MINUTE, window_s=60)
    with database.transaction() as session:
        found = batches.find(session, code=code.upper())
    pages = [f"/trace/{found['code']}/pages/{picture}" for picture in found["pages"]]
    return said({name: found[name] for name in TracedBatch().fields} | {"pages": pages})
