"""The printed codes, as anything that scans them meets them.

Invariant: the scan is committed before the redirect is sent, and the redirect leads to a page that stands; a lone GET
counts nothing until the page that it led to confirms it.
"""

from typing import Any
from uuid import UUID, uuid4

import flask
from flask import Response, request
from marshmallow import fields

from config import clock, http
from config.schemas import Blueprint, Schema, Text
from storefront import guard, sessions
from storefront.api import landings
from storefront.api.shapes import Answer, said
from subway_campaign import codes, errors, scenes, tokens, visits
from subway_campaign.lifecycle import TouchKind

blueprint = Blueprint("scans", __name__, description="Printed codes and the pages that they lead to.")

# Read by the landing page's server side and by the confirmation; no script needs it.
_VISIT_COOKIE = "tk"


class Confirmation(Schema):
    """The token of the visit, from the landing page's address; the cookie's when absent."""

    tk = Text(high=200, load_default=None)


class Minted(Answer):
    """A hand-off token to put into the link that opens the mini-program."""

    hk = fields.String(allow_none=True)


class Typed(Schema):
    """What is printed under a code, as somebody typed it: any case, spaces and hyphens."""

    code = Text(required=True, low=1, high=40)


@blueprint.get("/s/<code>")
@guard.public
@blueprint.alt_response(
    303,
    description="To the landing page, with the visit's token `tk` in its address and in a cookie.",
    headers={"Location": {"schema": {"type": "string"}}, "Set-Cookie": {"schema": {"type": "string"}}},
    success=True,
)
@blueprint.refuses(errors.UnknownCode)
def scan(code: str) -> Response:
    """Write the scan down and lead on. Codes may be typed in any case; I and L are read as 1, O as 0."""
    return _lead_on(code, TouchKind.SCAN)


def _lead_on(code: str, kind: TouchKind) -> Response:
    asked = http.asked()
    headers = asked.headers
    opened = visits.open(
        slug=code,
        kind=kind,
        visitor=guard.visitor(),
        now=clock.now(),
        method=asked.method,
        user_agent=headers.get("User-Agent", ""),
        headers={name: headers[name] for name in scenes.PREFETCH_HEADERS if name in headers},
        network=visits.network_of(asked.remote_addr or ""),
    )
    landing = landings.standing(opened.landing) if opened.landing else None
    # In the address too: a link that is forwarded takes it along, and is then a share and not another scan.
    address = f"{landings.path(landing)}?tk={opened.token}"
    # A kind of content, though there is none: without one the framework would look for it.
    response = http.Ready(status=303, content_type="text/html; charset=utf-8")
    response.headers.add("Location", address)
    response.headers.add("Cache-Control", "no-store")
    response.headers.add("Set-Cookie", sessions.cookie_header(_VISIT_COOKIE, opened.token, life=tokens.VISIT_LIFE))
    _remember(response, opened.visitor)
    return response


# The same route for what is printed in capitals; smorest would document a second one.
flask.Blueprint.add_url_rule(blueprint, "/S/<code>", "scan", scan)


@blueprint.get("/typed")
@guard.public
@blueprint.arguments(Typed, location="query")
@blueprint.alt_response(
    303,
    description="As after a scan.",
    headers={"Location": {"schema": {"type": "string"}}, "Set-Cookie": {"schema": {"type": "string"}}},
    success=True,
)
@blueprint.refuses(errors.UnknownCode, errors.CodeMistyped)
def take_typed(given: dict[str, str]) -> Response:
    """Write down that a person typed the text under a code, and lead on (R23)."""
    code = codes.typed(given["code"])
    if not codes.is_code(code):
        raise errors.CodeMistyped
    return _lead_on(code, TouchKind.TYPED)


@blueprint.post("/api/v1/visits/confirmation")
@guard.public
@blueprint.arguments(Confirmation, location="query")
@blueprint.alt_response(204, description="Heard, whatever it was worth.", success=True)
def confirm(given: dict[str, Any]) -> Response:
    """Say that a page stands before a person: its owner's visit becomes a scan, a forwarded one a share.

    The page's address, in `Referer`, says whether WeChat sent it on; without that and outside of WeChat nobody can
    tell a share from the owner's other browser, which is told apart from both.
    """
    token = given["tk"] or request.cookies.get(_VISIT_COOKIE, "")
    forwarded = scenes.kind_of_forwarded(
        user_agent=request.headers.get("User-Agent", ""), page=request.headers.get("Referer", "")
    )
    confirmed = visits.confirm(token=token, visitor=guard.visitor(), now=clock.now(), forwarded=forwarded)
    response = Response(status=204)
    if confirmed is not None:
        _remember(response, confirmed.visitor)
    return response


@blueprint.post("/api/v1/visits/handoff")
@guard.public
@blueprint.alt_response(200, schema=Minted, example={"hk": "hQ3n0cQxq9S3mT4b0n8Xz1vJ7kL2pW6yR9dF3gH8aBc"}, success=True)
def mint_handoff() -> Response:
    """Mint a hand-off for the mini-program that this page opens: good once, for 30 minutes; null without a cookie."""
    visitor = guard.visitor()
    hk = tokens.seal_handoff(uuid4(), visitor=visitor, now=clock.now()) if visitor else None
    response = said({"hk": hk})
    response.headers["Cache-Control"] = "no-store"
    return response


def _remember(response: Response, visitor: UUID) -> None:
    name = guard.visitor_cookie_name()
    response.headers.add("Set-Cookie", sessions.cookie_header(name, str(visitor), life=visits.COOKIE_LIFE))
