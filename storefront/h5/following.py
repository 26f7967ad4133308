"""Own the pages that follow an order: its payment, its way, and the list of a shopper's orders.

Invariant: an order is shown to its shopper alone; what WeChat has not confirmed is never said to be paid.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from config import clock, database, settings
from config.errors import AppError
from payments import collect
from payments.lifecycle import Channel
from storefront import checkout, claim_views, declarations, errors, guard, order_links, order_views, orders
from storefront.actors import ActorKind
from storefront.declaration_models import DeclarationKind
from storefront.h5 import aftersales, callers, formats, pages, progress
from storefront.h5.following_models import Consignment, OrderCard, OrderLine, OrderPage, OrdersPage, Progress

blueprint = Blueprint("h5_following", __name__)

PAGE = 10
DECLARED = {
    DeclarationKind.RETURNS_SEALED: "拆封后不适用七日无理由退货",
    DeclarationKind.RETURNS_PERISHABLE: "鲜活易腐，不适用七日无理由退货",
    DeclarationKind.ADULT: "已年满十八周岁",
}


@blueprint.get("/orders")
@guard.public
def listing() -> AnyResponse:
    """Show my orders, newest first; nobody's when this browser has placed none."""
    buyer = guard.caller()
    if buyer is None and callers.is_in_wechat():
        return redirect(callers.login_url("/orders"), 302)
    found: dict[str, Any] = {"items": [], "next_cursor": None}
    if buyer is not None and buyer.shopper_id is not None:
        with database.transaction() as session:
            found = order_views.listing(
                session, shopper_id=buyer.shopper_id, cursor=request.args.get("cursor"), limit=PAGE
            )
    cursor = found["next_cursor"]
    page = OrdersPage(
        orders=tuple(_card(order) for order in found["items"]),
        next_url="?" + urlencode({"cursor": cursor}) if cursor else None,
    )
    return pages.private(pages.render("h5/orders.html", page=page))


@blueprint.get("/orders/<number:number>")
@guard.public
def order(number: str) -> AnyResponse:
    """Show one of my orders; 404 for anybody else's."""
    if guard.caller() is None:
        if callers.is_in_wechat():
            return redirect(callers.login_url(f"/orders/{number}"), 302)
        raise errors.OrderNotFound
    return _page(number)


@blueprint.get("/o/<link>")
@guard.public
def by_link(link: str) -> Response:
    """Show the order of a link to whoever has it: where it stands, but not whose it is; 404 once it was revoked."""
    with database.transaction() as session:
        number = order_links.resolve(session, link=link)
        found = order_views.staff_find(session, number=number)
    return pages.private(pages.render("h5/order.html", page=_for_strangers(_shown(found))))


@blueprint.get("/orders/<number:number>/<any(payments, check, cancellation, link):act>")
@blueprint.get("/orders/<number:number>/link/<any(revocation):act>")
@guard.public
def reopened(number: str, act: str) -> AnyResponse:
    """Lead whoever reloads the address of an act on an order to the order."""
    return redirect(f"/orders/{number}", 302)


@blueprint.post("/orders/<number:number>/link")
@guard.shopper
def issue_link(number: str) -> Response:
    """Show the order with a link that opens it elsewhere."""
    with database.transaction() as session:
        orders.find(session, shopper_id=guard.shopper_id(), number=number)
        link = order_links.issue(session, order_number=number, now=clock.now())
    return _page(number, link_url=f"{settings.current().public_base_url}/o/{link}")


@blueprint.post("/orders/<number:number>/link/revocation")
@guard.shopper
def revoke_link(number: str) -> AnyResponse:
    """Make the order's link open nothing, and show the order again."""
    with database.transaction() as session:
        orders.find(session, shopper_id=guard.shopper_id(), number=number)
        order_links.revoke(session, order_number=number, now=clock.now())
    return redirect(f"/orders/{number}", 303)


@blueprint.post("/orders/<number:number>/payments")
@guard.shopper
def pay(number: str) -> Response:
    """Open the payment and lead a browser outside WeChat, with or without a script, to WeChat's cashier."""
    payer = collect.Payer(channel=Channel.H5, client_ip=request.remote_addr)
    try:
        opened = checkout.pay(shopper_id=guard.shopper_id(), number=number, payer=payer, now=clock.now())
    except AppError as error:
        return _page(number, notice=error.text, status=error.status)
    back = urlencode({"redirect_url": f"{settings.current().public_base_url}/orders/{number}"})
    return pages.private(pages.render("h5/leaving.html", number=number, h5_url=f"{opened.client['h5_url']}&{back}"))


