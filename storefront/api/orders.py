"""The orders of whoever is calling: placed, paid, watched, cancelled, received.

Invariant: an order is seen and changed by its own shopper only; anybody else's does not exist. What is charged comes
from the server alone, and the same key and body place one order however often they come.
"""

from typing import Any

import marshmallow as ma
from flask import Response, request
from marshmallow import fields, validate

from catalog import errors as catalog_errors
from catalog import products
from config import clock, database, settings
from config.schemas import Blueprint, PageArgs, Pattern, Schema, Text, page_of
from payments import errors as payment_errors
from payments.collect import Payer
from payments.lifecycle import Channel, PaymentState
from storefront import addresses, checkout, errors, guard, notices, order_views, orders, shoppers
from storefront.api.order_shapes import EXAMPLE, Order
from storefront.api.shapes import ADDRESS_EXAMPLE, WANTED_EXAMPLE, Address, Answer, Wanted, quantities, said
from storefront.declaration_models import DeclarationKind
from storefront.order_lifecycle import CancelledBy, OrderState

blueprint = Blueprint("orders", __name__, url_prefix="/api/v1", description="Orders and their payments.")

REMARK_LENGTH = 200


class Key(Schema):
    """The client's own name for this request: sent again with the same body, it is answered with the same order."""

    key = Text(
        required=True,
        data_key="Idempotency-Key",
        low=8,
        high=64,
        validate=[Pattern("[0-9A-Za-z_-]{8,64}")],
        metadata={"example": "5f0d1c9e-8b5e-4f43"},
    )


class NewOrder(Wanted):
    """Lines, and where they go: an address, or the number of one in the book."""

    address = fields.Nested(Address)
    address_number = Text(low=1, high=40)
    remark = Text(high=REMARK_LENGTH, load_default="")
    declarations = fields.List(
        fields.String(validate=validate.OneOf([kind.value for kind in DeclarationKind])),
        validate=validate.Length(max=len(DeclarationKind)),
        load_default=list,
        metadata={
            "description": "What the shopper confirmed for this order: how its goods are returned, being of age."
        },
    )
    adult_declared = fields.Boolean(
        load_default=False,
        metadata={
            "description": "The shopper declares to be eighteen or older; required where a quote says"
            " `adult_declaration_required`. The same as `adult` among the declarations."
        },
    )

    returns_confirmed = fields.Boolean(
        load_default=None,
        metadata={
            "description": "The shopper was shown what `returns` of a quote says, and confirmed it (true) or did not"
            " (false: refused where a confirmation is needed). Without it the order is placed, and the law's right to"
            " return goods without a reason is not narrowed by a confirmation."
        },
    )

    def check(self, given: dict[str, Any]) -> None:
        """Refuse two addresses, and none."""
        if ("address" in given) == ("address_number" in given):
            raise ma.ValidationError("请给出收货地址，或地址簿中的编号，二者选一", "address")


class Search(PageArgs):
    """Which orders."""

    state = Text(validate=[validate.OneOf([state.value for state in OrderState])], load_default=None)


class PaymentWanted(Schema):
    """Where the payer stands."""

    channel = Text(required=True, validate=[validate.OneOf([channel.value for channel in Channel])])


class Payment(Answer):
    """A payment by its public number."""

    number = fields.String()
    state = fields.String(validate=validate.OneOf([state.value for state in PaymentState]))


class PaymentOpened(Answer):
    """`client` goes to `wx.requestPayment` or WeixinJSBridge as it is, or holds `h5_url` or `code_url`."""

    payment = fields.Nested(Payment)
    client = fields.Dict(keys=fields.String(), values=fields.String())
    templates = fields.List(
        fields.String(),
        metadata={
            "description": "For `wx.requestSubscribeMessage`, at the pay tap or in its callback; what is accepted there"
            " goes to `PUT /orders/{number}/notices`. Empty outside the mini-program, where WeChat has no such consent."
        },
    )


class Notices(Schema):
    """The templates of which the shopper accepted a message; none takes the consent back."""

    accepted = fields.List(Text(low=1, high=64), required=True, validate=validate.Length(max=3))


class NoticesShown(Answer):
    """The templates of which a message about this order may be sent, or was."""

    accepted = fields.List(fields.String())


