"""The way of a browser inside WeChat to a session: to WeChat and back.

Invariant: `state` is used once and only by the browser that was sent with it, and `next` is a path of ours.
"""

from typing import Any

from flask import Response, request
from marshmallow import EXCLUDE

from config import clock, database
from config.schemas import Blueprint, Schema, Text
from storefront import errors, guard, login, sessions

blueprint = Blueprint("oauth", __name__, url_prefix="/wechat/oauth", description="Official-account login for pages.")


class Start(Schema):
    """Where to go after the login."""

    next = Text(high=512, load_default="/")


class Callback(Schema):
    """What WeChat sends a browser back with; it may add more."""

    code = Text(high=512, load_default="")
    state = Text(high=128, load_default="")


@blueprint.get("/start")
@guard.public
@blueprint.arguments(Start, location="query")
@blueprint.alt_response(302, description="To WeChat's consent page.", success=True)
@blueprint.refuses(errors.NextRejected)
def start(given: dict[str, Any]) -> Response:
    """Send the browser to WeChat, with a cookie that the way back must bring along."""
    with database.transaction() as session:
        departure = login.start(session, next_path=given["next"], now=clock.now())
    response = _redirect(departure.url)
    response.set_cookie(**login.browser_cookie(departure))
    return response


@blueprint.get("/callback")
@guard.public
@blueprint.arguments(Callback, location="query", unknown=EXCLUDE)
@blueprint.alt_response(302, description="Logged in, and on to `next`.", success=True)
@blueprint.refuses(errors.StateRejected, errors.CodeRejected, errors.SnapshotUser, errors.WeChatUnavailable)
def callback(given: dict[str, Any]) -> Response:
    """Log the browser in with what WeChat says, and send it on; the cart of its guest session comes along."""
    held = guard.presented()
    now = clock.now()
    logged_in = login.official(
        code=given["code"],
        state=given["state"],
        browser=request.cookies.get(login.browser_cookie_name()),
        visitor=guard.visitor(),
        previous=held.token if held else None,
        now=now,
    )
    response = _redirect(logged_in.next_path)
    response.set_cookie(**sessions.cookie(logged_in.opened, now=now))
    response.delete_cookie(login.browser_cookie_name(), **sessions.cookie_attributes())
    return response


def _redirect(url: str) -> Response:
    return Response(status=302, headers={"Location": url, "Cache-Control": "no-store"})
