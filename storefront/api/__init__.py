"""The consumer's JSON face: each view checks what came in, makes one call of a verb, and says what became of it."""

from flask import Flask
from werkzeug.routing import BaseConverter

from config.schemas import HouseApi
from storefront import guard
from storefront.api import (
    addresses,
    aftersales,
    benefit,
    cart,
    files,
    halls,
    notices,
    notifications,
    oauth,
    orders,
    products,
    pushes,
    quotes,
    scans,
    sessions,
    touches,
    tracing,
    verification,
)

_NOUNS = (
    sessions,
    oauth,
    touches,
    halls,
    benefit,
    notices,
    products,
    cart,
    addresses,
    quotes,
    orders,
    aftersales,
    tracing,
    notifications,
    pushes,
    scans,
)


class Number(BaseConverter):
    """A public number in a path. Whatever does not look like one is on no page, and never reaches SQL."""

    regex = "[0-9A-Za-z-]{1,40}"


def register(api: HouseApi, app: Flask) -> None:
    """Give `app` the consumer's calls, and `api`'s document their descriptions."""
    for name, scheme in guard.SECURITY_SCHEMES.items():
        api.spec.components.security_scheme(name, scheme)
    app.url_map.converters["number"] = Number
    api.register_converter(Number, lambda _: {"type": "string", "pattern": f"^{Number.regex}$"})
    for noun in _NOUNS:
        api.register_blueprint(noun.blueprint)
    app.register_blueprint(verification.blueprint)
    app.register_blueprint(files.blueprint)
