"""The partners' JSON face under `/api/partner/v1`: one module a noun, each view one call of a verb."""

from config.schemas import HouseApi
from storefront.partner_api import codes, identity, products, statistics, webhooks

_NOUNS = (identity, products, codes, statistics, webhooks)


def register(api: HouseApi) -> None:
    """Give `api` the partners' calls and their descriptions."""
    for noun in _NOUNS:
        api.register_blueprint(noun.blueprint)
