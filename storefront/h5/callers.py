"""Own who stands before a page: a shopper, a guest, or somebody who has yet to become one; inside WeChat or not.

Invariant: nothing is changed for a request that our own origin did not send.
"""

from urllib.parse import quote

import psycopg
from flask import request

from config import clock, settings
from storefront import carts, csrf, guard, sessions
from storefront.actors import Actor, ActorKind
from storefront.errors import CsrfRejected, SessionRequired


def is_in_wechat() -> bool:
    """Tell whether the page is shown inside WeChat, where one pays through its bridge."""
    return "MicroMessenger" in request.headers.get("User-Agent", "")


def channel() -> str:
    """Return the payment channel that this browser can use."""
    return "official" if is_in_wechat() else "h5"


def login_url(path: str) -> str:
    """Return the way through WeChat's login that comes back to `path` of ours."""
    return f"/wechat/oauth/start?next={quote(path, safe='')}"


def must_log_in(buyer: Actor | None) -> bool:
    """Tell whether WeChat has yet to say who this is: inside it only a known openid can pay."""
    return is_in_wechat() and (buyer is None or buyer.kind is not ActorKind.SHOPPER)


def paying_url(buyer: Actor, number: str) -> str:
    """Return where an order that was just placed is paid: its page, by way of WeChat's login where one is due."""
    target = f"/orders/{number}?pay=1"
    return login_url(target) if must_log_in(buyer) else target


def pieces_in_cart() -> int:
    """Return how many pieces lie in this browser's cart, for the mark on its link; none while nobody can tell."""
    try:
        found = guard.presented()
        return carts.pieces(token=found.token, now=clock.now()) if found else 0
    except (SessionRequired, psycopg.OperationalError):
        return 0


def buyer() -> Actor | None:
    """Return who sends a form, or None for a browser that has no session yet.

    A page that was opened before the session began carries no token; then our own origin alone is the proof.
    Raises `CsrfRejected` for a form that our own page did not send.
    """
    origin = request.headers.get("Origin") or request.headers.get("Referer")
    if not csrf.same_origin(origin, settings.current().public_base_url):
        raise CsrfRejected
    if request.form.get(csrf.FIELD):
        return guard.caller()
    found = guard.presented()
    try:
        who = sessions.verify(found.token, now=clock.now()) if found else None
    except SessionRequired:
        return None
    return who if who and who.shopper_id is not None else None
