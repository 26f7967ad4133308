"""Own the landing page of a scan: one page from a product to its payment.

Invariant: the page is read without a session and without a script; an order is placed once however often the form is
sent, because its key is a hidden field and a guest exists before the order does.
"""

from dataclasses import replace
from urllib.parse import quote

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from catalog import absences, halls, products
from catalog import errors as catalog_errors
from config import clock, database
from config.errors import AppError
from storefront import benefit_public, checkout, guard
from storefront import errors as shop_errors
from storefront.actors import Actor
from storefront.h5 import callers, destinations, forms, guests, pages, purchase, shelves
from storefront.h5.buying_models import AbsentPage, OrderForm, Product, ProductPage
from storefront.h5.delivery_models import Quote
from storefront.h5.destinations import Destination

blueprint = Blueprint("h5_buying", __name__)

# What a form of ours may run into and its page can say beside the form, instead of an error page.
_SAID_ON_THE_PAGE = (
    catalog_errors.OutOfStock,
    catalog_errors.NotForSale,
    catalog_errors.NotDeliverable,
    catalog_errors.RegionInvalid,
    catalog_errors.QuantityInvalid,
    shop_errors.ConsentInvalid,
)
_SOLD_OUT = "选好的规格刚刚售罄，请换一个规格，再点一次“微信支付”。"


@blueprint.get("/p/<slug>")
@guard.public
def product(slug: str) -> Response:
    """Show a product with the form that buys it; for one that is off sale why, and what else its hall has, with 404."""
    try:
        shown = shelves.product(products.find(slug))
    except catalog_errors.ProductUnknown:
        return absent(slug)
    where = destinations.opening(guard.caller() if shown.is_available else None, request.args)
    return page(shown, forms.blank(shown), where)


@blueprint.get("/p/<slug>/<any(orders, cart):act>")
@guard.public
def reopened(slug: str, act: str) -> AnyResponse:
    """Lead whoever reloads or shares the address of a form that came back to the product."""
    return redirect(f"/p/{quote(slug)}", 302)


@blueprint.post("/p/<slug>/orders")
@guard.public
def order(slug: str) -> AnyResponse:
    """Place the order of a filled form and lead to its page, or show the form again with what is wrong."""
    try:
        shown = shelves.product(products.find(slug))
    except catalog_errors.ProductUnknown:
        return absent(slug)
    return _order(shown)


def _order(shown: Product) -> AnyResponse:
    form, buyer = forms.read(shown, request.form), callers.buyer()
    where = destinations.sent(buyer, request.form)
    if where.lost or request.form.get("do") == "region":
        return page(shown, form, where.again(), notice=where.lost, status=where.status)
    is_saved = where.saved is not None
    faults = forms.judge(shown, form, is_region_whole=bool(where.region_code), is_saved=is_saved)
    # The last pack may have gone into the order that this very form made, and whose answer was lost.
    if faults and (buyer is None or faults.keys() != {"sku"}):
        return _faulty(shown, form, where, faults)
    if buyer is None:
        return guests.become(back=f"/p/{quote(shown.slug)}")
    return _bought(buyer, shown, form, where, faults)


def _bought(buyer: Actor, shown: Product, form: OrderForm, where: Destination, faults: dict[str, str]) -> AnyResponse:
    """Lead to the order, or show the form again: with its `faults`, a refusal, or a sum that is not what was seen."""
    try:
        bought = _buy(buyer, shown, form, where, is_sold_out=bool(faults))
    except AppError as error:
        return _refused(shown, form, where, error)
    if bought is None:
        return _faulty(shown, form, where, faults)
    if isinstance(bought, checkout.Quote):
        return page(shown, form, where, notice=purchase.SUM_CHANGED)
    return redirect(callers.paying_url(buyer, bought.number), 303)


def _faulty(shown: Product, form: OrderForm, where: Destination, faults: dict[str, str]) -> Response:
    notice = _SOLD_OUT if "sku" in faults else "还有几处需要补充，已在下面标出。"
    return page(shown, replace(form, errors=faults), where, notice=notice, status=422)