_TEMPLATE_EXAMPLE = "Xk8m2vQ0b3nR6tY9uI1oP4aS7dF5gH2jK0lZ3xC6vB9"
_PAYMENT_EXAMPLE = {
    "payment": {"number": "P261121x7K3M9X2P4QWE", "state": "open"},
    "client": {
        "appId": "wx0000000000000000",
        "timeStamp": "1795262400",
        "nonceStr": "5f0d1c9e8b5e4f43",
        "package": "prepay_id=wx21120000000000000000000000000000",
        "signType": "RSA",
        "paySign": "oR9d8PuhnIc+YZ8cBHFCwfgpaK9gd7vaRvkYD7rthRAZ",
    },
    "templates": [_TEMPLATE_EXAMPLE],
}


@blueprint.post("/orders")
@blueprint.arguments(Key, location="headers")
@blueprint.arguments(NewOrder, example={**WANTED_EXAMPLE, "address": ADDRESS_EXAMPLE, "remark": "请放门卫"})
@blueprint.alt_response(201, schema=Order, example=EXAMPLE, success=True)
@blueprint.alt_response(
    200, schema=Order, example=EXAMPLE, description="The same key and body came before.", success=True
)
@blueprint.refuses(
    catalog_errors.SkuUnknown,
    catalog_errors.QuantityInvalid,
    catalog_errors.RegionInvalid,
    catalog_errors.NotForSale,
    catalog_errors.NotDeliverable,
    catalog_errors.OutOfStock,
    errors.AddressInvalid,
    errors.AddressNotFound,
    errors.LinesInvalid,
    errors.IdempotencyMismatch,
    errors.AdultDeclarationMissing,
    errors.ReturnsDeclarationMissing,
)
@guard.shopper_asking(lambda _, given: products.price_question(quantities(given["lines"])))
def place(header: dict[str, Any], given: dict[str, Any], *, answer: list[Any]) -> Response:
    """Place an order and hold its stock until `pay_until`. Whose scan led here is known on the server."""
    who, shopper_id = guard.actor(), guard.shopper_id()
    assert who.person is not None
    placed = checkout.place(
        None,
        shopper_id=shopper_id,
        person=who.person,
        visitor=guard.visitor(),
        key=header["key"],
        lines=quantities(given["lines"]),
        answer=answer,
        address=_destination(given),
        remark=given["remark"],
        declared=_declared(given),
        are_returns_confirmed=given["returns_confirmed"],
        now=clock.now(),
    )
    if placed.shown is not None:
        return said(placed.shown, 201)
    with database.transaction() as session:
        return said(order_views.find(session, shopper_id=shopper_id, number=placed.number))


@blueprint.get("/orders")
@guard.shopper
@blueprint.arguments(Search, location="query")
@blueprint.alt_response(200, schema=page_of(Order), example={"items": [EXAMPLE], "next_cursor": None}, success=True)
@blueprint.refuses(errors.CursorInvalid)
def listing(wanted: dict[str, Any]) -> Response:
    """List the orders, newest first."""
    state = OrderState(wanted["state"]) if wanted["state"] else None
    with database.transaction() as session:
        page = order_views.listing(
            session, shopper_id=guard.shopper_id(), state=state, cursor=wanted["cursor"], limit=wanted["limit"]
        )
    return said(page)


@blueprint.get("/orders/<number:number>")
@guard.shopper
@blueprint.alt_response(200, schema=Order, example=EXAMPLE, success=True)
@blueprint.refuses(errors.OrderNotFound)
def find(number: str) -> Response:
    """Show an order with its lines, consignments, payment and refunds."""
    with database.transaction() as session:
        return said(order_views.find(session, shopper_id=guard.shopper_id(), number=number))


