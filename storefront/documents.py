"""The API's document for people: Swagger UI at /docs, served from our own host.

Invariant: nothing is fetched from elsewhere; the machine-readable truth is /openapi.json.
"""

from flask import Flask
from flask_swagger_ui import get_swaggerui_blueprint

from storefront import guard

ENDPOINT = "documents"


def register(app: Flask) -> None:
    """Serve the document to anybody."""
    app.register_blueprint(
        get_swaggerui_blueprint("/docs", "/openapi.json", {"app_name": "Local Hall API"}, blueprint_name=ENDPOINT)
    )
    app.view_functions[f"{ENDPOINT}.show"] = guard.public(app.view_functions[f"{ENDPOINT}.show"])
