"""Own what the pages of a cart are told: frozen values."""

from dataclasses import dataclass

from storefront.declaration_models import DeclarationKind
from storefront.h5.delivery_models import AddressChoices, DeliveryForm, Quote, RegionChoices


@dataclass(frozen=True)
class CartLine:
    """One line at today's price; `because` says why it cannot be bought now, `wrong` what was typed and is refused.

    `can_change` is false where no quantity would help. `is_ticked` is None for a line that cannot be ordered now.
    """

    sku: str
    product: str
    title: str
    spec: str
    image: str
    price_fen: int
    quantity: int
    because: str = ""
    can_change: bool = True
    is_ticked: bool | None = None
    typed: str = ""
    wrong: str = ""

    @property
    def amount_fen(self) -> int:
        """The price of the whole line in fen."""
        return self.price_fen * self.quantity


@dataclass(frozen=True)
class Parcel:
    """What is sent together, from where; its freight in fen once the region is known."""

    ship_from: str
    place: str
    lines: tuple[CartLine, ...]
    freight_fen: int | None = None


@dataclass(frozen=True)
class CartPage:
    """The cart: what can be bought by parcel, and apart from it what cannot; sums count what is ticked and can be.

    `kinds` are the lines that can be bought, `chosen` those of them that are ticked; `most_kinds` is how many lines one
    order takes, `most_pieces` how many pieces a line holds.
    """

    parcels: tuple[Parcel, ...]
    absent: tuple[CartLine, ...]
    pieces: int
    kinds: int
    chosen: int
    goods_fen: int
    most_kinds: int
    most_pieces: int
    notice: str = ""


@dataclass(frozen=True)
class AddedPage:
    """What was just put into the cart: `added` pieces of the line, when that is known, and what the cart holds."""

    line: CartLine
    added: int
    pieces: int
    goods_fen: int


@dataclass(frozen=True)
class Term:
    """What has to be confirmed before these goods are ordered."""

    kind: DeclarationKind
    text: str
    goods: tuple[str, ...]


@dataclass(frozen=True)
class CartForm(DeliveryForm):
    """The form that orders a cart: the lines (SKU, pieces) that it was shown with, and what was confirmed of them."""

    lines: tuple[tuple[str, int], ...] = ()
    declared: frozenset[DeclarationKind] = frozenset()


@dataclass(frozen=True)
class CheckoutPage:
    """A cart on its way to an order: its parcels, where they go, what they cost, what is to be confirmed.

    `is_spent`: the key that was sent is another order's. `left` is how many kinds stay behind in the cart.
    """

    parcels: tuple[Parcel, ...]
    form: CartForm
    where: AddressChoices
    regions: RegionChoices
    quote: Quote
    terms: tuple[Term, ...]
    notes: tuple[str, ...]
    pieces: int
    left: int
    notice: str = ""
    is_spent: bool = False
