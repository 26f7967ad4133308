"""What webhooks refuse, each with its stable code.

Invariant: messages are for people, details hold no personal data.
"""

from config.errors import Conflict, NotFound


class EndpointNotFound(NotFound):
    """The partner has no such endpoint."""

    code = "partner.endpoint_not_found"
    message = "没有这个推送地址"


class DeliveryNotFound(NotFound):
    """The partner has no such delivery, or its endpoint is gone."""

    code = "partner.delivery_not_found"
    message = "没有这条推送"


class TooManyEndpoints(Conflict):
    """A partner has `most` endpoints at most."""

    code = "partner.too_many_endpoints"
    message = "推送地址已达上限"