@blueprint.post("/orders/<number:number>/payments")
@guard.shopper
@blueprint.arguments(PaymentWanted, example={"channel": "miniprogram"})
@blueprint.alt_response(201, schema=PaymentOpened, example=_PAYMENT_EXAMPLE, success=True)
@blueprint.refuses(
    errors.OrderNotFound,
    errors.OrderNotPending,
    errors.PayWindowClosing,
    payment_errors.AlreadyPaid,
    payment_errors.PaymentExpired,
    payment_errors.PaymentRefused,
    payment_errors.BadPayer,
    payment_errors.PaymentUnavailable,
)
def pay(given: dict[str, Any], number: str) -> Response:
    """Open the payment of a pending order, or hand out again the one that is open."""
    shopper_id = guard.shopper_id()
    with database.transaction() as session:
        identity = shoppers.wechat_identity(session, shopper_id=shopper_id)
    channel = Channel(given["channel"])
    is_of_channel = identity is not None and identity.appid == _appid(channel)
    opened = checkout.pay(
        shopper_id=shopper_id,
        number=number,
        payer=Payer(
            channel=channel,
            openid=identity.openid if identity and is_of_channel else None,
            client_ip=request.remote_addr,
        ),
        now=clock.now(),
    )
    payment = {"number": opened.number, "state": opened.state}
    return said({"payment": payment, "client": opened.client, "templates": notices.templates(channel)}, 201)


@blueprint.put("/orders/<number:number>/notices")
@guard.shopper
@blueprint.arguments(Notices, example={"accepted": [_TEMPLATE_EXAMPLE]})
@blueprint.alt_response(200, schema=NoticesShown, example={"accepted": [_TEMPLATE_EXAMPLE]}, success=True)
@blueprint.refuses(errors.OrderNotFound, errors.TemplateUnknown)
def allow_notices(given: dict[str, Any], number: str) -> Response:
    """Record which messages about this order the shopper accepted when paying; one is sent when goods leave."""
    with database.transaction() as session:
        accepted = notices.allow(
            session, shopper_id=guard.shopper_id(), number=number, accepted=given["accepted"], now=clock.now()
        )
    return said({"accepted": accepted})


@blueprint.post("/orders/<number:number>/payments/current/check")
@guard.shopper
@blueprint.alt_response(200, schema=Order, example=EXAMPLE, success=True)
@blueprint.refuses(errors.OrderNotFound)
def check(number: str) -> Response:
    """Ask WeChat now, at most once in two seconds, and show the order as it then stands."""
    checkout.check(shopper_id=guard.shopper_id(), number=number, now=clock.now())
    with database.transaction() as session:
        return said(order_views.find(session, shopper_id=guard.shopper_id(), number=number))


@blueprint.post("/orders/<number:number>/cancellation")
@guard.shopper
@blueprint.alt_response(200, schema=Order, example=EXAMPLE, success=True)
@blueprint.refuses(errors.OrderNotFound, errors.OrderNotPending)
def cancel(number: str) -> Response:
    """Cancel an order that is not paid; a paid one is given back through after-sales."""
    with database.transaction() as session:
        orders.find(session, shopper_id=guard.shopper_id(), number=number)
        orders.cancel(session, number=number, by=CancelledBy.SHOPPER, now=clock.now())
        return said(order_views.find(session, shopper_id=guard.shopper_id(), number=number))


@blueprint.post("/orders/<number:number>/receipt")
@guard.shopper
@blueprint.alt_response(200, schema=Order, example=EXAMPLE, success=True)
@blueprint.refuses(errors.OrderNotFound, errors.OrderNotShipped)
def receive(number: str) -> Response:
    """Say that everything has arrived."""
    with database.transaction() as session:
        orders.find(session, shopper_id=guard.shopper_id(), number=number)
        orders.receive(session, number=number, now=clock.now())
        return said(order_views.find(session, shopper_id=guard.shopper_id(), number=number))


def _declared(given: dict[str, Any]) -> list[DeclarationKind]:
    """Return what was confirmed, each thing once."""
    kinds = [DeclarationKind(kind) for kind in given["declarations"]]
    return list(dict.fromkeys([*kinds, *[DeclarationKind.ADULT] * given["adult_declared"]]))


def _destination(given: dict[str, Any]) -> dict[str, Any]:
    """Return the address to copy into the order, from the body or from the book."""
    if "address_number" in given:
        with database.transaction() as session:
            found = addresses.find(session, shopper_id=guard.shopper_id(), number=given["address_number"])
        return found.delivery.snapshot()
    written = {field: value for field, value in given["address"].items() if field != "is_default"}
    return addresses.check(**written).snapshot()


def _appid(channel: Channel) -> str | None:
    """Return the account whose openid pays in a channel; None where no openid is needed."""
    current = settings.current()
    return {
        Channel.MINIPROGRAM: current.wechat_miniprogram_appid,
        Channel.OFFICIAL: current.wechat_official_appid,
    }.get(channel)
