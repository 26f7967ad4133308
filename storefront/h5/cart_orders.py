"""Own the way from a cart to its payment: one page with all that can be bought now, one form, one order.

Invariant: what the page showed is what is ordered, at the sum that it named, or nothing and a word about what changed;
a cart that two pages show is ordered once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from catalog import errors as catalog_errors
from catalog import products
from catalog.pricing import PricedLine
from config import clock, database
from config.errors import AppError
from storefront import carts, checkout, guard
from storefront import errors as shop_errors
from storefront.declaration_models import DeclarationKind
from storefront.h5 import callers, cart, cart_views, destinations, forms, pages, purchase
from storefront.h5.cart_models import CartForm, CheckoutPage, Parcel
from storefront.h5.delivery_models import Quote
from storefront.h5.destinations import Destination

blueprint = Blueprint("h5_cart_orders", __name__)

_CHANGED = "购物车有变动，请核对商品和应付金额，再点一次“微信支付”。"
_SOLD = "这些商品刚刚卖完了，订单没有提交，也没有扣款。"
_UNTICKED = "还没有勾选能买的商品。请勾选要买的，再去结算。"
_EMPTIED = "这些商品刚刚已经下单，或者在别的页面移除、取消勾选了。请到“订单”里查看。"
# What a form of ours may run into and its page can say beside the form, instead of an error page.
_SAID_ON_THE_PAGE = (
    catalog_errors.OutOfStock,
    catalog_errors.NotForSale,
    catalog_errors.NotDeliverable,
    catalog_errors.RegionInvalid,
    catalog_errors.SkuUnknown,
    catalog_errors.QuantityInvalid,
    shop_errors.ConsentInvalid,
    shop_errors.LinesInvalid,
)


@blueprint.get("/cart/checkout")
@guard.public
def show() -> AnyResponse:
    """Show what is ticked, with the form that orders it; without anything to order, the cart."""
    buyer = guard.caller()
    if buyer is None or buyer.shopper_id is None:
        return redirect("/cart", 302)
    return _page(CartForm(key=forms.new_key()), destinations.opening(buyer, request.args))


@blueprint.get("/cart/orders")
@guard.public
def reopened() -> AnyResponse:
    """Lead whoever reloads the address of a form that came back to the form."""
    return redirect("/cart/checkout", 302)


@blueprint.post("/cart/orders")
@guard.shopper
def order() -> AnyResponse:
    """Place the order of a filled form and lead to its page, or show the form again with what is wrong."""
    form, where = forms.read_cart(request.form), destinations.sent(guard.actor(), request.form)
    if where.lost or request.form.get("do") == "region":
        return _page(form, where.again(), notice=where.lost, status=where.status)
    is_saved = where.saved is not None
    try:
        asked = [term.kind for term in cart_views.terms(products.price(None, dict(form.lines)))]
        faults = forms.judge_cart(form, asked, is_region_whole=bool(where.region_code), is_saved=is_saved)
        if faults:
            return _page(form, where, errors=faults, notice="还有几处需要补充，已在下面标出。", status=422)
        bought = _buy(form, asked, where) if form.lines else None
    except AppError as error:
        return _refused(form, where, error)
    if bought is None:
        return _page(form, where, notice=_CHANGED, status=409)
    if isinstance(bought, checkout.Quote):
        return _page(form, where, notice=purchase.SUM_CHANGED)
    return redirect(callers.paying_url(guard.actor(), bought.number), 303)


def _buy(
    form: CartForm, declared: Sequence[DeclarationKind], where: Destination
) -> checkout.Placed | checkout.Quote | None:
    delivery = where.delivery(form)
    buyer = guard.actor()
    assert buyer.person is not None
    with database.transaction() as session:
        return purchase.buy_cart(
            session,
            shopper_id=guard.shopper_id(),
            person=buyer.person,
            visitor=guard.visitor(),
            form=form,
            delivery=delivery,
            declared=declared,
            now=clock.now(),
        )


def _refused(form: CartForm, where: Destination, error: AppError) -> AnyResponse:
    """Show the form again with what is wrong with it; what no form of ours can run into is raised on."""
    if isinstance(error, shop_errors.AddressInvalid):
        return _page(form, where, errors=forms.faults_of(error), notice=error.text, status=error.status)
    if isinstance(error, shop_errors.IdempotencyMismatch):
        form = replace(form, key=forms.new_key())
        return _page(form, where, notice=purchase.ORDERED_BEFORE, is_spent=True, status=error.status)
    if not isinstance(error, _SAID_ON_THE_PAGE):
        raise error
    return _page(form, where, notice=_words(error, _titles(form)), status=error.status)


def _page(
    form: CartForm,
    where: Destination,
    *,
    errors: dict[str, str] | None = None,
    notice: str = "",
    is_spent: bool = False,
    status: int = 200,
) -> AnyResponse:
    """Return the form over what the cart holds now; what was agreed to for other lines is asked for again."""
    with database.transaction() as session:
        held = carts.view(session, shopper_id=guard.shopper_id())
    lines = held.chosen[: checkout.MAX_LINES]
    if not lines:
        return cart.page(held, notice=_nothing(held, is_told=bool(notice)), status=status)
    wanted = tuple((line.sku, line.quantity) for line in lines)
    if form.lines != wanted:
        form = replace(form, lines=wanted, declared=frozenset())
    quote, parcels = _quote(lines, where.region_code)
    page = CheckoutPage(
        parcels=parcels,
        form=replace(form, errors=errors or {}),
        where=where.shown(back="/cart/checkout"),
        regions=where.regions,
        quote=quote,
        terms=cart_views.terms(lines),
        notes=cart_views.notes(lines),
        pieces=sum(line.quantity for line in lines),
        left=len(held.lines) - len(lines),
        notice=notice,
        is_spent=is_spent,
    )
    shown = pages.render(
        "h5/checkout.html",
        status=status,
        page=page,
        lines=forms.written(dict(wanted)),
        consent=purchase.offered_consent(),
    )
    return pages.private(shown)


def _nothing(held: carts.CartView, *, is_told: bool) -> str:
    """Return why nothing of a cart can be ordered; `is_told` when its page was about to tell what changed meanwhile."""
    if not is_told:
        return _UNTICKED if held.pieces else ""
    is_sold = any(line.sku not in held.unticked for line in held.lines)
    return _SOLD if is_sold else _EMPTIED


def _quote(lines: list[PricedLine], region_code: str) -> tuple[Quote, tuple[Parcel, ...]]:
    """Return what the lines cost and how they travel, as far as it is known: freight only once the region is whole."""
    goods_fen = sum(line.amount_fen for line in lines)
    if not region_code:
        return Quote(goods_fen, None), cart_views.parcels_of(lines, ())
    try:
        priced = checkout.quote(None, lines={line.sku: line.quantity for line in lines}, region_code=region_code)
    except AppError as error:
        words = _words(error, {line.sku: line.title for line in lines})
        return Quote(goods_fen, None, words), cart_views.parcels_of(lines, ())
    return Quote(priced.goods_fen, priced.freight_fen), cart_views.parcels_of(lines, priced.consignments)


def _titles(form: CartForm) -> dict[str, str]:
    try:
        return {line.sku: line.title for line in products.price(None, dict(form.lines))}
    except AppError:
        return {}


def _words(error: AppError, titles: Mapping[str, str]) -> str:
    """Return a refusal in the words of this page, with the goods that it is about."""
    named = "、".join(
        dict.fromkeys(titles[line["sku"]] for line in error.details.get("lines", ()) if line["sku"] in titles)
    )
    if isinstance(error, catalog_errors.OutOfStock):
        return f"“{named}”刚刚不够了，先留在购物车里。请核对应付金额，再点一次“微信支付”。"
    if isinstance(error, catalog_errors.NotDeliverable):
        return f"“{named}”不能送到{error.details['region']}。请换一个收货地区，或先从购物车里移除。"
    return error.text
