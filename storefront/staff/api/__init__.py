"""The staff's JSON face under `/api/staff/v1`: one module a noun, each view one call of a verb."""

from flask import Flask
from werkzeug.routing import BaseConverter

from config.schemas import HouseApi
from storefront.staff.api import (
    accreditations,
    aftersales,
    alerts,
    benefit,
    codes,
    costs,
    creatives,
    field,
    finance,
    halls,
    imports,
    orders,
    packs,
    partner_traffic,
    partners,
    placements,
    reports,
    sessions,
    settlement,
    settlement_terms,
    suppliers,
    targets,
    trials,
)
from storefront.staff.api.shapes import PLACEMENT

_NOUNS = (
    sessions,
    placements,
    codes,
    packs,
    reports,
    costs,
    trials,
    orders,
    aftersales,
    benefit,
    finance,
    settlement,
    settlement_terms,
    partners,
    partner_traffic,
    suppliers,
    accreditations,
    creatives,
    field,
    alerts,
    halls,
    targets,
    imports,
)


class Node(BaseConverter):
    """A placement's number in a path."""

    regex = PLACEMENT
    # werkzeug splits its own converters' patterns at slashes only; the dots of a number are ours.
    part_isolating = True


def register(api: HouseApi, app: Flask) -> None:
    """Give `app` the staff's calls, and `api`'s document their descriptions."""
    app.url_map.converters["node"] = Node
    api.register_converter(Node, lambda _: {"type": "string", "pattern": f"^{Node.regex}$"})
    for noun in _NOUNS:
        api.register_blueprint(noun.blueprint)
