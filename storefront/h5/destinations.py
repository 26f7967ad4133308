"""Own where the goods of a form go: to an address of the shopper's own book, chosen by a tap, or to one that is typed.

Invariant: nobody else's address is read, and a saved one is ordered to only as its page showed it. What a form sends
for it is its number with a digest of what it said: one that another page changed or removed is shown again first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from config import database
from storefront import addresses, checkout
from storefront.actors import Actor
from storefront.addresses import AddressView, Delivery
from storefront.h5 import callers, formats, places
from storefront.h5.delivery_models import AddressChoices, DeliveryForm, RegionChoices, SavedAddress

_LONGEST_CHOICE = 64
# What one page from product to payment has room for; the others are chosen on the page of all of them.
_AT_HAND = 4
_CHANGED = "这个收货地址在别的页面改过了，请核对后再点一次“微信支付”。"
_GONE = "这个收货地址已经不在您的地址里，请另选一个，或填写新的。"


@dataclass(frozen=True)
class Destination:
    """The addresses to choose from, the choice ("" for the typed one) and the selects of the typed one."""

    book: tuple[AddressView, ...]
    to: str
    regions: RegionChoices

    @property
    def saved(self) -> AddressView | None:
        """The address of the book that was chosen, as it was shown."""
        return next((view for view in self.book if choice(view) == self.to), None)

    @property
    def region_code(self) -> str:
        """Where it goes, for the freight; "" while that is not known."""
        return self.saved.delivery.region_code if self.saved else places.leaf(self.regions)

    @property
    def lost(self) -> str:
        """Why the chosen address cannot be ordered to, in words; nothing when it can."""
        if not self.to or self.saved:
            return ""
        return _CHANGED if self._same else _GONE

    @property
    def status(self) -> int:
        """The status that says so: as for any address that is nobody's, or as for what changed meanwhile."""
        return {"": 200, _CHANGED: 409, _GONE: 404}[self.lost]

    @property
    def _same(self) -> AddressView | None:
        number = self.to.partition(":")[0]
        return next((view for view in self.book if view.number == number), None)

    def again(self) -> "Destination":
        """Return it without a choice that was lost: the same address as it is now, or the one that is typed."""
        if not self.lost:
            return self
        return replace(self, to=choice(self._same) if self._same else "")

    def delivery(self, form: DeliveryForm) -> Delivery:
        """Return the address to write on the parcels. Raises `AddressInvalid` for what was typed."""
        if self.saved:
            return self.saved.delivery
        return addresses.check(name=form.name, phone=form.phone, region_code=self.region_code, detail=form.detail)

    def shown(self, *, back: str) -> AddressChoices:
        """Return what the page is told; `back` is its address."""
        at_hand = [view for no, view in enumerate(self.book) if no < _AT_HAND or view == self.saved]
        return AddressChoices(
            saved=tuple(map(card, at_hand)),
            to=self.to if self.saved else "",
            others=len(self.book) - len(at_hand),
            back=back,
            can_keep=len(self.book) < addresses.MOST,
            is_shared=is_shared(),
        )


def opening(buyer: Actor | None, fields: Mapping[str, str]) -> Destination:
    """Return what a form opens with: the address whose number `fields` names as `to`, else the default one.

    A number that is not the reader's is passed over, for a page's address is also shared. Who has no address begins at
    the place where most of us live.
    """
    book = _book(buyer)
    named = next((view for view in book if view.number == fields.get("to")), next(iter(book), None))
    return Destination(book, choice(named) if named else "", places.choose(places.HERE))


def sent(buyer: Actor | None, fields: Mapping[str, str]) -> Destination:
    """Return what a form says."""
    return Destination(_book(buyer), fields.get("to", "")[:_LONGEST_CHOICE], places.choose(fields))


def choice(view: AddressView) -> str:
    """Return what a form sends for an address of the book as it is now."""
    return f"{view.number}:{checkout.fingerprint_of(view.delivery.snapshot()).hex()[:12]}"


def card(view: AddressView) -> SavedAddress:
    """Return an address of the book as pages show it."""
    to = view.delivery
    return SavedAddress(
        number=view.number,
        choice=choice(view),
        name=to.name,
        phone=formats.masked(to.phone),
        place=f"{to.region} {to.detail}",
        region_code=to.region_code,
        is_default=view.is_default,
    )


def is_shared() -> bool:
    """Tell whether a book may be seen by whoever holds the same telephone: WeChat's own login keeps others out."""
    return not callers.is_in_wechat()


def _book(buyer: Actor | None) -> tuple[AddressView, ...]:
    if buyer is None or buyer.shopper_id is None:
        return ()
    with database.transaction() as session:
        return tuple(addresses.listing(session, shopper_id=buyer.shopper_id))
