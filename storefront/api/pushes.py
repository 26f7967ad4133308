"""Where WeChat pushes what happens to the mini-program's payments.

Invariant: the raw bytes are read before anything else looks at the request, and `success` is said only after the
commit; anything but 200 makes WeChat send it again.
"""

from flask import Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from config import clock
from config.schemas import Blueprint
from storefront import errors, guard, pushes
from storefront.api.notifications import LONGEST_BODY
from storefront.wechat import pushes as wire

blueprint = Blueprint("pushes", __name__, url_prefix="/wechat", description="Called by WeChat.")


@blueprint.get("/push")
@guard.signed
@blueprint.alt_response(200, description="`echostr`, as text.", success=True)
@blueprint.refuses(errors.PushNotConfigured, errors.PushRejected)
def prove() -> Response:
    """Prove to WeChat that this server is ours, when it is entered in the mini-program's console."""
    return _say(wire.echo(request.args, now=clock.now()))


@blueprint.post("/push")
@guard.signed
@blueprint.alt_response(
    200, description="`success`, as text: kept, whether we know such an event or not.", success=True
)
@blueprint.alt_response(413, description="Longer than 64 KiB.")
@blueprint.refuses(errors.PushNotConfigured, errors.PushRejected, errors.PushUnreadable)
def take() -> Response:
    """Take the news that goods count as received, that money was released, or that shipping is overdue."""
    request.max_content_length = LONGEST_BODY
    body = request.get_data(cache=False)
    if len(body) > LONGEST_BODY:
        raise RequestEntityTooLarge
    pushes.receive(request.args, body, now=clock.now())
    return _say("success")


def _say(words: str) -> Response:
    return Response(words, mimetype="text/plain", headers={"Cache-Control": "no-store"})
