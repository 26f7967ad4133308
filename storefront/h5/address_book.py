"""Own the pages of a shopper's saved addresses: the list, and one of them with the form that changes it.

Invariant: an address is shown to and changed by its own shopper alone, for anybody else it does not exist; orders keep
the copy that they were sent to. Addresses are added by the orders that keep them.
"""

from collections.abc import Mapping

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from config import clock, database
from storefront import addresses, errors, guard, login
from storefront.addresses import AddressView
from storefront.h5 import callers, destinations, forms, pages, places
from storefront.h5.delivery_models import AddressPage, BookPage, DeliveryForm, RegionChoices

blueprint = Blueprint("h5_address_book", __name__)


@blueprint.get("/addresses")
@guard.public
def listing() -> AnyResponse:
    """Show my addresses, the default one first; nobody's when this browser has kept none."""
    buyer = guard.caller()
    if buyer is None and callers.is_in_wechat():
        return redirect(callers.login_url("/addresses"), 302)
    book: list[AddressView] = []
    if buyer is not None and buyer.shopper_id is not None:
        with database.transaction() as session:
            book = addresses.listing(session, shopper_id=buyer.shopper_id)
    page = BookPage(tuple(map(destinations.card, book)), destinations.is_shared(), _back(request.args))
    return pages.private(pages.render("h5/addresses.html", page=page))


@blueprint.get("/addresses/<number:number>")
@guard.public
def show(number: str) -> AnyResponse:
    """Show one of my addresses with the form that changes it; 404 for anybody else's."""
    if guard.caller() is None:
        if callers.is_in_wechat():
            return redirect(callers.login_url(f"/addresses/{number}"), 302)
        raise errors.AddressNotFound
    to = (view := _find(number)).delivery
    form = DeliveryForm(key="", name=to.name, phone=to.phone, detail=to.detail)
    return _page(view, form, places.choose(places.trace(to.region_code)))


@blueprint.post("/addresses/<number:number>")
@guard.shopper
def change(number: str) -> AnyResponse:
    """Replace one of my addresses and lead back, or show the form again with what is wrong."""
    form, regions = forms.read_address(request.form), places.choose(request.form)
    if request.form.get("do") == "region":
        return _page(_find(number), form, regions)
    try:
        with database.transaction() as session:
            addresses.change(
                session,
                shopper_id=guard.shopper_id(),
                number=number,
                name=form.name,
                phone=form.phone,
                region_code=places.leaf(regions),
                detail=form.detail,
                is_default=request.form.get("default") == "yes",
                now=clock.now(),
            )
    except errors.AddressInvalid as error:
        form.errors.update(forms.faults_of(error))
        return _page(_find(number), form, regions, status=error.status)
    return _onward(chosen=number)


@blueprint.get("/addresses/<number:number>/removal")
@guard.public
def reopened(number: str) -> AnyResponse:
    """Lead whoever reloads the address of a removal to the list."""
    return redirect("/addresses", 302)


@blueprint.post("/addresses/<number:number>/removal")
@guard.shopper
def remove(number: str) -> AnyResponse:
    """Delete one of my addresses and lead back."""
    with database.transaction() as session:
        addresses.remove(session, shopper_id=guard.shopper_id(), number=number)
    return _onward()


def _find(number: str) -> AddressView:
    with database.transaction() as session:
        return addresses.find(session, shopper_id=guard.shopper_id(), number=number)


def _page(view: AddressView, form: DeliveryForm, regions: RegionChoices, *, status: int = 200) -> Response:
    page = AddressPage(
        number=view.number,
        form=form,
        regions=regions,
        is_default=view.is_default,
        wants_default=request.form.get("default") == "yes",
        back=_back(request.values),
    )
    return pages.private(pages.render("h5/address.html", status=status, page=page))


def _onward(*, chosen: str = "") -> AnyResponse:
    back = _back(request.form)
    if back and chosen:
        back += f"{'&' if '?' in back else '?'}to={chosen}"
    return redirect(back or "/addresses", 303)


def _back(given: Mapping[str, str]) -> str:
    """Return the page to lead back to, "" when none is named or it is none of ours."""
    back = given.get("back", "")
    return back if login.is_path_of_ours(back) else ""
