"""What WeChat Pay tells us by itself.

Invariant: the raw bytes are read before anything else looks at the request, and 204 is said only after the commit;
anything but 2xx makes WeChat send it again.
"""

from flask import Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from config import clock, http
from config.schemas import Blueprint
from payments import errors, notifications
from storefront import guard

blueprint = Blueprint(
    "notifications", __name__, url_prefix="/wechatpay/notifications", description="Called by WeChat Pay."
)

# WeChat's are below 4 KiB; whatever is longer is not WeChat's and is not worth a signature check.
LONGEST_BODY = 64 * 1024

_REFUSALS = (
    errors.BadSignature,
    errors.MalformedNotification,
    errors.UndecryptableNotification,
    errors.UnknownPayment,
)


@blueprint.post("/payments")
@guard.signed
@blueprint.alt_response(204, description="Kept; it need not be sent again.", success=True)
@blueprint.alt_response(413, description="Longer than 64 KiB.")
@blueprint.refuses(*_REFUSALS)
def take_payment() -> Response:
    """Take the news that a payment succeeded."""
    return _take()


@blueprint.post("/refunds")
@guard.signed
@blueprint.alt_response(204, description="Kept; it need not be sent again.", success=True)
@blueprint.alt_response(413, description="Longer than 64 KiB.")
@blueprint.refuses(*_REFUSALS)
def take_refund() -> Response:
    """Take the news of what became of a refund."""
    return _take()


def _take() -> Response:
    request.max_content_length = LONGEST_BODY
    body = request.get_data(cache=False)
    if len(body) > LONGEST_BODY:
        raise RequestEntityTooLarge
    notifications.receive(headers=request.headers, body=body, now=clock.now())
    return http.Ready(status=204)
