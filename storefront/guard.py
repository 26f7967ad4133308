"""The one guard over every route.

Invariant: each view says who may call it (`@guard.public`, `@guard.shopper`, `@guard.staff(permission)`), and the
application refuses to start while one does not.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask

View = TypeVar("View", bound=Callable[..., Any])

# Flask's own and flask-smorest's documents: readable by anybody.
OPEN_ENDPOINTS = {"static", "api-docs.openapi_json", "api-docs.openapi_swagger_ui"}


def _mark(function: View, kind: str, permission: str | None = None) -> View:
    function.guard = (kind, permission)  # type: ignore[attr-defined]
    function.__dict__.setdefault("_apidoc", {})["guard"] = kind
    return function


def public(function: View) -> View:
    """Let anybody call this view."""
    return _mark(function, "public")


def unguarded(app: Flask) -> list[str]:
    """Return the endpoints whose views do not say who may call them."""
    return sorted(
        endpoint
        for endpoint, view in app.view_functions.items()
        if endpoint not in OPEN_ENDPOINTS and not hasattr(view, "guard")
    )
