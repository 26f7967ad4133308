"""What the staff's side adds to the application: its pages and its JSON."""

from flask import Flask

from config.schemas import HouseApi
from storefront.staff import api as json
from storefront.staff import pages


def register(api: HouseApi, app: Flask) -> None:
    """Give `app` the staff's pages and calls, and `api`'s document their descriptions."""
    json.register(api, app)
    pages.install(app)
