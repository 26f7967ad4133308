"""Staff sessions: a name, a password and, for who moves money or grants rights, a one-time code.

Invariant: which of the three was wrong is never said; a token is shown once.
"""

from typing import Any

from flask import Response, request
from marshmallow import fields, validate

from config import clock, database, settings
from config.schemas import Blueprint, Schema, Text
from storefront import csrf, errors, guard, sessions
from storefront.api.shapes import Answer, Instant, said
from storefront.roles import Permission, Role
from storefront.staff import accounts

blueprint = Blueprint("staff_sessions", __name__, url_prefix="/api/staff/v1", description="Staff: who is calling.")


class StaffLogin(Schema):
    """`totp` is the six digits of an authenticator; finance and admin need it."""

    username = Text(required=True, high=64)
    password = Text(required=True, high=256)
    totp = Text(high=16, load_default=None, allow_none=True)


class StaffMember(Answer):
    """Who logged in, and as what."""

    username = fields.String()
    roles = fields.List(fields.String(validate=validate.OneOf([role.value for role in Role])))


class StaffSession(Answer):
    """The token for a header; the same session comes as a cookie, whose pages need `csrf_token`."""

    token = fields.String()
    expires_at = Instant()
    csrf_token = fields.String()
    staff = fields.Nested(StaffMember)


@blueprint.post("/sessions")
@guard.public
@blueprint.arguments(
    StaffLogin, example={"username": "caiwu.wang", "password": "correct horse battery", "totp": "492039"}
)
@blueprint.alt_response(
    201,
    schema=StaffSession,
    example={
        "token": "5h1n0cQxq9S3mT4b0n8Xz1vJ7kL2pW6yR9dF3gH8aBc",
        "expires_at": "2026-11-21T16:00:00+00:00",
        "csrf_token": "w1v5mE0Jb8Zc0Z3kH0m8b3m7m4m0Qx9f0y7L2o1s5aU",
        "staff": {"username": "caiwu.wang", "roles": ["finance"]},
    },
    headers={"Set-Cookie": {"schema": {"type": "string"}, "description": "The session."}},
    success=True,
)
@blueprint.refuses(errors.CredentialsRejected, errors.TotpRequired, errors.LoginDelayed, errors.CsrfRejected)
def log_in(given: dict[str, Any]) -> Response:
    """Log in. Wrong attempts earn a growing delay per name and network (429 with `Retry-After`)."""
    if "Origin" in request.headers:
        csrf.check(
            method=request.method,
            session_token=None,
            given=None,
            origin=request.headers["Origin"],
            base_url=settings.current().public_base_url,
            secret_key=settings.current().secret_key,
        )
    now = clock.now()
    opened = accounts.login(
        username=given["username"],
        password=given["password"],
        totp=given["totp"] or None,
        address=request.remote_addr,
        now=now,
    )
    who = sessions.verify(opened.token, now=now)
    body = {
        "token": opened.token,
        "expires_at": opened.expires_at,
        "csrf_token": csrf.token(opened.token, secret_key=settings.current().secret_key),
        "staff": {"username": who.username, "roles": list(dict.fromkeys(grant.role for grant in who.grants))},
    }
    response = said(body, 201)
    response.set_cookie(**sessions.cookie(opened, now=now))
    return response


@blueprint.delete("/sessions/current")
@guard.staff()
@blueprint.alt_response(204, description="The session is over.", success=True)
def log_out() -> Response:
    """End the session of this request."""
    held = guard.presented(of_staff=True)
    with database.transaction() as session:
        accounts.leave(session, guard.actor(), token=held.token if held else "", now=clock.now())
    response = Response(status=204)
    response.delete_cookie(sessions.cookie_name(staff=True), **sessions.cookie_attributes())
    return response


@blueprint.delete("/sessions")
@guard.staff()
@blueprint.alt_response(204, description="All of the caller's sessions are over.", success=True)
def log_out_everywhere() -> Response:
    """End every session of the caller's account, on every device, this one too."""
    actor = guard.actor()
    with database.transaction() as session:
        accounts.log_out_everywhere(session, username=actor.username or "", now=clock.now(), by=actor)
    response = Response(status=204)
    response.delete_cookie(sessions.cookie_name(staff=True), **sessions.cookie_attributes())
    return response


@blueprint.delete("/accounts/<username>/sessions")
@guard.staff(Permission.MANAGE_STAFF)
@blueprint.alt_response(204, description="All sessions of the account are over.", success=True)
@blueprint.refuses(errors.AccountNotFound)
def log_out_other(username: str) -> Response:
    """End every session of an account at once, for example of a device that was lost."""
    with database.transaction() as session:
        accounts.log_out_everywhere(session, username=username, now=clock.now(), by=guard.actor())
    return Response(status=204)
