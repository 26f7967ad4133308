"""Own the cart's pages: goods put in from their page, changed and taken out; what it holds is read anew each time.

Invariant: a browser outside any session becomes a guest by putting something in, never by looking; a change is made
to the line that its page showed, and one that is gone is not brought back.
"""

from dataclasses import replace
from urllib.parse import quote, urlencode

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from catalog import errors as catalog_errors
from catalog import products
from catalog.stock import MAX_QUANTITY
from config import clock, database
from storefront import carts, guard
from storefront import errors as shop_errors
from storefront.actors import Actor
from storefront.h5 import buying, callers, cart_views, destinations, forms, guests, pages, shelves
from storefront.h5.buying_models import OrderForm, Product
from storefront.h5.cart_models import AddedPage

blueprint = Blueprint("h5_cart", __name__)

_EMPTY = carts.CartView(lines=(), pieces=0, goods_fen=0)
_BOUNDS = f"数量在 1 到 {MAX_QUANTITY} 之间"
_GONE = "这件商品已经不在购物车里，可能在别的页面移除了，或者已经下单。"
_TICKS = {"tick": True, "untick": False}
# What putting goods in may run into and the product's page can say.
_SAID_ON_THE_PAGE = (catalog_errors.NotForSale, catalog_errors.QuantityInvalid, shop_errors.CartFull)


@blueprint.get("/cart")
@guard.public
def show() -> AnyResponse:
    """Show my cart at today's prices; an empty one leads on."""
    buyer = guard.caller()
    if buyer is None and callers.is_in_wechat():
        return redirect(callers.login_url("/cart"), 302)
    return page(_read(buyer))


@blueprint.post("/p/<slug>/cart")
@guard.public
def put(slug: str) -> AnyResponse:
    """Put the chosen pack into the cart and say so, or show the product again with what is wrong."""
    try:
        shown = shelves.product(products.find(slug))
    except catalog_errors.ProductUnknown:
        return buying.absent(slug)
    form, buyer = forms.read(shown, request.form), callers.buyer()
    faults = forms.judge_choice(shown, form)
    if form.sku != request.form.get("sku"):
        faults = {"sku": "请选择规格", **faults}
    if faults:
        return _refused(shown, replace(form, errors=faults), "请选好规格和数量，再加入购物车。", 422)
    if buyer is None:
        return guests.become(back=f"/p/{quote(slug)}")
    assert buyer.shopper_id is not None
    try:
        with database.transaction() as session:
            carts.add(
                session,
                shopper_id=buyer.shopper_id,
                sku=form.sku,
                quantity=form.quantity,
                visitor=guard.visitor(),
                person=buyer.person,
                now=clock.now(),
            )
    except _SAID_ON_THE_PAGE as error:
        is_full = isinstance(error, catalog_errors.QuantityInvalid)
        words = f"购物车里同一规格最多 {MAX_QUANTITY} 份，请到购物车里调整。" if is_full else error.text
        return _refused(shown, form, words, error.status)
    return redirect(f"/cart/added?{urlencode({'sku': form.sku, 'n': form.quantity})}", 303)


@blueprint.get("/cart/added")
@guard.public
def added() -> AnyResponse:
    """Say what was put into the cart and what it holds now; to the cart itself once that line is gone again."""
    view = _read(guard.caller())
    found = next((line for line in view.lines if line.sku == request.args.get("sku")), None)
    if found is None:
        return redirect("/cart", 302)
    count = forms.quantity({"quantity": request.args.get("n", "")})
    shown = AddedPage(
        line=cart_views.line(found),
        added=count if count <= found.quantity else 0,
        pieces=sum(line.quantity for line in view.lines),
        goods_fen=view.goods_fen,
    )
    return pages.private(pages.render("h5/added.html", page=shown))


@blueprint.get("/cart/lines/<number:sku>")
@guard.public
def reopened(sku: str) -> AnyResponse:
    """Lead whoever reloads the address of a change to the cart."""
    return redirect("/cart", 302)


@blueprint.post("/cart/lines/<number:sku>")
@guard.shopper
def change(sku: str) -> AnyResponse:
    """Change a line: by one piece, to what was typed, ticked or not, or taken out; show the cart again."""
    do, typed = request.form.get("do", ""), request.form.get("quantity", "").strip()[:20]
    if do == "remove":
        with database.transaction() as session:
            carts.clear(session, shopper_id=guard.shopper_id(), skus=[sku])
        return redirect("/cart", 303)
    if do in _TICKS:
        return _tick(sku, is_ticked=_TICKS[do])
    quantity = forms.quantity({"quantity": typed}) + {"more": 1, "less": -1}.get(do, 0)
    if not 1 <= quantity <= MAX_QUANTITY:
        is_none = quantity == 0 and (do == "less" or typed == "0")
        return _wrong(sku, typed, "至少 1 份，不要了请点“移除”" if is_none else _BOUNDS)
    try:
        with database.transaction() as session:
            carts.change(
                session,
                shopper_id=guard.shopper_id(),
                sku=sku,
                quantity=quantity,
                visitor=guard.visitor(),
                person=guard.actor().person,
                now=clock.now(),
            )
    except shop_errors.CartLineNotFound:
        return page(_read(guard.actor()), notice=_GONE, status=404)
    except catalog_errors.NotForSale as error:
        return page(_read(guard.actor()), notice=error.text, status=error.status)
    return redirect(f"/cart#l-{sku}", 303)


@blueprint.get("/cart/ticks")
@guard.public
def reopened_ticks() -> AnyResponse:
    """Lead whoever reloads the address of the ticks to the cart."""
    return redirect("/cart", 302)


@blueprint.post("/cart/ticks")
@guard.shopper
def tick_all() -> AnyResponse:
    """Tick every line of my cart, or take every tick off; show the cart again."""
    with database.transaction() as session:
        carts.tick_all(session, shopper_id=guard.shopper_id(), is_ticked=_TICKS.get(request.form.get("do", ""), True))
    return redirect("/cart", 303)


def _tick(sku: str, *, is_ticked: bool) -> AnyResponse:
    try:
        with database.transaction() as session:
            carts.tick(session, shopper_id=guard.shopper_id(), sku=sku, is_ticked=is_ticked)
    except shop_errors.CartLineNotFound:
        return page(_read(guard.actor()), notice=_GONE, status=404)
    return redirect(f"/cart#l-{sku}", 303)


def page(view: carts.CartView, *, notice: str = "", status: int = 200) -> Response:
    """Return the page of a cart."""
    shown = cart_views.page(view, notice=notice)
    return pages.private(pages.render("h5/cart.html", status=status, page=shown))


def _read(buyer: Actor | None) -> carts.CartView:
    if buyer is None or buyer.shopper_id is None:
        return _EMPTY
    with database.transaction() as session:
        return carts.view(session, shopper_id=buyer.shopper_id)


def _wrong(sku: str, typed: str, words: str) -> Response:
    view = _read(guard.actor())
    wrong = {
        line.sku: replace(cart_views.line(line, is_ticked=sku not in view.unticked), typed=typed, wrong=words)
        for line in view.lines
        if line.sku == sku
    }
    shown = cart_views.page(view, notice="" if wrong else _GONE, wrong=wrong)
    return pages.private(pages.render("h5/cart.html", status=422 if wrong else 404, page=shown))


def _refused(shown: Product, form: OrderForm, words: str, status: int) -> Response:
    where = destinations.sent(callers.buyer(), request.form).again()
    return buying.page(shown, form, where, notice=words, status=status)
