"""Own what the forms are told that send something somewhere: frozen values, what was typed among them."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class RegionChoices:
    """Three dependent selects; a division without parts leaves the selects below it empty."""

    provinces: tuple[tuple[str, str], ...]
    cities: tuple[tuple[str, str], ...] = ()
    counties: tuple[tuple[str, str], ...] = ()
    province: str = ""
    city: str = ""
    county: str = ""


@dataclass(frozen=True)
class SavedAddress:
    """An address of the shopper's own book, its telephone masked; `choice` is what a form sends that is to go there."""

    number: str
    choice: str
    name: str
    phone: str
    place: str
    region_code: str
    is_default: bool


@dataclass(frozen=True)
class AddressChoices:
    """The saved addresses to choose from, the default one first, and which is chosen: "" is the one that is typed.

    `others` are as many more as there is no room for.
    `back` is the page of ours that editing leads back to; `can_keep` says that a typed one may be saved, `is_shared`
    that others may hold the same telephone.
    """

    saved: tuple[SavedAddress, ...]
    to: str
    others: int
    back: str
    can_keep: bool
    is_shared: bool


@dataclass(frozen=True)
class Quote:
    """What an order would be charged, or why it cannot be delivered there."""

    goods_fen: int
    freight_fen: int | None
    refused_because: str = ""

    @property
    def payable_fen(self) -> int | None:
        """Goods and freight together in fen; None while the freight is not known."""
        return None if self.freight_fen is None else self.goods_fen + self.freight_fen


@dataclass(frozen=True)
class DeliveryForm:
    """What the shopper has entered so far; `errors` maps a field to what is wrong with it.

    `keeps` says that what was typed is to be saved; `seen_fen` is the sum that the page showed for this very choice,
    `consent` the texts that the ticked box stood for.
    """

    key: str
    name: str = ""
    phone: str = ""
    detail: str = ""
    remark: str = ""
    consent: str = ""
    seen_fen: int = 0
    keeps: bool = False
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BookPage:
    """My addresses, the default one first; `is_shared`: whoever holds this telephone sees them, too."""

    saved: tuple[SavedAddress, ...]
    is_shared: bool
    back: str


@dataclass(frozen=True)
class AddressPage:
    """One of my addresses with the form that changes it. A landline will do, as wherever addresses are kept."""

    number: str
    form: DeliveryForm
    regions: RegionChoices
    is_default: bool
    wants_default: bool
    back: str
    any_phone: bool = True
