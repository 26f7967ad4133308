"""Own how a browser that nobody knows becomes a guest, by the form that first needs one.

Invariant: the form changes nothing in the request that opens the session. The browser sends it again with its cookie;
were both done at once, an answer lost in a tunnel would leave a cart or an order that nobody owns.
"""

from flask import redirect, request
from werkzeug.wrappers import Response as AnyResponse

from config import clock, database
from storefront import login, sessions
from storefront.h5 import pages


def become(*, back: str) -> AnyResponse:
    """Give the browser a session and let it send the same form again.

    One that keeps no cookie is told so instead of sent in circles, with the way `back`.
    """
    if "again" in request.args:
        return pages.render("h5/cookies.html", status=403, back=back)
    with database.transaction() as session:
        entered = login.guest(session, now=clock.now())
    response = redirect(f"{request.path}?again=1", 307)
    response.set_cookie(**sessions.cookie(entered.opened, now=clock.now()))
    return response
