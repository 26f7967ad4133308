"""Own what the express lane adds to the application: its pages, its error page, its headers."""

from flask import Flask

from storefront.h5 import (
    address_book,
    aftersales,
    browse,
    buying,
    cart,
    cart_orders,
    following,
    notices,
    pages,
    tracing,
)


def install(app: Flask) -> None:
    """Register every page of the express lane with `app`."""
    pages.install(app)
    for page in (browse, buying, cart, cart_orders, address_book, following, aftersales, notices, tracing):
        app.register_blueprint(page.blueprint)