def _buy(
    buyer: Actor, shown: Product, form: OrderForm, where: Destination, *, is_sold_out: bool
) -> checkout.Placed | checkout.Quote | None:
    """Place the order or find the one that this form made: of what is sold out only that, or None without one."""
    delivery = where.delivery(form)
    assert buyer.shopper_id is not None
    assert buyer.person is not None
    lines = {form.sku: form.quantity}
    with database.transaction() as session:
        if is_sold_out:
            return purchase.made_before(session, shopper_id=buyer.shopper_id, form=form, lines=lines, delivery=delivery)
        return purchase.buy(
            session,
            shopper_id=buyer.shopper_id,
            person=buyer.person,
            visitor=guard.visitor(),
            form=form,
            lines=lines,
            delivery=delivery,
            declared=forms.declared(shown, form),
            now=clock.now(),
        )


def _refused(shown: Product, form: OrderForm, where: Destination, error: AppError) -> Response:
    """Show the form again with what is wrong with it; what no form of ours can run into is raised on."""
    if isinstance(error, shop_errors.AddressInvalid):
        form = replace(form, errors=forms.faults_of(error))
    elif isinstance(error, shop_errors.IdempotencyMismatch):
        form = replace(form, key=forms.new_key())
    elif not isinstance(error, _SAID_ON_THE_PAGE):
        raise error
    is_spent = isinstance(error, shop_errors.IdempotencyMismatch)
    return page(shown, form, where, notice=_words(error), is_spent=is_spent, status=error.status)


def absent(slug: str) -> Response:
    """Say why goods left the shelf. Raises `ProductUnknown` for those that never stood there."""
    found = absences.find(slug)
    shown = AbsentPage(
        name=found.name,
        because=absences.WORDS[found.because],
        hall=shelves.hall_link(halls.find(found.hall)),
        others=shelves.others(found.hall, slug),
    )
    return pages.render("h5/absent.html", status=404, page=shown)


def page(
    shown: Product,
    form: OrderForm,
    where: Destination,
    *,
    notice: str = "",
    is_spent: bool = False,
    status: int = 200,
) -> Response:
    """Return the page of a product with its form as it was filled so far."""
    filled = ProductPage(
        product=shown,
        form=form,
        where=where.shown(back=f"/p/{quote(shown.slug)}"),
        regions=where.regions,
        quote=_quote(shown, form, where.region_code),
        notice=notice,
        is_spent=is_spent,
        benefit=shelves.benefit_of_product(benefit_public.of_product(shown.slug, now=clock.now())),
        others=() if shown.is_available else shelves.others(shown.hall.slug, shown.slug),
    )
    rendered = pages.render("h5/product.html", status=status, page=filled, consent=purchase.offered_consent())
    return pages.private(rendered) if where.book else rendered


def _quote(shown: Product, form: OrderForm, region_code: str) -> Quote:
    """Return what the choice costs as far as it is known: freight only once the region is whole."""
    quantity = form.quantity if 1 <= form.quantity <= forms.MAX_QUANTITY else 1
    goods_fen = quantity * next(spec.price_fen for spec in shown.specs if spec.sku == form.sku)
    if not region_code or not shown.is_available:
        return Quote(goods_fen, None)
    try:
        priced = checkout.quote(None, lines={form.sku: quantity}, region_code=region_code)
    except AppError as error:
        return Quote(goods_fen, None, _words(error))
    return Quote(priced.goods_fen, priced.freight_fen)


def _words(error: AppError) -> str:
    """Return a refusal in the words of this page."""
    if isinstance(error, catalog_errors.OutOfStock):
        left = error.details["lines"][0]["available"]
        return f"库存只剩 {left} 份，请减少数量。" if left else "刚刚售罄了，换一个规格或看看其他商品。"
    if isinstance(error, catalog_errors.NotDeliverable):
        return f"{error.details['region']}暂不配送，请换一个收货地区。"
    if isinstance(error, shop_errors.IdempotencyMismatch):
        return purchase.ORDERED_BEFORE
    return error.text
