"""Logging in and out: a mini-program's code, a guest's cookie, and the end of either.

Invariant: a token is shown once, in the answer to a login or in a cookie that scripts cannot read, and never in a URL.
"""

from contextlib import suppress
from typing import Any

from flask import Response, request
from marshmallow import fields, validate

from config import clock, database, settings
from config.schemas import Blueprint, Schema, Text
from storefront import csrf, errors, guard, login, sessions
from storefront.actors import ActorKind
from storefront.api.shapes import Answer, Instant, said

blueprint = Blueprint("sessions", __name__, url_prefix="/api/v1", description="Who is calling.")


class MiniprogramLogin(Schema):
    """What `wx.login` gave, and the visitor token that `POST /touches` gave, so that scans count for this person."""

    js_code = Text(required=True, low=1, high=128)
    visitor_token = Text(high=200, load_default=None, allow_none=True)


class Shopper(Answer):
    """A shopper by the public number."""

    number = fields.String()


class TokenSession(Answer):
    """A session for an `Authorization: Bearer` header."""

    token = fields.String()
    expires_at = Instant()
    shopper = fields.Nested(Shopper)


class CookieSession(Answer):
    """A session by cookie; `csrf_token` goes into the header `X-CSRF-Token` of all that is not a GET."""

    shopper = fields.Nested(Shopper)
    csrf_token = fields.String()


class CurrentSession(Answer):
    """The session of this request; `csrf_token` is null where a bearer token is proof enough."""

    kind = fields.String(validate=validate.OneOf([ActorKind.SHOPPER.value, ActorKind.GUEST.value]))
    shopper = fields.Nested(Shopper)
    csrf_token = fields.String(allow_none=True)


_SHOPPER_EXAMPLE = {"number": "U7K3M9X2P4QWE"}
_GUEST_EXAMPLE = {
    "shopper": {"number": "G7K3M9X2P4QWE"},
    "csrf_token": "w1v5mE0Jb8Zc0Z3kH0m8b3m7m4m0Qx9f0y7L2o1s5aU",
}


@blueprint.post("/sessions/miniprogram")
@guard.public
@blueprint.arguments(MiniprogramLogin, example={"js_code": "0a1b2c3d4e5f"})
@blueprint.alt_response(
    201,
    schema=TokenSession,
    example={
        "token": "5h1n0cQxq9S3mT4b0n8Xz1vJ7kL2pW6yR9dF3gH8aBc",
        "expires_at": "2026-12-21T04:00:00+00:00",
        "shopper": _SHOPPER_EXAMPLE,
    },
    success=True,
)
@blueprint.refuses(errors.SessionRequired, errors.CodeRejected, errors.SnapshotUser, errors.WeChatUnavailable)
def log_in_by_miniprogram(given: dict[str, Any]) -> Response:
    """Log a mini-program in; the session that it held before ends, and a guest's cart moves along."""
    held = guard.presented()
    logged_in = login.miniprogram(
        js_code=given["js_code"],
        visitor_token=given["visitor_token"],
        # A cookie is no proof that the client meant to end that session; a bearer token is.
        previous=held.token if held and not held.by_cookie else None,
        now=clock.now(),
    )
    opened = logged_in.opened
    return said({"token": opened.token, "expires_at": opened.expires_at, "shopper": {"number": logged_in.number}}, 201)


@blueprint.post("/sessions/guest")
@guard.public
@blueprint.alt_response(
    201,
    schema=CookieSession,
    example=_GUEST_EXAMPLE,
    headers={"Set-Cookie": {"schema": {"type": "string"}, "description": "The session."}},
    success=True,
)
@blueprint.alt_response(
    200, schema=CookieSession, example=_GUEST_EXAMPLE, description="This browser has a session already.", success=True
)
@blueprint.refuses(errors.CsrfRejected)
def log_in_as_guest() -> Response:
    """Open a cookie session for a browser outside WeChat, which owns its cart and orders through that cookie only.

    A browser that has a session keeps it, and with it what is in its cart.
    """
    current, now = settings.current(), clock.now()
    if "Origin" in request.headers and not csrf.same_origin(request.headers["Origin"], current.public_base_url):
        raise errors.CsrfRejected
    held = request.cookies.get(sessions.cookie_name())
    if held:
        with suppress(errors.SessionRequired):
            number = sessions.verify(held, now=now).number
            return said({"shopper": {"number": number}, "csrf_token": csrf.token(held, secret_key=current.secret_key)})
    with database.transaction() as session:
        logged_in = login.guest(session, now=now)
    proof = csrf.token(logged_in.opened.token, secret_key=current.secret_key)
    response = said({"shopper": {"number": logged_in.number}, "csrf_token": proof}, 201)
    response.set_cookie(**sessions.cookie(logged_in.opened, now=now))
    return response


@blueprint.get("/sessions/current")
@guard.shopper
@blueprint.alt_response(
    200,
    schema=CurrentSession,
    example={"kind": "shopper", "shopper": _SHOPPER_EXAMPLE, "csrf_token": None},
    success=True,
)
def find() -> Response:
    """Say who is calling, and give a page by cookie the token that its changes must carry."""
    who, held = guard.actor(), guard.presented()
    proof = guard.csrf_token() if held and held.by_cookie else None
    return said({"kind": who.kind, "shopper": {"number": who.number}, "csrf_token": proof})


@blueprint.delete("/sessions/current")
@guard.shopper
@blueprint.alt_response(204, description="The session is over.", success=True)
def log_out() -> Response:
    """End the session of this request."""
    held = guard.presented()
    with database.transaction() as session:
        sessions.leave(session, token=held.token if held else "", now=clock.now())
    response = Response(status=204)
    response.delete_cookie(sessions.cookie_name(), **sessions.cookie_attributes())
    return response
