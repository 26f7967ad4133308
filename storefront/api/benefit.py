"""What sales bring co-operatives and household groups, as everybody may know it.

Invariant: groups of five households or more only, rounded down to five, and sums of what is shown: as on the pages,
nobody can be told from a number.
"""

import orjson
from flask import Response
from marshmallow import fields

from catalog.cache import Cache
from config import database
from config.schemas import Blueprint
from storefront import benefit, guard
from storefront.api.shapes import Answer, shelved

blueprint = Blueprint("benefit-in-public", __name__, url_prefix="/api/v1", description="Who benefits from sales.")

# Adding all entries up takes a moment, and nobody buys by the sum.
_kept: Cache[bytes] = Cache(600.0)


class CountyShown(Answer):
    """A county: its groups of five households or more, how many these are by fives, and what sales brought them."""

    county_code = fields.String()
    county = fields.String()
    groups = fields.Integer()
    households = fields.Integer()
    net_fen = fields.Integer()


class BenefitShown(Answer):
    """The counties with such groups, and the sums of what is shown; at most ten minutes old."""

    counties = fields.List(fields.Nested(CountyShown))
    groups = fields.Integer()
    households = fields.Integer()
    net_fen = fields.Integer()


_COUNTY = {"county_code": "341321", "county": "砀山县", "groups": 3, "households": 45, "net_fen": 1138500}
_EXAMPLE = {"counties": [_COUNTY], "groups": 3, "households": 45, "net_fen": 1138500}


@blueprint.get("/benefit")
@guard.public
@blueprint.alt_response(200, schema=BenefitShown, example=_EXAMPLE, success=True)
@blueprint.alt_response(304, description="The client's copy is still right.")
def shown() -> Response:
    """Show what sales brought the households of each county that has enough of them."""
    return shelved(_kept.get("all", _read))


def _read() -> bytes:
    with database.transaction() as session:
        return orjson.dumps(benefit.shown_to_all(session))