@blueprint.post("/orders/<number:number>/check")
@guard.shopper
def check(number: str) -> AnyResponse:
    """Ask WeChat now how the payment stands, and show the order again."""
    checkout.check(shopper_id=guard.shopper_id(), number=number, now=clock.now())
    return redirect(f"/orders/{number}", 303)


@blueprint.post("/orders/<number:number>/cancellation")
@guard.shopper
def cancel(number: str) -> AnyResponse:
    """Cancel an order that is not paid yet, and show it again."""
    try:
        with database.transaction() as session:
            orders.cancel_own(session, shopper_id=guard.shopper_id(), number=number, now=clock.now())
    except AppError as error:
        return _page(number, notice=error.text, status=error.status)
    return redirect(f"/orders/{number}", 303)


def _page(number: str, *, notice: str = "", link_url: str = "", status: int = 200) -> Response:
    buyer = guard.actor()
    with database.transaction() as session:
        found = order_views.find(session, shopper_id=guard.shopper_id(), number=number)
        declared = declarations.listing(session, order=number)
        claimed = claim_views.of_order(session, shopper_id=guard.shopper_id(), order=number)
    page = replace(
        _shown(found),
        declared=tuple(DECLARED[kind] for kind in declared),
        starts_paying="pay" in request.args,
        login_url=callers.login_url(f"/orders/{number}?pay=1") if callers.must_log_in(buyer) else "",
        notice=notice,
        can_link=buyer.kind is ActorKind.GUEST and found["paid_at"] is not None,
        link_url=link_url,
        claims=aftersales.cards(claimed),
        can_claim=bool(aftersales.free(found, claimed)),
    )
    return pages.private(pages.render("h5/order.html", status=status, page=page))


def _shown(found: Mapping[str, Any]) -> OrderPage:
    now, until = clock.now(), datetime.fromisoformat(found["pay_until"])
    return OrderPage(
        number=found["number"],
        state=found["state"],
        payment_state=found["payment"]["state"],
        progress=_progress(found, now),
        goods_fen=found["goods_fen"],
        freight_fen=found["freight_fen"],
        payable_fen=found["payable_fen"],
        refunding_fen=found["refunding_fen"],
        refunded_fen=found["refunded_fen"],
        consignments=_consignments(found),
        recipient=found["address"]["name"],
        phone=formats.masked(found["address"]["phone"]),
        address=f"{found['address']['region']} {found['address']['detail']}",
        remark=found["remark"],
        placed_at=datetime.fromisoformat(found["placed_at"]),
        pay_until=until,
        seconds_left=max(0, int((until - now).total_seconds())),
        paid_at=datetime.fromisoformat(found["paid_at"]) if found["paid_at"] else None,
        channel=callers.channel(),
    )


def _for_strangers(page: OrderPage) -> OrderPage:
    """Return an order without who gets it and where, and without anything to press."""
    progress = replace(page.progress, can_pay=False, can_check=False, can_cancel=False, follows=False)
    return replace(
        page, progress=progress, recipient=f"{page.recipient[:1]}**", address=page.address.split(" ")[0], remark=""
    )


def _progress(found: Mapping[str, Any], now: datetime) -> Progress:
    return progress.describe(
        state=found["state"],
        payment_state=found["payment"]["state"],
        cancelled_by=found["cancelled_by"] or "",
        refunding_fen=found["refunding_fen"],
        refunded_fen=found["refunded_fen"],
        pay_until=datetime.fromisoformat(found["pay_until"]),
        now=now,
    )


def _card(found: Mapping[str, Any]) -> OrderCard:
    shown = _progress(found, clock.now())
    return OrderCard(
        number=found["number"],
        headline=shown.headline,
        tone=shown.tone,
        placed_at=datetime.fromisoformat(found["placed_at"]),
        payable_fen=found["payable_fen"],
        lines=tuple(map(_line, found["lines"])),
    )


def _consignments(found: Mapping[str, Any]) -> tuple[Consignment, ...]:
    return tuple(
        Consignment(
            number=each["consignment"],
            freight_fen=each["freight_fen"],
            lines=tuple(_line(line) for line in found["lines"] if line["consignment"] == each["consignment"]),
            carrier=each["carrier"] or "",
            tracking_number=each["tracking_number"] or "",
            shipped_at=datetime.fromisoformat(each["shipped_at"]) if each["shipped_at"] else None,
        )
        for each in found["consignments"]
    )


def _line(found: Mapping[str, Any]) -> OrderLine:
    return OrderLine(
        product_slug=found["product"],
        title=found["title"],
        spec=found["spec"],
        image=found["image"],
        quantity=found["quantity"],
        price_fen=found["price_fen"],
        batch=found["batch"] or "",
    )
